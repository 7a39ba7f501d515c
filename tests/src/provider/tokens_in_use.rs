//! What holders and resource servers ask about a token: revocation (RFC 7009), introspection (RFC 7662), userinfo.

use serde_json::json;

use super::{
    client_authentication,
    incoming::Incoming,
    keys,
    quirks::Userinfo,
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

/// `OpenID` Connect Core section 5.3: for tokens with `openid`.
pub(super) fn userinfo(state: &State, incoming: &Incoming) -> Reply {
    let Some(token) = incoming.bearer().and_then(|token| live_access_token(state, token)) else {
        return Reply::error(401, "invalid_token", "no such token").with("www-authenticate", "Bearer");
    };
    if !token["scope"].as_str().unwrap_or_default().split(' ').any(|scope| scope == "openid") {
        return Reply::error(403, "insufficient_scope", "the scope openid is missing");
    }
    let mut claims = json!({"sub": SUBJECT, "preferred_username": token::PERSON.0});
    if let Some(members) = claims.as_object_mut() {
        members.extend(state.quirks.userinfo_with.clone());
    }
    let audience = match state.quirks.userinfo {
        Userinfo::ForAnother => json!("another"),
        _ => token["client_id"].clone(),
    };
    let with_audience = || {
        let mut claims = claims.clone();
        claims["iss"] = state.issuer().into();
        claims["aud"] = audience.clone();
        claims
    };
    let jwt = match state.quirks.userinfo {
        Userinfo::Json => return Reply::json(200, &claims),
        Userinfo::Signed | Userinfo::ForAnother => state.key.sign("JWT", None, &with_audience()),
        Userinfo::SignedByAnother => {
            let signed = state.key.sign("JWT", None, &with_audience());
            let other = state.key.sign("JWT", None, &json!({}));
            let (text, _) = signed.rsplit_once('.').unwrap_or_default();
            let (_, signature) = other.rsplit_once('.').unwrap_or_default();
            format!("{text}.{signature}")
        }
        Userinfo::Unsigned => keys::unsigned(&with_audience()),
    };
    let mut reply = Reply::text(200, &jwt);
    reply.headers.clear();
    reply.with("content-type", "application/jwt")
}

pub(super) fn live_access_token(state: &State, sent: &str) -> Option<serde_json::Value> {
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
