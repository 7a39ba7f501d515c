//! The refresh grant (RFC 6749 section 6), with rotation and reuse detection (RFC 9700 section 4.14.2).

use super::{
    audience,
    incoming::Incoming,
    issue::{Issue, issue, refresh_token},
    quirks::{DeadToken, Rotation},
    reply::Reply,
    state::{RefreshToken, Scopes, State, now},
};

pub(super) fn answer(state: &mut State, incoming: &Incoming, client_id: &str) -> Result<Reply, Reply> {
    let sent = incoming.form.first("refresh_token").unwrap_or_default().to_owned();
    let Some(token) = state.refresh_tokens.get(&sent).cloned() else {
        return Err(dead(state, &sent));
    };
    let family = state.families[token.family].clone();
    if family.client_id != client_id {
        return Err(Reply::error(400, "invalid_grant", "the refresh token belongs to another client"));
    }
    if family.revoked || token.expires_at.is_some_and(|expires_at| expires_at <= now()) {
        return Err(dead(state, &sent));
    }
    check_reuse(state, &sent, &token)?;
    // Nothing is spent by a request that is refused.
    let scope = scope(state, incoming, &family.scope)?;
    let audience = audience::requested(state, &incoming.form)?.unwrap_or_default();
    if state.quirks.narrows_on_refresh {
        state.families[token.family].scope = scope.clone();
    }
    let successor = rotate(state, &sent, &token);
    Ok(Reply::json(
        200,
        &issue(state, Issue { family: token.family, scope, audience, refresh_token: successor }),
    ))
}

/// Kills the family when a spent token comes back.
fn check_reuse(state: &mut State, sent: &str, token: &RefreshToken) -> Result<(), Reply> {
    let Some(successor) = &token.successor else { return Ok(()) };
    let successor_used = state.refresh_tokens.get(successor).is_some_and(|successor| successor.used);
    if state.quirks.rotation == Rotation::WithGrace && !successor_used {
        return Ok(());
    }
    state.reuses += 1;
    state.revoke_family(token.family);
    Err(dead(state, sent))
}

/// The successor, where there is one to hand out.
fn rotate(state: &mut State, sent: &str, token: &RefreshToken) -> Option<String> {
    let successor = (state.quirks.rotation != Rotation::Never).then(|| refresh_token(state, token.family));
    if let Some(own) = state.refresh_tokens.get_mut(sent) {
        own.used = true;
        own.successor.clone_from(&successor);
    }
    successor
}

fn scope(state: &State, incoming: &Incoming, granted: &Scopes) -> Result<Scopes, Reply> {
    let requested = incoming.form.first("scope").map(Scopes::parse);
    if state.quirks.ignores_scope_on_refresh {
        return Ok(granted.clone());
    }
    match requested {
        Some(requested) if requested.within(granted) => Ok(requested),
        Some(_) => Err(Reply::error(400, "invalid_scope", "a scope goes beyond what was granted")),
        None if state.quirks.needs_scope_on_refresh => Ok(Scopes::default()),
        None => Ok(granted.clone()),
    }
}

fn dead(state: &State, sent: &str) -> Reply {
    match state.quirks.dead_token {
        DeadToken::InvalidGrant => {
            Reply::error(400, "invalid_grant", "the refresh token is invalid, expired or revoked")
        }
        DeadToken::Empty => Reply::empty(400),
        DeadToken::Unauthorized => Reply::empty(401),
        DeadToken::Html => Reply::html(400, "<html><title>Bad Request</title><h1>Bad Request</h1></html>"),
        DeadToken::Keycloak => Reply::error(400, "invalid_grant", "Token is not active"),
        DeadToken::Dex => {
            let text = "Refresh token is invalid or has already been claimed by another client.";
            Reply::error(400, "invalid_request", text)
        }
        DeadToken::Authlib => Reply::error(400, "invalid_request", "Invalid \"refresh_token\" in request."),
        DeadToken::Hydra => Reply::error(401, "token_inactive", "Token is inactive."),
        DeadToken::Iam => {
            let text = format!("Refresh token for value {sent} was not found");
            Reply::error(401, "invalid_token", &text)
        }
    }
}
