//! What holders and resource servers ask about a token: revocation (RFC 7009), introspection (RFC 7662), userinfo.

use serde_json::json;

use super::{
    client_authentication,
    incoming::Incoming,
    reply::Reply,
    state::{SUBJECT, State, now},
    token,
};

/// RFC 7009 section 2: unknown tokens are answered like known ones.
pub(super) fn revoke(state: &mut State, incoming: &Incoming) -> Result<Reply, Reply> {
    token::check_form(state, incoming);
    let client_id = client_authentication::authenticate(state, incoming)?;
    let Some(sent) = incoming.form.first("token") else {
        return Err(Reply::error(400, "invalid_request", "token is missing"));
    };
    if let Some(token) = state.refresh_tokens.get(sent).cloned() {
        if state.families[token.family].client_id != client_id {
            return Err(Reply::error(400, "invalid_grant", "the token belongs to another client"));
        }
        state.revoke_family(token.family);
    } else if let Some(token) = state.access_tokens.get_mut(sent) {
        token.revoked = true;
    }
    Ok(Reply::empty(200))
}

/// RFC 7662 section 2.
pub(super) fn introspect(state: &mut State, incoming: &Incoming) -> Result<Reply, Reply> {
    token::check_form(state, incoming);
    client_authentication::authenticate(state, incoming)?;
    let sent = incoming.form.first("token").unwrap_or_default();
    let inactive = Reply::json(200, &json!({"active": false}));
    if let Some(token) = live_access_token(state, sent) {
        return Ok(Reply::json(200, &token));
    }
    let Some(token) = state.refresh_tokens.get(sent) else { return Ok(inactive) };
    let family = &state.families[token.family];
    let expired = token.expires_at.is_some_and(|expires_at| expires_at <= now());
    if family.revoked || token.successor.is_some() || expired {
        return Ok(inactive);
    }
    let answer =
        json!({"active": true, "sub": SUBJECT, "client_id": family.client_id, "scope": family.scope.text()});
    Ok(Reply::json(200, &answer))
}

/// `OpenID` Connect Core section 5.3.
pub(super) fn userinfo(state: &State, incoming: &Incoming) -> Reply {
    match incoming.bearer().and_then(|token| live_access_token(state, token)) {
        Some(_) => Reply::json(200, &json!({"sub": SUBJECT, "preferred_username": token::PERSON.0})),
        None => Reply::error(401, "invalid_token", "no such token").with("www-authenticate", "Bearer"),
    }
}

fn live_access_token(state: &State, sent: &str) -> Option<serde_json::Value> {
    let token = state.access_tokens.get(sent)?;
    let family = &state.families[token.family];
    if token.revoked || family.revoked || token.expires_at <= now() {
        return None;
    }
    Some(json!({
        "active": true,
        "sub": SUBJECT,
        "client_id": family.client_id,
        "scope": token.scope.text(),
        "exp": token.expires_at,
        "iss": state.issuer(),
    }))
}
