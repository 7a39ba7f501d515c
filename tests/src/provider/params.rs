//! Parameters of a query or form, in the order they arrived and with duplicates kept.

use serde::Serialize;

/// Names and values in their order on the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Reads `application/x-www-form-urlencoded` bytes.
    pub fn parse(encoded: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(encoded).into_owned().collect())
    }

    /// The first value of `name`; `None` when absent or empty (RFC 6749 section 3.1 treats these alike).
    pub fn first<'a>(&'a self, name: &str) -> Option<&'a str> {
        self.all(name).find(|value| !value.is_empty())
    }

    /// Every value of `name`.
    pub fn all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.0.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// Whether `name` occurs at all.
    pub fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// The names, in order.
    pub fn names(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// Names and values, in order.
    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// The first name that occurs twice although it may not: RFC 6749 section 3.2 allows none, RFC 8707
    /// section 2 allows `resource`, RFC 8693 section 2.1 allows `audience`.
    pub(super) fn repeated(&self) -> Option<&str> {
        let names = self.names();
        let mut seen = std::collections::HashSet::new();
        names.into_iter().find(|name| !matches!(*name, "resource" | "audience") && !seen.insert(*name))
    }
}
