//! One login by browser: from the authorization request to the fetched result.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crypto_box::{PublicKey, SecretKey};
use oidc_proto::{
    account::AccountConfig,
    error_code::ErrorCode,
    json::Object,
    message::{Failure, TokenReply},
    secret::{AccessToken, AuthorizationCode, CodeVerifier},
    shortname::Shortname,
};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{
    LOGIN_LIFETIME, failure_of,
    held::{Held, Sealable},
    login_request::LoginRequest,
    state::LoginState,
    table::Entry,
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
    /// Held by the exchange that is under way: one at a time.
    pub exchanging: tokio::sync::Mutex<()>,
    expires_at: BootTime,
    server: CancellationToken,
    phase: Mutex<Held<Phase>>,
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
    /// The agent is locked, and with it what is known of this login.
    Locked,
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
            phase: Mutex::new(Held::new(Phase::Open(Arc::new(attempt), None))),
        }
    }

    /// How far it is.
    pub fn phase(&self) -> Phase {
        self.lock().open().cloned().unwrap_or(Phase::Locked)
    }

    /// It goes on, also under the agent's lock.
    pub fn set(&self, phase: Phase) {
        self.lock().set(phase);
    }

    /// The browser's try failed for good; whoever waits for the result is told. Another try is possible.
    pub fn note(&self, failure: &Failure) {
        if let Phase::Open(_, noted) = self.lock().without_secrets_mut() {
            *noted = Some(failure.clone());
        }
    }

    /// Seals it to the key of a locked period.
    pub fn seal(&self, key: &PublicKey) {
        self.lock().seal(key);
    }

    /// Opens it again.
    pub fn unseal(&self, key: &SecretKey) {
        self.lock().unseal(key);
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

    fn lock(&self) -> MutexGuard<'_, Held<Phase>> {
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

    fn is_over(&self, _: BootTime) -> bool {
        matches!(self.lock().without_secrets(), Phase::Fetched | Phase::Refused(_))
    }

    fn end(&self) {
        self.stop_server();
        // The client is gone; nothing that the provider gave shall get lost without a word.
        match self.lock().without_secrets() {
            Phase::Loaded => tracing::warn!(
                account = %self.account,
                "logged in, but nobody has fetched the account: it is in this agent only, until the agent ends"
            ),
            Phase::Unloaded(_) => tracing::warn!(
                account = %self.account,
                "logged in, but the agent was locked until the login's time was over: please log in again"
            ),
            _ => {}
        }
    }
}

impl Sealable for Phase {
    fn strip(&mut self) -> Object {
        let mut secrets = Object::default();
        match self {
            Self::Open(attempt, _) => {
                secrets.insert("config", attempt.login_request.config.to_object().into_value());
                secrets.insert("code_verifier", attempt.code_verifier.expose());
                if let Some(nonce) = &attempt.nonce {
                    secrets.insert("nonce", nonce.as_str());
                }
                let without = attempt.with_secrets(AccountConfig::default(), CodeVerifier::from(""), None);
                *attempt = Arc::new(without);
            }
            Self::Unloaded(config) => {
                secrets.insert("config", std::mem::take(&mut **config).to_object().into_value());
            }
            Self::Token(reply) => {
                let token = std::mem::replace(&mut reply.access_token, AccessToken::from(""));
                secrets.insert("access_token", token.expose());
            }
            Self::Loaded | Self::Refused(_) | Self::Fetched | Self::Locked => {}
        }
        secrets
    }

    fn restore(&mut self, secrets: Object) {
        let text = |key| secrets.string(key).unwrap_or_default();
        let config = || secrets.object("config").map(AccountConfig::from_object).unwrap_or_default();
        match self {
            Self::Open(attempt, _) => {
                let verifier = CodeVerifier::new(text("code_verifier"));
                *attempt = Arc::new(attempt.with_secrets(config(), verifier, secrets.string("nonce")));
            }
            Self::Unloaded(held) => **held = config(),
            Self::Token(reply) => reply.access_token = AccessToken::new(text("access_token")),
            Self::Loaded | Self::Refused(_) | Self::Fetched | Self::Locked => {}
        }
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
        exchange.await.map_err(failure_of(&self.login_request.config))
    }
}

/// Whether the same may work a little later, without a new login.
pub fn may_pass(failure: &Failure) -> bool {
    matches!(
        failure.code,
        ErrorCode::ProviderUnreachable | ErrorCode::ProviderTimeout | ErrorCode::AgentLocked
    )
}
