//! Making tokens and the token answer (RFC 6749 section 5.1).

use serde_json::{Map, Value, json};

use super::{
    keys,
    quirks::{AccessTokenFormat, ExpiresIn, ScopeForm},
    state::{AccessToken, RefreshToken, SUBJECT, Scopes, State, now},
};

/// What a token answer is made of.
pub(super) struct Issue {
    pub(super) family: usize,
    pub(super) scope: Scopes,
    pub(super) audience: Vec<String>,
    /// A refresh token made beforehand.
    pub(super) refresh_token: Option<String>,
}

/// Issues an access token, and an ID token if `openid` is among the scopes, and writes the answer.
pub(super) fn issue(state: &mut State, issue: Issue) -> Value {
    let scope = issue.scope.without(&state.quirks.drops_scopes);
    let lifetime = state.quirks.access_token_lifetime;
    let access_token = access_token(state, &issue, &scope);
    let mut answer = Map::new();
    answer.insert("access_token".into(), access_token.into());
    answer.insert("token_type".into(), "Bearer".into());
    match state.quirks.expires_in {
        ExpiresIn::Number => answer.insert("expires_in".into(), lifetime.into()),
        ExpiresIn::Text => answer.insert("expires_in".into(), lifetime.to_string().into()),
        ExpiresIn::Absent => None,
    };
    if let Some(lifetime) =
        state.quirks.refresh_token_lifetime.filter(|_| state.quirks.answers_refresh_lifetime)
    {
        answer.insert("refresh_expires_in".into(), lifetime.into());
    }
    if let Some(refresh_token) = issue.refresh_token {
        answer.insert("refresh_token".into(), refresh_token.into());
    }
    if scope.has("openid") {
        answer.insert("id_token".into(), id_token(state, issue.family).into());
    }
    if state.quirks.answers_scope {
        answer.insert("scope".into(), written(&scope.text(), state.quirks.scope_form));
    }
    Value::Object(answer)
}

fn written(scope: &str, form: ScopeForm) -> Value {
    match form {
        ScopeForm::Blanks => scope.into(),
        ScopeForm::Commas => scope.replace(' ', ",").into(),
        ScopeForm::Array => scope.split(' ').collect(),
    }
}

/// Makes a refresh token for a login.
pub(super) fn refresh_token(state: &mut State, family: usize) -> String {
    let expires_at = state.quirks.refresh_token_lifetime.map(|lifetime| now() + lifetime);
    let token = if state.quirks.refresh_token_is_jwt {
        let mut claims = json!({"jti": keys::random_text(16)});
        if let Some(expires_at) = expires_at {
            claims["exp"] = expires_at.into();
        }
        keys::unsigned(&claims)
    } else {
        format!("rt-{}", keys::random_text(32))
    };
    state
        .refresh_tokens
        .insert(token.clone(), RefreshToken { family, expires_at, successor: None, used: false });
    token
}

fn access_token(state: &mut State, issue: &Issue, scope: &Scopes) -> String {
    let issued_at = now();
    let expires_at = issued_at + state.quirks.access_token_lifetime;
    let token = match state.quirks.access_token {
        AccessTokenFormat::Opaque => {
            format!("at-{}", keys::random_text(32 + state.quirks.access_token_padding))
        }
        AccessTokenFormat::Jwt => {
            let mut claims = json!({
                "iss": state.issuer(),
                "sub": SUBJECT,
                "aud": audience_claim(&issue.audience),
                "client_id": state.families[issue.family].client_id,
                "scope": scope.text(),
                "iat": issued_at,
                "nbf": issued_at,
                "exp": expires_at,
                "jti": keys::random_text(16),
                "wlcg.ver": "1.0",
            });
            if state.quirks.access_token_padding > 0 {
                claims["padding"] = "x".repeat(state.quirks.access_token_padding).into();
            }
            state.key.sign("at+jwt", None, &claims)
        }
    };
    let record = AccessToken { family: issue.family, scope: scope.clone(), expires_at, revoked: false };
    state.access_tokens.insert(token.clone(), record);
    token
}

/// `OpenID` Connect Core section 2.
fn id_token(state: &State, family: usize) -> String {
    let family = &state.families[family];
    let issued_at = now().saturating_add_signed(state.quirks.clock_ahead);
    let mut claims = json!({
        "iss": state.quirks.id_token_issuer.clone().unwrap_or_else(|| state.issuer()),
        "sub": SUBJECT,
        "aud": family.client_id,
        "iat": issued_at,
        "nbf": issued_at,
        "exp": issued_at + state.quirks.access_token_lifetime,
        "auth_time": issued_at,
    });
    if let Some(nonce) = &family.nonce {
        claims["nonce"] = nonce.as_str().into();
    }
    state.key.sign("JWT", state.quirks.id_token_algorithm.as_deref(), &claims)
}

/// WLCG profile: one audience is a string, several are an array, none means any.
fn audience_claim(audience: &[String]) -> Value {
    match audience {
        [] => "https://wlcg.cern.ch/jwt/v1/any".into(),
        [one] => one.as_str().into(),
        several => several.into(),
    }
}
