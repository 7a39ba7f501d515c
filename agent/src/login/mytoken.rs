//! Logins at a mytoken server: what the account keeps is a mytoken. For the client it is a device login without a code to type.

use std::sync::Arc;

use oidc_proto::{
    account::{AccountConfig, login_end},
    error_code::ErrorCode,
    message::{Failure, Flow, ProviderQuery, Reply},
    secret::ClientSecret,
};
use tokio::time::Instant;

use super::{
    Login, account_name,
    failure::failure_of,
    login_request::{Granted, LoginRequest},
    provider_deadline,
    purpose::Purpose,
};
use crate::provider::{self, Mytoken, MytokenLogin, MytokenUse, Provider, ProviderError, TokenResponse};

/// The client of every mytoken account, its id and its secret, as the C suite has it.
const CLIENT: &str = "mytoken";
/// The member of a profile that names the mytoken: the client's name where it is absent.
const NAMED_AFTER: &str = "mytoken for";

impl Login {
    /// Begins a login: the person agrees at the server's page.
    pub(super) async fn begin_mytoken_login(
        &self,
        config: AccountConfig,
        only_at: bool,
        purpose: Purpose,
    ) -> Result<Reply, Failure> {
        if config.mytoken_url.is_none() {
            return Err(Failure::missing_field("mytoken_url"));
        }
        if only_at {
            let error = "a login at a mytoken server gives a mytoken, and not an access token alone";
            return Err(Failure::new(ErrorCode::BadRequest, error).with_info(
                "Make the account without `--only-at`, then ask for a token with `oidc token`.\n",
            ));
        }
        let login_request = self.login_request(config, false, purpose, provider_deadline()).await?;
        let begun = begin(&login_request).await.map_err(failure_of(&login_request.config))?;
        self.await_device(login_request, begun)
    }

    /// An account as a login at a mytoken server begins with it.
    pub(super) async fn mytoken_login_request(
        &self,
        mut config: AccountConfig,
        purpose: Purpose,
        deadline: Instant,
    ) -> Result<LoginRequest, Failure> {
        let issuer = config.issuer_url.clone().ok_or_else(|| Failure::missing_field("issuer_url"))?;
        let name = account_name(&config)?;
        (config.refresh_token, config.username, config.password) = (None, None, None);
        let server = self.0.accounts.deps().providers.keeper(&config).map_err(failure_of(&config))?;
        let supported = server.mytoken_issuer(&issuer, deadline).await.map_err(failure_of(&config))?;
        let Some(spelled) = supported else { return Err(not_its_provider(&server, &issuer, deadline).await) };
        let metadata = server.metadata(deadline).await.map_err(failure_of(&config))?;
        config.issuer_url = Some(spelled);
        config.client_id = Some(CLIENT.to_owned());
        config.client_secret = Some(ClientSecret::from(CLIENT));
        let scope = config.login_scope().unwrap_or_default().to_owned();
        let clock = self.clock().clone();
        let (provider, only_at) = (server, false);
        Ok(LoginRequest { name, config, provider, metadata, scope, only_at, purpose, clock })
    }

    /// `mytoken_supported_providers`: the providers whose tokens a mytoken server gives, as it names them.
    pub async fn mytoken_supported_providers(&self, query: ProviderQuery) -> Result<Reply, Failure> {
        let mytoken_url = query.issuer.or_else(|| {
            let (server, _) = query.config_endpoint.as_deref()?.split_once("/.well-known/")?;
            Some(server.to_owned())
        });
        let mytoken_url = Some(mytoken_url.ok_or_else(|| Failure::missing_field("issuer"))?);
        let (config_endpoint, cert_path) = (query.config_endpoint, query.cert_path);
        let config = AccountConfig { mytoken_url, config_endpoint, cert_path, ..AccountConfig::default() };
        let server = self.0.accounts.deps().providers.keeper(&config).map_err(failure_of(&config))?;
        let providers = server.mytoken_providers(provider_deadline()).await.map_err(failure_of(&config))?;
        Ok(Reply::success_with(serde_json::Value::Array(providers)))
    }
}

impl LoginRequest {
    /// Whether what the login gives is a mytoken.
    pub fn is_at_mytoken_server(&self) -> bool {
        self.config.mytoken_url.is_some()
    }

    /// What a mytoken that the person agreed to gives.
    pub fn minted(&self, mytoken: Mytoken) -> AccountConfig {
        let mut config = self.config.clone();
        let now = self.clock.now().wall;
        login_end::note(
            &mut config,
            &mytoken.token,
            mytoken.expires_in.map(|life| now.saturating_add(life.as_secs())),
        );
        config.refresh_token = Some(mytoken.token);
        // Those of another login.
        config.refresh_scope = None;
        config
    }

    /// Takes over a mytoken that exists already, if it works; that may replace it.
    pub async fn try_mytoken(
        &self,
        mytoken: &oidc_proto::secret::RefreshToken,
        deadline: Instant,
    ) -> Result<TokenResponse, ProviderError> {
        let scope = Some(self.scope.as_str()).filter(|scope| !scope.is_empty());
        let audience = self.config.audience.as_deref();
        let wanted = MytokenUse { mytoken, scope: None, usual_scope: scope, audience };
        self.provider.use_mytoken(wanted, deadline).await
    }

    /// What it gives then.
    pub fn granted_by_mytoken(
        &self,
        response: TokenResponse,
        used: oidc_proto::secret::RefreshToken,
    ) -> Granted {
        let expires_in = response.refresh_expires_in;
        let token = response.refresh_token.clone().unwrap_or(used);
        Granted::Account(Box::new(self.minted(Mytoken { token, expires_in })), response)
    }
}

/// Fails for a flow that is not one of the account's kind.
pub(super) fn require_flow_of(config: &AccountConfig, flow: Flow) -> Result<(), Failure> {
    match (config.mytoken_url.is_some(), flow) {
        (true, Flow::MytokenOidc | Flow::Refresh) | (false, _) => Ok(()),
        (true, other) => {
            let error = format!("a mytoken account does not log in by '{}'", other.as_str());
            Err(Failure::new(ErrorCode::BadRequest, error).with_info(
                "It logs in at its mytoken server ('mt_oidc'), or takes a mytoken that exists ('refresh').\n",
            ))
        }
    }
}

async fn begin(login_request: &LoginRequest) -> Result<provider::DeviceAuthorization, ProviderError> {
    let config = &login_request.config;
    let client_name = config.client_name.as_deref().unwrap_or(login_request.name.as_str());
    let login = MytokenLogin {
        issuer: config.issuer_url.as_deref().unwrap_or_default(),
        profile: config.mytoken_profile.as_deref(),
        name: &format!("{NAMED_AFTER} {client_name}"),
    };
    login_request.provider.begin_mytoken(login, provider_deadline()).await
}

/// The server gives no tokens of that provider; which ones it does give tokens of.
async fn not_its_provider(server: &Arc<Provider>, issuer: &str, deadline: Instant) -> Failure {
    let supported = server.mytoken_providers(deadline).await.unwrap_or_default();
    let supported: Vec<_> = supported
        .iter()
        .filter_map(|one| one.get("issuer")?.as_str())
        .map(|issuer| format!("  {issuer}\n"))
        .collect();
    let error = format!("the mytoken server {} gives no tokens of {issuer}", server.name());
    let info = if supported.is_empty() {
        "It names no provider at all. Look at the address of the server.\n".to_owned()
    } else {
        format!("It gives tokens of these; choose one with `--issuer`:\n{}", supported.concat())
    };
    Failure::new(ErrorCode::NotSupportedByProvider, error).with_info(info)
}
