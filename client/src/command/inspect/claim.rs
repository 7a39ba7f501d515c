//! One claim by its name or by a path into it.

use std::borrow::Cow;

use oidc_proto::token::{Members, Token};
use serde_json::Value;

/// What precedes a member of the header in a path.
const HEADER: &str = "header.";

/// A claim as it stands: a text without quotation marks, anything else as JSON. `None`: there is none.
///
/// A whole name counts first, as names may hold dots (`wlcg.ver`). Otherwise it is a path: names between dots, and places
/// in arrays from 0 on, in brackets or between dots. Under `header.` are the members of the header.
pub fn raw<'a>(token: &'a Token, name: &str) -> Option<Cow<'a, str>> {
    let claims = token.signed().map(|jwt| &jwt.claims);
    let found = claims.and_then(|claims| find(claims, name)).or_else(|| {
        let name = name.strip_prefix(HEADER)?;
        find(token.header()?, name)
    })?;
    Some(match found {
        Value::String(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    })
}

fn find<'a>(members: &'a Members, path: &str) -> Option<&'a Value> {
    // The longest name first: those of `wlcg.groups[0]` and `a.b.c` are not told apart otherwise.
    let ends = path.char_indices().filter(|(_, c)| matches!(c, '.' | '[')).map(|(at, _)| at);
    let mut ends: Vec<_> = ends.chain([path.len()]).take(64).collect();
    ends.reverse();
    ends.iter().find_map(|end| walk(members.get(&path[..*end])?, &path[*end..]))
}

fn walk<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    if path.is_empty() {
        return Some(value);
    }
    if let Some(rest) = path.strip_prefix('[') {
        let (place, rest) = rest.split_once(']')?;
        return walk(value.get(place.parse::<usize>().ok()?)?, rest);
    }
    let path = path.strip_prefix('.')?;
    let end = path.find(['.', '[']).unwrap_or(path.len());
    let (name, rest) = path.split_at(end);
    let inner = match value {
        Value::Object(members) => members.get(name),
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        _ => None,
    };
    walk(inner?, rest)
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};

    use super::*;

    #[test]
    fn names_and_paths_lead_to_values() {
        let part = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        let claims = r#"{"sub":"me","aud":["a","b"],"wlcg.ver":"1.0","wlcg.groups":["/x"],"exp":1.5,"n":null,
            "realm_access":{"roles":["r0","r1"],"a.b":1},"header":{"kid":"no"}}"#;
        let token = format!("{}.{}.x", part(r#"{"alg":"RS256","kid":"k"}"#), part(claims));
        let token = Token::parse(&token).expect("a token");
        for (name, value) in [
            ("sub", Some("me")),
            ("aud", Some(r#"["a","b"]"#)),
            ("aud[1]", Some("b")),
            ("aud.0", Some("a")),
            ("wlcg.ver", Some("1.0")),
            ("wlcg.groups[0]", Some("/x")),
            ("exp", Some("1.5")),
            ("n", Some("null")),
            ("realm_access.roles[1]", Some("r1")),
            ("realm_access.roles.0", Some("r0")),
            ("header.kid", Some("no")),
            ("header.alg", Some("RS256")),
            ("aud[2]", None),
            ("aud[", None),
            ("aud]", None),
            ("sub.x", None),
            ("nothing", None),
            ("", None),
        ] {
            assert_eq!(raw(&token, name).as_deref(), value, "{name}");
        }
    }
}
