//! One HTTP client for one source of certificates, built when it is needed and again when the source has changed.

use std::{
    ffi::OsString,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use rustls::ClientConfig;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};
use url::Url;

use super::{
    failure::reason_of,
    proxy::Proxies,
    resolve::{Resolver, is_loopback},
    roots::{self, Source, Stamps},
};
use crate::provider::{
    error::ProviderErrorKind,
    file::{self, Late, Readers},
};

/// Longest wait for a connection, TLS included, as in the C suite.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long certificates are used without a look whether their files have changed.
const LOOK_AFTER: Duration = Duration::from_secs(1);

/// Where variables are looked up.
type Environment = dyn Fn(&str) -> Option<OsString> + Send + Sync;

/// What all clients have in common.
pub(super) struct Shared {
    environment: Box<Environment>,
    resolver: Arc<Resolver>,
    /// For http to this machine: needs neither certificates nor proxies, so what is wrong with those cannot harm it.
    plain: OnceLock<Result<reqwest::Client, String>>,
}

/// A client for one source of certificates: built when first needed, and again when the source has changed.
pub(super) struct Slot {
    shared: Arc<Shared>,
    source: Source,
    /// The system's certificates are not held up by paths that clients name.
    readers: Readers,
    /// One look at the files at a time, also where the file system hangs.
    gate: Arc<Semaphore>,
    built: Mutex<Option<Built>>,
}

#[derive(Clone)]
struct Built {
    client: reqwest::Client,
    proxies: Arc<Proxies>,
    stamps: Stamps,
    looked: Instant,
}

/// What a look at the files found.
enum Found {
    Unchanged,
    Changed(Box<Built>),
}

impl Shared {
    /// The variables are read when they are needed.
    pub(super) fn in_environment(
        environment: impl Fn(&str) -> Option<OsString> + Send + Sync + 'static,
    ) -> Self {
        Self { environment: Box::new(environment), resolver: Arc::default(), plain: OnceLock::new() }
    }
}

impl Slot {
    /// Nothing is read yet.
    pub(super) fn new(shared: Arc<Shared>, source: Source, readers: Readers) -> Self {
        Self { shared, source, readers, gate: Arc::new(Semaphore::new(1)), built: Mutex::default() }
    }

    /// The client for an address.
    pub(super) async fn client(
        &self,
        url: &Url,
        deadline: Instant,
    ) -> Result<reqwest::Client, ProviderErrorKind> {
        let unusable = |reason| ProviderErrorKind::Configuration { reason };
        if url.scheme() == "http" && is_loopback(url) {
            let client = self
                .shared
                .plain
                .get_or_init(|| build_client(roots::no_tls()?, self.shared.resolver.clone(), &Proxies::None));
            return client.clone().map_err(unusable);
        }
        let built = self.built(deadline).await.map_err(unusable)?;
        built.proxies.check(url).map_err(unusable)?;
        Ok(built.client)
    }

    async fn built(&self, deadline: Instant) -> Result<Built, String> {
        let known = self.state().clone();
        if let Some(known) = known.as_ref().filter(|known| known.looked.elapsed() < LOOK_AFTER) {
            return Ok(known.clone());
        }
        let late = |late: Late| match &self.source {
            Source::System => format!("the system's CA certificates: {late}"),
            Source::Path(path) => format!("cannot read CA certificates from {}: {late}", path.display()),
        };
        let entered = match (&known, self.gate.clone().try_acquire_owned()) {
            (_, Ok(entered)) => entered,
            (Some(known), Err(_)) => return Ok(known.clone()),
            (None, Err(_)) => {
                let deadline = deadline.min(Instant::now() + file::DEADLINE);
                let entered = timeout_at(deadline, self.gate.clone().acquire_owned()).await;
                let Ok(Ok(entered)) = entered else { return Err(late(Late::Hanging)) };
                if let Some(built) = self.state().clone() {
                    return Ok(built);
                }
                entered
            }
        };
        let (source, shared) = (self.source.clone(), self.shared.clone());
        let stamps = known.as_ref().map(|known| known.stamps.clone());
        let look = move || look(&source, stamps.as_ref(), &shared);
        // What is known will do, so a file system that hangs holds nobody up for long.
        let deadline = if known.is_some() { deadline.min(Instant::now() + LOOK_AFTER) } else { deadline };
        match (self.readers.run(deadline, entered, look).await, known) {
            (Ok(Ok(Found::Changed(built))), _) => {
                *self.state() = Some((*built).clone());
                Ok(*built)
            }
            (Ok(Ok(Found::Unchanged)), Some(known)) => {
                self.looked();
                Ok(known)
            }
            // Nobody knows what is there now, so what was there holds.
            (Err(why), Some(known)) => {
                self.looked();
                tracing::warn!(reason = late(why), "going on with the certificates that were there");
                Ok(known)
            }
            (Ok(Err(reason)), _) => {
                *self.state() = None;
                Err(reason)
            }
            (Err(why), None) => Err(late(why)),
            (Ok(Ok(Found::Unchanged)), None) => Err(late(Late::Hanging)),
        }
    }

    /// Makes the next request look at its certificates.
    #[cfg(test)]
    pub(super) fn look_again(&self) {
        if let Some(built) = &mut *self.state() {
            built.looked -= LOOK_AFTER;
        }
    }

    /// The next look is due later.
    fn looked(&self) {
        if let Some(built) = &mut *self.state() {
            built.looked = Instant::now();
        }
    }

    fn state(&self) -> MutexGuard<'_, Option<Built>> {
        self.built.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks whether a source has changed, and builds a client if so. Blocks, and takes some milliseconds.
fn look(source: &Source, known: Option<&Stamps>, shared: &Shared) -> Result<Found, String> {
    let stamps = source.stamps(&shared.environment);
    if known == Some(&stamps) {
        return Ok(Found::Unchanged);
    }
    let proxies = Arc::new(Proxies::of(&shared.environment));
    let client = build_client(source.tls_config(&shared.environment)?, shared.resolver.clone(), &proxies)?;
    Ok(Found::Changed(Box::new(Built { client, proxies, stamps, looked: Instant::now() })))
}

fn build_client(
    tls: ClientConfig,
    resolver: Arc<Resolver>,
    proxies: &Proxies,
) -> Result<reqwest::Client, String> {
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .dns_resolver(resolver)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_max_idle_per_host(0)
        .user_agent(concat!("oidc-agent/", env!("CARGO_PKG_VERSION")))
        .no_proxy();
    if let Proxies::Usable(proxy) = proxies {
        builder = builder.proxy(proxy.clone());
    }
    builder.build().map_err(|error| reason_of(&error))
}
