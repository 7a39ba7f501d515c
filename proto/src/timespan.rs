//! Time spans as people write them on a command line.

/// A text that is no time span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a number of seconds, nor one with a unit such as 30m, 8h or 2d")]
pub struct TimespanError;

/// Reads a time span in seconds: a number of seconds, or a number with one of the units `s`, `m`, `h`, `d`, `w`.
pub fn seconds(text: &str) -> Result<u64, TimespanError> {
    let (number, unit) = match text.char_indices().last() {
        Some((_, c)) if c.is_ascii_digit() => (text, 1),
        Some((at, 's')) => (&text[..at], 1),
        Some((at, 'm')) => (&text[..at], 60),
        Some((at, 'h')) => (&text[..at], 60 * 60),
        Some((at, 'd')) => (&text[..at], 24 * 60 * 60),
        Some((at, 'w')) => (&text[..at], 7 * 24 * 60 * 60),
        _ => return Err(TimespanError),
    };
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(TimespanError);
    }
    // The wire carries signed 64-bit numbers.
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit))
        .filter(|seconds| i64::try_from(*seconds).is_ok())
        .ok_or(TimespanError)
}

/// [`seconds`], and what the C suite's tools take besides: they read the digits that a text begins with, as seconds,
/// and ignore the rest.
pub fn seconds_or_leading_digits(text: &str) -> Result<u64, TimespanError> {
    let end = text.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    seconds(text).or_else(|error| if end == 0 { Err(error) } else { seconds(&text[..end]) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units_or_are_seconds() {
        for (text, expected) in [("0", 0), ("3600", 3600), ("90s", 90), ("30m", 1800), ("8h", 28_800)] {
            assert_eq!(seconds(text), Ok(expected));
        }
        for text in ["", "h", "-1", "1.5h", "8x", "abc", "99999999999999999999", "9223372036854775807w", "1é"]
        {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_c_suite_reads_the_digits_at_the_beginning() {
        for (text, expected) in [("10x", 10), ("1.5", 1), ("1.5h", 1), ("30m", 1800), ("60", 60), ("1é", 1)]
        {
            assert_eq!(seconds_or_leading_digits(text), Ok(expected), "{text}");
        }
        for text in ["", "x", "-1", " 1", "99999999999999999999x"] {
            assert!(seconds_or_leading_digits(text).is_err(), "{text}");
        }
    }
}
