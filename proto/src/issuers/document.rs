//! An `issuer.config` with the places of its parts, so that it can be edited without being written anew.
//!
//! The crates that edit JSON in place (`jsonc-parser`) know no comments that begin with `#`, which the C suite drops from this
//! file and people write there.

use std::ops::Range;

use serde::{
    Deserialize,
    de::{Deserializer, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::text;
use crate::json::Object;

/// In which form the data is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// 5.x.
    Array,
    /// One issuer, as in files of `issuer.config.d`. The C suite destroys a user's file that looks so.
    Object,
    /// 4.x.
    Lines,
    /// As 4.2.6 creates it.
    Empty,
}

/// A file's text, and the same text with blanks in place of comments: both have the same places.
pub(super) struct Document {
    form: Form,
    original: String,
    blanked: String,
}

/// A part of a JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) place: Range<usize>,
}

impl Document {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let blanked = blank_comments(text);
        let form = match blanked.trim_start().chars().next() {
            Some('[') => Form::Array,
            Some('{') => Form::Object,
            None if text.trim().is_empty() => Form::Empty,
            _ if text::is_issuer_list(text) => Form::Lines,
            _ => return Err("neither JSON nor a list of issuers".into()),
        };
        let document = Self { form, original: text.to_owned(), blanked };
        match form {
            Form::Array => document.array(&document.whole()).map(drop)?,
            Form::Object => document.members(&document.whole()).map(drop)?,
            Form::Lines | Form::Empty => {}
        }
        Ok(document)
    }

    pub(super) fn form(&self) -> Form {
        self.form
    }

    /// The text with its comments.
    pub(super) fn original(&self) -> &str {
        &self.original
    }

    /// The text without its comments.
    pub(super) fn text(&self) -> &str {
        &self.blanked
    }

    /// The value itself, without the white space around it.
    pub(super) fn whole(&self) -> Part {
        let start = self.blanked.len() - self.blanked.trim_start().len();
        Part { place: start..self.blanked.trim_end().len() }
    }

    /// The parts that each describe an issuer.
    pub(super) fn entries(&self) -> Vec<Part> {
        match self.form {
            Form::Array => self.array(&self.whole()).unwrap_or_default(),
            Form::Object => vec![self.whole()],
            Form::Lines | Form::Empty => Vec::new(),
        }
    }

    pub(super) fn objects(&self) -> Vec<Object> {
        self.entries().iter().filter_map(|entry| self.object(entry)).collect()
    }

    pub(super) fn object(&self, part: &Part) -> Option<Object> {
        Object::parse(self.blanked[part.place.clone()].as_bytes()).ok()
    }

    /// A text value.
    pub(super) fn string(&self, part: &Part) -> Option<String> {
        serde_json::from_str(&self.blanked[part.place.clone()]).ok()
    }

    /// The items of an array.
    pub(super) fn array(&self, part: &Part) -> Result<Vec<Part>, String> {
        let items: Vec<&RawValue> = self.read(part)?;
        Ok(items.into_iter().map(|item| self.part(item)).collect())
    }

    /// The first member of that name of an object.
    pub(super) fn member(&self, part: &Part, key: &str) -> Option<Part> {
        let members = self.members(part).ok()?;
        members.0.into_iter().find(|(name, _)| name == key).map(|(_, value)| self.part(value))
    }

    fn members(&self, part: &Part) -> Result<Members<'_>, String> {
        self.read(part)
    }

    fn read<'a, T: Deserialize<'a>>(&'a self, part: &Part) -> Result<T, String> {
        serde_json::from_str(&self.blanked[part.place.clone()])
            .map_err(|error| format!("not valid JSON: line {}", self.line(part, error.line())))
    }

    /// Errors count lines within a part.
    fn line(&self, part: &Part, within: usize) -> usize {
        self.blanked[..part.place.start].matches('\n').count() + within
    }

    /// Where a value stands: it was read out of this very text.
    fn part(&self, value: &RawValue) -> Part {
        let start = value.get().as_ptr().addr() - self.blanked.as_ptr().addr();
        Part { place: start..start + value.get().len() }
    }
}

/// The members of an object in their order, duplicates included.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// Lines that begin with `#`, `// …` and `/* … */`, as the C suite drops them from its `config`, turned into blanks.
fn blank_comments(text: &str) -> String {
    let mut blanked = String::with_capacity(text.len());
    let mut rest = text;
    let mut line_begins = true;
    while let Some(c) = rest.chars().next() {
        let (len, is_comment) = match c {
            '"' => (string_len(rest), false),
            '#' if line_begins => (rest.find('\n').unwrap_or(rest.len()), true),
            '/' if rest.starts_with("//") => (rest.find('\n').unwrap_or(rest.len()), true),
            '/' if rest.starts_with("/*") => (rest.find("*/").map_or(rest.len(), |end| end + 2), true),
            c => (c.len_utf8(), false),
        };
        let (piece, after) = rest.split_at(len);
        if is_comment {
            blanked.extend(piece.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
        } else {
            blanked.push_str(piece);
        }
        line_begins = c == '\n' || (line_begins && c.is_whitespace());
        rest = after;
    }
    blanked
}

/// The length of the string literal that `text` begins with.
fn string_len(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}
