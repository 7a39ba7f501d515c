//! What a key may hold: conversions that say no more than whether a value is what it should be. `Err` has a reason where one
//! helps; the table of keys says what is allowed.

use std::time::Duration;

use rustix::process::Signal;
use toml::{Spanned, de::DeValue};

use super::{
    entry::{Event, Format, OnExpiry, Require, Span, TokenKind, Write},
    surroundings::group_id,
};
use crate::{
    destination::{Operation, Wish, reader::Reader},
    timespan,
};

/// A value, or why it is none; an empty reason where the table of keys says enough.
pub(super) type Converted<T> = Result<T, String>;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

fn wrong<T>() -> Converted<T> {
    Err(String::new())
}

pub(super) fn text(value: &DeValue<'_>) -> Converted<String> {
    let text = value.as_str().ok_or(String::new())?;
    if text.is_empty() || text.len() > 4096 { wrong() } else { Ok(text.to_owned()) }
}

pub(super) fn number(value: &DeValue<'_>) -> Converted<i64> {
    let number = value.as_integer().ok_or(String::new())?;
    i64::from_str_radix(number.as_str(), number.radix()).map_err(|_| String::new())
}

pub(super) fn flag(value: &DeValue<'_>) -> Converted<bool> {
    value.as_bool().ok_or_else(String::new)
}

/// A text, or a list of at most `max` texts.
pub(super) fn texts(value: &DeValue<'_>, max: usize) -> Converted<Vec<String>> {
    let Some(list) = value.as_array() else { return Ok(vec![text(value)?]) };
    if list.len() > max {
        return wrong();
    }
    list.iter().map(|one: &Spanned<DeValue<'_>>| text(one.get_ref())).collect()
}

/// A list of at most `max` texts.
pub(super) fn list(value: &DeValue<'_>, max: usize) -> Converted<Vec<String>> {
    if value.is_array() { texts(value, max) } else { wrong() }
}

/// A program and its arguments. These may be empty.
pub(super) fn argv(value: &DeValue<'_>) -> Converted<Vec<String>> {
    let list = value.as_array().filter(|list| (1..=256).contains(&list.len())).ok_or(String::new())?;
    let words = list.iter().map(|word| word.get_ref().as_str().filter(|word| !word.contains('\0')));
    let words: Option<Vec<_>> = words.map(|word| word.map(str::to_owned)).collect();
    let words = words.ok_or(String::new())?;
    if words[0].is_empty() || words.iter().map(String::len).sum::<usize>() > 64 << 10 {
        return wrong();
    }
    Ok(words)
}

fn span(value: &DeValue<'_>, longest: u64) -> Converted<Duration> {
    let seconds = match value {
        DeValue::String(text) => timespan::seconds(text).ok(),
        _ => number(value)?.try_into().ok(),
    };
    seconds.filter(|seconds| (1..=longest).contains(seconds)).map(Duration::from_secs).ok_or_else(String::new)
}

pub(super) fn lifetime(value: &DeValue<'_>) -> Converted<Duration> {
    span(value, 30 * DAY)
}

pub(super) fn hour(value: &DeValue<'_>) -> Converted<Duration> {
    span(value, HOUR)
}

pub(super) fn day(value: &DeValue<'_>) -> Converted<Duration> {
    span(value, DAY)
}

fn percent(value: &DeValue<'_>) -> Option<u8> {
    value.as_str()?.strip_suffix('%')?.parse().ok()
}

pub(super) fn renew_before(value: &DeValue<'_>) -> Converted<Span> {
    match percent(value) {
        Some(percent @ 1..=90) => Ok(Span::Percent(percent)),
        Some(_) => wrong(),
        None => lifetime(value).map(Span::Fixed),
    }
}

pub(super) fn jitter(value: &DeValue<'_>) -> Converted<u8> {
    percent(value).filter(|percent| *percent <= 30).ok_or_else(String::new)
}

pub(super) fn mode(value: &DeValue<'_>) -> Converted<u32> {
    let mode = match value {
        DeValue::String(digits) if (3..=4).contains(&digits.len()) => {
            u32::from_str_radix(digits, 8).map_err(|_| String::new())?
        }
        // 0o600; 600 without quotes is another number.
        DeValue::Integer(digits) if digits.radix() == 8 => {
            number(value)?.try_into().map_err(|_| String::new())?
        }
        _ => return wrong(),
    };
    if mode > 0o777 || mode & 0o400 == 0 {
        return wrong();
    }
    if mode & 0o111 != 0 {
        return Err("no token is a program: the mode must not have x".into());
    }
    if mode & 0o022 != 0 {
        return Err(
            "others could put another token there: the mode must not let group or others write".into()
        );
    }
    Ok(mode)
}

pub(super) fn group(value: &DeValue<'_>) -> Converted<u32> {
    match value {
        DeValue::String(name) => {
            group_id(name).ok_or_else(|| "there is no such group in /etc/group; give its number".into())
        }
        _ => number(value)?.try_into().map_err(|_| String::new()),
    }
}

/// One of a few words.
fn word<T: Copy>(value: &DeValue<'_>, words: &[(&str, T)]) -> Converted<T> {
    let text = value.as_str().ok_or(String::new())?;
    words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning).ok_or_else(String::new)
}

pub(super) fn token(value: &DeValue<'_>) -> Converted<TokenKind> {
    word(value, &[("access", TokenKind::Access), ("id", TokenKind::Id)])
}

pub(super) fn format(value: &DeValue<'_>) -> Converted<Format> {
    let words = [
        ("raw", Format::Raw),
        ("json", Format::Json),
        ("oauth2", Format::Oauth2),
        ("header", Format::Header),
        ("netrc", Format::Netrc),
    ];
    word(value, &words)
}

pub(super) fn write(value: &DeValue<'_>) -> Converted<Write> {
    word(value, &[("rename", Write::Rename), ("in-place", Write::InPlace)])
}

pub(super) fn require(value: &DeValue<'_>) -> Converted<Require> {
    word(value, &[("aud+scope", Require::AudScope), ("aud", Require::Aud), ("warn", Require::Warn)])
}

pub(super) fn on_expiry(value: &DeValue<'_>) -> Converted<OnExpiry> {
    word(value, &[("remove", OnExpiry::Remove), ("keep", OnExpiry::Keep)])
}

pub(super) fn signal(value: &DeValue<'_>) -> Converted<i32> {
    let words = [
        ("HUP", Signal::HUP),
        ("USR1", Signal::USR1),
        ("USR2", Signal::USR2),
        ("WINCH", Signal::WINCH),
        ("INT", Signal::INT),
        ("TERM", Signal::TERM),
    ];
    let text = value.as_str().ok_or(String::new())?;
    let bare = DeValue::String(text.strip_prefix("SIG").unwrap_or(text).into());
    word(&bare, &words).map(Signal::as_raw)
}

pub(super) fn events(value: &DeValue<'_>) -> Converted<Vec<Event>> {
    let words = [
        ("created", Event::Created),
        ("renewed", Event::Renewed),
        ("expired", Event::Expired),
        ("login-needed", Event::LoginNeeded),
    ];
    let list = value.as_array().filter(|list| !list.is_empty() && list.len() <= 16).ok_or(String::new())?;
    let mut events = list.iter().map(|one| word(one.get_ref(), &words)).collect::<Converted<Vec<_>>>()?;
    events.sort_unstable();
    events.dedup();
    Ok(events)
}

pub(super) fn wishes(value: &DeValue<'_>) -> Converted<Vec<Wish>> {
    const OPERATIONS: [(&str, Operation); 6] = [
        ("read", Operation::Read),
        ("create", Operation::Create),
        ("modify", Operation::Modify),
        ("stage", Operation::Stage),
        ("poll", Operation::Poll),
        ("exec", Operation::Exec),
    ];
    let wish = |text: String| {
        let (name, path) =
            text.split_once(':').map_or((text.as_str(), None), |(name, path)| (name, Some(path)));
        let operation = OPERATIONS.iter().find(|(word, _)| *word == name).map(|(_, operation)| *operation);
        let operation = operation.ok_or(String::new())?;
        if operation == Operation::Exec && path.is_some() {
            return Err("exec has no path: jobs have none".into());
        }
        let path = path.map(str::parse).transpose().map_err(|error| format!("{error}"))?;
        Ok(Wish { operation, path })
    };
    list(value, 64)?.into_iter().map(wish).collect()
}

pub(super) fn readers(value: &DeValue<'_>) -> Converted<Vec<String>> {
    let readers = list(value, 32)?;
    let known = Reader::named();
    if readers.iter().all(|reader| known.iter().any(|known| known.key == *reader)) {
        return Ok(readers);
    }
    let names: Vec<_> = known.into_iter().map(|reader| reader.key).collect();
    Err(format!("must be a list of {}; for others leave it out and say what they need", names.join(", ")))
}

/// Words, sorted, each once, separated by blanks; `None` for an empty list. A word has no characters but those that `fits`.
fn words(value: &DeValue<'_>, fits: impl Fn(u8) -> bool) -> Converted<Option<String>> {
    let texts = texts(value, 64)?;
    let mut words: Vec<_> = texts.iter().flat_map(|text| text.split_ascii_whitespace()).collect();
    if !words.iter().all(|word| word.bytes().all(&fits)) {
        return wrong();
    }
    words.sort_unstable();
    words.dedup();
    let joined = words.join(" ");
    if joined.len() > 8192 { wrong() } else { Ok(Some(joined).filter(|joined| !joined.is_empty())) }
}

/// RFC 6749 section 3.3.
pub(super) fn scope(value: &DeValue<'_>) -> Converted<Option<String>> {
    words(value, |byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte))
}

pub(super) fn audience(value: &DeValue<'_>) -> Converted<Option<String>> {
    words(value, |byte| byte.is_ascii_graphic())
}

/// A plain name: letters, digits and a few others, of which the first is a letter or a digit.
pub(super) fn name(value: &DeValue<'_>, besides: &[u8], max: usize) -> Converted<String> {
    let text = text(value)?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || besides.contains(&byte);
    let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if begins && text.len() <= max && text.bytes().all(fits) { Ok(text) } else { wrong() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> DeValue<'_> {
        DeValue::parse(text).expect("a value").into_inner()
    }

    #[test]
    fn spans_have_units_and_bounds() {
        for (text, seconds) in [(r#""10m""#, Some(600)), ("90", Some(90)), (r#""30d""#, Some(30 * DAY))] {
            assert_eq!(lifetime(&value(text)).ok().map(|span| span.as_secs()), seconds, "{text}");
        }
        for text in ["0", "-1", r#""31d""#, "1.5", r#""soon""#, "true", "99999999999999999999", r#""""#] {
            assert!(lifetime(&value(text)).is_err(), "{text}");
        }
        assert_eq!(renew_before(&value(r#""33%""#)), Ok(Span::Percent(33)));
        assert_eq!(renew_before(&value(r#""20m""#)), Ok(Span::Fixed(Duration::from_secs(1200))));
        for text in [r#""0%""#, r#""91%""#, r#""%""#, r#""256%""#] {
            assert!(renew_before(&value(text)).is_err(), "{text}");
        }
        assert_eq!(jitter(&value(r#""0%""#)), Ok(0));
        assert!(jitter(&value(r#""31%""#)).is_err() && jitter(&value("10")).is_err());
    }

    #[test]
    fn modes_are_octal_and_harmless() {
        for (text, expected) in
            [(r#""0600""#, 0o600), (r#""640""#, 0o640), ("0o400", 0o400), (r#""0644""#, 0o644)]
        {
            assert_eq!(mode(&value(text)), Ok(expected), "{text}");
        }
        for text in ["600", r#""0666""#, r#""0700""#, r#""4600""#, r#""0200""#, r#""0608""#, r#""""#, "0x180"]
        {
            assert!(mode(&value(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn lists_of_words_are_sorted_and_joined() {
        assert_eq!(scope(&value(r#"["b a", "a"]"#)), Ok(Some("a b".into())));
        assert_eq!(scope(&value(r#"" ""#)), Ok(None));
        assert_eq!(audience(&value("[]")), Ok(None));
        for text in [r#""a\"b""#, r#"["é"]"#, "7", "[7]", r#""""#] {
            assert!(scope(&value(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn operations_may_have_a_path() {
        let wishes = wishes(&value(r#"["read", "create:/store/x", "exec"]"#)).expect("operations");
        assert_eq!(wishes.iter().filter(|wish| wish.path.is_some()).count(), 1);
        for text in [r#"["write"]"#, r#""read""#, r#"["exec:/a"]"#, r#"["read:a"]"#, "[1]"] {
            assert!(super::wishes(&value(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn programs_are_lists() {
        assert_eq!(argv(&value(r#"["a", ""]"#)), Ok(vec!["a".into(), String::new()]));
        for text in [r#""a b""#, "[]", r#"[""]"#, "[1]", r#"["a\u0000"]"#] {
            assert!(argv(&value(text)).is_err(), "{text}");
        }
        assert_eq!(signal(&value(r#""SIGHUP""#)), Ok(1));
        assert!(signal(&value(r#""KILL""#)).is_err() && signal(&value("1")).is_err());
    }
}
