//! The authorization endpoint (RFC 6749 section 3.1): decides at once, or by a form with two buttons.

use url::Url;

use super::{
    audience,
    incoming::Incoming,
    keys,
    params::Params,
    quirks::{AuthorizationResponseIss, Consent},
    reply::{Reply, escape},
    state::{Code, Family, Scopes, State},
    token,
};

pub(super) fn answer(state: &mut State, incoming: &Incoming) -> Result<Reply, Reply> {
    let posted = incoming.method == "POST";
    let request = if posted { incoming.form.clone() } else { incoming.query.clone() };
    let (client_id, redirect_uri) = target(state, &request)?;
    check_request(state, &request, &redirect_uri);
    let decision = match state.quirks.consent {
        Consent::Automatic => "approve",
        Consent::Denied => "deny",
        Consent::Form if posted => request.first("decision").unwrap_or("deny"),
        Consent::Form => return Ok(form(&request, &client_id)),
    };
    let mut answer: Vec<(&str, String)> = Vec::new();
    let scope = Scopes::parse(request.first("scope").unwrap_or_default());
    if let Some(description) = token::offline_access_refused(state, &scope) {
        answer.push(("error", "invalid_scope".into()));
        if !description.is_empty() {
            answer.push(("error_description", description.into()));
        }
    } else if decision == "approve" {
        answer.push(("code", code(state, &request, &client_id, &redirect_uri)?));
    } else {
        answer.push(("error", "access_denied".into()));
        answer.push(("error_description", "the person said <b>no</b>".into()));
    }
    if let Some(own_state) = request.first("state") {
        answer.push(("state", own_state.into()));
    }
    match &state.quirks.authorization_response_iss {
        AuthorizationResponseIss::Absent => {}
        AuthorizationResponseIss::Right => answer.push(("iss", state.issuer())),
        AuthorizationResponseIss::Other(issuer) => answer.push(("iss", issuer.clone())),
    }
    let mut url = redirect_uri;
    url.query_pairs_mut().extend_pairs(answer);
    Ok(Reply::redirect(302, url.as_str()))
}

/// Client and redirect URI: without these two the browser must not be sent anywhere (RFC 6749 section 4.1.2.1).
fn target(state: &State, request: &Params) -> Result<(String, Url), Reply> {
    let refuse = |why: &str| Reply::html(400, &format!("<h1>{why}</h1>"));
    let client_id = request.first("client_id").unwrap_or_default();
    let client = state.clients.get(client_id).ok_or_else(|| refuse("unknown client"))?;
    let sent = request.first("redirect_uri").unwrap_or_default();
    let url = Url::parse(sent).map_err(|_| refuse("bad redirect_uri"))?;
    let registered = client.redirect_uris.iter().any(|own| {
        own == sent || state.quirks.ignores_loopback_port && without_port(own) == without_port(sent)
    });
    if registered { Ok((client_id.into(), url)) } else { Err(refuse("redirect_uri is not registered")) }
}

fn without_port(uri: &str) -> Option<String> {
    let mut url = Url::parse(uri).ok()?;
    url.set_port(None).ok()?;
    Some(url.into())
}

/// What a careful client sends: `state`, a code challenge, no secret in the URL.
fn check_request(state: &mut State, request: &Params, redirect_uri: &Url) {
    if request.first("response_type") != Some("code") {
        state.violated("response_type is not code");
    }
    if request.first("state").is_none() {
        state.violated("an authorization request without state (RFC 6749 section 10.12)");
    }
    if !state.quirks.metadata_without.iter().any(|name| name == "code_challenge_methods_supported")
        && request.first("code_challenge_method") != Some("S256")
    {
        state.violated("an authorization request without an S256 code challenge (RFC 7636)");
    }
    if request.has("client_secret") {
        state.violated("a client secret in a URL");
    }
    if redirect_uri.scheme() == "http"
        && !matches!(redirect_uri.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"))
    {
        state.violated("an http redirect that is not a loopback one");
    }
    if let Some(name) = request.repeated() {
        state.violated(format!("authorization: parameter {name} occurs twice"));
    }
}

fn code(state: &mut State, request: &Params, client_id: &str, redirect_uri: &Url) -> Result<String, Reply> {
    let scope = Scopes::parse(request.first("scope").unwrap_or_default());
    let offline = scope.has("offline_access") || request.first("access_type") == Some("offline");
    let audience = audience::requested(state, request)?.unwrap_or_default();
    let family = state.grant(Family {
        client_id: client_id.into(),
        scope,
        audience,
        nonce: request.first("nonce").map(Into::into),
        revoked: false,
    });
    // A plus, a slash and a blank in it: a client that decodes twice loses.
    let code = format!("{}/+ {}", keys::random_text(8), keys::random_text(8));
    state.codes.insert(
        code.clone(),
        Code {
            family,
            redirect_uri: request.first("redirect_uri").unwrap_or(redirect_uri.as_str()).into(),
            challenge: request.first("code_challenge").map(Into::into),
            offline,
            spent: false,
        },
    );
    Ok(code)
}

fn form(request: &Params, client_id: &str) -> Reply {
    let field = |(name, value): &(String, String)| {
        format!("<input type=hidden name=\"{}\" value=\"{}\">", escape(name), escape(value))
    };
    let fields = request.pairs().iter().map(field).collect::<Vec<_>>().concat();
    let page = format!(
        "<h1>Allow {}?</h1><form method=post>{fields}\
         <button name=decision value=approve id=approve>Allow</button>\
         <button name=decision value=deny id=deny>Refuse</button></form>",
        escape(client_id)
    );
    Reply::html(200, &page)
}
