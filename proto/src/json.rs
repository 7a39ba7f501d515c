//! JSON as the C suite reads it: raw control characters in strings, scalars that stand for each other, nested
//! values given as text, and several spellings of "absent". Its clients rely on each of these.

use std::{borrow::Cow, cell::RefCell, fmt, io};

use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::secret::zeroize_json;

/// Why bytes are not a JSON object. Never quotes the input, which may hold secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// Not JSON at all.
    #[error("could not parse json")]
    Syntax,
    /// JSON, but no object.
    #[error("is not a json object")]
    NotAnObject,
}

/// A JSON object whose strings are overwritten when it is dropped.
///
/// Of duplicate keys the first wins; the order of keys is kept. Key names are exact and case-sensitive.
#[derive(Clone, Default, PartialEq)]
pub struct Object(Map<String, Value>);

impl Object {
    /// Reads one object; white space and NUL bytes around it are dropped, and a byte order mark before it, as curl's
    /// users expect (RFC 8259 section 8.1 allows it).
    ///
    /// Raw control characters within strings are accepted: the C agent sends them in its `status` reply.
    /// Nesting is bounded by `serde_json` (128 levels).
    pub fn parse(bytes: &[u8]) -> Result<Self, JsonError> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let is_filler = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0);
        let start = bytes.iter().position(|byte| !is_filler(byte)).ok_or(JsonError::Syntax)?;
        let end = bytes.iter().rposition(|byte| !is_filler(byte)).map_or(start, |last| last + 1);
        let escaped;
        let text = match escape_control_characters(&bytes[start..end]) {
            Cow::Borrowed(text) => text,
            Cow::Owned(text) => {
                escaped = Zeroizing::new(text);
                &escaped
            }
        };
        let mut deserializer = serde_json::Deserializer::from_slice(text);
        let value = FirstWins(None).deserialize(&mut deserializer).map_err(|_| JsonError::Syntax)?;
        deserializer.end().map_err(|_| JsonError::Syntax)?;
        Self::from_value(value).ok_or(JsonError::NotAnObject)
    }

    /// The object in a value, or nothing.
    pub fn from_value(mut value: Value) -> Option<Self> {
        if let Value::Object(members) = &mut value {
            return Some(Self(std::mem::take(members)));
        }
        zeroize_json(&mut value);
        None
    }

    /// The object as a value, for nesting it in another one.
    pub fn into_value(mut self) -> Value {
        Value::Object(std::mem::take(&mut self.0))
    }

    /// The same in as little memory as it needs: taking members out leaves their room behind.
    #[must_use]
    pub fn compact(mut self) -> Self {
        Self(std::mem::take(&mut self.0).into_iter().collect())
    }

    /// The members as they stand, in order.
    pub fn members(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Whether the key is there, whatever its value.
    pub fn contains(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Takes a member out.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        self.0.shift_remove(key)
    }

    /// Sets a member; an existing one keeps its place.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<Value>) {
        if let Some(mut old) = self.0.insert(key.into(), value.into()) {
            zeroize_json(&mut old);
        }
    }

    /// A scalar as text. `None` when absent: no such key, `null`, `""`, or the texts `null` and `(null)`, which C
    /// clients really send. Numbers are given as they stand, booleans as `1` and `0`.
    pub fn text(&self, key: &str) -> Option<Cow<'_, str>> {
        match self.0.get(key)? {
            Value::String(text) if matches!(text.as_str(), "" | "null" | "(null)") => None,
            Value::String(text) => Some(Cow::Borrowed(text)),
            Value::Number(number) => Some(Cow::Owned(number.to_string())),
            Value::Bool(true) => Some(Cow::Borrowed("1")),
            Value::Bool(false) => Some(Cow::Borrowed("0")),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// [`Object::text`], owned.
    pub fn string(&self, key: &str) -> Option<String> {
        self.text(key).map(Cow::into_owned)
    }

    /// A scalar as a whole number: its leading digits, a fraction cut off, 0 for other text. `None` when absent.
    #[allow(clippy::cast_possible_truncation, reason = "a fraction is cut, and casts saturate")]
    pub fn integer(&self, key: &str) -> Option<i64> {
        if let Some(Value::Number(number)) = self.0.get(key) {
            return number.as_i64().or_else(|| number.as_f64().map(|number| number as i64));
        }
        self.text(key).map(|text| leading_integer(&text))
    }

    /// A scalar as a switch: `true`, and every number but 0. Absent is `false`.
    pub fn flag(&self, key: &str) -> bool {
        self.text(key).is_some_and(|text| text == "true" || leading_integer(&text) != 0)
    }

    /// A nested object, or a string that holds one.
    pub fn object(&self, key: &str) -> Option<Self> {
        match self.0.get(key)? {
            Value::Object(members) => Some(Self(members.clone())),
            Value::String(text) => Self::parse(text.as_bytes()).ok(),
            _ => None,
        }
    }

    /// An array of scalars, a string that holds one, or a single text, as a list of texts. Empty when absent.
    pub fn strings(&self, key: &str) -> Vec<String> {
        let texts = |items: &[Value]| items.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        match self.0.get(key) {
            Some(Value::Array(items)) => texts(items),
            Some(Value::String(text)) => match serde_json::from_str::<Value>(text) {
                Ok(Value::Array(items)) => texts(&items),
                _ => self.string(key).into_iter().collect(),
            },
            _ => Vec::new(),
        }
    }

    /// The object as JSON on one line. Contains whatever secrets it holds.
    pub fn to_json(&self) -> Zeroizing<String> {
        // Measured first: a buffer that grows leaves copies of secrets behind.
        let mut len = Length(0);
        serde_json::to_writer(&mut len, &self.0).expect("a JSON object serialises");
        let mut json = Zeroizing::new(Vec::with_capacity(len.0));
        serde_json::to_writer(&mut *json, &self.0).expect("a JSON object serialises");
        Zeroizing::new(String::from_utf8(std::mem::take(&mut *json)).expect("JSON is UTF-8"))
    }
}

/// Counts what is written to it.
struct Length(usize);

impl io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        self.0.values_mut().for_each(zeroize_json);
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

fn leading_integer(text: &str) -> i64 {
    let text = text.trim_start();
    let digits_from = usize::from(text.starts_with(['-', '+']));
    let end = text[digits_from..].find(|c: char| !c.is_ascii_digit()).map_or(text.len(), |n| digits_from + n);
    match text[..end].parse() {
        Ok(number) => number,
        Err(_) if end == digits_from => 0,
        Err(_) if text.starts_with('-') => i64::MIN,
        Err(_) => i64::MAX,
    }
}

/// Raw control characters within strings, written as `\u00XX`; everything else as it stands.
fn escape_control_characters(bytes: &[u8]) -> Cow<'_, [u8]> {
    if !bytes.iter().any(|byte| *byte < 0x20) {
        return Cow::Borrowed(bytes);
    }
    let mut escaped = Vec::with_capacity(bytes.len() * 6);
    let (mut in_string, mut after_backslash) = (false, false);
    for &byte in bytes {
        if in_string && !after_backslash && byte < 0x20 {
            escaped.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
            continue;
        }
        match byte {
            b'"' if !after_backslash => in_string = !in_string,
            b'\\' if in_string && !after_backslash => {
                after_backslash = true;
                escaped.push(byte);
                continue;
            }
            _ => {}
        }
        after_backslash = false;
        escaped.push(byte);
    }
    Cow::Owned(escaped)
}

/// Reads any value strictly, and notes the keys that an object within it has more than once, each of them once.
pub(crate) fn value_noting(text: &[u8], repeated: &RefCell<Vec<String>>) -> Result<Value, JsonError> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = FirstWins(Some(repeated)).deserialize(&mut deserializer).map_err(|_| JsonError::Syntax)?;
    deserializer.end().map_err(|_| JsonError::Syntax)?;
    Ok(value)
}

/// Most keys that are noted as duplicate.
const MAX_NOTED: usize = 16;

/// Deserializes any value; of duplicate keys the first wins, as in the C suite's reader. Notes them where asked to.
#[derive(Clone, Copy)]
struct FirstWins<'a>(Option<&'a RefCell<Vec<String>>>);

impl FirstWins<'_> {
    fn note(self, key: &str) {
        let Some(noted) = self.0 else { return };
        let mut noted = noted.borrow_mut();
        if noted.len() < MAX_NOTED && noted.iter().all(|known| known != key) {
            noted.push(key.to_owned());
        }
    }
}

impl<'de> DeserializeSeed<'de> for FirstWins<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for FirstWins<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let mut value = map.next_value_seed(self)?;
            match members.entry(key) {
                serde_json::map::Entry::Vacant(entry) => {
                    entry.insert(value);
                }
                serde_json::map::Entry::Occupied(known) => {
                    self.note(known.key());
                    zeroize_json(&mut value);
                }
            }
        }
        Ok(Value::Object(members))
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = FirstWins(None).deserialize(deserializer)?;
        Self::from_value(value).ok_or_else(|| serde::de::Error::custom(JsonError::NotAnObject))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(text: &str) -> Object {
        Object::parse(text.as_bytes()).expect("an object")
    }

    #[test]
    fn first_of_duplicate_keys_wins() {
        assert_eq!(
            object(r#"{"a":"1","a":"2","b":{"c":1,"c":2}}"#).to_json().as_str(),
            r#"{"a":"1","b":{"c":1}}"#
        );
    }

    #[test]
    fn a_byte_order_mark_is_passed_over_before_an_object_only() {
        assert_eq!(object("\u{feff} {\"a\":1}").to_json().as_str(), r#"{"a":1}"#);
        for text in ["\u{feff}", "\u{feff}\u{feff}{}", "{}\u{feff}", "{\u{feff}}"] {
            assert_eq!(Object::parse(text.as_bytes()).err(), Some(JsonError::Syntax), "{text:?}");
        }
    }

    #[test]
    fn absent_has_many_spellings() {
        let absent = object(r#"{"a":null,"b":"","c":"null","d":"(null)"}"#);
        for key in ["a", "b", "c", "d", "e"] {
            assert_eq!((absent.text(key), absent.integer(key), absent.flag(key)), (None, None, false));
        }
    }

    #[test]
    fn scalars_stand_for_each_other() {
        let scalars = object(
            r#"{"a":"60","b":60,"c":true,"d":"60abc","e":"x","f":60.9,"g":-1,"h":"99999999999999999999"}"#,
        );
        let integers =
            ["a", "b", "c", "d", "e", "f", "g", "h"].map(|key| scalars.integer(key).expect("there"));
        assert_eq!(integers, [60, 60, 1, 60, 0, 60, -1, i64::MAX]);
        assert_eq!(scalars.text("b").as_deref(), Some("60"));
        assert!(scalars.flag("c"));
        assert!(!scalars.flag("e"));
    }

    #[test]
    fn nested_values_may_be_text() {
        let nested = object(r#"{"a":"{\"x\":1}","b":["p","q"],"c":"[\"p\"]","d":"code"}"#);
        assert_eq!(nested.object("a").and_then(|inner| inner.integer("x")), Some(1));
        assert_eq!(nested.strings("b"), ["p", "q"]);
        assert_eq!(nested.strings("c"), ["p"]);
        assert_eq!(nested.strings("d"), ["code"]);
    }

    #[test]
    fn raw_control_characters_are_accepted() {
        assert_eq!(
            object("{\n\t\"a\":\t\"x\ny\\\\\tz\\\"\x01\"\n}\0").text("a").as_deref(),
            Some("x\ny\\\tz\"\u{1}")
        );
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, error) in [
            ("", JsonError::Syntax),
            ("{", JsonError::Syntax),
            ("{} x", JsonError::Syntax),
            ("[1]", JsonError::NotAnObject),
            ("\"a\"", JsonError::NotAnObject),
        ] {
            assert_eq!(Object::parse(text.as_bytes()).err(), Some(error), "{text}");
        }
    }
}
