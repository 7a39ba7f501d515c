//! The token endpoint (RFC 6749 section 3.2): which grant is asked for, and the ones that are not a refresh.

use ring::digest::{SHA256, digest};

use super::{
    audience, client_authentication, exchange,
    incoming::Incoming,
    issue::{Issue, issue, refresh_token},
    keys,
    quirks::OfflineAccess,
    refresh,
    reply::Reply,
    state::{Decision, Family, Scopes, State, now},
};

/// RFC 8628 section 3.4.
pub(super) const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// RFC 8628 section 3.5: by how much `slow_down` stretches the interval, in seconds.
const SLOW_DOWN: u64 = 5;
/// How much too early a poll may come, in milliseconds: clocks and schedulers are not exact.
const POLL_SLACK: u128 = 150;
/// The one person's name and password, for the resource owner password grant.
pub const PERSON: (&str, &str) = ("ada", "p&w% d:ä");

pub(super) fn answer(state: &mut State, incoming: &Incoming) -> Result<Reply, Reply> {
    check_form(state, incoming);
    let client_id = client_authentication::authenticate(state, incoming)?;
    let Some(grant_type) = incoming.form.first("grant_type") else {
        return Err(Reply::error(400, "invalid_request", "grant_type is missing"));
    };
    match grant_type {
        "refresh_token" => refresh::answer(state, incoming, &client_id),
        "authorization_code" => code(state, incoming, &client_id),
        DEVICE_CODE => device(state, incoming, &client_id),
        "password" => password(state, incoming, &client_id),
        "client_credentials" => client_credentials(state, incoming, &client_id),
        exchange::TOKEN_EXCHANGE => exchange::exchange(state, incoming, &client_id),
        exchange::JWT_BEARER => exchange::jwt_bearer(state, incoming, &client_id),
        _ => Err(Reply::error(400, "unsupported_grant_type", "no such grant")),
    }
}

/// What RFC 6749 asks of the request's form, whatever the grant.
pub(super) fn check_form(state: &mut State, incoming: &Incoming) {
    let path = &incoming.path;
    if incoming.method != "POST" {
        state.violated(format!("{} {path}: RFC 6749 section 3.2 wants POST", incoming.method));
    }
    if !incoming.content_type.starts_with("application/x-www-form-urlencoded") {
        state.violated(format!("{path}: content type is {:?}", incoming.content_type));
    }
    if !incoming.query.pairs().is_empty() {
        state.violated(format!("{path}: parameters in the query"));
    }
    if let Some(name) = incoming.form.repeated() {
        state.violated(format!("{path}: parameter {name} occurs twice (RFC 6749 section 3.2)"));
    }
}

/// RFC 6749 section 4.1.3 with RFC 7636 section 4.6.
fn code(state: &mut State, incoming: &Incoming, client_id: &str) -> Result<Reply, Reply> {
    let sent = incoming.form.first("code").unwrap_or_default();
    let Some(code) = state.codes.get(sent).cloned() else {
        return Err(invalid_grant("unknown code"));
    };
    if code.spent {
        state.violated("an authorization code was used twice");
        state.revoke_family(code.family);
        return Err(invalid_grant("the code was used before"));
    }
    if let Some(code) = state.codes.get_mut(sent) {
        code.spent = true;
    }
    if state.families[code.family].client_id != client_id {
        return Err(invalid_grant("the code belongs to another client"));
    }
    if incoming.form.first("redirect_uri") != Some(code.redirect_uri.as_str()) {
        return Err(invalid_grant("redirect_uri differs"));
    }
    check_verifier(state, incoming, code.challenge.as_deref())?;
    Ok(first_answer(state, incoming, code.family, code.offline))
}

/// RFC 8628 sections 3.4 and 3.5.
fn device(state: &mut State, incoming: &Incoming, client_id: &str) -> Result<Reply, Reply> {
    let sent = incoming.form.first("device_code").unwrap_or_default().to_owned();
    let approved_at = state.quirks.device_approved_at_poll;
    let Some(grant) = state.device_grants.get_mut(&sent) else {
        return Err(invalid_grant("unknown device code"));
    };
    grant.polls += 1;
    let elapsed = grant.polled_at.map(|polled_at| millis().saturating_sub(polled_at));
    grant.polled_at = Some(millis());
    if approved_at.is_some_and(|poll| grant.polls >= poll) {
        grant.decision = Decision::Approved;
    }
    if now() > grant.expires_at {
        return Err(Reply::error(400, "expired_token", "the device code has expired"));
    }
    if elapsed.is_some_and(|elapsed| elapsed + POLL_SLACK < u128::from(grant.interval) * 1000) {
        grant.interval += SLOW_DOWN;
        return Err(Reply::error(400, "slow_down", "too fast"));
    }
    let grant = grant.clone();
    if state.families[grant.family].client_id != client_id {
        return Err(invalid_grant("the device code belongs to another client"));
    }
    match grant.decision {
        Decision::Pending => Err(Reply::error(400, "authorization_pending", "nobody has approved yet")),
        Decision::Denied => Err(Reply::error(400, "access_denied", "the person said no")),
        Decision::Approved => {
            check_verifier(state, incoming, grant.challenge.as_deref())?;
            state.device_grants.remove(&sent);
            let offline = state.families[grant.family].scope.has("offline_access");
            Ok(first_answer(state, incoming, grant.family, offline))
        }
    }
}

/// RFC 6749 section 4.3.
fn password(state: &mut State, incoming: &Incoming, client_id: &str) -> Result<Reply, Reply> {
    let person = (incoming.form.first("username").unwrap_or_default(), incoming.form.first("password"));
    if person != (PERSON.0, Some(PERSON.1)) {
        return Err(invalid_grant("bad user name or password"));
    }
    let scope = Scopes::parse(incoming.form.first("scope").unwrap_or("openid"));
    refuse_offline_access(state, &scope)?;
    let offline = scope.has("offline_access");
    let family = state.grant(Family {
        client_id: client_id.into(),
        scope,
        audience: Vec::new(),
        nonce: None,
        revoked: false,
    });
    Ok(first_answer(state, incoming, family, offline))
}

/// RFC 6749 section 4.4: for clients with a secret or a key only, and without a refresh token.
fn client_credentials(state: &mut State, incoming: &Incoming, client_id: &str) -> Result<Reply, Reply> {
    let client = state.clients.get(client_id);
    if client.is_none_or(|client| client.secret.is_none() && !client.metadata.contains_key("jwks")) {
        return Err(Reply::error(400, "unauthorized_client", "a client that proves nothing"));
    }
    let scope = Scopes::parse(incoming.form.first("scope").unwrap_or("wlcg"));
    if scope.has("openid") || scope.has("offline_access") {
        return Err(Reply::error(400, "invalid_scope", "nobody logs in"));
    }
    Ok(Reply::json(200, &exchange::granted(state, incoming, client_id)?))
}

/// What is refused before anybody has logged in.
pub(super) fn refuse_offline_access(state: &State, scope: &Scopes) -> Result<(), Reply> {
    match offline_access_refused(state, scope) {
        Some(description) => Err(Reply::error(400, "invalid_scope", description)),
        None => Ok(()),
    }
}

/// The description of such a refusal.
pub(super) fn offline_access_refused(state: &State, scope: &Scopes) -> Option<&'static str> {
    match state.quirks.offline_access {
        OfflineAccess::InvalidScope if scope.has("offline_access") => {
            Some("The OAuth 2.0 Client is not allowed to request scope 'offline_access'.")
        }
        OfflineAccess::Unknown if scope.has("offline_access") => Some(""),
        _ => None,
    }
}

/// The answer to a login.
fn first_answer(state: &mut State, incoming: &Incoming, family: usize, offline: bool) -> Reply {
    let login = state.families[family].clone();
    let audience = match audience::requested(state, &incoming.form) {
        Ok(audience) => audience.unwrap_or(login.audience),
        Err(refusal) => return refusal,
    };
    let refuses = state.quirks.offline_access != OfflineAccess::Granted;
    if refuses && login.scope.has("offline_access") {
        return Reply::error(400, "not_allowed", "Offline tokens not allowed for the user or client");
    }
    let refresh_token = (offline || refuses).then(|| refresh_token(state, family));
    Reply::json(200, &issue(state, Issue { family, scope: login.scope, audience, refresh_token }))
}

fn check_verifier(state: &mut State, incoming: &Incoming, challenge: Option<&str>) -> Result<(), Reply> {
    let Some(challenge) = challenge else { return Ok(()) };
    let Some(verifier) = incoming.form.first("code_verifier") else {
        return Err(invalid_grant("code_verifier is missing"));
    };
    let unreserved = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    if !(43..=128).contains(&verifier.len()) || !verifier.chars().all(unreserved) {
        state.violated("code_verifier is not as RFC 7636 section 4.1 says");
    }
    let matches = keys::encode(digest(&SHA256, verifier.as_bytes())) == challenge;
    if matches { Ok(()) } else { Err(invalid_grant("code_verifier does not match")) }
}

fn invalid_grant(description: &str) -> Reply {
    Reply::error(400, "invalid_grant", description)
}

fn millis() -> u128 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_millis())
}
