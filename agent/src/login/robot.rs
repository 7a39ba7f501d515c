//! Accounts of robots: nobody logs in. That one works is proven by a token, before anything is kept of it.

use oidc_proto::{
    account::AccountConfig,
    message::{Failure, Flow, Reply, TokenReply},
};

use super::Login;

impl Login {
    /// Gets a token with the account; the account is loaded then, or the token given out with `only_at`.
    pub(super) async fn make_robot(
        &self,
        mut config: AccountConfig,
        flow: Flow,
        only_at: bool,
    ) -> Result<Reply, Failure> {
        if config.issuer_url.is_none() {
            return Err(Failure::missing_field("issuer_url"));
        }
        config.grant_type = flow.robot_grant().map(str::to_owned);
        (config.refresh_token, config.refresh_scope) = (None, None);
        (config.username, config.password) = (None, None);
        let accounts = &self.0.accounts;
        if !only_at {
            accounts.admit_robot(config.clone()).await?;
            return Ok(Reply::Config(Box::new(config)));
        }
        let token = accounts.token_once(config).await?;
        Ok(Reply::Token(TokenReply {
            access_token: token.access_token.clone(),
            issuer: token.issuer.to_string(),
            expires_at: token.expires_at(self.clock().now()),
            scope: token.scope.as_deref().map(str::to_owned),
            warnings: token.warnings.clone(),
            refresh_token: None,
        }))
    }
}
