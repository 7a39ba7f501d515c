//! HTTP clients: one for this machine, one for the system's roots, and one for each CA bundle that accounts name.
//!
//! No connection is used twice. A server that closes kept connections, as all do some time, would make a request fail
//! of which nobody knows whether it was processed; and what a connection carried stays in its buffers while it is
//! open. TLS sessions are resumed instead.

use std::{
    ffi::OsString,
    num::NonZeroUsize,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use lru::LruCache;

use super::{
    roots::Source,
    sending::Http,
    slot::{Shared, Slot},
};
use crate::provider::file::Readers;

/// Most CA bundles that are kept; the one that was not used for longest goes first.
const MOST_BUNDLES: NonZeroUsize = NonZeroUsize::new(32).expect("not zero");

/// The clients of an agent.
pub(crate) struct HttpClients {
    shared: Arc<Shared>,
    system: Arc<Slot>,
    /// The threads that may be risked on files that accounts and clients name.
    readers: Readers,
    by_cert_path: Mutex<LruCache<PathBuf, Arc<Slot>>>,
}

impl Default for HttpClients {
    /// In the environment of this process.
    fn default() -> Self {
        Self::in_environment(|name| std::env::var_os(name))
    }
}

impl HttpClients {
    /// The variables name CA bundles and proxies; they are read when they are needed.
    pub(crate) fn in_environment(
        environment: impl Fn(&str) -> Option<OsString> + Send + Sync + 'static,
    ) -> Self {
        let shared = Arc::new(Shared::in_environment(environment));
        Self {
            system: Arc::new(Slot::new(shared.clone(), Source::System, Readers::default())),
            by_cert_path: Mutex::new(LruCache::new(MOST_BUNDLES)),
            readers: Readers::default(),
            shared,
        }
    }

    /// HTTP to the provider of that name, trusting `cert_path` or else the system's roots. `on_this_machine`: the issuer
    /// is here, and may be spoken to without TLS.
    pub(crate) fn http(&self, provider: Arc<str>, cert_path: Option<PathBuf>, on_this_machine: bool) -> Http {
        let slot = match cert_path {
            None => self.system.clone(),
            Some(path) => {
                let mut slots = self.by_cert_path.lock().unwrap_or_else(PoisonError::into_inner);
                let source = Source::Path(path.clone());
                let make = || Arc::new(Slot::new(self.shared.clone(), source, self.readers.clone()));
                slots.get_or_insert(path, make).clone()
            }
        };
        Http::new(slot, provider, on_this_machine)
    }

    /// Makes the next request look at its certificates.
    #[cfg(test)]
    pub(crate) fn look_again(&self) {
        let mut slots = self.by_cert_path.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, slot) in slots.iter_mut() {
            slot.look_again();
        }
    }

    /// Keeps all threads that may be risked busy until the guard is dropped.
    #[cfg(test)]
    pub(crate) fn hang(&self) -> impl Drop {
        self.readers.hang()
    }

    /// How many CA bundles are kept.
    #[cfg(test)]
    pub(crate) fn bundles(&self) -> usize {
        self.by_cert_path.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The threads that may be risked on files that accounts and clients name.
    pub(crate) fn readers(&self) -> &Readers {
        &self.readers
    }
}
