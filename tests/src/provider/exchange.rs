//! Tokens from elsewhere for tokens of this provider: RFC 8693 and RFC 7523 section 2.1.
//!
//! Believed are this provider's own access tokens while they are valid, and what [`super::Provider::trust`] was told.

use super::{
    audience,
    incoming::Incoming,
    issue::{Issue, issue},
    reply::Reply,
    state::{Family, Scopes, State, now},
};

/// RFC 8693 section 2.1.
pub(super) const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// RFC 7523 section 2.1.
pub(super) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

pub(super) fn exchange(state: &mut State, incoming: &Incoming, client_id: &str) -> Result<Reply, Reply> {
    if state.quirks.without_token_exchange {
        return Err(Reply::error(400, "unsupported_grant_type", "no such grant"));
    }
    let form = &incoming.form;
    if form.first("subject_token_type").is_none_or(|name| !name.starts_with("urn:")) {
        state.violated("subject_token_type is missing or no URI (RFC 8693 section 2.1)");
    }
    let subject = form.first("subject_token").unwrap_or_default();
    if !is_believed(state, subject) {
        return Err(Reply::error(400, "invalid_request", "the subject token is not valid"));
    }
    let mut answer = granted(state, incoming, client_id)?;
    let issued = state.quirks.issued_token_type.as_deref().unwrap_or(ACCESS_TOKEN);
    answer["issued_token_type"] = issued.into();
    Ok(Reply::json(200, &answer))
}

pub(super) fn jwt_bearer(state: &mut State, incoming: &Incoming, client_id: &str) -> Result<Reply, Reply> {
    let assertion = incoming.form.first("assertion").unwrap_or_default();
    if !is_believed(state, assertion) {
        return Err(Reply::error(400, "invalid_grant", "the assertion is not valid"));
    }
    Ok(Reply::json(200, &granted(state, incoming, client_id)?))
}

fn is_believed(state: &State, token: &str) -> bool {
    let own = state.access_tokens.get(token);
    state.trusted.contains(token) || own.is_some_and(|own| !own.revoked && own.expires_at > now())
}

/// What nobody logged in for: with the scope asked for, and without a refresh token.
pub(super) fn granted(
    state: &mut State,
    incoming: &Incoming,
    client_id: &str,
) -> Result<serde_json::Value, Reply> {
    let scope = Scopes::parse(incoming.form.first("scope").unwrap_or("wlcg"));
    let audience = audience::requested(state, &incoming.form)?.unwrap_or_default();
    let family = state.grant(Family {
        client_id: client_id.into(),
        scope: scope.clone(),
        audience: audience.clone(),
        nonce: None,
        revoked: false,
    });
    Ok(issue(state, Issue { family, scope, audience, refresh_token: None }))
}
