//! HTTP clients: one for each CA bundle, built when first needed, off the runtime's threads.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::OnceCell;

use super::{Http, failure::reason_of, roots};
use crate::provider::error::ProviderErrorKind;

/// Longest wait for a connection, TLS included, as in the C suite.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Idle connections are kept for a herd of accounts at one provider, but not for long: just shorter than the five
/// seconds after which common servers (Apache, Node) hang up, since a token request that meets the hang-up half-way
/// cannot be repeated. A connection that outlives a laptop's sleep would cost the next request its whole deadline.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);
/// Idle connections kept for each host.
const IDLE_CONNECTIONS: usize = 2;
/// Proxies are not asked for these, whatever the environment says.
const NEVER_PROXIED: &str = "localhost,127.0.0.0/8,::1";

/// One HTTP client for each CA bundle, built when first needed and kept.
#[derive(Default)]
pub(crate) struct HttpClients {
    by_cert_path: Mutex<HashMap<Option<PathBuf>, Arc<Slot>>>,
}

pub(super) struct Slot {
    cert_path: Option<PathBuf>,
    client: OnceCell<reqwest::Client>,
}

impl HttpClients {
    /// HTTP to the provider of that name, trusting `cert_path` or else the system's roots.
    pub(crate) fn http(&self, provider: Arc<str>, cert_path: Option<PathBuf>) -> Http {
        let mut slots = self.by_cert_path.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = slots
            .entry(cert_path)
            .or_insert_with_key(|cert_path| {
                Arc::new(Slot { cert_path: cert_path.clone(), client: OnceCell::new() })
            })
            .clone();
        Http { slot, provider }
    }
}

impl Slot {
    pub(super) async fn client(&self) -> Result<&reqwest::Client, ProviderErrorKind> {
        self.client
            .get_or_try_init(|| async {
                let cert_path = self.cert_path.clone();
                // Reads and parses a CA bundle: several milliseconds that other connections must not wait for.
                let built = tokio::task::spawn_blocking(move || build_client(cert_path.as_deref())).await;
                built.unwrap_or_else(|panic| Err(panic.to_string()))
            })
            .await
            .map_err(|reason| ProviderErrorKind::Configuration { reason })
    }
}

fn build_client(cert_path: Option<&Path>) -> Result<reqwest::Client, String> {
    let tls = roots::tls_config(cert_path)?;
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .user_agent(concat!("oidc-agent/", env!("CARGO_PKG_VERSION")))
        .no_proxy();
    if let Some(proxy) = https_proxy()? {
        builder = builder.proxy(proxy);
    }
    builder.build().map_err(|error| reason_of(&error))
}

/// The proxy of the environment, as curl reads it, except for this machine itself.
fn https_proxy() -> Result<Option<reqwest::Proxy>, String> {
    let variable =
        |names: &[&str]| names.iter().find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    let Some(address) = variable(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]) else {
        return Ok(None);
    };
    let except = match variable(&["no_proxy", "NO_PROXY"]) {
        Some(hosts) => format!("{hosts},{NEVER_PROXIED}"),
        None => NEVER_PROXIED.to_owned(),
    };
    // The address may hold a password, so it is not quoted.
    let proxy =
        reqwest::Proxy::https(&address).map_err(|_| "the address in https_proxy is not a URL".to_owned())?;
    Ok(Some(proxy.no_proxy(reqwest::NoProxy::from_string(&except))))
}
