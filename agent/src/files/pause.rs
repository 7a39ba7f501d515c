//! How long a failure is waited after: longer each time, but with an eye on what is left of the token.

use std::time::Duration;

use oidc_proto::files::entry::Timing;

/// A pause is no shorter because a token's end is near.
const SHORTEST: Duration = Duration::from_secs(5);
/// The longest time that a provider may ask to be left alone for.
pub const LONGEST_ASKED: Duration = Duration::from_secs(3600);

/// The pause after that many failures in a row (1 or more). `left` is what is left of the token that readers have; `asked` is
/// for how long the provider wants to be left alone (RFC 9110 section 10.2.3). `random` spreads pauses out, 0 to 255.
pub fn pause(
    timing: &Timing,
    failures: u32,
    left: Duration,
    asked: Option<Duration>,
    random: u8,
) -> Duration {
    let doublings = failures.saturating_sub(1).min(20);
    let (first, longest) = (timing.min_backoff.max(Duration::from_secs(1)), timing.max_backoff);
    let grown = first.saturating_mul(1 << doublings).min(longest.max(first));
    let spread = grown.mul_f64(0.75 + f64::from(random) / 255.0 * 0.25);
    // Six more tries before the end, as long as there is one to come.
    let in_time = if left.is_zero() { spread } else { spread.min((left / 6).max(SHORTEST)) };
    in_time.max(asked.unwrap_or_default().min(LONGEST_ASKED))
}

#[cfg(test)]
mod tests {
    use oidc_proto::files::entry::Span;

    use super::*;

    /// Failures in a row, what is left and what was asked for (seconds), the least and the most (milliseconds).
    #[test]
    fn pauses_grow_within_bounds() {
        let seconds = Duration::from_secs;
        let timing = Timing {
            min_lifetime: seconds(600),
            renew_before: Span::Percent(33),
            jitter: 10,
            min_backoff: seconds(5),
            max_backoff: seconds(300),
        };
        for (failures, left, asked, least, most) in [
            (1, 3600, None, 3750, 5000),
            (2, 3600, None, 7500, 10_000),
            (4, 3600, None, 30_000, 40_000),
            (30, 36_000, None, 225_000, 300_000),
            (u32::MAX, 36_000, None, 225_000, 300_000),
            // The end is near.
            (10, 600, None, 100_000, 100_000),
            (10, 60, None, 10_000, 10_000),
            (10, 12, None, 5000, 5000),
            // It is over.
            (10, 0, None, 225_000, 300_000),
            // The provider knows better, but not for ever.
            (1, 3600, Some(120), 120_000, 120_000),
            (10, 60, Some(45), 45_000, 45_000),
            (1, 3600, Some(1), 3750, 5000),
            (1, 3600, Some(1_000_000), 3_600_000, 3_600_000),
        ] {
            let pause =
                |random| pause(&timing, failures, seconds(left), asked.map(seconds), random).as_millis();
            assert_eq!(
                (pause(0), pause(255)),
                (least, most),
                "{failures} failures, {left} s left, asked {asked:?}"
            );
        }
    }
}
