//! `examine`, ours: how it stands with an account, without spending anything of it.

use oidc_proto::{
    account::AccountConfig,
    deadlines,
    message::{AccountReport, ClientStanding, Failure},
    secret::RegistrationAccessToken,
    shortname::Shortname,
};
use tokio::time::{Instant, timeout_at};

use super::{account::Account, expiry, held::Open, loaded::Accounts, renewal, token_cache::Purpose};
use crate::provider::{ClientConfiguration, ClientState, Provider};

/// Said where reading a registration would change it.
const REPLACED: &str =
    "the provider replaces the registration access token whenever the registration is read";
/// Said where a registration access token that the provider replaced could not be kept.
const NO_KEY: &str = "the agent has no key to the account's file, where the provider might make it store another \
    registration access token";

impl Accounts {
    /// Where a loaded account's provider is, and how it is reached; nothing else of the account. `None`: it is not loaded, or
    /// the agent is locked.
    pub fn place_of(&self, account: &str) -> Option<AccountConfig> {
        let account = self.find(&account.parse().ok()?)?;
        let place = |open: &mut Open| AccountConfig {
            issuer_url: open.config.issuer_url.clone(),
            mytoken_url: open.config.mytoken_url.clone(),
            config_endpoint: open.config.config_endpoint.clone(),
            cert_path: open.config.cert_path.clone(),
            oauth: open.config.oauth,
            ..AccountConfig::default()
        };
        account.with_open(place).ok()
    }

    /// What is known of a loaded account, and whether its client is still registered.
    pub async fn examine(&self, account: &str) -> Result<AccountReport, Failure> {
        let name: Shortname = account.parse().map_err(|_| Failure::account_not_found())?;
        let account = self.find(&name).ok_or_else(Failure::account_not_loaded)?;
        let mut report = account.with_open(|open| report(open))?;
        let deadline = Instant::now() + deadlines::PROVIDER;
        self.deps().issuers.look_again(&self.deps().home).await;
        let config = account.with_open(|open| open.config.clone())?;
        let provider = match self.deps().providers.keeper(&config) {
            Ok(provider) => provider,
            Err(error) => {
                report.client = ClientStanding::Unknown { reason: error.to_string() };
                return Ok(report);
            }
        };
        let metadata = match provider.metadata(deadline).await {
            Ok(metadata) => metadata,
            Err(error) => {
                report.client = ClientStanding::Unknown { reason: error.to_string() };
                return Ok(report);
            }
        };
        let quirks = provider.quirks(&metadata);
        report.refresh_token_lifetime = quirks.refresh_token_lifetime.map(|seconds| u64::from(seconds.get()));
        report.client = match ClientConfiguration::of(&config) {
            None => ClientStanding::NotManaged,
            Some(_) if quirks.registration_token_replaced => {
                ClientStanding::NotAsked { reason: REPLACED.to_owned() }
            }
            Some(_) => self.find_client(&account, &provider, deadline).await?,
        };
        Ok(report)
    }

    /// Reads the client's registration. A registration access token that comes instead of the present one is stored: any
    /// provider may send one (RFC 7592 section 3).
    async fn find_client(
        &self,
        account: &Account,
        provider: &Provider,
        deadline: Instant,
    ) -> Result<ClientStanding, Failure> {
        let unknown = |reason: String| Ok(ClientStanding::Unknown { reason });
        let beginning = async {
            let guard = account.at_rest().await?;
            Ok::<_, Failure>((guard, renewal::look_at_file(account, self.deps()).await?))
        };
        let (_no_refresh, file) = match timeout_at(deadline, beginning).await {
            Ok(Ok(begun)) => begun,
            Ok(Err(failure)) => return unknown(failure.to_string()),
            Err(_) => return unknown("the account's file is in use by another program".to_owned()),
        };
        let (config, key) = account.with_open(|open| (open.config.clone(), open.file_key.clone()))?;
        let Some(client) = ClientConfiguration::of(&config) else { return Ok(ClientStanding::NotManaged) };
        let Some(key) = key else { return Ok(ClientStanding::NotAsked { reason: NO_KEY.to_owned() }) };
        let registration = match provider.find_client(client, deadline).await {
            Err(error) => return unknown(error.to_string()),
            Ok(ClientState::Gone) => return Ok(ClientStanding::Gone),
            Ok(ClientState::There(registration)) => registration,
        };
        let sent = registration.string("registration_access_token").map(RegistrationAccessToken::new);
        let Some(token) = sent.filter(|token| token.expose() != client.token.expose()) else {
            return Ok(ClientStanding::Registered);
        };
        account.with_open(|open| open.config.registration_access_token = Some(token.clone()))?;
        match file.change(key, move |config| config.registration_access_token = Some(token)).await {
            Ok(stamp) => {
                account.with_open(|open| open.stamp = stamp)?;
                Ok(ClientStanding::Registered)
            }
            Err(error) => {
                tracing::warn!(account = %account.name, %error, "a new registration access token could not be saved");
                unknown(format!(
                    "it is registered, but the provider sent a new registration access token that could not be saved: {error}"
                ))
            }
        }
    }
}

/// What the account itself tells.
fn report(open: &Open) -> AccountReport {
    let config = &open.config;
    let token = open.tokens.current();
    let cached =
        open.cache.find(&Purpose::default()).and_then(|token| token.scope.as_deref().map(str::to_owned));
    let at_login = || config.auth_scope.as_ref().and(config.refresh_scope.clone());
    AccountReport {
        issuer: config.issuer_url.clone().unwrap_or_default(),
        client_id: config.client_id.clone(),
        requested_scope: config.login_scope().map(str::to_owned),
        granted_scope: cached.or_else(at_login),
        redirect_uris: config.redirect_uris.clone(),
        cert_path: config.cert_path.clone(),
        has_refresh_token: token.is_some(),
        refresh_token_expires_at: expiry::of_login(open).map(|(at, _)| at),
        refresh_token_lifetime: None,
        client: ClientStanding::NotManaged,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        source::played::Played,
        testing::{Bench, granted},
    };

    #[tokio::test(start_paused = true)]
    async fn an_account_tells_all_but_its_secrets() {
        let bench = Bench::new();
        let _file = bench.add_played(&Played::new(true, |_| Ok(granted("at", "")))).await;
        let report = bench.accounts.examine("acc").await.expect("a report");
        assert!(report.has_refresh_token && report.issuer == "https://op.example", "{report:?}");
        assert!(!format!("{report:?}").contains("rt-1"), "{report:?}");
        assert!(bench.accounts.examine("other").await.is_err(), "not loaded");
        assert!(bench.accounts.examine("..").await.is_err(), "no name");
    }
}
