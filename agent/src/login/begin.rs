//! What every flow does first: it looks for the account's provider and for what that supports.

use oidc_proto::{account::AccountConfig, message::Failure};
use tokio::time::Instant;

use super::{
    Login, account_name,
    failure::failure_of,
    login_request::{LoginRequest, WITHOUT_OFFLINE_ACCESS},
    purpose::Purpose,
};

impl Login {
    /// An account as a login begins with it. Asks the provider for its metadata, until `deadline`.
    pub(super) async fn login_request(
        &self,
        mut config: AccountConfig,
        only_at: bool,
        purpose: Purpose,
        deadline: Instant,
    ) -> Result<LoginRequest, Failure> {
        if config.mytoken_url.is_some() {
            return self.mytoken_login_request(config, purpose, deadline).await;
        }
        if config.issuer_url.is_none() {
            return Err(Failure::missing_field("issuer_url"));
        }
        let name = account_name(&config)?;
        (config.refresh_token, config.username, config.password) = (None, None, None);
        let provider = self.0.accounts.deps().providers.provider(&config).map_err(failure_of(&config))?;
        let metadata = provider.metadata(deadline).await.map_err(failure_of(&config))?;
        let requested = config.login_scope().unwrap_or_default();
        let is_refused =
            config.client_id.as_deref().is_some_and(|id| provider.has_refused_offline_access(id));
        let asks_offline = !only_at && !is_refused && !config.other.flag(WITHOUT_OFFLINE_ACCESS);
        let scope =
            provider.login_scope(requested, asks_offline, deadline).await.map_err(failure_of(&config))?;
        let clock = self.clock().clone();
        Ok(LoginRequest { name, config, provider, metadata, scope, only_at, purpose, clock })
    }
}
