//! Whether a token is what was asked for, as far as that can be told.

use std::time::{SystemTime, UNIX_EPOCH};

use oidc_proto::{
    jwt::Claims,
    message::TokenReply,
    scope::{granted_besides, not_granted},
};

/// What the token lacks, a text each: what the agent says, else what the token itself tells if it is a JWT
/// (RFC 9068: `scope`, `aud`). Nothing is said of opaque tokens.
pub fn shortfall(scope: Option<&str>, audience: Option<&str>, reply: &TokenReply) -> Vec<String> {
    if !reply.warnings.is_empty() {
        return reply.warnings.clone();
    }
    if scope.is_none() && audience.is_none() {
        return Vec::new();
    }
    let claims = Claims::of(reply.access_token.expose());
    let granted_scope = granted_scope(reply);
    let missing_scope = match (scope, &granted_scope) {
        (Some(asked), Some(granted)) => not_granted(asked, granted),
        _ => Vec::new(),
    };
    let granted_audience = claims.as_ref().map(Claims::audiences).unwrap_or_default();
    let missing_audience = match audience {
        Some(asked) if !granted_audience.is_empty() => {
            asked.split_whitespace().filter(|word| !granted_audience.contains(word)).collect()
        }
        _ => Vec::new(),
    };
    [("scope", missing_scope), ("audience", missing_audience)]
        .into_iter()
        .filter(|(_, missing)| !missing.is_empty())
        .map(|(what, missing)| format!("{what} not granted: {}", missing.join(" ")))
        .collect()
}

/// The scopes of a token: as the agent tells them, else as the token itself does.
fn granted_scope(reply: &TokenReply) -> Option<String> {
    reply.scope.clone().or_else(|| Claims::of(reply.access_token.expose())?.scope())
}

/// What is said of a token with more scopes than were asked for. The audience is left alone: what the provider adds there
/// says who it is for itself.
pub fn surplus(scope: Option<&str>, reply: &TokenReply) -> Option<String> {
    let (asked, granted) = (scope?, granted_scope(reply)?);
    let besides = granted_besides(asked, &granted);
    (!besides.is_empty())
        .then(|| format!("the provider granted more than was asked for: {}", besides.join(" ")))
}

/// What is said of a token that ends before `seconds` have passed.
pub fn lifetime_shortfall(seconds: u64, reply: &TokenReply) -> Option<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
    let left = reply.expires_at?.saturating_sub(now);
    (left < seconds).then(|| format!("the token is valid for {left} seconds only, {seconds} were asked for"))
}

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
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
    fn scopes_come_back_in_many_shapes() {
        for granted in ["openid profile", "openid,profile", "profile, openid"] {
            let token = TokenReply { scope: Some(granted.into()), ..reply("opaque") };
            assert!(shortfall(Some("openid profile offline_access"), None, &token).is_empty(), "{granted}");
            assert_eq!(shortfall(Some("email"), None, &token), ["scope not granted: email"]);
        }
        for claims in [
            r#"{"scope":"openid profile"}"#,
            r#"{"scope":["openid","profile"]}"#,
            r#"{"scp":["openid","profile"]}"#,
            r#"{"scp":"openid profile"}"#,
        ] {
            assert!(shortfall(Some("openid profile"), None, &jwt(claims)).is_empty(), "{claims}");
            assert_eq!(shortfall(Some("email"), None, &jwt(claims)), ["scope not granted: email"]);
        }
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
    fn more_than_was_asked_for_is_no_shortfall() {
        let token = jwt(r#"{"scope":"openid a b c"}"#);
        assert_eq!(
            surplus(Some("a"), &token).as_deref(),
            Some("the provider granted more than was asked for: b c")
        );
        assert!(shortfall(Some("a"), None, &token).is_empty());
        assert_eq!((surplus(Some("a b c"), &token), surplus(None, &token)), (None, None));
        assert_eq!(surplus(Some("a"), &reply("opaque")), None);
    }

    #[test]
    fn a_token_about_to_expire_is_too_short() {
        assert!(lifetime_shortfall(60, &reply("x")).is_some());
        assert_eq!(lifetime_shortfall(0, &reply("x")), None);
        assert_eq!(lifetime_shortfall(60, &TokenReply { expires_at: None, ..reply("x") }), None);
    }
}
