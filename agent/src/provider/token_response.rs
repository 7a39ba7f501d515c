//! What a token endpoint grants (RFC 6749 section 5.1).

use std::time::{Duration, SystemTime};

use oidc_proto::{
    json::Object,
    scope,
    secret::{AccessToken, IdToken, RefreshToken},
};

use super::id_token::ReceivedIdToken;

/// The longest life that is believed, 10 years: more than any provider means, and no date that programs stumble over.
const LONGEST_LIFE: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// A successful token response. `token_type` is not looked at: agent and clients know bearer tokens only.
#[derive(Debug)]
pub struct TokenResponse {
    /// The token asked for.
    pub access_token: AccessToken,
    /// How long it lives from now, 10 years at most; a number or a text on the wire. Absent: the provider does not say.
    pub expires_in: Option<Duration>,
    /// Present: replaces the one that was sent, at once and for good (RFC 6749 section 6).
    pub refresh_token: Option<RefreshToken>,
    /// How long the refresh token lives from now, where the provider says so (Keycloak's `refresh_expires_in`; 0, for one that
    /// does not end, says nothing).
    pub refresh_expires_in: Option<Duration>,
    /// OpenID Connect Core section 3.1.3.3. Not judged yet: see [`Provider::judge_id_token`].
    ///
    /// [`Provider::judge_id_token`]: super::Provider::judge_id_token
    pub id_token: Option<ReceivedIdToken>,
    /// The scopes granted, as the provider writes them; absent: those that were asked for.
    pub scope: Option<String>,
    /// RFC 8693 section 2.2.1.
    pub issued_token_type: Option<String>,
    /// The scopes of the login were refused, so the token was asked for without naming any: it has those that are left.
    pub login_scope_refused: bool,
}

impl TokenResponse {
    /// Reads an answer of the token endpoint, sent at `sent_at` by the provider's clock. `None`: there is no access
    /// token in it.
    pub(crate) fn from_object(mut response: Object, sent_at: Option<SystemTime>) -> Option<Self> {
        let mut secret = |key: &str| {
            let text = response.string(key);
            response.remove(key);
            text
        };
        let access_token = AccessToken::new(secret("access_token")?);
        let refresh_token = secret("refresh_token").map(RefreshToken::new);
        let id_token = secret("id_token").map(|token| ReceivedIdToken::new(IdToken::new(token), sent_at));
        let seconds = |key: &str| response.integer(key).and_then(|seconds| u64::try_from(seconds).ok());
        let expires_in = seconds("expires_in");
        let refresh_expires_in = seconds("refresh_expires_in").filter(|seconds| *seconds > 0);
        Some(Self {
            access_token,
            expires_in: expires_in.map(|seconds| Duration::from_secs(seconds).min(LONGEST_LIFE)),
            refresh_token,
            refresh_expires_in: refresh_expires_in
                .map(|seconds| Duration::from_secs(seconds).min(LONGEST_LIFE)),
            id_token,
            scope: scope::of(&response, "scope"),
            issued_token_type: response.string("issued_token_type"),
            login_scope_refused: false,
        })
    }

    /// The scopes of `requested` that were not granted. RFC 6749 section 5.1: a response that names no scope grants
    /// all of them.
    pub fn scopes_not_granted<'a>(&self, requested: &'a str) -> Vec<&'a str> {
        self.scope.as_deref().map(|granted| scope::not_granted(requested, granted)).unwrap_or_default()
    }

    /// The scopes that were granted beyond `requested`.
    pub fn scopes_not_requested(&self, requested: &str) -> Vec<&str> {
        self.scope.as_deref().map(|granted| scope::not_granted(granted, requested)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(json: &str) -> Option<TokenResponse> {
        TokenResponse::from_object(Object::parse(json.as_bytes()).expect("an object"), None)
    }

    #[test]
    fn expires_in_comes_in_many_forms() {
        for (json, seconds) in [
            ("3600", Some(3600)),
            (r#""3600""#, Some(3600)),
            ("3599.9", Some(3599)),
            ("315360000", Some(315_360_000)),
            ("9223372036854775807", Some(315_360_000)),
            ("-1", None),
            ("null", None),
            (r#""""#, None),
        ] {
            let granted =
                response(&format!(r#"{{"access_token":"a","expires_in":{json}}}"#)).expect("a token");
            assert_eq!(granted.expires_in.map(|life| life.as_secs()), seconds, "{json}");
        }
    }

    #[test]
    fn a_login_that_does_not_end_has_no_end() {
        for (json, seconds) in [("1800", Some(1800)), (r#""1800""#, Some(1800)), ("0", None), ("-1", None)] {
            let granted = response(&format!(r#"{{"access_token":"a","refresh_expires_in":{json}}}"#));
            let life = granted.expect("a token").refresh_expires_in;
            assert_eq!(life.map(|life| life.as_secs()), seconds, "{json}");
        }
    }

    #[test]
    fn tells_what_was_not_granted() {
        let granted = response(r#"{"access_token":"a","scope":"openid profile"}"#).expect("a token");
        assert_eq!(granted.scopes_not_granted("openid email profile"), ["email"]);
        for scope in [r#""email,openid profile""#, r#"["openid","email"]"#] {
            let granted = response(&format!(r#"{{"access_token":"a","scope":{scope}}}"#)).expect("a token");
            assert!(granted.scopes_not_granted("openid email offline_access").is_empty(), "{scope}");
        }
        let silent = response(r#"{"access_token":"a"}"#).expect("a token");
        assert!(silent.scopes_not_granted("openid email").is_empty());
    }

    #[test]
    fn without_a_token_it_is_no_response_and_debug_shows_none() {
        assert!(response(r#"{"token_type":"Bearer"}"#).is_none());
        let shown =
            format!("{:?}", response(r#"{"access_token":"S1","refresh_token":"S2","id_token":"S3"}"#));
        assert!(!shown.contains("S1") && !shown.contains("S2") && !shown.contains("S3"), "{shown}");
    }
}
