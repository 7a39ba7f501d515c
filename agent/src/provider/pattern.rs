//! Patterns of the provider data: texts in which `*` stands for any text, also for none.

use std::fmt;

use oidc_proto::wildcard;
use serde::Deserialize;

/// A pattern. It fits a text as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Pattern(String);

impl Pattern {
    /// Whether it fits.
    pub(crate) fn fits(&self, text: &str) -> bool {
        wildcard::fits(&self.0, text)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, fits) in [
            ("https://op", "https://op", true),
            ("https://op", "https://op/", false),
            ("*", "", true),
            ("*", "x", true),
            ("https://*.okta.com", "https://a.b.okta.com", true),
            ("https://*.okta.com", "https://okta.com", false),
            ("*/iam/api/*", "https://iam/iam/api/register", true),
            ("*/iam/api/*", "https://iam.example/api/register", false),
            ("a*a", "a", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(Pattern(pattern.to_owned()).fits(text), fits, "{pattern} {text}");
        }
    }
}
