//! The programs that hand a token on to a destination, and what they mind in it and in its file, as data.

use serde::Deserialize;

use super::address::Address;
use crate::wildcard;

const READERS: &str = include_str!("readers.json");

/// A program, or a part of one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reader {
    /// Its name.
    pub name: String,
    /// What it is called in `readers` of `files.toml`; empty: it is not named there.
    pub key: String,
    /// The forms of a file that it reads, by their names in `files.toml`; empty: `raw`.
    pub formats: Vec<String>,
    /// It takes a newline at the end for a part of the token.
    pub no_newline: bool,
    /// The variable that tells it of a file, with `{path}` for the path; empty: none does.
    pub variable: String,
    /// The schemes of the addresses that it is used for.
    pub schemes: Vec<String>,
    /// The hosts, as in [`super::rule::Rule`]; empty: any.
    pub hosts: Vec<String>,
    /// It refuses a file that group or others may do anything with.
    pub private_file: bool,
    /// It refuses tokens of this many bytes and more.
    pub size_below: Option<usize>,
    /// It looks at no file.
    pub only_variable: bool,
    /// Others can be used in its place, so that what it minds is no obstacle.
    pub is_one_of_several: bool,
    /// What else the person should know.
    pub remark: Option<String>,
    /// How that is known.
    pub source: String,
}

impl Reader {
    /// Those that are used for an address.
    pub fn of(address: &Address) -> Vec<Self> {
        let all: Vec<Self> = serde_json::from_str(READERS).expect("the readers that come along are rows");
        let is_for = |reader: &Self| {
            let hosts = &reader.hosts;
            reader.schemes.contains(&address.scheme)
                && (hosts.is_empty() || hosts.iter().any(|pattern| wildcard::fits(pattern, &address.host)))
        };
        all.into_iter().filter(is_for).collect()
    }

    /// Those that `files.toml` can name.
    pub fn named() -> Vec<Self> {
        let all: Vec<Self> = serde_json::from_str(READERS).expect("the readers that come along are rows");
        all.into_iter().filter(|reader| !reader.key.is_empty()).collect()
    }

    /// Whether it reads files of that form.
    pub fn takes(&self, format: &str) -> bool {
        if self.formats.is_empty() { format == "raw" } else { self.formats.iter().any(|one| one == format) }
    }
}
