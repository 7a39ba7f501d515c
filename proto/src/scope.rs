//! Lists of scopes (RFC 6749 section 3.3) as providers write them, and what is missing from one.

pub mod path;

use serde_json::Value;

use self::path::PathScope;
use crate::json::Object;

/// Asks for a refresh token (OpenID Connect Core section 11), not for something that a token holds.
pub const OFFLINE_ACCESS: &str = "offline_access";

/// A list of scopes in an object: a text, or an array of texts, which are joined by blanks. A text stays as it is.
pub fn of(object: &Object, key: &str) -> Option<String> {
    match object.members().get(key)? {
        Value::String(_) => object.string(key),
        Value::Array(_) => Some(object.strings(key).join(" ")).filter(|list| !list.is_empty()),
        _ => None,
    }
}

/// Whether a list has that scope. Its words are separated by blanks; some providers (Strava, GitHub) write commas.
pub fn contains(granted: &str, scope: &str) -> bool {
    granted.split_whitespace().any(|word| word == scope || word.split(',').any(|part| part == scope))
}

/// The granted list in the form in which scopes are asked for: where it is one with commas, those that were asked for
/// and are in it, else as it stands.
pub fn in_blanks(granted: &str, asked: &str) -> String {
    if !granted.contains(',') || asked.contains(',') {
        return granted.to_owned();
    }
    asked.split_whitespace().filter(|scope| contains(granted, scope)).collect::<Vec<_>>().join(" ")
}

/// Whether a list allows what a scope allows: it has that scope, or one with a path that covers it
/// (`storage.modify:/` covers `storage.create:/store`).
pub fn allows(granted: &str, scope: &str) -> bool {
    if contains(granted, scope) {
        return true;
    }
    let Some(wanted) = PathScope::parse(scope) else { return false };
    let words = granted.split_whitespace().flat_map(|word| std::iter::once(word).chain(word.split(',')));
    words.filter_map(PathScope::parse).any(|granted| granted.covers(&wanted))
}

/// The scopes that were asked for, separated by blanks, and that the list of those granted does not allow.
pub fn not_granted<'a>(asked: &'a str, granted: &str) -> Vec<&'a str> {
    asked.split_whitespace().filter(|scope| *scope != OFFLINE_ACCESS && !allows(granted, scope)).collect()
}

/// The scopes that were granted though those asked for do not allow as much, without those that every login has.
pub fn granted_besides<'a>(asked: &str, granted: &'a str) -> Vec<&'a str> {
    let is_asked = |scope: &str| {
        scope.is_empty() || scope == "openid" || scope == OFFLINE_ACCESS || allows(asked, scope)
    };
    let words = granted.split_whitespace().filter(|word| !is_asked(word));
    words.flat_map(|word| word.split(',')).filter(|scope| !is_asked(scope)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_a_text_or_an_array() {
        for (json, list) in [
            (r#"{"scope":"a b"}"#, Some("a b")),
            (r#"{"scope":"a,b"}"#, Some("a,b")),
            (r#"{"scope":["a","b c"]}"#, Some("a b c")),
            (r#"{"scope":[]}"#, None),
            (r#"{"scope":""}"#, None),
            (r#"{"scope":null}"#, None),
            (r#"{"scope":7}"#, None),
            ("{}", None),
        ] {
            let object = Object::parse(json.as_bytes()).expect("an object");
            assert_eq!(of(&object, "scope").as_deref(), list, "{json}");
        }
    }

    #[test]
    fn words_are_separated_by_blanks_or_commas() {
        for granted in ["openid profile", "openid,profile", "openid, profile", " profile  openid "] {
            assert!(contains(granted, "openid") && contains(granted, "profile"), "{granted}");
            assert!(!contains(granted, "open") && !contains(granted, "email"), "{granted}");
        }
        // A comma may be part of a scope.
        assert!(contains("openid storage.read:/a,b", "storage.read:/a,b"));
    }

    #[test]
    fn commas_are_not_sent_back_to_a_provider_that_was_asked_with_blanks() {
        assert_eq!(in_blanks("b,a", "a b c"), "a b");
        assert_eq!(in_blanks("b a", "a c"), "b a");
        assert_eq!(in_blanks("b,a", "a,b"), "b,a");
    }

    #[test]
    fn tells_what_is_missing() {
        assert_eq!(not_granted("storage.read:/ b offline_access", "b storage.read:/x"), ["storage.read:/"]);
        assert_eq!(not_granted("a b", ""), ["a", "b"]);
    }

    #[test]
    fn a_path_above_is_enough() {
        let asked = "storage.read:/store/user/me storage.create:/store/temp storage.stage:/store";
        assert!(not_granted(asked, "storage.read:/store storage.modify:/,storage.stage:/").is_empty());
        assert_eq!(
            not_granted(asked, "storage.read:/store/us storage.create:/store/temp"),
            ["storage.read:/store/user/me", "storage.stage:/store"]
        );
        assert_eq!(
            granted_besides("storage.modify:/a", "storage.create:/a/b storage.modify:/"),
            ["storage.modify:/"]
        );
    }

    #[test]
    fn tells_what_came_besides() {
        assert_eq!(
            granted_besides("a storage.read:/x,y", "a,b openid storage.read:/x,y c offline_access"),
            ["b", "c"]
        );
        assert!(granted_besides("a b", "b, a").is_empty());
    }
}
