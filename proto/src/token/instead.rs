//! What a text is that holds no token.

use std::fmt;

use super::{compact::Malformed, problem::quoted};
use crate::{
    json::Object,
    vault::{self, Format},
};

/// Longest title of a page that is quoted, in characters.
const MAX_TITLE_LEN: usize = 80;

/// What a text is instead of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Instead {
    /// Nothing, or white space.
    Empty,
    /// Longer than [`super::MAX_TEXT_LEN`].
    TooLarge,
    /// It begins like a JWT and is none.
    Malformed(Malformed),
    /// A page, with its title.
    Html(Option<String>),
    /// An answer that refuses something (RFC 6749 section 5.2), with its `error` and description.
    ErrorAnswer(String, Option<String>),
    /// An X.509 certificate.
    Certificate,
    /// An X.509 proxy: certificates with a key.
    Proxy,
    /// A private key.
    PrivateKey,
    /// An encrypted account file.
    AccountFile(Format),
    /// A key set (RFC 7517).
    KeySet,
    /// JSON of another kind.
    Json,
    /// Bytes that are no text.
    Binary,
    /// Any other text.
    Text,
}

impl Instead {
    pub(super) fn of(bytes: &[u8], text: &str, malformed: Option<Malformed>) -> Self {
        match (Self::recognised(bytes, text), malformed) {
            (Some(instead), _) => instead,
            (None, Some(malformed)) => Self::Malformed(malformed),
            (None, None) if text.chars().take(4096).any(|c| c == '\0' || c == '\u{fffd}') => Self::Binary,
            (None, None) => Self::Text,
        }
    }

    /// What it is, where there is no doubt.
    pub(super) fn recognised(bytes: &[u8], text: &str) -> Option<Self> {
        let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
        if text.is_empty() {
            return Some(Self::Empty);
        }
        let has = |what: &str| text.contains(what);
        if has("-----BEGIN CERTIFICATE-----") {
            return Some(if has("PRIVATE KEY-----") { Self::Proxy } else { Self::Certificate });
        }
        if has("PRIVATE KEY-----") {
            return Some(Self::PrivateKey);
        }
        if let Ok(format) = vault::inspect(bytes) {
            return Some(Self::AccountFile(format));
        }
        if text.starts_with('{') {
            let object = Object::parse(text.as_bytes()).ok()?;
            return Some(match object.text("error") {
                Some(error) => Self::ErrorAnswer(error.into_owned(), object.string("error_description")),
                None if object.members().get("keys").is_some_and(serde_json::Value::is_array) => Self::KeySet,
                None => Self::Json,
            });
        }
        if text.starts_with('<') {
            return Some(Self::Html(title(text)));
        }
        None
    }
}

/// What is between `<title>` and its end.
fn title(page: &str) -> Option<String> {
    let lower = page.to_ascii_lowercase();
    let start = lower.find("<title")?;
    let start = start + lower[start..].find('>')? + 1;
    let end = start + lower[start..].find('<')?;
    let title: String = page[start..end].split_whitespace().collect::<Vec<_>>().join(" ");
    Some(title.chars().take(MAX_TITLE_LEN).collect()).filter(|title: &String| !title.is_empty())
}

/// Goes on after "it is". Quotes the text: to be escaped before it is shown.
impl fmt::Display for Instead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("empty"),
            Self::TooLarge => f.write_str("larger than 4 MiB"),
            Self::Malformed(why) => write!(f, "like a signed token, but {why}"),
            Self::Html(None) => f.write_str("an HTML page"),
            Self::Html(Some(title)) => write!(f, "an HTML page with the title {}", quoted(title)),
            Self::ErrorAnswer(error, None) => {
                write!(f, "the answer of a provider that refused: {}", quoted(error))
            }
            Self::ErrorAnswer(error, Some(description)) => {
                write!(f, "the answer of a provider that refused: {}, {}", quoted(error), quoted(description))
            }
            Self::Certificate => f.write_str("an X.509 certificate"),
            Self::Proxy => f.write_str("an X.509 proxy: a certificate with its key"),
            Self::PrivateKey => f.write_str("a private key"),
            Self::AccountFile(Format::Native) => f.write_str("an encrypted account file"),
            Self::AccountFile(_) => f.write_str("an encrypted account file of the C suite"),
            Self::KeySet => f.write_str("a set of keys (JWKS)"),
            Self::Json => f.write_str("JSON without a token"),
            Self::Binary => f.write_str("no text"),
            Self::Text => f.write_str("another text"),
        }
    }
}
