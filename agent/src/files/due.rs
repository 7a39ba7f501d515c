//! When a token is due, and what readers are promised: arithmetic on its life.

use std::time::Duration;

use oidc_proto::files::entry::{Span, Timing};
use ring::digest::{SHA256, digest};

use crate::clock::{Expiry, Moment};

/// What asking and writing may take before readers notice, at most.
const MOST_MARGIN: Duration = Duration::from_secs(60);
/// A token is not asked for again sooner after a success, unless its life is shorter than twice this.
pub const SOONEST: Duration = Duration::from_secs(30);
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

/// The least time from one token to the next that is asked for: a third of its life, and 30 seconds where its life has room
/// for that.
pub fn soonest(length: Duration) -> Duration {
    (length / 3).max(SOONEST.min(length / 2))
}

/// Whether a token's life is too short for `min_lifetime`: it is renewed at half its life then.
pub fn is_short(timing: &Timing, length: Duration) -> bool {
    timing.min_lifetime + margin(length) > length / 2
}

/// What readers are promised: that their file is good for this long while the provider answers. `min_lifetime`, or a third of
/// the life of a token that is too short for it.
pub fn promised(timing: &Timing, length: Duration) -> Duration {
    if is_short(timing, length) { timing.min_lifetime.min(length / 3) } else { timing.min_lifetime }
}

/// How long before its end a token is asked for anew.
pub fn lead(timing: &Timing, length: Duration, phase: u16) -> Duration {
    let before = if is_short(timing, length) {
        length / 2
    } else {
        let wanted = match timing.renew_before {
            Span::Fixed(before) => before,
            Span::Percent(percent) => length * u32::from(percent) / 100,
        };
        wanted.max(timing.min_lifetime + margin(length))
    };
    let jitter = length.mul_f64(f64::from(timing.jitter.min(100)) / 100.0 * f64::from(phase) / 65536.0);
    before.saturating_add(jitter).min(length.saturating_sub(soonest(length)))
}

/// What asking and writing may take.
fn margin(length: Duration) -> Duration {
    (length / 10).min(MOST_MARGIN)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn timing(min_lifetime: u64, renew_before: Span, jitter: u8) -> Timing {
        let (min_backoff, max_backoff) = (Duration::from_secs(5), 5 * MINUTE);
        let min_lifetime = Duration::from_secs(min_lifetime);
        Timing { min_lifetime, renew_before, jitter, min_backoff, max_backoff }
    }

    /// `min_lifetime`, `renew_before`, the life of the token; how long before its end it is renewed, and what is promised; all
    /// in seconds.
    #[test]
    fn a_token_is_due_by_its_remaining_life() {
        let third = Span::Percent(33);
        for (min_lifetime, renew_before, length, before, promise) in [
            (600, third, 3600, 1188, 600),
            (600, third, 86_400, 28_512, 600),
            (600, Span::Fixed(MINUTE), 3600, 660, 600),
            (600, Span::Percent(90), 3600, 2400, 600),
            (600, Span::Fixed(2 * 3600 * Duration::from_secs(1)), 3600, 2400, 600),
            // Too short for ten minutes: at half their life.
            (600, third, 1200, 600, 400),
            (600, third, 60, 30, 20),
            (600, third, 10, 5, 3),
            (10, third, 60, 19, 10),
            (0, third, 60, 19, 0),
        ] {
            let (timing, length) = (timing(min_lifetime, renew_before, 0), Duration::from_secs(length));
            let seconds = (lead(&timing, length, 0).as_secs(), promised(&timing, length).as_secs());
            assert_eq!(seconds, (before, promise), "{timing:?}, {length:?}");
        }
    }

    #[test]
    fn a_phase_is_stable_and_differs_between_hosts_and_files() {
        assert_eq!(phase("host", "eos"), phase("host", "eos"));
        let all =
            [phase("host", "eos"), phase("host", "dcache"), phase("other", "eos"), phase("hoste", "os")];
        for (one, other) in [(0, 1), (0, 2), (0, 3), (1, 2)] {
            assert_ne!(all[one], all[other]);
        }
    }

    proptest! {
        #[test]
        fn whatever_is_configured_the_promise_has_room_and_the_provider_rest(
            min_lifetime in 0_u64..200_000,
            percent in 1_u8..=90,
            fixed in 0_u64..200_000,
            is_fixed: bool,
            jitter in 0_u8..=100,
            phase: u16,
            length in 3_u64..200_000,
        ) {
            let before = if is_fixed { Span::Fixed(Duration::from_secs(fixed)) } else { Span::Percent(percent) };
            let (timing, length) = (timing(min_lifetime, before, jitter), Duration::from_secs(length));
            let lead = lead(&timing, length, phase);
            prop_assert!(length.saturating_sub(lead) >= length / 3, "asked for too often: {lead:?}");
            let room = lead.checked_sub(promised(&timing, length));
            prop_assert!(room.is_some_and(|room| room >= margin(length)), "no room: {room:?}");
        }
    }
}
