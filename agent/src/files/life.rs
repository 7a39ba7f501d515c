//! The life of a token as the agent knows it, and where in its jitter a file is renewed.

use std::time::Duration;

use ring::digest::{SHA256, digest};

use crate::clock::{Expiry, Moment};

/// The life that a token is taken to have where nothing tells.
pub const UNKNOWN: Duration = Duration::from_secs(600);

/// The life of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// When it ends.
    pub end: Expiry,
    /// How long it is from its beginning.
    pub length: Duration,
}

impl Life {
    /// One that begins now.
    pub fn beginning(now: Moment, length: Duration) -> Self {
        Self { end: Expiry::after(now, length), length }
    }

    /// What is left of it, by whichever clock says less.
    pub fn left(&self, now: Moment) -> Duration {
        Duration::from_secs(self.end.remaining(now)).min(self.end.boot().since(now.boot))
    }
}

/// The part of its jitter that a file on a host always gets, in 1/65536: stable, so that nothing is renewed at the same
/// moment on many machines, and at the same moment of a token's life on each.
pub fn phase(host: &str, name: &str) -> u16 {
    let digest = digest(&SHA256, format!("{host}\0{name}").as_bytes());
    let bytes = digest.as_ref();
    u16::from_be_bytes([bytes[0], bytes[1]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_is_stable_and_differs_between_hosts_and_files() {
        assert_eq!(phase("host", "eos"), phase("host", "eos"));
        let all =
            [phase("host", "eos"), phase("host", "dcache"), phase("other", "eos"), phase("hoste", "os")];
        for (one, other) in [(0, 1), (0, 2), (0, 3), (1, 2)] {
            assert_ne!(all[one], all[other]);
        }
    }
}
