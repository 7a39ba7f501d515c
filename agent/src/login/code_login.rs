//! One login by browser: from the authorization request to the fetched result.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use oidc_proto::{
    account::AccountConfig,
    error_code::ErrorCode,
    message::{Failure, TokenReply},
    secret::{AuthorizationCode, CodeVerifier},
    shortname::Shortname,
};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{LOGIN_LIFETIME, setting::Setting, state::LoginState, table::Entry, told};
use crate::{
    clock::BootTime,
    provider::{ProviderError, TokenResponse},
};

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
    /// Held by the exchange that is under way: one at a time.
    pub exchanging: tokio::sync::Mutex<()>,
    expires_at: BootTime,
    server: CancellationToken,
    phase: Mutex<Phase>,
}

/// How far a login is.
#[derive(Clone)]
pub enum Phase {
    /// It waits for the browser. What it needs for the exchange, and why the browser's last try failed.
    Open(Arc<Attempt>, Option<Failure>),
    /// The provider has given a refresh token, but the account could not be loaded yet.
    Unloaded(Box<AccountConfig>),
    /// The account is loaded and waits to be fetched.
    Loaded,
    /// An access token, all that was wanted, waits to be fetched.
    Token(TokenReply),
    /// The provider or the person refused.
    Refused(Failure),
    /// The result was fetched.
    Fetched,
}

/// What the exchange of a code needs.
pub struct Attempt {
    /// Account and provider.
    pub setting: Setting,
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
            account: attempt.setting.name.clone(),
            provider: attempt.setting.provider.name().to_owned(),
            exchanging: tokio::sync::Mutex::default(),
            expires_at: now.plus(LOGIN_LIFETIME),
            server: CancellationToken::new(),
            phase: Mutex::new(Phase::Open(Arc::new(attempt), None)),
        }
    }

    /// How far it is.
    pub fn phase(&self) -> Phase {
        self.lock().clone()
    }

    /// It goes on.
    pub fn set(&self, phase: Phase) {
        *self.lock() = phase;
    }

    /// The browser's try failed for good; whoever waits for the result is told. Another try is possible.
    pub fn note(&self, failure: &Failure) {
        if let Phase::Open(_, noted) = &mut *self.lock() {
            *noted = Some(failure.clone());
        }
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

    fn lock(&self) -> MutexGuard<'_, Phase> {
        // Nothing panics while it is held.
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry for CodeLogin {
    fn is(&self, key: &str) -> bool {
        self.state.matches(key)
    }

    fn expires_at(&self) -> BootTime {
        self.expires_at
    }

    fn is_over(&self) -> bool {
        matches!(*self.lock(), Phase::Fetched | Phase::Refused(_))
    }

    fn end(&self) {
        self.stop_server();
    }
}

impl Attempt {
    /// Exchanges a code for tokens, after the check of who gave it and before that of whom the tokens are about.
    pub async fn exchange(
        &self,
        code: &AuthorizationCode,
        iss: Option<&str>,
        deadline: Instant,
    ) -> Result<TokenResponse, Failure> {
        self.try_exchange(code, iss, deadline).await?.map_err(told(&self.setting.config))
    }

    async fn try_exchange(
        &self,
        code: &AuthorizationCode,
        iss: Option<&str>,
        deadline: Instant,
    ) -> Result<Result<TokenResponse, ProviderError>, Failure> {
        let (provider, client) = (&self.setting.provider, self.setting.client()?);
        let exchange = async {
            provider.check_authorization_issuer(iss, deadline).await?;
            let verifier = self.code_verifier.clone();
            let response =
                provider.exchange_code(client, code, &self.redirect_uri, verifier, deadline).await?;
            // Without a nonce this was no OpenID Connect login. Some providers send no ID token even so; the code came
            // over the same TLS connection as one would have.
            if let (Some(nonce), Some(id_token)) = (&self.nonce, &response.id_token) {
                provider.validate_id_token(id_token, client.id, Some(nonce), deadline).await?;
            }
            Ok(response)
        };
        Ok(exchange.await)
    }
}

/// Whether the same may work a little later, without a new login.
pub fn may_pass(failure: &Failure) -> bool {
    matches!(
        failure.code,
        ErrorCode::ProviderUnreachable | ErrorCode::ProviderTimeout | ErrorCode::AgentLocked
    )
}
