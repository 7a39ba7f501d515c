//! The flows that need nobody at a browser: by a refresh token that exists already, and by the person's password.

use oidc_proto::{
    account::AccountConfig,
    error_code::ErrorCode,
    message::{Failure, Reply},
};

use super::{Login, failure::failure_of, login_request::Granted, provider_deadline, purpose::Purpose};
use crate::provider::{Client, PasswordGrant, Refresh};

impl Login {
    /// Takes over a refresh token, if it works. Trying may spend it, so that is completed even while the agent ends.
    pub(super) async fn log_in_by_refresh_token(
        &self,
        config: AccountConfig,
        only_at: bool,
    ) -> Result<Reply, Failure> {
        let login = self.clone();
        let trying = async move { login.try_refresh_token(config, only_at).await };
        self.0.accounts.complete(trying).await
    }

    async fn try_refresh_token(&self, config: AccountConfig, only_at: bool) -> Result<Reply, Failure> {
        let used = config.refresh_token.clone().ok_or_else(Failure::no_refresh_token)?;
        let deadline = provider_deadline();
        let login_request = self.login_request(config, only_at, Purpose::Account, deadline).await?;
        let config = &login_request.config;
        let refresh = Refresh {
            client: Client::of(config),
            refresh_token: &used,
            scope: None,
            granted_scope: config.granted_scope(),
            audience: config.audience.as_deref(),
        };
        if login_request.is_at_mytoken_server() {
            let tried = login_request.try_mytoken(&used, deadline).await;
            let response = tried.map_err(failure_of(config))?;
            return self.deliver(login_request.granted_by_mytoken(response, used)).await;
        }
        let response = login_request.provider.refresh(refresh, deadline).await.map_err(failure_of(config))?;
        self.deliver(login_request.granted(response, Some(used), false).ok_or_else(no_refresh_token_came)?)
            .await
    }

    /// The resource owner password credentials grant (RFC 6749 section 4.3).
    pub(super) async fn log_in_by_password(
        &self,
        config: AccountConfig,
        only_at: bool,
    ) -> Result<Reply, Failure> {
        let login = self.clone();
        let trying = async move { login.try_password(config, only_at).await };
        self.0.accounts.complete(trying).await
    }

    async fn try_password(&self, config: AccountConfig, only_at: bool) -> Result<Reply, Failure> {
        let username = config.username.clone().ok_or_else(|| Failure::missing_field("username"))?;
        let password = config.password.clone().ok_or_else(|| Failure::missing_field("password"))?;
        let deadline = provider_deadline();
        let login_request = self.login_request(config, only_at, Purpose::Account, deadline).await?;
        let mut login_request = login_request;
        let response = loop {
            let grant = PasswordGrant {
                client: login_request.client()?,
                username: &username,
                password: &password,
                scope: &login_request.scope,
                audience: login_request.config.audience.as_deref(),
            };
            match login_request.provider.password_grant(grant, deadline).await {
                Ok(response) => break response,
                // Once only: without the scope it is not what is refused.
                Err(error) if login_request.is_refused_offline_access(&error) => {
                    login_request = login_request.without_offline_access();
                }
                Err(error) => return Err(login_request.refused(error)),
            }
        };
        let judged = login_request.judge_id_token(&response, None, deadline).await;
        judged.map_err(failure_of(&login_request.config))?;
        self.deliver(login_request.granted(response, None, false).ok_or_else(no_refresh_token_came)?).await
    }

    /// Loads the account of a login that its client waits for, and answers it.
    async fn deliver(&self, granted: Granted) -> Result<Reply, Failure> {
        let (config, token) = match granted {
            Granted::Token(token) => return Ok(Reply::Token(token)),
            Granted::Account(config, token) => (config, token),
        };
        match self.0.accounts.admit((*config).clone(), Some(token)).await {
            // Locked while the provider answered. The refresh token must not be lost; the client stores it.
            Err(failure) if failure.code == ErrorCode::AgentLocked => {
                tracing::info!(account = config.name, "logged in, but not loaded: the agent is locked");
            }
            admitted => admitted?,
        }
        Ok(Reply::Config(config))
    }
}

fn no_refresh_token_came() -> Failure {
    Failure::new(ErrorCode::NoRefreshToken, "OIDP response does not contain a refresh token")
}
