//! The time of day, as the wire counts it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since the epoch; 0 for a clock set before it.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}
