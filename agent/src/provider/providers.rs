//! All providers of an agent.

use std::{
    fmt,
    num::NonZeroUsize,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use lru::LruCache;
use oidc_proto::account::AccountConfig;

use super::{
    error::{ProviderError, ProviderErrorKind},
    handle::{IssuerSettings, Provider},
    http::{Http, HttpClients, is_system_bundle},
};
use crate::clock::Clock;

/// Most providers that are remembered; the one that was not used for longest goes first, and is only asked again for
/// its metadata when it is needed next.
const MOST_PROVIDERS: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");

/// All providers of an agent. HTTP clients are shared by CA bundle; metadata and keys by provider, so that a further
/// account of a known provider costs nothing here.
pub struct Providers {
    clients: HttpClients,
    clock: Clock,
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

impl Providers {
    /// `settings` is asked by issuer, as the account spells it, whenever a provider is looked for; it must not block.
    pub fn new(clock: Clock, settings: impl Fn(&str) -> IssuerSettings + Send + Sync + 'static) -> Self {
        Self {
            clients: HttpClients::default(),
            clock,
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
        let config_endpoint =
            account.config_endpoint.as_ref().filter(|address| !is_of_mytoken_server(account, address));
        let cert_path = account.cert_path.as_ref().or(settings.cert_path.as_ref());
        let identity = Identity {
            issuer: issuer.strip_suffix('/').unwrap_or(issuer).to_owned(),
            config_endpoint: config_endpoint.or(settings.config_endpoint.as_ref()).cloned(),
            cert_path: cert_path.filter(|path| !is_system_bundle(path)).map(PathBuf::from),
            oauth: account.oauth || settings.oauth,
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // Issuer data that have changed meanwhile make another provider of it.
        if let Some(provider) = known.get(&identity).filter(|provider| provider.settings == settings) {
            return Ok(provider.clone());
        }
        let provider = Arc::new(Provider::new(
            issuer,
            identity.config_endpoint.clone(),
            identity.cert_path.clone(),
            identity.oauth,
            settings,
            (&self.clients, &self.clock),
        )?);
        known.put(identity, provider.clone());
        Ok(provider)
    }

    /// HTTP to another service, under its name in error texts. `on_this_machine`: it may be spoken to without TLS.
    pub(super) fn http(&self, service: Arc<str>, cert_path: Option<&str>, on_this_machine: bool) -> Http {
        let cert_path = cert_path.filter(|path| !is_system_bundle(path)).map(PathBuf::from);
        self.clients.http(service, cert_path, on_this_machine)
    }

    /// How many are remembered.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// Whether an address of metadata is one of the account's mytoken server, and not of its OpenID provider.
pub(super) fn is_of_mytoken_server(account: &AccountConfig, address: &str) -> bool {
    let server = account.mytoken_url.as_deref().map(|url| url.trim_end_matches('/'));
    server.and_then(|server| address.strip_prefix(server)).is_some_and(|rest| rest.starts_with('/'))
}

impl fmt::Debug for Providers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Providers").finish_non_exhaustive()
    }
}
