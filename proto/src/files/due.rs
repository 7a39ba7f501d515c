//! When a token is due, and what readers are promised: arithmetic on its life.

use std::time::Duration;

use super::entry::{Span, Timing};

/// What asking and writing may take before readers notice, at most.
const MOST_MARGIN: Duration = Duration::from_secs(60);
/// A token is not asked for again sooner after a success, unless its life is shorter than twice this.
pub const SOONEST: Duration = Duration::from_secs(30);
/// All of the jitter, as a phase.
pub const WHOLE: u32 = 1 << 16;

/// The least time from one token to the next that is asked for: a third of its life, and 30 seconds where its life has room
/// for that.
pub fn soonest(length: Duration) -> Duration {
    (length / 3).max(SOONEST.min(length / 2))
}

impl Timing {
    /// Whether a token's life is too short for `min_lifetime`: it is renewed at half its life then.
    pub fn is_short(&self, length: Duration) -> bool {
        self.min_lifetime + margin(length) > length / 2
    }

    /// What readers are promised: that their file is good for this long while the provider answers. `min_lifetime`, or a third
    /// of the life of a token that is too short for it.
    pub fn promised(&self, length: Duration) -> Duration {
        if self.is_short(length) { self.min_lifetime.min(length / 3) } else { self.min_lifetime }
    }

    /// How long before its end a token is asked for anew. `phase` says how much of the jitter comes to that, 0 to [`WHOLE`].
    pub fn lead(&self, length: Duration, phase: u32) -> Duration {
        let before = if self.is_short(length) {
            length / 2
        } else {
            let wanted = match self.renew_before {
                Span::Fixed(before) => before,
                Span::Percent(percent) => length * u32::from(percent) / 100,
            };
            wanted.max(self.min_lifetime + margin(length))
        };
        let part = f64::from(phase) / f64::from(WHOLE);
        let jitter = length.mul_f64(f64::from(self.jitter.min(100)) / 100.0 * part);
        before.saturating_add(jitter).min(length.saturating_sub(soonest(length)))
    }
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
            let seconds = (timing.lead(length, 0).as_secs(), timing.promised(length).as_secs());
            assert_eq!(seconds, (before, promise), "{timing:?}, {length:?}");
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
            let lead = timing.lead(length, phase.into());
            prop_assert!(length.saturating_sub(lead) >= length / 3, "asked for too often: {lead:?}");
            let room = lead.checked_sub(timing.promised(length));
            prop_assert!(room.is_some_and(|room| room >= margin(length)), "no room: {room:?}");
        }
    }
}
