//! Whether a new token may take the place of the one that is there. What is refused here never reaches a reader.

use super::{
    entry::{Require, TokenKind, WantedToken},
    formats::{Held, Issued},
};
use crate::{destination::ANY_AUDIENCE, jwt::Claims, scope, token::is_b64token};

/// No token is longer, in bytes.
pub const MAX_TOKEN_LEN: usize = 64 << 10;

/// Why a token is not published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// There is nothing in it.
    #[error("the provider gave an empty token")]
    Empty,
    /// A page for people came in place of a token.
    #[error("what came is a web page, not a token")]
    Page,
    /// Longer than [`MAX_TOKEN_LEN`].
    #[error("what came is longer than any token: {0} bytes, and at most {MAX_TOKEN_LEN} are published")]
    TooLong(usize),
    /// RFC 6750 section 2.1.
    #[error("what came has characters that no bearer token may have (RFC 6750 section 2.1)")]
    NotBearer,
    /// Its time is over.
    #[error("the token that came has already expired, {0} seconds ago; is this machine's clock right?")]
    Expired(u64),
    /// What is there lasts as long.
    #[error("the token that came ends no later than the one that is there")]
    NotLonger,
    /// Audiences that it lacks.
    #[error(
        "the token is not for the audience {0}; the account's provider may not know it (`require = \"warn\"` publishes it all the same)"
    )]
    Audience(String),
    /// Scopes that it lacks.
    #[error(
        "the token lacks the scope {0}; the account may not have it (`require = \"warn\"` publishes it all the same)"
    )]
    Scope(String),
}

impl Refusal {
    /// A stable name for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty | Self::Page | Self::TooLong(_) | Self::NotBearer => "malformed_token",
            Self::Expired(_) => "expired_token",
            Self::NotLonger => "token_not_longer",
            Self::Audience(_) => "audience_missing",
            Self::Scope(_) => "scope_missing",
        }
    }

    /// Whether what came is no token at all.
    pub const fn is_malformed(&self) -> bool {
        matches!(self, Self::Empty | Self::Page | Self::TooLong(_) | Self::NotBearer)
    }
}

/// Whether a token may be published, where `old` is what is there for the same wish. `wanted` has the audiences and scopes of
/// its services filled in. Gives what is missing and was not required, for the person.
pub fn judge(
    wanted: &WantedToken,
    require: Require,
    issued: &Issued<'_>,
    old: Option<&Held>,
    now: u64,
) -> Result<Vec<String>, Refusal> {
    form(issued.token)?;
    let claims = Claims::of(issued.token);
    // What the token says of itself is what readers believe.
    let expires_at = claims.as_ref().and_then(Claims::expires_at).or(issued.expires_at);
    if let Some(expires_at) = expires_at.filter(|at| *at <= now) {
        return Err(Refusal::Expired(now - expires_at));
    }
    let held_until = old.and_then(|old| old.expires_at).filter(|at| *at > now);
    if let (Some(old), Some(new)) = (held_until, expires_at)
        && new <= old
    {
        return Err(Refusal::NotLonger);
    }
    let mut told = Vec::new();
    if expires_at.is_none() {
        told.push("nobody says when this token ends, so it is renewed as if it were short-lived".to_owned());
    }
    let shortfalls = [
        (require != Require::Warn, audience(wanted, claims.as_ref()).map(Refusal::Audience)),
        (require == Require::AudScope, scopes(wanted, issued, claims.as_ref()).map(Refusal::Scope)),
    ];
    for (is_required, shortfall) in shortfalls {
        match shortfall {
            Some(refusal) if is_required => return Err(refusal),
            Some(Refusal::Audience(missing)) => {
                told.push(format!("the token is not for the audience {missing}"));
            }
            Some(Refusal::Scope(missing)) => told.push(format!("the token lacks the scope {missing}")),
            _ => {}
        }
    }
    Ok(told)
}

fn form(token: &str) -> Result<(), Refusal> {
    match token {
        "" => Err(Refusal::Empty),
        long if long.len() > MAX_TOKEN_LEN => Err(Refusal::TooLong(long.len())),
        page if page.trim_start().starts_with('<') => Err(Refusal::Page),
        token if !is_b64token(token) => Err(Refusal::NotBearer),
        _ => Ok(()),
    }
}

/// The audiences that are missing; `None` also where nothing tells.
fn audience(wanted: &WantedToken, claims: Option<&Claims>) -> Option<String> {
    let audiences = claims?.audiences();
    if audiences.contains(&ANY_AUDIENCE) {
        return None;
    }
    let asked = wanted.audience.as_deref().unwrap_or_default().split_whitespace();
    let missing: Vec<_> = asked.filter(|one| !audiences.contains(one)).collect();
    (!missing.is_empty()).then(|| missing.join(" "))
}

/// The scopes that are missing; `None` also where nothing tells.
fn scopes(wanted: &WantedToken, issued: &Issued<'_>, claims: Option<&Claims>) -> Option<String> {
    if wanted.kind == TokenKind::Id {
        return None;
    }
    let granted = issued.scope.map(str::to_owned).or_else(|| claims?.scope())?;
    let missing = scope::not_granted(wanted.scope.as_deref().unwrap_or_default(), &granted);
    (!missing.is_empty()).then(|| missing.join(" "))
}

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

    use super::*;
    use crate::secret::AccessToken;

    fn jwt(payload: &str) -> String {
        format!("e30.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(payload))
    }

    fn wanted(scope: Option<&str>, audience: Option<&str>) -> WantedToken {
        WantedToken {
            account: "cms".parse().expect("a name"),
            scope: scope.map(str::to_owned),
            audience: audience.map(str::to_owned),
            kind: TokenKind::Access,
            services: Vec::new(),
        }
    }

    fn issued(token: &str) -> Issued<'_> {
        let (issuer, kind) = ("https://op.example", TokenKind::Access);
        Issued { token, kind, issuer, expires_at: Some(2000), scope: None, now: 1000 }
    }

    fn held(expires_at: Option<u64>) -> Held {
        Held { token: AccessToken::from("old"), expires_at, issued_at: None }
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let long = "x".repeat(MAX_TOKEN_LEN + 1);
        for (token, refusal) in [
            ("", Refusal::Empty),
            ("<!DOCTYPE html>", Refusal::Page),
            (" \n<html>", Refusal::Page),
            ("two words", Refusal::NotBearer),
            ("t\n", Refusal::NotBearer),
            (long.as_str(), Refusal::TooLong(MAX_TOKEN_LEN + 1)),
        ] {
            let judged = judge(&wanted(None, None), Require::Warn, &issued(token), None, 1000);
            assert!(refusal.is_malformed());
            assert_eq!(judged, Err(refusal));
        }
    }

    #[test]
    fn a_token_has_to_last_longer_than_what_is_there() {
        let judge = |token: &str, old: Option<&Held>| {
            judge(&wanted(None, None), Require::AudScope, &issued(token), old, 1000)
        };
        assert_eq!(judge(&jwt(r#"{"exp":1000}"#), None), Err(Refusal::Expired(0)));
        assert_eq!(judge("opaque", Some(&held(Some(2000)))), Err(Refusal::NotLonger));
        assert_eq!(judge("opaque", Some(&held(Some(1999)))), Ok(Vec::new()));
        // The token's own claim wins over what was said beside it.
        assert_eq!(judge(&jwt(r#"{"exp":1500}"#), Some(&held(Some(1600)))), Err(Refusal::NotLonger));
        for old in [None, Some(&held(None)), Some(&held(Some(900)))] {
            assert_eq!(judge(&jwt(r#"{"exp":1500}"#), old), Ok(Vec::new()));
        }
    }

    #[test]
    fn what_was_asked_for_has_to_be_there_as_far_as_anybody_tells() {
        let token = jwt(r#"{"exp":2000,"aud":["a"],"scope":"storage.read:/ x"}"#);
        let any = jwt(&format!(r#"{{"exp":2000,"aud":"{ANY_AUDIENCE}"}}"#));
        let missing = |refusal| Err(refusal);
        for (token, scope, audience, expected) in [
            (&token, Some("storage.read:/store x"), Some("a"), Ok(Vec::new())),
            (&token, None, Some("a b"), missing(Refusal::Audience("b".into()))),
            (&token, Some("x y"), None, missing(Refusal::Scope("y".into()))),
            (&any, Some("y"), Some("b"), Ok(Vec::new())),
            (&"opaque".to_owned(), Some("y"), Some("b"), Ok(Vec::new())),
            (&jwt(r#"{"exp":2000}"#), None, Some("b"), missing(Refusal::Audience("b".into()))),
        ] {
            let wanted = wanted(scope, audience);
            assert_eq!(judge(&wanted, Require::AudScope, &issued(token), None, 1000), expected);
            let warned = judge(&wanted, Require::Warn, &issued(token), None, 1000).expect("published");
            assert_eq!(warned.len(), usize::from(expected.is_err()));
        }
        let wanted = wanted(Some("y"), Some("a"));
        assert_eq!(judge(&wanted, Require::Aud, &issued(&token), None, 1000).map(|told| told.len()), Ok(1));
        // The provider's word on scopes comes first.
        let told = Issued { scope: Some("y"), ..issued(&token) };
        assert_eq!(judge(&wanted, Require::AudScope, &told, None, 1000), Ok(Vec::new()));
    }

    #[test]
    fn a_token_without_an_end_is_told() {
        let endless = Issued { expires_at: None, ..issued("opaque") };
        let told = judge(&wanted(None, None), Require::AudScope, &endless, None, 1000).expect("published");
        assert!(told[0].contains("nobody says"), "{told:?}");
    }
}
