//! `scopes`: what a provider says about itself before there is an account.

use oidc_proto::{
    account::AccountConfig,
    message::{Failure, ProviderQuery, Reply},
};

use super::{Login, failure::failure_of, provider_deadline, register::scopes_supported};

/// What stands between an issuer and the name of its metadata document.
const WELL_KNOWN: &str = "/.well-known/";

impl Login {
    /// The scopes that a provider supports, separated by blanks; nothing where it does not say.
    pub async fn scopes(&self, query: ProviderQuery) -> Result<Reply, Failure> {
        let config = account_of(query)?;
        let provider = self.0.accounts.deps().providers.provider(&config).map_err(failure_of(&config))?;
        let metadata = provider.metadata(provider_deadline()).await.map_err(failure_of(&config))?;
        Ok(Reply::success_with(scopes_supported(&metadata)))
    }
}

/// A provider is found by an account. One that is named by the address of its metadata alone has the issuer that the
/// address begins with.
pub(super) fn account_of(query: ProviderQuery) -> Result<AccountConfig, Failure> {
    let ProviderQuery { issuer, config_endpoint, cert_path } = query;
    let by_endpoint = || Some(config_endpoint.as_deref()?.split_once(WELL_KNOWN)?.0.to_owned());
    let issuer_url = issuer.or_else(by_endpoint).ok_or_else(|| Failure::missing_field("issuer"))?;
    Ok(AccountConfig { issuer_url: Some(issuer_url), config_endpoint, cert_path, ..AccountConfig::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_can_be_told_from_the_address_of_its_metadata() {
        let query = |issuer: Option<&str>, endpoint: &str| ProviderQuery {
            issuer: issuer.map(str::to_owned),
            config_endpoint: Some(endpoint.to_owned()),
            cert_path: None,
        };
        let endpoint = "https://op/realms/x/.well-known/openid-configuration";
        let account = account_of(query(None, endpoint)).expect("an issuer");
        assert_eq!(account.issuer_url.as_deref(), Some("https://op/realms/x"));
        let account = account_of(query(Some("https://other/"), endpoint)).expect("an issuer");
        assert_eq!(account.issuer_url.as_deref(), Some("https://other/"));
        assert!(account_of(query(None, "file:///metadata.json")).is_err());
    }
}
