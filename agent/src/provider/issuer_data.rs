//! The issuer data and the provider data, as the provider room wants them: read from disk now and then, looked up without waiting.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use oidc_proto::{
    custom_parameters::CustomParameters,
    home::Home,
    issuers::{Issuers, SYSTEM_DIRECTORY},
};
use tokio::{task::spawn_blocking, time::timeout};

use super::{
    handle::IssuerSettings,
    provider_data::{Problem, ProviderData},
};

/// How long the data are used without being read again: what somebody edits counts for the next command.
const READ_AFTER: Duration = Duration::from_secs(2);
/// How long a file system may take before what is in memory has to do.
const DEADLINE: Duration = Duration::from_secs(2);

/// The merged issuer data in memory; clones share them.
#[derive(Clone)]
pub struct IssuerData(Arc<Shared>);

struct Shared {
    data: RwLock<Data>,
    cert_path: Option<PathBuf>,
}

struct Data {
    issuers: Arc<Issuers>,
    providers: Arc<ProviderData>,
    parameters: Arc<CustomParameters>,
    problems: Vec<Problem>,
    read: Instant,
}

impl IssuerData {
    /// Reads the data of this directory and the system's. `cert_path` is the CA bundle for issuers that name none.
    pub fn read(home: &Home, cert_path: Option<PathBuf>) -> Self {
        let empty = Data {
            issuers: Arc::default(),
            providers: Arc::default(),
            parameters: Arc::default(),
            problems: Vec::new(),
            read: Instant::now(),
        };
        let data = Self(Arc::new(Shared { data: RwLock::new(empty), cert_path }));
        data.reload(home);
        data
    }

    /// Reads the data again. Blocks.
    pub fn reload(&self, home: &Home) {
        let issuers = Issuers::load(Some(home));
        let system = Path::new(SYSTEM_DIRECTORY);
        let (providers, mut problems) = ProviderData::read([system, home.path()]);
        let (parameters, more) = CustomParameters::read([home.path(), system]);
        problems.extend(more.into_iter().map(|problem| Problem {
            what: problem.line.map_or(problem.what.clone(), |line| format!("line {line}: {}", problem.what)),
            path: problem.path,
        }));
        let mut data = self.0.data.write().unwrap_or_else(PoisonError::into_inner);
        for problem in issuers.problems().iter().filter(|problem| !data.issuers.problems().contains(problem))
        {
            tracing::warn!(%problem, "issuer data are left out");
        }
        for problem in problems.iter().filter(|problem| !data.problems.contains(problem)) {
            tracing::warn!(%problem, "left out");
        }
        *data = Data {
            issuers: Arc::new(issuers),
            providers: Arc::new(providers),
            parameters: Arc::new(parameters),
            problems,
            read: Instant::now(),
        };
    }

    /// Reads the data again if that was not done a moment ago. A file system that does not answer is not waited for.
    pub async fn look_again(&self, home: &Home) {
        {
            let mut data = self.0.data.write().unwrap_or_else(PoisonError::into_inner);
            if data.read.elapsed() < READ_AFTER {
                return;
            }
            // One reads; who comes meanwhile goes on with what there is.
            data.read = Instant::now();
        }
        let (this, home) = (self.clone(), home.clone());
        if timeout(DEADLINE, spawn_blocking(move || this.reload(&home))).await.is_err() {
            tracing::warn!("going on with the issuer data that were there: reading them takes too long");
        }
    }

    /// What the data are now.
    pub fn issuers(&self) -> Arc<Issuers> {
        Arc::clone(&self.0.data.read().unwrap_or_else(PoisonError::into_inner).issuers)
    }

    /// The files of provider data that are left out, and why.
    pub fn problems(&self) -> Vec<Problem> {
        self.0.data.read().unwrap_or_else(PoisonError::into_inner).problems.clone()
    }

    /// What they say about one issuer.
    pub fn settings(&self, issuer: &str) -> IssuerSettings {
        let text = |path: &Path| path.to_str().map(str::to_owned);
        let everywhere = self.0.cert_path.as_deref().and_then(text);
        let (data, parameters) = {
            let data = self.0.data.read().unwrap_or_else(PoisonError::into_inner);
            (Arc::clone(&data.providers), Arc::clone(&data.parameters))
        };
        let Some(known) = self.issuers().get(issuer) else {
            return IssuerSettings { cert_path: everywhere, data, parameters, ..IssuerSettings::default() };
        };
        IssuerSettings {
            config_endpoint: known.config_endpoint,
            cert_path: known.cert_path.as_deref().and_then(text).or(everywhere),
            oauth: known.oauth,
            // Absent and false are one in the data; a provider that is known to differ says so by its quirks.
            legacy_aud_mode: known.legacy_aud_mode.then_some(true),
            device_authorization_endpoint: known.device_authorization_endpoint,
            quirks: known.quirks,
            data,
            parameters,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_edited_counts_for_the_next_command() {
        let directory = tempfile::tempdir().expect("a directory");
        let home = Home::at(directory.path());
        let data = IssuerData::read(&home, None);
        let issuer = "https://edited.example/";
        assert!(!data.settings(issuer).oauth);
        let text = format!(r#"[{{"issuer":"{issuer}","oauth":true}}]"#);
        fs_err::write(directory.path().join("issuer.config"), text).expect("written");
        data.look_again(&home).await;
        assert!(!data.settings(issuer).oauth, "read a moment ago");
        data.0.data.write().expect("no panic").read -= READ_AFTER;
        data.look_again(&home).await;
        assert!(data.settings(issuer).oauth);
    }
}
