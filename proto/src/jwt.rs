//! What a JWT in compact form says of itself (RFC 7519 section 3), unverified: to know a token's times and to tell a
//! person what was not granted. Whoever has to believe it checks it first.

use base64::{
    Engine,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde_json::Value;

use crate::{json::Object, scope};

/// RFC 7515 section 2 leaves the padding out; some libraries do not.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A JWT, taken apart.
pub struct Jwt<'a> {
    /// The JOSE header (RFC 7515 section 4).
    pub header: Object,
    /// The claims.
    pub claims: Claims,
    /// What the signature is over: header and payload, as they came.
    pub signed: &'a str,
    /// The signature, in base64url; empty where there is none, as in INDIGO IAM's refresh tokens.
    pub signature: &'a str,
}

impl<'a> Jwt<'a> {
    /// Takes a token apart. `None`: it is not a JWT in compact form, but opaque or encrypted.
    pub fn parse(token: &'a str) -> Option<Self> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.').filter(|(_, payload)| !payload.contains('.'))?;
        Some(Self { header: object(header)?, claims: Claims(object(payload)?), signed, signature })
    }
}

/// The claims of a JWT (RFC 7519 section 4). Overwritten when dropped.
#[derive(Clone, Default, PartialEq)]
pub struct Claims(Object);

impl Claims {
    /// The claims of a token; `None` where it is no JWT.
    pub fn of(token: &str) -> Option<Self> {
        Jwt::parse(token).map(|jwt| jwt.claims)
    }

    /// A claim that is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.members().get(name)?.as_str()
    }

    /// A claim that is a time (RFC 7519 section 2, `NumericDate`), in whole seconds since the epoch.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a fraction is cut, as casts saturate"
    )]
    pub fn time(&self, name: &str) -> Option<u64> {
        self.0.members().get(name)?.as_f64().filter(|seconds| *seconds >= 0.0).map(|seconds| seconds as u64)
    }

    /// All of them.
    pub fn members(&self) -> &serde_json::Map<String, Value> {
        self.0.members()
    }

    /// `exp`, in whole seconds since the epoch.
    pub fn expires_at(&self) -> Option<u64> {
        self.time("exp")
    }

    /// How many seconds a token lives from now on that was made just now: until `exp`, but no longer than its whole
    /// life since `iat`. With a clock that is behind, the first of them is too long.
    pub fn lifetime(&self, now: u64) -> Option<u64> {
        let made_at = self.time("iat").unwrap_or(0);
        Some(self.expires_at()?.saturating_sub(now.max(made_at)))
    }

    /// `aud`, a text or an array.
    pub fn audiences(&self) -> Vec<&str> {
        match self.0.members().get("aud") {
            Some(Value::String(audience)) => vec![audience],
            Some(Value::Array(audiences)) => audiences.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// `scope` (RFC 9068 section 2.2.3), or `scp` as Microsoft and others have it; separated by blanks. Empty where the token
    /// says that it has none.
    pub fn scope(&self) -> Option<String> {
        let none = || match self.0.members().get("scope")? {
            Value::String(text) if text.is_empty() => Some(String::new()),
            Value::Array(list) if list.is_empty() => Some(String::new()),
            _ => None,
        };
        scope::of(&self.0, "scope").or_else(|| scope::of(&self.0, "scp")).or_else(none)
    }
}

fn object(part: &str) -> Option<Object> {
    Object::parse(&zeroize::Zeroizing::new(BASE64URL.decode(part).ok()?)).ok()
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD};

    use super::*;

    fn jwt(payload: &str) -> String {
        format!("e30.{}.", BASE64_URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn reads_what_a_token_says() {
        let token = jwt(r#"{"exp":1700000000.7,"nbf":"soon","iat":-1,"aud":["a","b"],"sub":"me"}"#);
        let claims = Claims::of(&token).expect("a JWT");
        assert_eq!(claims.expires_at(), Some(1_700_000_000));
        assert_eq!((claims.time("nbf"), claims.time("iat")), (None, None));
        assert_eq!(claims.audiences(), ["a", "b"]);
        assert_eq!((claims.text("sub"), claims.text("aud")), (Some("me"), None));
    }

    #[test]
    fn scopes_come_in_many_shapes() {
        for (claims, scope) in [
            (r#"{"scope":"x y"}"#, Some("x y")),
            (r#"{"scope":["x","y"]}"#, Some("x y")),
            (r#"{"scp":"x y"}"#, Some("x y")),
            (r#"{"scp":["x","y"]}"#, Some("x y")),
            (r#"{"scope":null,"scp":["x"]}"#, Some("x")),
            (r#"{"scope":7}"#, None),
            (r#"{"scope":""}"#, Some("")),
            (r#"{"scope":[]}"#, Some("")),
            ("{}", None),
        ] {
            assert_eq!(Claims::of(&jwt(claims)).expect("a JWT").scope().as_deref(), scope, "{claims}");
        }
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
    fn padding_may_be_there_or_not() {
        let claims = r#"{"sub":"me"}x"#;
        for length in [12, 13] {
            let payload = claims[..length].replace('x', " ");
            let token = format!("e30=.{}.c2ln", BASE64_URL_SAFE.encode(payload));
            assert_eq!(Claims::of(&token).expect("a JWT").text("sub"), Some("me"), "{token}");
        }
    }

    #[test]
    fn signature_and_what_it_is_over_stay_as_they_came() {
        let jwt = Jwt::parse("eyJhbGciOiJFUzI1NiJ9.e30.c2ln").expect("a JWT");
        assert_eq!(jwt.header.text("alg").as_deref(), Some("ES256"));
        assert_eq!((jwt.signed, jwt.signature), ("eyJhbGciOiJFUzI1NiJ9.e30", "c2ln"));
    }

    #[test]
    fn an_opaque_token_says_nothing() {
        for token in
            ["", "opaque", "a.b", "a.b.c", "e30.e30.a.b", "e30.e30.a.b.c", &jwt("[1]"), &jwt("no json")]
        {
            assert!(Claims::of(token).is_none(), "{token}");
        }
        let claims = jwt(r#"{"exp":"soon","aud":7}"#);
        let claims = Claims::of(&claims).expect("a JWT");
        assert_eq!((claims.expires_at(), claims.audiences().len(), claims.scope()), (None, 0, None));
    }
}
