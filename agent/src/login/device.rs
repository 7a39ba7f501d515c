//! The device authorization grant (RFC 8628): its beginning, and one poll after the other.

use std::sync::Arc;

use oidc_proto::{
    account::AccountConfig,
    error_code::ErrorCode,
    message::{DeviceAuthorization, DeviceRequest, Failure, Reply},
};
use tokio::time::timeout_at;

use super::{
    Login,
    device_login::{DeviceAttempt, DeviceLogin, Polled},
    failure::{answer_of, failure_of},
    login_request::{Granted, LoginRequest, no_refresh_token},
    phase::Phase,
    provider_deadline,
    table::Entry,
};
use crate::provider::{self, DevicePoll, ProviderError, ProviderErrorKind, TokenResponse};

impl Login {
    /// Asks the provider for a code that the person types elsewhere.
    pub(super) async fn begin_device_login(&self, login_request: LoginRequest) -> Result<Reply, Failure> {
        let (login_request, authorization) = match authorize(&login_request).await? {
            Ok(authorization) => (login_request, authorization),
            // Nobody has done anything yet that would have to be done again.
            Err(error) if login_request.is_refused_offline_access(&error) => {
                tracing::info!(account = %login_request.name, %error, "logging in without offline access");
                let login_request = login_request.without_offline_access();
                let second = authorize(&login_request).await?;
                let authorization = second.map_err(|error| login_request.refused(error))?;
                (login_request, authorization)
            }
            Err(error) => return Err(login_request.refused(error)),
        };
        self.await_device(login_request, authorization)
    }

    /// Waits for the person, who has to be shown what is answered.
    pub(super) fn await_device(
        &self,
        login_request: LoginRequest,
        authorization: provider::DeviceAuthorization,
    ) -> Result<Reply, Failure> {
        let reply = Reply::AcceptedDevice(on_the_wire(&authorization));
        let now = self.clock().boot();
        let login = Arc::new(DeviceLogin::new(login_request, authorization, now));
        self.under_way().unlocked()?.devices.insert(Arc::clone(&login), now)?;
        self.sweep_at(login.expires_at());
        Ok(reply)
    }

    /// `device`: one poll, forwarded to the provider unless it comes too early for that.
    ///
    /// What the provider answers is not lost when the client does not wait for it: the next poll brings it.
    pub async fn device(&self, request: DeviceRequest) -> Result<Reply, Failure> {
        let clock = self.clock();
        let login = self.under_way().devices.find(request.device.device_code.expose(), clock.boot());
        let login = login.ok_or_else(Failure::wrong_device_code)?;
        // Another poll of the same login waits for the answer.
        let Ok(mut under_way) = login.poll.try_lock() else { return Err(Failure::authorization_pending()) };
        if under_way.is_none() && matches!(login.phase.get(), Phase::Open(_)) {
            if let Some(failure) = login.expired(clock.boot()) {
                self.under_way().devices.remove(&login);
                return Err(failure);
            }
            if !login.may_poll(clock.boot()) {
                return Err(Failure::authorization_pending());
            }
            let (shared, polled) = (self.clone(), Arc::clone(&login));
            *under_way = Some(tokio::spawn(async move { shared.poll(polled, request.only_at).await }));
        }
        if let Some(poll) = under_way.as_mut() {
            let Ok(polled) = timeout_at(provider_deadline(), poll).await else {
                tracing::info!(account = %login.account, "the provider has not answered a poll yet");
                return Err(Failure::authorization_pending());
            };
            *under_way = None;
            match polled.unwrap_or_else(|_| Polled::Over(interrupted())) {
                Polled::NotOver(failure) => return Err(failure),
                Polled::Over(failure) => {
                    self.under_way().devices.remove(&login);
                    return Err(failure);
                }
                Polled::Granted => {}
            }
        }
        let reply = self.fetch_device(&login).await?;
        login.phase.set(Phase::Fetched);
        self.under_way().devices.remove(&login);
        Ok(reply)
    }

    /// What a login has brought. While the agent is locked it stays where it is.
    async fn fetch_device(&self, login: &DeviceLogin) -> Result<Reply, Failure> {
        match login.phase.get() {
            Phase::Open(_) => Err(Failure::authorization_pending()),
            Phase::Unloaded(config) => {
                self.go_on_with(&login.purpose, (*config).clone(), None).await?;
                Ok(Reply::Config(config))
            }
            Phase::Loaded => {
                let config = self.config_of(&login.purpose, &login.account);
                config.map(|config| Reply::Config(Box::new(config)))
            }
            Phase::Token(token) => Ok(Reply::Token(token)),
            Phase::Refused(failure) => Err(failure),
            Phase::Fetched => Err(Failure::wrong_device_code()),
            Phase::Locked => Err(Failure::agent_locked()),
        }
    }

    /// A poll runs to its end, whoever waits for it: it may spend the code.
    async fn poll(self, login: Arc<DeviceLogin>, only_at: bool) -> Polled {
        let (shared, polled) = (self.clone(), Arc::clone(&login));
        let poll = async move { Ok(shared.poll_once(&polled, only_at).await) };
        // The agent ends.
        self.0.accounts.complete(poll).await.unwrap_or_else(Polled::NotOver)
    }

    async fn poll_once(&self, login: &DeviceLogin, only_at: bool) -> Polled {
        let clock = self.clock();
        let attempt = match login.phase.get() {
            Phase::Open(attempt) => attempt,
            Phase::Locked => return Polled::NotOver(Failure::agent_locked()),
            _ => return Polled::Granted,
        };
        let DeviceAttempt { login_request, authorization } = &*attempt;
        let client = match login_request.client() {
            Ok(client) => client,
            Err(failure) => return Polled::Over(failure),
        };
        let polled = if login_request.is_at_mytoken_server() {
            login_request.provider.poll_mytoken(authorization, provider_deadline()).await
        } else {
            let audience = login_request.config.audience.as_deref();
            login_request.provider.poll_device(client, authorization, audience, provider_deadline()).await
        };
        match polled {
            Ok(DevicePoll::Mytoken(mytoken)) => {
                match self.admit_device(login, login_request.minted(*mytoken), None).await {
                    Ok(()) => Polled::Granted,
                    Err(failure) => Polled::Over(failure),
                }
            }
            Ok(DevicePoll::Granted(response)) => {
                match self.granted(login, login_request, *response, only_at).await {
                    Ok(()) => Polled::Granted,
                    Err(failure) => Polled::Over(failure),
                }
            }
            Ok(DevicePoll::Pending) => {
                login.answered(false, clock.boot());
                Polled::NotOver(Failure::authorization_pending())
            }
            Ok(DevicePoll::SlowDown) => {
                login.answered(true, clock.boot());
                Polled::NotOver(Failure::slow_down().with_info(answer_of(login_request.provider.name())))
            }
            // The person may be typing the code right now: a provider that is away for a moment ends nothing.
            Err(error) if error.is_transient() => {
                tracing::info!(account = %login.account, %error, "polling goes on");
                let tells = !login.failed(clock.boot());
                let failure = failure_of(&login_request.config)(error);
                login.lost(&failure);
                Polled::NotOver(if tells { failure } else { Failure::authorization_pending() })
            }
            Err(error) => {
                // A code that was spent by a poll whose answer was lost: that one says what went wrong.
                let is_spent = matches!(
                    error.kind(),
                    ProviderErrorKind::Refused(refusal)
                        if matches!(refusal.error.as_str(), "invalid_grant" | "invalid_token")
                );
                let lost = login.spent().filter(|_| is_spent);
                Polled::Over(lost.unwrap_or_else(|| login_request.refused(error)))
            }
        }
    }

    async fn granted(
        &self,
        login: &DeviceLogin,
        login_request: &LoginRequest,
        response: TokenResponse,
        only_at: bool,
    ) -> Result<(), Failure> {
        let judged = login_request.judge_id_token(&response, None, provider_deadline()).await;
        judged.map_err(failure_of(&login_request.config))?;
        match login_request.granted(response, None, only_at).ok_or_else(no_refresh_token)? {
            Granted::Token(token) => {
                login.phase.set(Phase::Token(token));
                tracing::info!(account = %login.account, "logged in");
                Ok(())
            }
            Granted::Account(config, response) => self.admit_device(login, *config, Some(response)).await,
        }
    }

    /// Loads what a login has brought.
    async fn admit_device(
        &self,
        login: &DeviceLogin,
        config: AccountConfig,
        response: Option<TokenResponse>,
    ) -> Result<(), Failure> {
        login.phase.set(Phase::Unloaded(Box::new(config.clone())));
        match self.go_on_with(&login.purpose, config, response).await {
            // Locked while the provider answered: loaded when it is fetched.
            Err(failure) if failure.code == ErrorCode::AgentLocked => {}
            admitted => {
                admitted?;
                login.phase.set(Phase::Loaded);
            }
        }
        tracing::info!(account = %login.account, "logged in");
        Ok(())
    }
}

/// The outer error is about the account, the inner one is the provider's.
async fn authorize(
    login_request: &LoginRequest,
) -> Result<Result<provider::DeviceAuthorization, ProviderError>, Failure> {
    let config = &login_request.config;
    let own_endpoint = config
        .device_authorization_endpoint
        .as_deref()
        .filter(|_| config.device_authorization_endpoint_set_by_user);
    let authorization = login_request.provider.authorize_device(
        login_request.client()?,
        &login_request.scope,
        own_endpoint,
        provider_deadline(),
    );
    Ok(authorization.await)
}

fn interrupted() -> Failure {
    Failure::new(ErrorCode::Internal, "the login was interrupted")
}

fn on_the_wire(authorization: &provider::DeviceAuthorization) -> DeviceAuthorization {
    DeviceAuthorization {
        device_code: authorization.device_code.clone(),
        user_code: authorization.user_code.clone(),
        verification_uri: authorization.verification_uri.clone(),
        verification_uri_complete: authorization.verification_uri_complete.clone(),
        expires_in: authorization.expires_in.map(|life| life.as_secs()),
        interval: authorization.interval.as_secs(),
    }
}
