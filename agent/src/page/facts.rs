//! What a token says, in words: rows for the page, which puts their texts in as texts.

use oidc_proto::{
    shortname::{is_control, is_format},
    token::{ANY_AUDIENCE, Date, Kind, Token, in_words},
};
use serde_json::{Value, json};

/// Longest text of a claim that is shown, in characters.
const MAX_TEXT: usize = 300;
/// Most texts of one list that are shown.
const MAX_LIST: usize = 50;

/// What most people want to know: the kind, whom it is about, for whom, and what it allows.
pub fn facts(token: &Token, kind: &Kind) -> Vec<Value> {
    let mut rows = vec![row("Kind", [text(&kind.to_string(), kind.remark())])];
    let Some(jwt) = token.signed() else { return rows };
    let words = |texts: Vec<&str>| texts.into_iter().map(|word| text(word, None)).collect::<Vec<_>>();
    rows.push(row("Subject", words(jwt.subject().into_iter().collect())));
    let audiences = jwt.audiences().into_iter();
    let any = |audience: &str| ANY_AUDIENCE.contains(&audience).then_some("any service");
    rows.push(row("Audience", audiences.map(|audience| text(audience, any(audience))).collect::<Vec<_>>()));
    let scopes = jwt.scopes().into_iter().map(|scope| text(scope, in_words(scope).as_deref()));
    rows.push(row("Scopes", scopes.collect::<Vec<_>>()));
    rows.push(row("Groups", words(jwt.groups())));
    rows.retain(|row| row["values"].as_array().is_some_and(|values| !values.is_empty()));
    rows
}

/// Everything else that it says.
pub fn details(token: &Token) -> Vec<Value> {
    let size = row("Size", [text(&format!("{} bytes", token.size()), None)]);
    let Some(jwt) = token.signed() else { return vec![size] };
    let mut rows = vec![row("Issuer", [text(jwt.issuer().unwrap_or("not named"), None)])];
    for (label, claim) in [("Issued", "iat"), ("Valid from", "nbf"), ("Expires", "exp")] {
        if let Date::At(_) = jwt.claims.date(claim) {
            rows.push(json!({"label": label, "time": jwt.claims.date(claim).seconds()}));
        }
    }
    let signed = match (jwt.algorithm(), jwt.key_id()) {
        (None, _) => "by no algorithm".to_owned(),
        (Some(algorithm), None) => algorithm.to_owned(),
        (Some(algorithm), Some(kid)) => format!("{algorithm}, key {kid}"),
    };
    rows.extend([row("Signed", [text(&signed, None)]), size]);
    let members = jwt.claims.object().members();
    let others = members.iter().filter(|(name, _)| !jwt.is_shown_by_itself(name)).take(MAX_LIST);
    rows.extend(others.map(|(name, value)| row(&plain(name), [text(&shown(value), None)])));
    rows
}

fn row(label: &str, values: impl Into<Vec<Value>>) -> Value {
    let mut values: Vec<Value> = values.into();
    let count = values.len();
    if count > MAX_LIST {
        values.truncate(MAX_LIST);
        values.push(text(&format!("… and {} more", count - MAX_LIST), None));
    }
    json!({"label": label, "values": values})
}

fn text(text: &str, note: Option<&str>) -> Value {
    json!({"text": plain(text), "note": note.map(plain)})
}

/// A value in a line.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A text of a token: bounded, and without what steers how it is shown.
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len().min(2 * MAX_TEXT));
    for (number, c) in text.chars().enumerate() {
        if number == MAX_TEXT {
            plain.push('…');
            break;
        }
        if is_control(c) || is_format(c) { plain.extend(c.escape_unicode()) } else { plain.push(c) }
    }
    plain
}

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

    use super::*;

    fn token(claims: &Value) -> Token {
        let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let header = json!({"alg": "ES256", "kid": "k1"});
        Token::parse(&format!("{}.{}.c2ln", part(&header), part(claims))).expect("a token")
    }

    fn rows(claims: &Value) -> String {
        let token = token(claims);
        let rows = [facts(&token, &Kind::of(&token, None)), details(&token)].concat();
        Value::from(rows).to_string()
    }

    #[test]
    fn claims_are_told_in_words() {
        let claims = json!({
            "wlcg.ver": "1.0", "iss": "https://op", "sub": "ada", "aud": ["ANY", "https://b"], "exp": 1_800_000_000,
            "scope": "openid storage.read:/", "wlcg.groups": ["/cms"], "jti": {"odd": 1},
        });
        let rows = rows(&claims);
        for expected in [
            r#""label":"Kind","values":[{"text":"WLCG access token 1.0","note":null}]"#,
            r#""label":"Subject","values":[{"text":"ada","note":null}]"#,
            r#"{"text":"storage.read:/","note":"read everything"}"#,
            r#"{"text":"ANY","note":"any service"},{"text":"https://b","note":null}"#,
            r#""label":"Groups","values":[{"text":"/cms","note":null}]"#,
            r#"{"label":"Expires","time":1800000000}"#,
            r#""text":"ES256, key k1""#,
            r#""label":"jti","values":[{"text":"{\"odd\":1}","note":null}]"#,
        ] {
            assert!(rows.contains(expected), "{expected} is not in {rows}");
        }
        assert!(!rows.contains("c2ln"), "a signature is nothing to be shown");
    }

    #[test]
    fn texts_of_others_are_bounded_and_steer_nothing() {
        let rows = rows(&json!({
            "iss": "https://op", "sub": "a\u{202e}b\n\u{1b}[1m", "aud": "x".repeat(5000), "scope": "s ".repeat(500),
        }));
        assert!(!rows.contains(['\u{202e}', '\u{1b}']) && rows.contains("u{202e}"), "{rows}");
        assert!(rows.len() < 5000 && rows.contains("… and 450 more"), "{}", rows.len());
    }

    #[test]
    fn an_opaque_token_says_what_it_is() {
        let token = Token::parse("opaque-0123456789").expect("a token");
        assert_eq!(facts(&token, &Kind::of(&token, None)).len(), 1);
        assert_eq!(details(&token).len(), 1, "its size");
    }
}
