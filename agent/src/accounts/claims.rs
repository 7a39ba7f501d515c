//! What a token says of itself, unverified. The agent uses it to know its own tokens' times and to tell the person
//! what was not granted, never to trust anybody.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

/// The claims of a JWT (RFC 7519).
pub struct Claims(serde_json::Map<String, Value>);

impl Claims {
    /// The claims, when the token is a JWT in compact form: also one with an empty signature, as INDIGO IAM's
    /// refresh tokens are.
    pub fn of(token: &str) -> Option<Self> {
        let mut parts = token.split('.');
        let (_header, payload, _signature) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        match serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?).ok()? {
            Value::Object(claims) => Some(Self(claims)),
            _ => None,
        }
    }

    /// `exp`, in whole seconds since the epoch.
    pub fn expires_at(&self) -> Option<u64> {
        self.seconds("exp")
    }

    /// How many seconds a token lives from now on that was made just now: until `exp`, but no longer than its whole
    /// life since `iat`. With a clock that is behind, the first of them is too long.
    pub fn lifetime(&self, now: u64) -> Option<u64> {
        let expires_at = self.expires_at()?;
        let made_at = self.seconds("iat").unwrap_or(0);
        Some(expires_at.saturating_sub(now.max(made_at)))
    }

    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a fraction is cut, as casts saturate"
    )]
    fn seconds(&self, claim: &str) -> Option<u64> {
        self.0.get(claim)?.as_f64().filter(|seconds| *seconds >= 0.0).map(|seconds| seconds as u64)
    }

    /// `aud`, a string or an array.
    pub fn audiences(&self) -> Vec<&str> {
        match self.0.get("aud") {
            Some(Value::String(audience)) => vec![audience],
            Some(Value::Array(audiences)) => audiences.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// `scope` (RFC 9068 section 2.2.3) or `scp`: blank-separated, or an array.
    pub fn scopes(&self) -> Option<Vec<&str>> {
        match self.0.get("scope").or_else(|| self.0.get("scp"))? {
            Value::String(scopes) => Some(scopes.split_ascii_whitespace().collect()),
            Value::Array(scopes) => Some(scopes.iter().filter_map(Value::as_str).collect()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(payload: &str) -> String {
        format!("e30.{}.", URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn reads_what_a_token_says() {
        let token = jwt(r#"{"exp":1700000000.7,"aud":["a","b"],"scope":"x y"}"#);
        let claims = Claims::of(&token).expect("a JWT");
        assert_eq!(claims.expires_at(), Some(1_700_000_000));
        assert_eq!(claims.audiences(), ["a", "b"]);
        assert_eq!(claims.scopes(), Some(vec!["x", "y"]));
    }

    #[test]
    fn a_life_is_never_longer_than_the_whole_one() {
        for (claims, now, lifetime) in [
            (r#"{"exp":5000}"#, 1400, Some(3600)),
            (r#"{"exp":5000,"iat":1400}"#, 1400, Some(3600)),
            (r#"{"exp":5000,"iat":1400}"#, 2000, Some(3000)),
            (r#"{"exp":5000,"iat":1400}"#, 0, Some(3600)),
            (r#"{"exp":5000,"iat":1400}"#, 9000, Some(0)),
            (r#"{"exp":5000,"iat":9000}"#, 1400, Some(0)),
            (r#"{"exp":1e300}"#, 1400, Some(u64::MAX - 1400)),
            (r#"{"iat":1400}"#, 1400, None),
        ] {
            let token = jwt(claims);
            assert_eq!(Claims::of(&token).expect("a JWT").lifetime(now), lifetime, "{claims} at {now}");
        }
    }

    #[test]
    fn an_opaque_token_says_nothing() {
        for token in ["", "opaque", "a.b", "a.b.c", "a.b.c.d", &jwt("[1]"), &jwt("no json")] {
            assert!(Claims::of(token).is_none(), "{token}");
        }
        let claims = jwt(r#"{"exp":"soon","aud":7}"#);
        let claims = Claims::of(&claims).expect("a JWT");
        assert_eq!((claims.expires_at(), claims.audiences().len(), claims.scopes()), (None, 0, None));
    }
}
