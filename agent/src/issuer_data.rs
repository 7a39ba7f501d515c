//! The issuer data, as the provider room wants them: read from disk now and then, looked up without waiting.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use oidc_proto::{home::Home, issuers::Issuers};

use crate::provider::IssuerSettings;

/// The merged issuer data in memory; clones share them.
#[derive(Clone)]
pub struct IssuerData(Arc<Shared>);

struct Shared {
    issuers: RwLock<Arc<Issuers>>,
    cert_path: Option<PathBuf>,
}

impl IssuerData {
    /// Reads the data of this directory and the system's. `cert_path` is the CA bundle for issuers that name none.
    pub fn read(home: &Home, cert_path: Option<PathBuf>) -> Self {
        let data = Self(Arc::new(Shared { issuers: RwLock::default(), cert_path }));
        data.reload(home);
        data
    }

    /// Reads the data again. Blocks.
    pub fn reload(&self, home: &Home) {
        let issuers = Issuers::load(Some(home));
        for problem in issuers.problems() {
            tracing::warn!(%problem, "issuer data are left out");
        }
        *self.0.issuers.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(issuers);
    }

    /// What the data are now.
    pub fn issuers(&self) -> Arc<Issuers> {
        Arc::clone(&self.0.issuers.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What they say about one issuer.
    pub fn settings(&self, issuer: &str) -> IssuerSettings {
        let text = |path: &Path| path.to_str().map(str::to_owned);
        let everywhere = self.0.cert_path.as_deref().and_then(text);
        let Some(known) = self.issuers().get(issuer) else {
            return IssuerSettings { cert_path: everywhere, ..IssuerSettings::default() };
        };
        IssuerSettings {
            config_endpoint: known.config_endpoint,
            cert_path: known.cert_path.as_deref().and_then(text).or(everywhere),
            oauth: known.oauth,
            // Absent and false are one in the data; a provider that is known to differ says so by its quirks.
            legacy_aud_mode: known.legacy_aud_mode.then_some(true),
            device_authorization_endpoint: known.device_authorization_endpoint,
            quirks: known.quirks,
        }
    }
}
