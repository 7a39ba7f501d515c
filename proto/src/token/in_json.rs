//! Tokens in JSON: answers of token endpoints, `oidc token --json`, credentials of `HTCondor` and `kubectl`, and whatever has
//! them under names that people use.

use serde_json::Value;

use super::{found::Found, in_text};
use crate::json::Object;

/// Names of members that hold a token, in lower case and without underscores and hyphens, and what it then is.
const NAMES: [(&str, &str); 10] = [
    ("accesstoken", "access_token"),
    ("bearertoken", "access_token"),
    ("token", "access_token"),
    ("usertoken", "access_token"),
    ("credential", "access_token"),
    ("idtoken", "id_token"),
    ("mytoken", "mytoken"),
    ("jwt", "access_token"),
    ("subjecttoken", "access_token"),
    ("assertion", "access_token"),
];
const REFRESH: &str = "refreshtoken";

/// Searches a text that is one JSON object or array. Whether it is one.
pub(super) fn search(text: &str, found: &mut Found) -> bool {
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    let wrapped;
    let object = match text.as_bytes().first() {
        Some(b'{') => Object::parse(text.as_bytes()),
        Some(b'[') => {
            wrapped = zeroize::Zeroizing::new(format!("{{\"\":{text}}}"));
            Object::parse(wrapped.as_bytes())
        }
        _ => return false,
    };
    let Ok(object) = object else { return false };
    let mut refresh = Vec::new();
    for (name, value) in object.members() {
        walk(name, value, found, &mut refresh);
    }
    found.has_refresh_token = !refresh.is_empty();
    if found.tokens.is_empty() && found.malformed.is_empty() {
        // Nothing else to look at: what it is may be told, though nobody should have it at hand.
        for token in refresh {
            found.add(token, Some("refresh_token"));
        }
        found.has_refresh_token = false;
    }
    true
}

/// As deep as the reader allows.
fn walk<'a>(name: &str, value: &'a Value, found: &mut Found, refresh: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| walk(name, value, found, refresh));
        }
        Value::Array(items) => items.iter().for_each(|item| walk(name, item, found, refresh)),
        Value::String(text) => named(name, text.trim(), found, refresh),
        _ => {}
    }
}

fn named<'a>(name: &str, text: &'a str, found: &mut Found, refresh: &mut Vec<&'a str>) {
    let plain: String =
        name.chars().filter(|c| !matches!(c, '_' | '-')).take(32).collect::<String>().to_ascii_lowercase();
    if text.is_empty() {
    } else if plain == REFRESH {
        refresh.push(text);
    } else if let Some((_, found_as)) = NAMES.iter().find(|(known, _)| *known == plain) {
        found.add(text, Some(found_as));
    } else {
        in_text::search(text, found);
    }
}
