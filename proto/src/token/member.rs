//! The members of a header or a payload, strictly read: which names come twice, and which values no number can hold.

use std::{cell::RefCell, collections::BTreeMap, fmt};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Value, value::RawValue};

use crate::json::{self, Object};

/// Most names that are remembered as repeated, and most values as unreadable.
const MAX_NOTED: usize = 16;
/// Most characters of a value that could not be read, in bytes.
const MAX_QUOTED: usize = 64;

/// A JSON object as the header or the payload of a token holds it.
#[derive(Clone, Default, PartialEq)]
pub struct Members {
    object: Object,
    repeated: Vec<String>,
    unreadable: BTreeMap<String, Unreadable>,
}

/// Why the value of a member is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// A number that no double precision number can hold, such as `1e400`.
    OutOfRange,
    /// Nested too deep, or with such a number within.
    Nested,
}

impl Members {
    /// Reads an object; `None` where the bytes are none, by RFC 8259. Of members of one name the first counts, and the
    /// name is kept for [`Members::repeated`].
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let raw: Raw<'_> = serde_json::from_slice(bytes).ok()?;
        let noted = RefCell::new(raw.repeated);
        let mut object = Object::default();
        let mut unreadable = BTreeMap::new();
        for (name, value) in raw.members {
            let value = json::value_noting(value.get().as_bytes(), &noted).unwrap_or_else(|_| {
                let is_number = value.get().starts_with(|c: char| c == '-' || c.is_ascii_digit());
                if unreadable.len() < MAX_NOTED {
                    let why = if is_number { Unreadable::OutOfRange } else { Unreadable::Nested };
                    unreadable.insert(name.clone(), why);
                }
                Value::String(value.get().chars().take(MAX_QUOTED).collect())
            });
            object.insert(name, value);
        }
        let mut repeated = noted.into_inner();
        repeated.truncate(MAX_NOTED);
        Some(Self { object, repeated, unreadable })
    }

    /// The members, in their order.
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// A member.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.object.members().get(name)
    }

    /// A member that is a text, as it stands.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    /// Names that come more than once, at any depth: readers do not agree which one counts (RFC 8259 section 4).
    pub fn repeated(&self) -> &[String] {
        &self.repeated
    }

    /// Members whose value could not be read; they stand in [`Members::object`] as the text that was there, cut.
    pub fn unreadable(&self) -> impl Iterator<Item = (&str, Unreadable)> {
        self.unreadable.iter().map(|(name, why)| (name.as_str(), *why))
    }

    /// Why that member could not be read; `None` where it could.
    pub fn why_unreadable(&self, name: &str) -> Option<Unreadable> {
        self.unreadable.get(name).copied()
    }
}

/// Names only: values may be anybody's.
impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.object.fmt(f)
    }
}

struct Raw<'a> {
    members: Vec<(String, &'a RawValue)>,
    repeated: Vec<String>,
}

impl<'de> Deserialize<'de> for Raw<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Raw<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw<'de>, A::Error> {
                let mut seen = std::collections::BTreeSet::new();
                let mut raw = Raw { members: Vec::new(), repeated: Vec::new() };
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    if seen.insert(name.clone()) {
                        raw.members.push((name, value));
                    } else if raw.repeated.len() < MAX_NOTED && !raw.repeated.contains(&name) {
                        raw.repeated.push(name);
                    }
                }
                Ok(raw)
            }
        }

        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(text: &str) -> Members {
        Members::parse(text.as_bytes()).expect("an object")
    }

    #[test]
    fn the_first_of_one_name_counts_and_the_name_is_noted() {
        let twice = members(r#"{"iss":"a","iss":"b","x":{"y":1,"y":2},"iss":"c"}"#);
        assert_eq!(twice.text("iss"), Some("a"));
        assert_eq!(twice.repeated(), ["iss", "y"]);
        assert!(members(r#"{"a":{"x":1},"b":{"x":1}}"#).repeated().is_empty());
    }

    #[test]
    fn a_number_that_is_too_large_costs_only_itself() {
        let huge = members(r#"{"exp":1e400,"sub":"x","nbf":-1e999}"#);
        assert_eq!(huge.why_unreadable("exp"), Some(Unreadable::OutOfRange));
        assert_eq!((huge.text("exp"), huge.text("sub")), (Some("1e400"), Some("x")));
        assert_eq!(huge.unreadable().count(), 2);
    }

    #[test]
    fn nesting_ends_somewhere() {
        let bomb = format!(r#"{{"a":{}1{},"b":2}}"#, "[".repeat(100_000), "]".repeat(100_000));
        let bomb = members(&bomb);
        assert_eq!(bomb.why_unreadable("a"), Some(Unreadable::Nested));
        assert_eq!(bomb.get("b"), Some(&Value::from(2)));
    }

    #[test]
    fn only_an_object_by_the_rfc_is_one() {
        for text in ["", "[]", "1", "{", "{}x", "{'a':1}", "{\"a\":\"\n\"}", "\u{feff}{}", "{\"a\":1,}"] {
            assert!(Members::parse(text.as_bytes()).is_none(), "{text:?}");
        }
        assert!(Members::parse(b"{\"a\":\"\xff\"}").is_none());
        assert!(Members::parse(b" { } ").is_some());
    }
}
