//! Times as people write and read them.

use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};

/// Reads a time: seconds since the epoch, RFC 3339, or a local date with or without a time of day.
pub fn read(text: &str) -> Result<Timestamp, String> {
    let text = text.trim();
    let wrong = || {
        "no time: write Unix seconds, 2026-11-26T12:00:00Z, or a local time such as '2026-11-26 12:00'"
            .to_owned()
    };
    if let Ok(seconds) = text.parse::<i64>() {
        return Timestamp::from_second(seconds).map_err(|_| wrong());
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let local: DateTime = text.parse().map_err(|_| wrong())?;
    local.to_zoned_datetime(TimeZone::system()).map(|zoned| zoned.timestamp()).map_err(|_| wrong())
}

/// Whole seconds since the epoch; 0 before it.
pub fn seconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_second()).unwrap_or(0)
}

/// A time in the zone of this computer and in UTC, and how far it is from `now`.
pub fn in_words(seconds: u64, now: Timestamp, zone: &TimeZone) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    let Some(time) = time else { return format!("{seconds} seconds since 1970") };
    let local = time.to_zoned_datetime(zone.clone());
    let utc = time.to_zoned_datetime(TimeZone::UTC);
    let distance = distance(time.duration_since(now));
    if local.offset() == utc.offset() {
        return format!("{} UTC, {distance}", utc.strftime("%Y-%m-%d %H:%M:%S"));
    }
    let same_day = local.date() == utc.date();
    let utc = utc.strftime(if same_day { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" });
    format!("{} ({utc} UTC), {distance}", local.strftime("%Y-%m-%d %H:%M:%S %Z"))
}

/// From now on, or before.
fn distance(far: SignedDuration) -> String {
    let words = span(far.as_secs().unsigned_abs());
    if far.as_secs() > 0 { format!("in {words}") } else { format!("{words} ago") }
}

/// A span in the two units that matter.
fn span(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{minutes} min"),
        7200..172_800 if minutes % 60 > 0 => format!("{hours} h {} min", minutes % 60),
        7200..172_800 => format!("{hours} h"),
        _ => format!("{days} d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        for text in ["1795600060", "2026-11-25T09:47:40Z", "2026-11-25T10:47:40+01:00", " 1795600060 "] {
            assert_eq!(read(text).map(Timestamp::as_second), Ok(1_795_600_060), "{text}");
        }
        for text in ["2026-11-25 09:47", "2026-11-25T09:47:40", "2026-11-25"] {
            assert!(read(text).is_ok(), "{text}");
        }
        for text in ["", "now", "99999999999999999999", "2026-13-01", "1e9"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_told_in_both_zones() {
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        let now = at("2026-11-25T22:00:00Z");
        let told = |time: &str, zone: &TimeZone| in_words(seconds(at(time)), now, zone);
        assert_eq!(told("2026-11-25T22:12:00Z", &zone), "2026-11-25 23:12:00 +01 (22:12:00 UTC), in 12 min");
        assert_eq!(
            told("2026-11-25T23:30:05Z", &zone),
            "2026-11-26 00:30:05 +01 (2026-11-25 23:30:05 UTC), in 90 min"
        );
        assert_eq!(told("2026-11-25T21:57:00Z", &TimeZone::UTC), "2026-11-25 21:57:00 UTC, 3 min ago");
        assert_eq!(in_words(u64::MAX, now, &zone), format!("{} seconds since 1970", u64::MAX));
    }

    #[test]
    fn spans_have_the_units_that_matter() {
        for (seconds, words) in
            [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (7300, "2 h 1 min"), (200_000, "2 d")]
        {
            assert_eq!(span(seconds), words);
        }
    }
}
