//! Dynamic client registration (RFC 7591) and its management (RFC 7592).

use serde_json::{Map, Value, json};
use url::Url;

use super::{
    endpoint::Endpoint,
    incoming::Incoming,
    keys,
    quirks::{Quirks, RedirectPolicy, Registration, RegistrationRefusal},
    reply::Reply,
    state::{Client, Scopes, State, now},
};

/// RFC 8628 section 3.4.
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// RFC 7592 section 2.2: members that an update must not carry.
const NOT_IN_UPDATE: [&str; 4] = [
    "registration_access_token",
    "registration_client_uri",
    "client_secret_expires_at",
    "client_id_issued_at",
];

/// RFC 7591 section 3.
pub(super) fn register(state: &mut State, incoming: &Incoming) -> Result<Reply, Reply> {
    match &state.quirks.registration {
        Registration::Absent => return Err(Reply::html(404, "<h1>Not here</h1>")),
        Registration::Closed => return Err(Reply::text(403, "Registration is closed.\n")),
        Registration::Bearer(token) if incoming.bearer() != Some(token) => {
            return Err(Reply::error(401, "invalid_token", "registration needs a token"));
        }
        Registration::TrustedHosts(token) if incoming.bearer() != Some(token) => {
            return Err(policy("Trusted Hosts", "Host not trusted."));
        }
        Registration::Open | Registration::Bearer(_) | Registration::TrustedHosts(_) => {}
    }
    let request = request(state, incoming)?;
    if request.contains_key("client_id") || request.contains_key("client_secret") {
        state.violated(
            "a registration that names its own client id or secret (RFC 7591 section 3.2.1 issues them)",
        );
    }
    let metadata = accepted(state, request)?;
    let client_id = format!("client-{}", keys::random_text(12));
    let method = metadata.get("token_endpoint_auth_method").and_then(Value::as_str);
    if method == Some("private_key_jwt") && !metadata.contains_key("jwks") {
        return Err(Reply::error(400, "invalid_client_metadata", "private_key_jwt needs jwks"));
    }
    let has_secret = !matches!(method, Some("none" | "private_key_jwt"));
    let own_token = incoming.bearer().is_some() && state.quirks.authenticated_registration_without_management;
    let managed = state.quirks.client_management && !own_token;
    let client = Client {
        secret: has_secret.then(|| format!("cs-{}", keys::random_text(24))),
        redirect_uris: strings(&metadata, "redirect_uris"),
        scope: metadata.get("scope").and_then(Value::as_str).map(Scopes::parse),
        registration_access_token: managed.then(new_registration_token),
        metadata,
    };
    let answer = describe(state, &client_id, &client);
    state.clients.insert(client_id, client);
    Ok(Reply::json(201, &answer))
}

/// RFC 7592 section 2.
pub(super) fn manage(state: &mut State, incoming: &Incoming) -> Result<Reply, Reply> {
    let prefix = format!("{}{}", state.base, Endpoint::ClientConfiguration.path());
    let client_id = incoming.path.strip_prefix(&prefix).unwrap_or_default().to_owned();
    let token = state.clients.get(&client_id).and_then(|client| client.registration_access_token.as_deref());
    if token.is_none() || token != incoming.bearer() {
        return Err(Reply::error(401, "invalid_token", "Invalid registration access token"));
    }
    match incoming.method.as_str() {
        "DELETE" => {
            state.delete_client(&client_id);
            return Ok(Reply::empty(204));
        }
        "GET" => {}
        "PUT" => update(state, incoming, &client_id)?,
        _ => return Err(Reply::empty(405)),
    }
    let rotates = state.quirks.rotates_registration_token;
    let Some(client) = state.clients.get_mut(&client_id) else { return Err(Reply::empty(404)) };
    if rotates {
        client.registration_access_token = Some(new_registration_token());
    }
    let client = client.clone();
    Ok(Reply::json(200, &describe(state, &client_id, &client)))
}

fn update(state: &mut State, incoming: &Incoming, client_id: &str) -> Result<(), Reply> {
    let request = request(state, incoming)?;
    if let Some(name) = NOT_IN_UPDATE.iter().find(|name| request.contains_key(**name)) {
        state.violated(format!("an update with {name} (RFC 7592 section 2.2)"));
        return Err(Reply::error(400, "invalid_client_metadata", "a member that is not the client's to set"));
    }
    if request.get("client_id").and_then(Value::as_str) != Some(client_id) {
        return Err(Reply::error(400, "invalid_client_metadata", "client_id is missing or another one"));
    }
    let metadata = accepted(state, request)?;
    if let Some(client) = state.clients.get_mut(client_id) {
        client.redirect_uris = strings(&metadata, "redirect_uris");
        client.scope = metadata.get("scope").and_then(Value::as_str).map(Scopes::parse);
        client.metadata = metadata;
    }
    Ok(())
}

fn request(state: &mut State, incoming: &Incoming) -> Result<Map<String, Value>, Reply> {
    if !incoming.content_type.starts_with("application/json") {
        state.violated(format!("registration with content type {:?}", incoming.content_type));
    }
    match &incoming.json {
        Some(Value::Object(members)) => Ok(members.clone()),
        _ => Err(Reply::error(400, "invalid_client_metadata", "not a JSON object")),
    }
}

/// The metadata as it will be registered: checked, with dropped scopes gone.
fn accepted(state: &State, mut metadata: Map<String, Value>) -> Result<Map<String, Value>, Reply> {
    check_redirects(state.quirks.redirect_policy, &metadata)?;
    check_members(&state.quirks, &metadata)?;
    let grants = strings(&metadata, "grant_types");
    if let Some(grant) = grants.iter().find(|grant| state.quirks.refused_grants.contains(grant)) {
        return Err(Reply::json(400, &json!({"error": format!("Grant type not allowed: {grant}")})));
    }
    if let Some(scope) = metadata.get("scope").and_then(Value::as_str) {
        let kept = Scopes::parse(scope).without(&state.quirks.drops_scopes).text();
        metadata.insert("scope".into(), kept.into());
    }
    metadata.remove("client_id");
    Ok(metadata)
}

/// What a registration may not ask for.
fn check_members(quirks: &Quirks, metadata: &Map<String, Value>) -> Result<(), Reply> {
    let refuse = |named: String, allowed: String| Err(refused(quirks.refused_registration, &named, &allowed));
    if let Some(member) = quirks.refused_members.iter().find(|member| metadata.contains_key(*member)) {
        return refuse(format!("unknown member {member}"), "only known members".to_owned());
    }
    let scope = metadata.get("scope").and_then(Value::as_str).unwrap_or_default();
    if let Some(scope) =
        scope.split(' ').find(|scope| quirks.refused_scopes.iter().any(|other| other == scope))
    {
        return refuse(
            format!("unknown scope {scope}"),
            "scope must be one of: openid profile email".to_owned(),
        );
    }
    let redirects = strings(metadata, "redirect_uris");
    let bad = |uri: &&String| quirks.refused_redirects.iter().any(|prefix| uri.starts_with(prefix));
    if let Some(uri) = redirects.iter().find(bad) {
        return refuse(
            format!("redirect_uri not allowed: {uri}"),
            "redirect_uris must be loopback addresses".to_owned(),
        );
    }
    let other_name = quirks.device_grant_name.is_some();
    let grants = strings(metadata, "grant_types");
    if other_name && grants.iter().any(|grant| grant == DEVICE_GRANT) {
        let name = quirks.device_grant_name.as_deref().unwrap_or_default();
        return refuse(
            format!("unsupported grant_type {DEVICE_GRANT}"),
            format!("grant_types must be one of authorization_code, refresh_token, {name}"),
        );
    }
    Ok(())
}

fn refused(form: RegistrationRefusal, named: &str, allowed: &str) -> Reply {
    match form {
        RegistrationRefusal::Named => Reply::error(400, "invalid_client_metadata", named),
        RegistrationRefusal::ListsAllowed => Reply::error(400, "invalid_client_metadata", allowed),
        RegistrationRefusal::Text => Reply::text(400, named),
        RegistrationRefusal::Vague => Reply::text(400, "Bad Request"),
        RegistrationRefusal::Html => Reply::html(400, "<html><title>Bad Request</title></html>"),
        RegistrationRefusal::Empty => Reply::empty(400),
        RegistrationRefusal::Policy => {
            policy("Allowed Client Scopes", "Not permitted to use specified clientScope")
        }
    }
}

/// Keycloak's words.
fn policy(name: &str, details: &str) -> Reply {
    let text = format!("Policy '{name}' rejected request to client-registration service. Details: {details}");
    Reply::error(403, "insufficient_scope", &text)
}

fn check_redirects(policy: RedirectPolicy, metadata: &Map<String, Value>) -> Result<(), Reply> {
    let web = metadata.get("application_type").and_then(Value::as_str) != Some("native");
    let custom = |uri: &String| !Url::parse(uri).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if !web || !strings(metadata, "redirect_uris").iter().any(custom) {
        return Ok(());
    }
    match policy {
        RedirectPolicy::Any => Ok(()),
        RedirectPolicy::Standard => {
            Err(Reply::error(400, "invalid_redirect_uri", "redirect_uris must only contain web uris"))
        }
        RedirectPolicy::Iam => {
            Err(Reply::error(400, "invalid redirect_uri", "Custom redirect_uri not allowed for web client"))
        }
    }
}

/// RFC 7591 section 3.2.1.
fn describe(state: &State, client_id: &str, client: &Client) -> Value {
    let mut answer = client.metadata.clone();
    answer.insert("client_id".into(), client_id.into());
    answer.insert("client_id_issued_at".into(), now().into());
    if let Some(secret) = &client.secret {
        answer.insert("client_secret".into(), secret.as_str().into());
        answer.insert("client_secret_expires_at".into(), 0.into());
    }
    if let Some(token) = &client.registration_access_token {
        let uri = state.url(&format!("{}{client_id}", Endpoint::ClientConfiguration.path()));
        answer.insert("registration_access_token".into(), token.as_str().into());
        answer.insert("registration_client_uri".into(), uri.into());
    }
    Value::Object(answer)
}

fn strings(metadata: &Map<String, Value>, name: &str) -> Vec<String> {
    let items = metadata.get(name).and_then(Value::as_array);
    items.into_iter().flatten().filter_map(Value::as_str).map(Into::into).collect()
}

pub(super) fn new_registration_token() -> String {
    format!("rat-{}", keys::random_text(24))
}
