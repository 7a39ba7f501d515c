//! One login by browser: from the authorization request to the fetched result.

use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use oidc_proto::{
    account::AccountConfig,
    error_code::ErrorCode,
    json::Object,
    message::Failure,
    secret::{CodeVerifier, SecretText},
    shortname::Shortname,
};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{
    failure::failure_of,
    held::Sealable,
    login_request::LoginRequest,
    phase::{CurrentPhase, Phase},
    purpose::Purpose,
    redirected::Answer,
    state::LoginState,
    table::{Entry, LOGIN_LIFETIME},
};
use crate::{
    clock::BootTime,
    provider::{AuthorizationRequest, OAuthError, Provider, ProviderError, ProviderErrorKind, TokenResponse},
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
    /// Who goes on with what it brings.
    pub purpose: Purpose,
    /// How far it is.
    pub phase: CurrentPhase<Arc<Attempt>>,
    /// Held by the exchange that is under way: one at a time.
    pub exchanging: tokio::sync::Mutex<()>,
    expires_at: BootTime,
    server: CancellationToken,
    /// Ties the answer to the login once the browser was sent to the provider again. Once only.
    again: OnceLock<LoginState>,
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
    /// Where the browser was sent to; `state` and `nonce` are in it.
    pub url: SecretText,
}

/// What is to be done with a browser that has come back.
pub enum CameBack {
    /// Nothing: the login is done.
    Done,
    /// It has to go to the provider again.
    Again {
        /// Where to.
        url: String,
        /// Comes back with the next answer.
        state: LoginState,
    },
}

impl CodeLogin {
    /// A login that has just begun.
    pub fn new(state: LoginState, attempt: Attempt, now: BootTime) -> Self {
        Self {
            state,
            account: attempt.login_request.name.clone(),
            provider: attempt.login_request.provider.name().to_owned(),
            purpose: attempt.login_request.purpose.clone(),
            exchanging: tokio::sync::Mutex::default(),
            expires_at: now.plus(LOGIN_LIFETIME),
            server: CancellationToken::new(),
            again: OnceLock::new(),
            failure: Mutex::default(),
            phase: CurrentPhase::open(Arc::new(attempt)),
        }
    }

    /// Whether the agent itself wants it, for an account that needs it.
    pub fn is_renewal(&self) -> bool {
        matches!(self.purpose, Purpose::Renewal(_))
    }

    /// The browser is sent to the provider again, and its answer comes with another state. Fails the second time.
    pub fn begin_again(&self, state: LoginState, attempt: Attempt) -> bool {
        let is_first = self.again.set(state).is_ok();
        if is_first {
            self.phase.set(Phase::Open(Arc::new(attempt)));
        }
        is_first
    }

    /// The state of the answer to the request that the browser was sent with last.
    pub fn awaited(&self) -> &LoginState {
        self.again.get().unwrap_or(&self.state)
    }

    /// The browser's try failed for good; whoever waits for the result is told. Another try is possible.
    pub fn note(&self, failure: &Failure) {
        *self.noted_failure() = Some(failure.clone());
        self.phase.tell();
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
        self.state.matches(key) || self.again.get().is_some_and(|state| state.matches(key))
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
        secrets.insert("url", self.url.expose());
        if let Some(nonce) = &self.nonce {
            secrets.insert("nonce", nonce.as_str());
        }
        let nothing = (CodeVerifier::from(""), SecretText::from(""));
        *self = Self::new(self.with_secrets(AccountConfig::default(), nothing, None));
        secrets
    }

    fn restore(&mut self, secrets: Object) {
        let config = secrets.object("config").map(AccountConfig::from_object).unwrap_or_default();
        let verifier = CodeVerifier::new(secrets.string("code_verifier").unwrap_or_default());
        let url = SecretText::new(secrets.string("url").unwrap_or_default());
        *self = Self::new(self.with_secrets(config, (verifier, url), secrets.string("nonce")));
    }
}

impl Attempt {
    fn with_secrets(
        &self,
        config: AccountConfig,
        (code_verifier, url): (CodeVerifier, SecretText),
        nonce: Option<String>,
    ) -> Self {
        let login_request = self.login_request.with_config(config);
        Self { login_request, redirect_uri: self.redirect_uri.clone(), code_verifier, nonce, url }
    }

    /// Prepares an authorization request whose answer will come with this `state`.
    pub async fn prepare(
        login_request: LoginRequest,
        redirect_uri: String,
        state: &LoginState,
        deadline: Instant,
    ) -> Result<Self, Failure> {
        let request = AuthorizationRequest {
            client_id: login_request.client()?.id,
            redirect_uri: &redirect_uri,
            scope: &login_request.scope,
            state: state.as_str(),
            audience: login_request.config.audience.as_deref(),
            offline: !login_request.only_at,
            account: login_request.config.name.as_deref(),
        };
        let authorization = login_request.provider.authorization_request(request, deadline).await;
        let authorization = authorization.map_err(failure_of(&login_request.config))?;
        let (code_verifier, nonce) = (authorization.code_verifier, authorization.nonce);
        let url = SecretText::new(authorization.url);
        Ok(Self { login_request, redirect_uri, code_verifier, nonce, url })
    }

    /// Checks who answered (RFC 9207): before the answer is looked at.
    pub async fn check_issuer(&self, iss: Option<&str>, deadline: Instant) -> Result<(), Failure> {
        let checked = self.login_request.provider.check_authorization_issuer(iss, deadline).await;
        checked.map_err(failure_of(&self.login_request.config))
    }

    /// What the provider answered: tokens about the right person, or a refusal. The outer error is about the account.
    pub async fn tokens(
        &self,
        answer: Answer,
        deadline: Instant,
    ) -> Result<Result<TokenResponse, ProviderError>, Failure> {
        let (client, provider) = (self.login_request.client()?, &self.login_request.provider);
        let code = match answer {
            Answer::Code(code) => code,
            Answer::Error { error, description } => {
                return Ok(Err(refusal(provider, &error, description.as_deref())));
            }
        };
        let exchange = async {
            let verifier = self.code_verifier.clone();
            let response =
                provider.exchange_code(client, &code, &self.redirect_uri, verifier, deadline).await?;
            self.login_request.judge_id_token(&response, self.nonce.as_deref(), deadline).await?;
            Ok(response)
        };
        Ok(exchange.await)
    }
}

/// An error of the authorization endpoint (RFC 6749 section 4.1.2.1).
fn refusal(provider: &Provider, error: &str, description: Option<&str>) -> ProviderError {
    let error = OAuthError::new(400, error, description, &[]);
    ProviderError::new(provider.name().into(), ProviderErrorKind::Refused(error))
}

/// Whether the same may work a little later, without a new login.
pub fn may_pass(failure: &Failure) -> bool {
    matches!(
        failure.code,
        ErrorCode::ProviderUnreachable | ErrorCode::ProviderTimeout | ErrorCode::AgentLocked
    )
}
