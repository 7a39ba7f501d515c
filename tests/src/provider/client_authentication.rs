//! Who is asking: client authentication at the token, revocation, introspection and device endpoints
//! (RFC 6749 section 2.3).

use super::{
    client_assertion,
    incoming::Incoming,
    log::Authorization,
    quirks::{ClientAuthentication, Refusal},
    reply::Reply,
    state::State,
};

/// The client id of whoever sent `incoming`, proven where the client has a secret.
pub(super) fn authenticate(state: &mut State, incoming: &Incoming) -> Result<String, Reply> {
    let in_body = incoming.form.first("client_id").map(str::to_owned);
    let body_secret = incoming.form.first("client_secret");
    let in_header = match &incoming.authorization {
        Authorization::Basic { client_id, .. } => Some(client_id.clone()),
        _ => None,
    };
    if in_header.is_some() && body_secret.is_some() && !incoming.basic_secret.is_empty() {
        state.violated("two client authentications in one request (RFC 6749 section 2.3)");
    }
    if let Some(assertion) = incoming.form.first("client_assertion") {
        if in_header.is_some() || body_secret.is_some() {
            state.violated("two client authentications in one request (RFC 6749 section 2.3)");
        }
        let kind = incoming.form.first("client_assertion_type");
        let proven = client_assertion::check(state, kind, assertion).map_err(refusal)?;
        // RFC 7521 section 4.2.
        let is_another = in_body.is_some_and(|id| id != proven);
        return if is_another { Err(refusal("client_id is another client's")) } else { Ok(proven) };
    }
    let Some(sent) = in_header.clone().or(in_body) else {
        return Err(refusal("no client authentication"));
    };
    let Some((client_id, secret)) = known(state, &sent) else {
        return Err(refusal("unknown client"));
    };
    let form = state.quirks.refused_authentication;
    if state.clients.get(&client_id).is_some_and(|client| client.metadata.contains_key("jwks")) {
        return Err(refused(form, "a client with a key has to sign"));
    }
    let Some(secret) = secret else {
        let is_unwanted = state.quirks.public_clients_by_id_only && in_header.is_some();
        return if is_unwanted {
            Err(refused(form, "a public client has no credentials"))
        } else {
            Ok(client_id)
        };
    };
    let accepted = state.quirks.client_authentication;
    let by_header = in_header.is_some() && matches_encoded(&incoming.basic_secret, &secret);
    let by_body = body_secret == Some(secret.as_str());
    let proven = match accepted {
        ClientAuthentication::Any => by_header || by_body,
        ClientAuthentication::BasicOnly => by_header,
        ClientAuthentication::PostOnly => by_body && in_header.is_none(),
    };
    if proven { Ok(client_id) } else { Err(refused(form, "bad client credentials")) }
}

/// The client named `sent`, literally or form-encoded, with its secret.
fn known(state: &State, sent: &str) -> Option<(String, Option<String>)> {
    let decoded = form_decoded(sent);
    let id = [sent, decoded.as_str()].into_iter().find(|id| state.clients.contains_key(*id))?;
    state.clients.get(id).map(|client| (id.to_owned(), client.secret.clone()))
}

/// RFC 6749 section 2.3.1 asks for form encoding; many clients and servers leave it out.
fn matches_encoded(sent: &str, secret: &str) -> bool {
    sent == secret || form_decoded(sent) == secret
}

fn form_decoded(text: &str) -> String {
    url::form_urlencoded::parse(text.as_bytes()).next().map(|(name, _)| name.into_owned()).unwrap_or_default()
}

fn refused(form: Refusal, description: &str) -> Reply {
    match form {
        Refusal::InvalidClient => refusal(description),
        Refusal::UnauthorizedClient => Reply::error(400, "unauthorized_client", description),
        Refusal::Unauthorized => Reply::empty(401),
        Refusal::Forbidden => Reply::empty(403),
        Refusal::Empty => Reply::empty(400),
    }
}

fn refusal(description: &str) -> Reply {
    Reply::error(401, "invalid_client", description).with("www-authenticate", "Basic realm=\"test\"")
}
