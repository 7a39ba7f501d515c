//! An account's short name: validated once, here, so that no other code has to think about what a name may do
//! to a path, a terminal or a shell line.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The longest name, in bytes: the longest file name Linux file systems take.
pub const MAX_LEN: usize = 255;

/// The short name of an account, which is also the name of its file in the oidc-agent directory.
///
/// Holds 1 to 255 bytes of UTF-8 without `/` and without control characters, and is neither `.` nor `..`.
/// The C suite checks nothing here and follows `../other/file`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shortname(Box<str>);

/// Why a text is not a [`Shortname`]. The text itself is not quoted: it may hold anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShortnameError {
    /// Nothing was given.
    #[error("an account name must not be empty")]
    Empty,
    /// Longer than [`MAX_LEN`] bytes.
    #[error("an account name must not be longer than {MAX_LEN} bytes")]
    TooLong,
    /// `/` would leave the oidc-agent directory.
    #[error("an account name must not contain '/'")]
    Slash,
    /// Control characters (also U+0080 to U+009F and bidirectional overrides) could fool a terminal.
    #[error("an account name must not contain control characters")]
    Control,
    /// `.` and `..` are directories.
    #[error("'.' and '..' are not account names")]
    Dots,
}

impl Shortname {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the listing of the oidc-agent directory shows a file of this name as an account
    /// (the C suite's 5.x rules): hidden files, configuration files, logs and statistics are left out.
    pub fn is_listed(&self) -> bool {
        let name = self.as_str();
        let without_digits = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let hidden = name.starts_with('.') || ["config", "files.toml", "helpers.toml"].contains(&name);
        let suffixed = [".config", ".log", ".stats"].iter().any(|suffix| name.ends_with(suffix));
        !(hidden || suffixed || without_digits.ends_with(".clientconfig"))
    }
}

/// Whether `c` moves the cursor, changes colours or reorders text on a terminal.
pub fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Characters without a shape of their own (Unicode's category Cf, as far as they move or hide something), and blanks
/// that are no blanks.
pub fn is_format(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

impl FromStr for Shortname {
    type Err = ShortnameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "" => Err(ShortnameError::Empty),
            "." | ".." => Err(ShortnameError::Dots),
            _ if text.len() > MAX_LEN => Err(ShortnameError::TooLong),
            _ if text.contains('/') => Err(ShortnameError::Slash),
            _ if text.chars().any(is_control) => Err(ShortnameError::Control),
            _ => Ok(Self(text.into())),
        }
    }
}

impl TryFrom<String> for Shortname {
    type Error = ShortnameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Shortname> for String {
    fn from(name: Shortname) -> Self {
        name.0.into()
    }
}

impl fmt::Display for Shortname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_could_leave_the_directory_or_fool_a_terminal() {
        for (text, error) in [
            ("", ShortnameError::Empty),
            (".", ShortnameError::Dots),
            ("..", ShortnameError::Dots),
            ("../other", ShortnameError::Slash),
            ("a\u{1b}[2J", ShortnameError::Control),
            ("a\nb", ShortnameError::Control),
            ("a\u{202e}b", ShortnameError::Control),
        ] {
            assert_eq!(text.parse::<Shortname>(), Err(error));
        }
        assert_eq!("x".repeat(256).parse::<Shortname>(), Err(ShortnameError::TooLong));
        assert_eq!("wlcg work é".parse::<Shortname>().map(String::from), Ok("wlcg work é".into()));
    }

    #[test]
    fn lists_what_the_c_suite_lists() {
        let listed = |text: &str| text.parse::<Shortname>().is_ok_and(|name| name.is_listed());
        for name in ["wlcg", "acc~", "issuer.config.bak", "oidc-agent-service.options", "a.clientconfigx"] {
            assert!(listed(name), "{name}");
        }
        for name in [
            ".x",
            "issuer.config",
            "config",
            "files.toml",
            "helpers.toml",
            "a.log",
            "a.stats",
            "a.clientconfig",
            "a.clientconfig12",
        ] {
            assert!(!listed(name), "{name}");
        }
    }
}
