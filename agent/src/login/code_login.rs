//! One login by browser: from the authorization request to the fetched result.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use oidc_proto::{
    account::AccountConfig,
    error_code::ErrorCode,
    json::Object,
    message::Failure,
    secret::{AuthorizationCode, CodeVerifier},
    shortname::Shortname,
};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{
    failure::failure_of,
    held::Sealable,
    login_request::LoginRequest,
    phase::{CurrentPhase, Phase},
    state::LoginState,
    table::{Entry, LOGIN_LIFETIME},
};
use crate::{clock::BootTime, provider::TokenResponse};

/// How long the web server stays when the login is decided and nobody fetches the result.
const LINGER: Duration = Duration::from_secs(60);

/// A login by browser.
pub struct CodeLogin {
    /// Ties the browser's answer to this login.
    pub state: LoginState,
    /// The account that will come of it.
    pub account: Shortname,
    /// The issuer's name for texts.
    pub provider: String,
    /// How far it is.
    pub phase: CurrentPhase<Arc<Attempt>>,
    /// Held by the exchange that is under way: one at a time.
    pub exchanging: tokio::sync::Mutex<()>,
    expires_at: BootTime,
    server: CancellationToken,
    /// Why the browser's last try failed.
    failure: Mutex<Option<Failure>>,
}

/// What the exchange of a code needs.
pub struct Attempt {
    /// Account and provider.
    pub login_request: LoginRequest,
    /// As in the authorization request, byte by byte.
    pub redirect_uri: String,
    /// RFC 7636 section 4.1.
    pub code_verifier: CodeVerifier,
    /// OpenID Connect Core section 3.1.2.1.
    pub nonce: Option<String>,
}

impl CodeLogin {
    /// A login that has just begun.
    pub fn new(state: LoginState, attempt: Attempt, now: BootTime) -> Self {
        Self {
            state,
            account: attempt.login_request.name.clone(),
            provider: attempt.login_request.provider.name().to_owned(),
            exchanging: tokio::sync::Mutex::default(),
            expires_at: now.plus(LOGIN_LIFETIME),
            server: CancellationToken::new(),
            failure: Mutex::default(),
            phase: CurrentPhase::open(Arc::new(attempt)),
        }
    }

    /// The browser's try failed for good; whoever waits for the result is told. Another try is possible.
    pub fn note(&self, failure: &Failure) {
        *self.noted_failure() = Some(failure.clone());
    }

    /// Why the browser's last try failed.
    pub fn noted(&self) -> Option<Failure> {
        self.noted_failure().clone()
    }

    /// Ends the web server.
    pub fn stop_server(&self) {
        self.server.cancel();
    }

    /// Says when the web server has to end.
    pub fn server_stop(&self) -> CancellationToken {
        self.server.clone()
    }

    /// Ends the web server a little later: for a second tab, or a page that is loaded again.
    pub fn linger(&self) {
        let server = self.server.clone();
        tokio::spawn(async move {
            if server.run_until_cancelled(sleep(LINGER)).await.is_some() {
                server.cancel();
            }
        });
    }

    fn noted_failure(&self) -> MutexGuard<'_, Option<Failure>> {
        // Nothing panics while it is held.
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry for CodeLogin {
    fn is(&self, key: &str) -> bool {
        self.state.matches(key)
    }

    fn expires_at(&self) -> BootTime {
        self.expires_at
    }

    fn is_over(&self, _: BootTime) -> bool {
        self.phase.is(|phase| matches!(phase, Phase::Fetched | Phase::Refused(_)))
    }

    fn end(&self) {
        self.stop_server();
        self.phase.end(&self.account);
    }
}

impl Sealable for Arc<Attempt> {
    fn strip(&mut self) -> Object {
        let mut secrets = Object::default();
        secrets.insert("config", self.login_request.config.to_object().into_value());
        secrets.insert("code_verifier", self.code_verifier.expose());
        if let Some(nonce) = &self.nonce {
            secrets.insert("nonce", nonce.as_str());
        }
        *self = Self::new(self.with_secrets(AccountConfig::default(), CodeVerifier::from(""), None));
        secrets
    }

    fn restore(&mut self, secrets: Object) {
        let config = secrets.object("config").map(AccountConfig::from_object).unwrap_or_default();
        let verifier = CodeVerifier::new(secrets.string("code_verifier").unwrap_or_default());
        *self = Self::new(self.with_secrets(config, verifier, secrets.string("nonce")));
    }
}

impl Attempt {
    fn with_secrets(
        &self,
        config: AccountConfig,
        code_verifier: CodeVerifier,
        nonce: Option<String>,
    ) -> Self {
        let login_request = self.login_request.with_config(config);
        Self { login_request, redirect_uri: self.redirect_uri.clone(), code_verifier, nonce }
    }

    /// Checks who answered (RFC 9207): before the answer is looked at.
    pub async fn check_issuer(&self, iss: Option<&str>, deadline: Instant) -> Result<(), Failure> {
        let checked = self.login_request.provider.check_authorization_issuer(iss, deadline).await;
        checked.map_err(failure_of(&self.login_request.config))
    }

    /// Exchanges a code for tokens, and judges whom they are about.
    pub async fn exchange(
        &self,
        code: &AuthorizationCode,
        deadline: Instant,
    ) -> Result<TokenResponse, Failure> {
        let client = self.login_request.client()?;
        let exchange = async {
            let (provider, verifier) = (&self.login_request.provider, self.code_verifier.clone());
            let response =
                provider.exchange_code(client, code, &self.redirect_uri, verifier, deadline).await?;
            self.login_request.judge_id_token(&response, self.nonce.as_deref(), deadline).await?;
            Ok(response)
        };
        exchange.await.map_err(|error| self.login_request.refused(error))
    }
}

/// Whether the same may work a little later, without a new login.
pub fn may_pass(failure: &Failure) -> bool {
    matches!(
        failure.code,
        ErrorCode::ProviderUnreachable | ErrorCode::ProviderTimeout | ErrorCode::AgentLocked
    )
}
