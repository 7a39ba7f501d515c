//! The authorization code flow (RFC 6749 section 4.1, RFC 7636, RFC 8252): its beginning, and what the browser brings.

use std::sync::Arc;

use oidc_proto::{
    error_code::ErrorCode,
    message::{CodeExchangeRequest, Failure, Reply},
};
use tokio::time::timeout_at;

use super::{
    Login,
    browser::Visit,
    code_login::{Attempt, CameBack, CodeLogin},
    login_request::{Granted, LoginRequest, no_refresh_token},
    loopback::Route,
    phase::Phase,
    provider_deadline,
    redirected::{Answer, Redirected},
    state::LoginState,
    table::Entry,
    web,
};

/// The shortest `state` that says whether only an access token is wanted.
const MIN_STATE_LEN: usize = 3;

/// The ways in which the browser's answer may come back.
#[derive(Debug, Clone, Copy)]
pub struct ComingBack {
    /// To a web server of the agent's own.
    pub webserver: bool,
    /// By the custom scheme, through the desktop.
    pub custom_scheme: bool,
}

impl Login {
    /// Prepares the authorization request, and listens for its answer.
    pub(super) async fn begin_code_login(
        &self,
        login_request: LoginRequest,
        by: ComingBack,
    ) -> Result<Reply, Failure> {
        login_request.client()?;
        let route = Route::choose(&login_request.config.redirect_uris, by.webserver, by.custom_scheme)?;
        let redirect_uri = route.redirect_uri().to_owned();
        let state = self.new_state(&login_request, &redirect_uri);
        let attempt = Attempt::prepare(login_request, redirect_uri, &state, provider_deadline()).await?;
        let uri = attempt.url.expose().to_owned();
        let now = self.clock().boot();
        let login = Arc::new(CodeLogin::new(state.clone(), attempt, now));
        self.under_way().unlocked()?.codes.insert(Arc::clone(&login), now)?;
        self.sweep_at(login.expires_at());
        if let Route::Loopback(loopback) = route {
            let stop = login.server_stop();
            let visit = Arc::new(Visit { login: self.clone(), code_login: login, path: loopback.path });
            tokio::spawn(web::serve(loopback.listeners, visit, stop));
        }
        Ok(Reply::AcceptedCode { uri, state: state.as_str().to_owned() })
    }

    /// `code_exchange`: somebody hands over the URL that the browser was sent to.
    pub async fn code_exchange(&self, request: CodeExchangeRequest) -> Result<Reply, Failure> {
        let redirected = Redirected::parse_url(&request.redirect_uri)?;
        if redirected.state.expose().len() < MIN_STATE_LEN {
            return Err(Failure::state_malformed());
        }
        let login = self.find_code_login(redirected.state.expose()).ok_or_else(Failure::wrong_state)?;
        if matches!(login.phase.get(), Phase::Fetched) {
            return Err(Failure::wrong_state());
        }
        match self.come_back(&login, redirected).await? {
            CameBack::Done if request.from_gen => self.fetch(&login).await,
            CameBack::Done => self.result(&login),
            CameBack::Again { url, state } => {
                Ok(Reply::AcceptedCode { uri: url, state: state.as_str().to_owned() })
            }
        }
    }

    fn new_state(&self, login_request: &LoginRequest, redirect_uri: &str) -> LoginState {
        LoginState::new(redirect_uri, login_request.only_at, &self.0.socket)
    }

    /// `term_http_server`. Nothing is said about whether there was one.
    pub fn term_http_server(&self, state: Option<&str>) -> Reply {
        if let Some(login) = state.and_then(|state| self.find_code_login(state)) {
            login.stop_server();
        }
        Reply::success()
    }

    /// Goes on with a login by what its browser brought. Done again, it changes nothing.
    ///
    /// A failed exchange leaves the login open: another code may follow. A refusal by the provider or the person ends
    /// it. What has begun runs to its end, whoever waits: the code is spent.
    pub(super) async fn come_back(
        &self,
        login: &Arc<CodeLogin>,
        redirected: Redirected,
    ) -> Result<CameBack, Failure> {
        let (shared, taker) = (self.clone(), Arc::clone(login));
        let taking = self.0.accounts.complete(async move { shared.take_answer(&taker, redirected).await });
        timeout_at(provider_deadline(), taking).await.unwrap_or_else(|_| Err(no_answer_yet(login)))
    }

    async fn take_answer(&self, login: &CodeLogin, redirected: Redirected) -> Result<CameBack, Failure> {
        let _one_at_a_time = login.exchanging.lock().await;
        self.0.accounts.require_unlocked()?;
        let attempt = match login.phase.get() {
            Phase::Open(attempt) => attempt,
            Phase::Unloaded(_) => return self.load(login).await.map(|()| CameBack::Done),
            Phase::Refused(failure) => return Err(failure),
            Phase::Loaded | Phase::Token(_) | Phase::Fetched => return Ok(CameBack::Done),
            Phase::Locked => return Err(Failure::agent_locked()),
        };
        if !login.awaited().matches(redirected.state.expose()) {
            // The first answer once more: a page that was loaded again.
            return Ok(CameBack::Again {
                url: attempt.url.expose().to_owned(),
                state: login.awaited().clone(),
            });
        }
        // RFC 9207 section 2.4: an error of another provider means as little as its code.
        attempt.check_issuer(redirected.iss.as_deref(), provider_deadline()).await?;
        let ends_login = matches!(redirected.answer, Answer::Error { .. });
        let response = match attempt.tokens(redirected.answer, provider_deadline()).await? {
            Ok(response) => response,
            Err(error) => {
                if attempt.login_request.is_refused_offline_access(&error)
                    && let Some(again) = self.send_again(login, &attempt).await?
                {
                    tracing::info!(account = %login.account, %error, "logging in without offline access");
                    return Ok(again);
                }
                let failure = attempt.login_request.refused(error);
                if ends_login {
                    tracing::info!(account = %login.account, error = failure.error, "login refused");
                    login.phase.set(Phase::Refused(failure.clone()));
                    login.linger();
                }
                return Err(failure);
            }
        };
        match attempt.login_request.granted(response, None, false).ok_or_else(no_refresh_token)? {
            Granted::Token(token) => login.phase.set(Phase::Token(token)),
            Granted::Account(config, response) => {
                login.phase.set(Phase::Unloaded(config.clone()));
                self.go_on_with(&login.purpose, *config, Some(response)).await?;
                login.phase.set(Phase::Loaded);
            }
        }
        tracing::info!(account = %login.account, "logged in");
        login.linger();
        Ok(CameBack::Done)
    }

    /// The same login once more without the scope `offline_access`: another request with a state, verifier and nonce of its
    /// own, which the browser is sent on to. `None` where that has been done.
    async fn send_again(&self, login: &CodeLogin, refused: &Attempt) -> Result<Option<CameBack>, Failure> {
        let login_request = refused.login_request.without_offline_access();
        let state = self.new_state(&login_request, &refused.redirect_uri);
        let attempt =
            Attempt::prepare(login_request, refused.redirect_uri.clone(), &state, provider_deadline())
                .await?;
        let again = CameBack::Again { url: attempt.url.expose().to_owned(), state: state.clone() };
        Ok(login.begin_again(state, attempt).then_some(again))
    }

    /// Loads an account that the provider has given a refresh token already.
    pub(super) async fn load(&self, login: &CodeLogin) -> Result<(), Failure> {
        if let Phase::Unloaded(config) = login.phase.get() {
            self.go_on_with(&login.purpose, *config, None).await?;
            login.phase.set(Phase::Loaded);
            login.linger();
        }
        Ok(())
    }

    /// The login of a `state`, which may still be percent-encoded when a person or the desktop hands it over.
    pub(super) fn find_code_login(&self, state: &str) -> Option<Arc<CodeLogin>> {
        let (mut under_way, now) = (self.under_way(), self.clock().boot());
        under_way.codes.find(state, now).or_else(|| {
            let (decoded, _) = url::form_urlencoded::parse(state.as_bytes()).next()?;
            under_way.codes.find(&decoded, now)
        })
    }
}

fn no_answer_yet(login: &CodeLogin) -> Failure {
    let error = format!("reached timeout: no answer from {} yet", login.provider);
    Failure::new(ErrorCode::ProviderTimeout, error).with_info(
        "The agent goes on waiting for it, and the login is done when it comes. Look again in a moment.",
    )
}
