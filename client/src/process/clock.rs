//! What time it is, as tokens and files count it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since the epoch by the wall clock; 0 where that stands before it.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}
