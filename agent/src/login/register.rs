//! `register`: dynamic client registration (RFC 7591) for an account that has no client yet.

use oidc_proto::{
    account::AccountConfig,
    client_key::ClientKey,
    error_code::ErrorCode,
    json::Object,
    message::{Failure, Flow, RegisterRequest, Registration as Registered, Reply},
    scope, secret,
};
use serde_json::Value;

use super::{
    Login, account_name,
    failure::{failure_at_registration, failure_of},
    login_request::WITHOUT_OFFLINE_ACCESS,
    provider_deadline,
};
use crate::provider::{
    AuthMethod, Part, ProviderMetadata, Registration, TOKEN_ENDPOINT_AUTH_METHOD, tell_left_out,
};

/// The C suite's fixed ports.
const PORTS: [u16; 2] = [4242, 8080];
/// Where the random one comes from: neither privileged nor handed out to outgoing connections.
const PORT_RANGE: std::ops::RangeInclusive<u16> = 1024..=49151;
/// For desktops where `oidc-gen` is registered for the scheme.
const CUSTOM_SCHEME_URI: &str = "edu.kit.data.oidc-agent:/redirect";

const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

impl Login {
    /// Registers a client and hands over all that the provider answers; nothing of it is kept here.
    pub async fn register(&self, request: RegisterRequest) -> Result<Reply, Failure> {
        let RegisterRequest { mut config, flows, authorization, no_scheme } = request;
        let name = account_name(&config)?;
        if self.0.accounts.names().contains(&name) {
            return Err(Failure::account_already_loaded());
        }
        if config.issuer_url.is_none() {
            return Err(Failure::missing_field("issuer_url"));
        }
        if config.redirect_uris.is_empty() {
            config.redirect_uris = default_redirect_uris(!no_scheme);
        }
        let deadline = provider_deadline();
        let provider = self.0.accounts.deps().providers.provider(&config).map_err(failure_of(&config))?;
        let metadata = provider.metadata(deadline).await.map_err(failure_of(&config))?;
        let scope = provider.login_scope(config.login_scope().unwrap_or_default(), true, deadline).await;
        let scope = scope.map_err(failure_of(&config))?;
        let client_name = config.client_name.clone().unwrap_or_else(|| format!("oidc-agent:{name}"));
        let jwks = public_jwks(&config)?;
        let method = config.other.text(TOKEN_ENDPOINT_AUTH_METHOD).and_then(|name| AuthMethod::parse(&name));
        let registration = Registration {
            client_name: &client_name,
            scope: &scope,
            grant_types: &grant_types(&flows),
            redirect_uris: &config.redirect_uris,
            auth_method: method.or(jwks.as_ref().map(|_| AuthMethod::PrivateKeyJwt)),
            jwks: jwks.as_ref(),
            access_token: authorization.as_ref(),
        };
        let registered = provider.register(registration, deadline).await;
        let registered = registered.map_err(failure_at_registration(&config))?;
        let left_out = &registered.left_out;
        tracing::info!(account = %name, missing = ?registered.missing, ?left_out, "client registered");
        let mut client = registered.client;
        // Before anything else can go wrong with it.
        self.0.accounts.deps().note_registered(&config, &client).await;
        if left_out.contains(&Part::OfflineAccess) {
            // Later logins must not ask for it either; the client puts what it is handed into the account.
            client.insert(WITHOUT_OFFLINE_ACCESS, true);
        }
        if lacks_a_necessary_scope(&client, &registered.asked_scope) {
            return Err(necessary_scopes_missing().with_client(client));
        }
        Ok(Reply::Registered(Registered {
            client,
            max_scopes: Some(scopes_supported(&metadata)),
            left_out: left_out.iter().map(|part| told(*part, &scope, &registered.asked_scope)).collect(),
            left_out_because: registered.refusal,
        }))
    }
}

/// What the person is told of a part: of scopes, which.
fn told(part: Part, wanted: &str, asked: &str) -> String {
    let text = tell_left_out(part);
    let is_told_otherwise = |scope: &str| matches!(scope, "openid" | scope::OFFLINE_ACCESS);
    let scopes: Vec<_> = wanted
        .split_whitespace()
        .filter(|scope| !is_told_otherwise(scope) && !scope::contains(asked, scope))
        .collect();
    if part != Part::UnlistedScopes || scopes.is_empty() {
        return text.to_owned();
    }
    format!("{text} ({})", scopes.join(", "))
}

/// The public part of the account's key, if it has one: `jwks` of RFC 7591 section 2.
fn public_jwks(config: &AccountConfig) -> Result<Option<Value>, Failure> {
    let Some(key) = &config.client_key else { return Ok(None) };
    let key = ClientKey::parse(key).map_err(|error| {
        Failure::new(ErrorCode::BadRequest, format!("Bad request. The client's key cannot be used: {error}."))
    })?;
    Ok(Some(key.public_jwks()))
}

/// The scopes that a provider says it has, separated by blanks.
pub(super) fn scopes_supported(metadata: &ProviderMetadata) -> String {
    metadata.scopes_supported.join(" ")
}

/// The C suite's choice: of the code and the password grant only the one whose flow comes first is asked for.
fn grant_types(flows: &[Flow]) -> Vec<&'static str> {
    let mut grants = vec!["refresh_token"];
    let position = |wanted| flows.iter().position(|flow| *flow == wanted);
    match (position(Flow::Code), position(Flow::Password)) {
        (Some(code), Some(password)) if password < code => grants.push("password"),
        (Some(_), _) => grants.push("authorization_code"),
        (None, Some(_)) => grants.push("password"),
        (None, None) => {}
    }
    grants.extend(position(Flow::Device).map(|_| DEVICE_GRANT));
    grants
}

/// Loopback addresses at the C suite's ports and at a random one, and the custom scheme where it is wanted.
fn default_redirect_uris(with_custom_scheme: bool) -> Vec<String> {
    let loopback = |port: u16| format!("http://localhost:{port}");
    let custom = with_custom_scheme.then(|| CUSTOM_SCHEME_URI.to_owned());
    [loopback(PORTS[0]), loopback(random_port()), loopback(PORTS[1])].into_iter().chain(custom).collect()
}

fn random_port() -> u16 {
    loop {
        let mut bytes = [0; 2];
        secret::random(&mut bytes);
        let port = u16::from_ne_bytes(bytes);
        if PORT_RANGE.contains(&port) && !PORTS.contains(&port) {
            return port;
        }
    }
}

/// Without these two no account comes of it. An answer that names no scope registered those asked for.
fn lacks_a_necessary_scope(client: &Object, asked: &str) -> bool {
    let Some(given) = scope::of(client, "scope") else { return false };
    ["openid", "offline_access"]
        .iter()
        .any(|necessary| scope::contains(asked, necessary) && !scope::contains(&given, necessary))
}

fn necessary_scopes_missing() -> Failure {
    Failure::new(ErrorCode::InvalidScope, "Could not register the necessary scopes dynamically")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_follow_the_flows() {
        let all = [Flow::Code, Flow::Refresh, Flow::Password, Flow::Device];
        assert_eq!(grant_types(&all), ["refresh_token", "authorization_code", DEVICE_GRANT]);
        assert_eq!(grant_types(&[Flow::Password, Flow::Code]), ["refresh_token", "password"]);
        assert_eq!(grant_types(&[Flow::Device]), ["refresh_token", DEVICE_GRANT]);
        assert_eq!(grant_types(&[Flow::Refresh]), ["refresh_token"]);
    }

    #[test]
    fn default_redirects_are_the_c_suites_with_a_new_port_each_time() {
        let uris = default_redirect_uris(true);
        assert!(default_redirect_uris(false).iter().all(|uri| uri.starts_with("http://localhost:")));
        assert_eq!((uris[0].as_str(), uris[2].as_str()), ("http://localhost:4242", "http://localhost:8080"));
        assert_eq!(uris[3], CUSTOM_SCHEME_URI);
        let ports: std::collections::HashSet<_> = (0..20).map(|_| random_port()).collect();
        assert!(ports.len() > 1 && ports.iter().all(|port| PORT_RANGE.contains(port)));
    }

    #[test]
    fn scopes_that_were_left_out_are_named() {
        let told = |part, asked| told(part, "openid offline_access a b", asked);
        assert_eq!(told(Part::UnlistedScopes, "openid"), "scopes that the provider does not list (a, b)");
        assert_eq!(told(Part::UnlistedScopes, "openid a b"), "scopes that the provider does not list");
        assert_eq!(told(Part::OfflineAccess, "openid"), "the scope offline_access");
    }

    #[test]
    fn only_scopes_that_were_asked_for_can_lack() {
        let client = |json: &str| Object::parse(json.as_bytes()).expect("an object");
        let given = client(r#"{"scope":"openid profile"}"#);
        assert!(lacks_a_necessary_scope(&given, "openid offline_access"));
        assert!(!lacks_a_necessary_scope(&given, "openid email"));
        assert!(!lacks_a_necessary_scope(&client("{}"), "openid offline_access"));
        for scope in [r#""openid,offline_access""#, r#"["openid","offline_access"]"#] {
            let client = client(&format!(r#"{{"scope":{scope}}}"#));
            assert!(!lacks_a_necessary_scope(&client, "openid offline_access"), "{scope}");
        }
        assert!(lacks_a_necessary_scope(&client(r#"{"scope":"openid_x offline_access"}"#), "openid"));
    }
}
