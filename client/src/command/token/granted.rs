//! Whether a token is what was asked for, as far as that can be told.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use oidc_proto::message::TokenReply;
use serde_json::{Map, Value};

/// What the token lacks, a text each: what the agent says, else what the token itself tells if it is a JWT
/// (RFC 9068: `scope`, `aud`). Nothing is said of opaque tokens.
pub fn shortfall(scope: Option<&str>, audience: Option<&str>, reply: &TokenReply) -> Vec<String> {
    if !reply.warnings.is_empty() {
        return reply.warnings.clone();
    }
    if scope.is_none() && audience.is_none() {
        return Vec::new();
    }
    let claims = claims(reply.access_token.expose());
    let granted_scope = match &reply.scope {
        Some(granted) => Some(words(granted)),
        None => claims.as_ref().and_then(|claims| texts(claims.get("scope").or_else(|| claims.get("scp"))?)),
    };
    let granted_audience = claims.as_ref().and_then(|claims| texts(claims.get("aud")?));
    let missing_scope = missing(scope, granted_scope).map(|list| format!("scope not granted: {list}"));
    let missing_audience =
        missing(audience, granted_audience).map(|list| format!("audience not granted: {list}"));
    missing_scope.into_iter().chain(missing_audience).collect()
}

/// What is said of a token that ends before `seconds` have passed.
pub fn lifetime_shortfall(seconds: u64, reply: &TokenReply) -> Option<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
    let left = reply.expires_at?.saturating_sub(now);
    (left < seconds).then(|| format!("the token is valid for {left} seconds only, {seconds} were asked for"))
}

/// The words of `wanted` that are not in `granted`; nothing if it is not known what was granted.
fn missing(wanted: Option<&str>, granted: Option<Vec<String>>) -> Option<String> {
    let granted = granted?;
    let lacking: Vec<_> =
        wanted?.split_whitespace().filter(|word| !granted.iter().any(|other| other == word)).collect();
    (!lacking.is_empty()).then(|| lacking.join(" "))
}

fn claims(token: &str) -> Option<Map<String, Value>> {
    let payload = token.split('.').nth(1)?;
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// A text of words, or an array of texts.
fn texts(claim: &Value) -> Option<Vec<String>> {
    match claim {
        Value::String(text) => Some(words(text)),
        Value::Array(items) => {
            Some(items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect())
        }
        _ => None,
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use oidc_proto::secret::AccessToken;

    use super::*;

    fn reply(token: &str) -> TokenReply {
        TokenReply {
            access_token: AccessToken::from(token),
            issuer: "https://op".into(),
            expires_at: Some(0),
            scope: None,
            warnings: Vec::new(),
            refresh_token: None,
        }
    }

    fn jwt(claims: &str) -> TokenReply {
        reply(&format!("e30.{}.sig", BASE64_URL_SAFE_NO_PAD.encode(claims)))
    }

    #[test]
    fn a_jwt_tells_what_it_grants() {
        let token = jwt(r#"{"scope":"openid profile","aud":["https://a","b"]}"#);
        assert_eq!(shortfall(Some("openid"), Some("b"), &token), Vec::<String>::new());
        assert_eq!(
            shortfall(Some("openid storage.read:/"), Some("https://a c"), &token),
            ["scope not granted: storage.read:/", "audience not granted: c"]
        );
    }

    #[test]
    fn nothing_is_said_of_what_is_not_known() {
        assert!(shortfall(Some("x"), Some("y"), &reply("opaque")).is_empty());
        assert!(shortfall(Some("x"), Some("y"), &jwt("{}")).is_empty());
        assert!(shortfall(None, None, &jwt(r#"{"scope":"x"}"#)).is_empty());
    }

    #[test]
    fn the_agent_knows_best() {
        let token = TokenReply { scope: Some("a".into()), ..reply("opaque") };
        assert_eq!(shortfall(Some("a b"), None, &token), ["scope not granted: b"]);
        let token = TokenReply { warnings: vec!["w".into()], ..token };
        assert_eq!(shortfall(None, None, &token), ["w"]);
    }

    #[test]
    fn a_token_about_to_expire_is_too_short() {
        assert!(lifetime_shortfall(60, &reply("x")).is_some());
        assert_eq!(lifetime_shortfall(0, &reply("x")), None);
        assert_eq!(lifetime_shortfall(60, &TokenReply { expires_at: None, ..reply("x") }), None);
    }
}
