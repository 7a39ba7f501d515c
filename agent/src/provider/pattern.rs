//! Patterns of the provider data: texts in which `*` stands for any text, also for none.

use std::fmt;

use serde::Deserialize;

/// A pattern. It fits a text as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Pattern(String);

impl Pattern {
    /// Whether it fits. Takes at most the product of both lengths in steps.
    pub(crate) fn fits(&self, text: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = text.strip_prefix(first) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        for part in parts {
            match rest.find(part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(last)
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
