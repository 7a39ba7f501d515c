//! Times in claims (RFC 7519 section 2, `NumericDate`), as odd as they come.

use serde_json::Value;

use super::member::{Members, Unreadable};

/// The last second of the year 9999: later ones are no times that anybody means.
pub const MAX_DATE: f64 = 253_402_300_799.0;

/// A claim that should be a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Date {
    /// The claim is not there.
    Absent,
    /// In seconds since the epoch, perhaps with a fraction.
    At(f64),
    /// It is no number, but a text, for example.
    NotANumber,
    /// Before the epoch or beyond [`MAX_DATE`].
    OutOfRange,
}

impl Date {
    /// In whole seconds since the epoch, a fraction cut off. `None` where there is no such time.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the bounds")]
    pub fn seconds(self) -> Option<u64> {
        match self {
            Self::At(seconds) => Some(seconds as u64),
            _ => None,
        }
    }
}

impl Members {
    /// A member as a time.
    pub fn date(&self, name: &str) -> Date {
        match (self.get(name), self.why_unreadable(name)) {
            (None, _) => Date::Absent,
            (_, Some(Unreadable::OutOfRange)) => Date::OutOfRange,
            (Some(Value::Number(number)), _) => match number.as_f64() {
                Some(seconds) if (0.0..=MAX_DATE).contains(&seconds) => Date::At(seconds),
                _ => Date::OutOfRange,
            },
            _ => Date::NotANumber,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_times_are_told_apart() {
        for (value, date) in [
            ("1795603600.75", Date::At(1_795_603_600.75)),
            ("0", Date::At(0.0)),
            ("253402300799", Date::At(MAX_DATE)),
            ("253402300800", Date::OutOfRange),
            ("99999999999999999999999", Date::OutOfRange),
            ("1e400", Date::OutOfRange),
            ("-1", Date::OutOfRange),
            ("\"1795603600\"", Date::NotANumber),
            ("null", Date::NotANumber),
            ("[1]", Date::NotANumber),
            ("true", Date::NotANumber),
        ] {
            let members = Members::parse(format!(r#"{{"exp":{value}}}"#).as_bytes()).expect("an object");
            assert_eq!(members.date("exp"), date, "{value}");
            assert_eq!(members.date("nbf"), Date::Absent);
        }
        assert_eq!(Date::At(1.9).seconds(), Some(1));
        assert_eq!(Date::NotANumber.seconds(), None);
    }
}
