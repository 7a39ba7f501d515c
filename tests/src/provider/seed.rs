//! Accounts that exist already: a client, a login and its refresh token, without going through any flow.

use oidc_proto::{
    account::AccountConfig,
    secret::{ClientSecret, RefreshToken, RegistrationAccessToken},
};
use serde_json::{Map, json};

use super::{
    endpoint::Endpoint,
    issue, keys, registration,
    state::{Client, Family, Scopes, State},
};

/// What kind of account to make.
#[derive(Debug, Clone)]
pub struct Seed {
    /// The account's short name.
    pub name: String,
    /// The scopes of the login.
    pub scope: String,
    /// A client without a secret.
    pub public: bool,
    /// The client was registered dynamically and can be managed (RFC 7592).
    pub managed: bool,
}

impl Seed {
    /// A dynamically registered, confidential client with a login for a few common scopes.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.into(),
            scope: "openid profile offline_access storage.read:/ storage.modify:/".into(),
            public: false,
            managed: true,
        }
    }
}

pub(super) fn seed(state: &mut State, seed: &Seed) -> AccountConfig {
    let client_id = format!("client-{}", keys::random_text(12));
    let secret = (!seed.public).then(|| format!("cs-{}", keys::random_text(24)));
    let registration_token = seed.managed.then(registration::new_registration_token);
    let redirect_uris =
        vec!["http://localhost:4242".to_owned(), "edu.kit.data.oidc-agent:/redirect".to_owned()];
    let mut metadata = Map::new();
    metadata.insert("redirect_uris".into(), json!(redirect_uris));
    state.clients.insert(
        client_id.clone(),
        Client {
            secret: secret.clone(),
            redirect_uris: redirect_uris.clone(),
            scope: None,
            registration_access_token: registration_token.clone(),
            metadata,
        },
    );
    let family = state.grant(Family {
        client_id: client_id.clone(),
        scope: Scopes::parse(&seed.scope),
        audience: Vec::new(),
        nonce: None,
        revoked: false,
    });
    let configuration = state.url(&format!("{}{client_id}", Endpoint::ClientConfiguration.path()));
    AccountConfig {
        name: Some(seed.name.clone()),
        client_name: Some(format!("oidc-agent:{}-test", seed.name)),
        issuer_url: Some(state.true_issuer()),
        client_id: Some(client_id),
        client_secret: secret.map(ClientSecret::new),
        refresh_token: Some(RefreshToken::new(issue::refresh_token(state, family))),
        scope: Some(seed.scope.clone()),
        redirect_uris,
        registration_client_uri: registration_token.is_some().then_some(configuration),
        registration_access_token: registration_token.map(RegistrationAccessToken::new),
        ..AccountConfig::default()
    }
}
