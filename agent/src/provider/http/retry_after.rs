//! `Retry-After` (RFC 9110 section 10.2.3): seconds, or a date.

use std::time::{Duration, SystemTime};

/// The longest wait that is believed.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// How long to wait, a day at most; a date in the past means not at all, anything unreadable is as good as absent.
pub(crate) fn parse(value: &str) -> Option<Duration> {
    parse_at(value, SystemTime::now())
}

fn parse_at(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    let whole = value
        .split_once('.')
        .map_or(value, |(whole, fraction)| if is_digits(fraction) { whole } else { value });
    let asked = if is_digits(whole) {
        // What does not fit is longer than anything that is believed.
        whole.parse().map_or(LONGEST, Duration::from_secs)
    } else {
        httpdate::parse_http_date(value).ok()?.duration_since(now).unwrap_or_default()
    };
    Some(asked.min(LONGEST))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_seconds_and_dates_within_a_day() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_700);
        for (value, seconds) in [
            (" 120 ", Some(120)),
            ("0", Some(0)),
            ("3.9", Some(3)),
            ("100000", Some(86_400)),
            ("18446744073709551615", Some(86_400)),
            ("99999999999999999999999999", Some(86_400)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(77)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(77)),
            ("Sun Nov  6 08:49:37 1994", Some(77)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(86_400)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1e3", None),
            ("soon", None),
            ("Sun, 06 Nov 1994 08:49:37 CET", None),
            ("x, 99 Nov 1 a:b:c GMT", None),
        ] {
            assert_eq!(parse_at(value, now).map(|wait| wait.as_secs()), seconds, "{value}");
        }
    }
}
