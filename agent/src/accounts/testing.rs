//! Accounts for the tests of this room: on a directory of their own, a clock that is set, and a scripted provider.

use std::sync::Arc;

use oidc_proto::{
    account::AccountConfig,
    home::Home,
    message::{AddRequest, Failure, Target, TokenRequest},
};
use tempfile::TempDir;

use super::{Accounts, CachedToken, Deps};
use crate::{
    caller::Caller,
    clock::Clock,
    provider::{Providers, issuer_data::IssuerData},
    settings::options::Options,
};

/// What the wall clock shows at first.
pub const START: u64 = 1_800_000_000;

/// An agent's accounts.
pub struct Bench {
    /// Theirs.
    pub clock: Clock,
    /// Those.
    pub accounts: Accounts,
    _directory: TempDir,
}

impl Bench {
    /// No account.
    pub fn new() -> Self {
        Self::with(Options::default())
    }

    /// The same, told how to behave.
    pub fn with(options: Options) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (home, clock) = (Home::at(directory.path()), Clock::simulated(START));
        let issuers = IssuerData::read(&home, None);
        let settings = issuers.clone();
        let providers = Providers::new(move |issuer| settings.settings(issuer));
        let prompts = crate::prompt::Queue::default();
        let accounts =
            Accounts::new(Deps { home, issuers, providers, options, prompts, clock: clock.clone() });
        Self { clock, accounts, _directory: directory }
    }

    /// Loads an account without asking for a first token.
    pub async fn add(&self, issuer: &str, name: &str) {
        self.try_add(AddRequest { plain_add: true, ..add_request(issuer, name) }).await.expect("loaded");
    }

    /// Loads an account.
    pub async fn try_add(&self, request: AddRequest) -> Result<(), Failure> {
        self.accounts.add(request).await.map(drop)
    }

    /// A token of an account that may be served from the cache.
    pub async fn token(&self, name: &str) -> Result<Arc<CachedToken>, Failure> {
        self.accounts.access_token(token_request(name), Caller::unseen()).await
    }
}

/// A request to load an account of an issuer.
pub fn add_request(issuer: &str, name: &str) -> AddRequest {
    let config = AccountConfig {
        name: Some(name.into()),
        issuer_url: Some(issuer.into()),
        client_id: Some("c".into()),
        refresh_token: Some("rt-1".into()),
        ..AccountConfig::default()
    };
    AddRequest { config, ..AddRequest::default() }
}

/// A request for a token of an account, by a program that wants no prompt.
pub fn token_request(name: &str) -> TokenRequest {
    TokenRequest { prompt: false, ..TokenRequest::new(Target::Account(name.into())) }
}
