//! OpenID providers: discovery, registration, grants, revocation, keys, and how providers differ.
//!
//! One grant or endpoint a file, all as methods of [`Provider`]. What differs between providers is data
//! ([`quirks`]); how HTTP is spoken is in one place ([`http`]). Nothing here knows accounts, files or clients of the
//! agent.

mod answer;
mod audience;
mod auth_method;
mod authorization;
mod cached;
mod client_authentication;
mod client_configuration;
mod client_credentials;
mod code;
mod device;
mod discovery;
mod error;
mod file;
mod form;
mod http;
mod id_token;
pub mod issuer_data;
mod jwks;
mod metadata;
mod password;
mod pkce;
pub mod quirks;
mod refresh;
mod registration;
mod revocation;
mod scope;
mod signature;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod text;
mod token_endpoint;
mod token_response;

use std::{
    fmt,
    num::NonZeroUsize,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use lru::LruCache;
use oidc_proto::{account::AccountConfig, json::Object};
use tokio::time::Instant;

pub use self::{
    auth_method::AuthMethod,
    authorization::{Authorization, AuthorizationRequest},
    client_authentication::Client,
    client_configuration::{ClientConfiguration, ClientDeletion},
    client_credentials::ClientCredentials,
    device::{DEFAULT_INTERVAL, DeviceAuthorization, DevicePoll, SLOW_DOWN},
    error::{OAuthError, ProviderError, ProviderErrorKind, Unsupported},
    http::SPENDING_TIMEOUT,
    id_token::{Expected, ReceivedIdToken},
    metadata::ProviderMetadata,
    password::PasswordGrant,
    quirks::Quirks,
    refresh::Refresh,
    registration::{Missing, Registered, Registration},
    token_response::TokenResponse,
};
use self::{
    cached::Cached,
    client_authentication::WorkingWays,
    discovery::Discovery,
    file::Readers,
    http::{Http, HttpClients, allowed_url, is_loopback},
    jwks::KeySet,
};

/// How long metadata are believed: longer than most access tokens live, so that a refresh is one request and not two.
/// An endpoint that has moved away makes them be fetched earlier.
const METADATA_MAX_AGE: Duration = Duration::from_secs(6 * 3600);

/// Most providers that are remembered; the one that was not used for longest goes first, and is only asked again for
/// its metadata when it is needed next.
const MOST_PROVIDERS: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");

/// What the issuer data say about a provider, beyond its accounts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IssuerSettings {
    /// Where the metadata are, when not at a well-known address: `http`, `https` or `file`.
    pub config_endpoint: Option<String>,
    /// The CA bundle, when not the system's.
    pub cert_path: Option<String>,
    /// A plain OAuth 2 provider.
    pub oauth: bool,
    /// `legacy_aud_mode`, where the issuer data name it: audience as `audience`, or as `resource`.
    pub legacy_aud_mode: Option<bool>,
    /// Goes before the one of the metadata.
    pub device_authorization_endpoint: Option<String>,
    /// Our own override object: see [`Quirks::overridden`].
    pub quirks: Option<Object>,
}

/// All providers of an agent. HTTP clients are shared by CA bundle; metadata and keys by provider, so that a further
/// account of a known provider costs nothing here.
pub struct Providers {
    clients: HttpClients,
    settings: Box<dyn Fn(&str) -> IssuerSettings + Send + Sync>,
    known: Mutex<LruCache<Identity, Arc<Provider>>>,
}

/// What makes two accounts have the same provider.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Identity {
    /// Without a slash at the end.
    issuer: String,
    config_endpoint: Option<String>,
    cert_path: Option<PathBuf>,
    oauth: bool,
}

/// One OpenID or OAuth 2 provider.
pub struct Provider {
    issuer: String,
    config_endpoint: Option<String>,
    oauth: bool,
    settings: IssuerSettings,
    http: Http,
    readers: Readers,
    metadata: Cached<ProviderMetadata>,
    key_set: Cached<KeySet>,
    working_ways: WorkingWays,
}

impl Providers {
    /// `settings` is asked by issuer, as the account spells it, whenever a provider is looked for; it must not block.
    pub fn new(settings: impl Fn(&str) -> IssuerSettings + Send + Sync + 'static) -> Self {
        Self {
            clients: HttpClients::default(),
            settings: Box::new(settings),
            known: Mutex::new(LruCache::new(MOST_PROVIDERS)),
        }
    }

    /// The provider of an account; nothing is sent yet.
    pub fn provider(&self, account: &AccountConfig) -> Result<Arc<Provider>, ProviderError> {
        let Some(issuer) = account.issuer_url.as_deref() else {
            let reason = "the account names no issuer".to_owned();
            return Err(ProviderError::new("?".into(), ProviderErrorKind::Configuration { reason }));
        };
        let settings = (self.settings)(issuer);
        let cert_path = account.cert_path.as_ref().or(settings.cert_path.as_ref());
        let identity = Identity {
            issuer: issuer.strip_suffix('/').unwrap_or(issuer).to_owned(),
            config_endpoint: account.config_endpoint.as_ref().or(settings.config_endpoint.as_ref()).cloned(),
            cert_path: cert_path.filter(|path| !http::is_system_bundle(path)).map(PathBuf::from),
            oauth: account.oauth || settings.oauth,
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // Issuer data that have changed meanwhile make another provider of it.
        if let Some(provider) = known.get(&identity).filter(|provider| provider.settings == settings) {
            return Ok(provider.clone());
        }
        let provider = Arc::new(Provider::new(issuer, &identity, settings, &self.clients)?);
        known.put(identity, provider.clone());
        Ok(provider)
    }

    /// How many are remembered.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Provider {
    fn new(
        issuer: &str,
        identity: &Identity,
        settings: IssuerSettings,
        clients: &HttpClients,
    ) -> Result<Self, ProviderError> {
        let name: Arc<str> = name_of(issuer).into();
        let url = allowed_url(issuer, true).map_err(|kind| ProviderError::new(name.clone(), kind))?;
        Ok(Self {
            issuer: issuer.to_owned(),
            config_endpoint: identity.config_endpoint.clone(),
            oauth: identity.oauth,
            settings,
            http: clients.http(name, identity.cert_path.clone(), is_loopback(&url)),
            readers: clients.readers().clone(),
            metadata: Cached::default(),
            key_set: Cached::default(),
            working_ways: WorkingWays::default(),
        })
    }

    /// The issuer as it was asked for; [`ProviderMetadata::issuer`] is the provider's own spelling.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// How error texts call it: host, port and path.
    pub fn name(&self) -> &str {
        self.http.provider()
    }

    /// What the provider says about itself; fetched when needed, kept for six hours.
    pub async fn metadata(&self, deadline: Instant) -> Result<Arc<ProviderMetadata>, ProviderError> {
        let discovery = Discovery {
            issuer: &self.issuer,
            config_endpoint: self.config_endpoint.as_deref(),
            oauth: self.oauth,
            readers: &self.readers,
        };
        let fetch = discovery.fetch(&self.http, deadline);
        self.metadata.get(&self.http, METADATA_MAX_AGE, deadline, fetch).await
    }

    /// How this provider differs from others.
    pub fn quirks(&self, metadata: &ProviderMetadata) -> Quirks {
        Quirks::of(&self.issuer, metadata)
            .overridden(self.settings.legacy_aud_mode, self.settings.quirks.as_ref())
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl fmt::Debug for Providers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Providers").finish_non_exhaustive()
    }
}

/// The issuer without what goes without saying.
fn name_of(issuer: &str) -> String {
    let bare = issuer.trim_end_matches('/');
    let name = bare.split_once("://").map_or(bare, |(_, rest)| rest);
    // Credentials have no place in an issuer, and none in an error text.
    text::presentable(name.rsplit('@').next().unwrap_or(name), &[])
}
