//! `issuer_keys`: the keys that an issuer signs with, for whoever checks a token. The token itself stays with them.
//!
//! Connected to are only issuers that an account or the issuer data name, or that the person names: otherwise whoever
//! hands somebody a token could have the agent connect to any place.

use oidc_proto::{
    account::{AccountConfig, same_issuer},
    deadlines,
    error_code::ErrorCode,
    message::{Failure, IssuerKeysRequest},
};
use serde_json::Value;
use tokio::time::Instant;

use super::loaded::Accounts;
use crate::provider::ProviderError;

impl Accounts {
    /// The issuer's key set (RFC 7517 section 5), with the issuer as the provider spells it.
    pub async fn issuer_keys(&self, request: IssuerKeysRequest) -> Result<Value, Failure> {
        let config = self.provider_of(&request).await?;
        let issuer = config.issuer_url.clone().unwrap_or_default();
        let deadline = Instant::now() + deadlines::TOKEN;
        let fetched = async {
            let provider = self.deps().providers.provider(&config)?;
            let keys = provider.keys(deadline).await?;
            let is_known = request.kid.as_deref().is_none_or(|kid| keys.names(kid));
            let keys = if is_known { keys } else { provider.new_keys(deadline).await? };
            Ok((keys, provider.metadata(deadline).await?))
        };
        let (keys, metadata) = fetched.await.map_err(|error: ProviderError| error.to_failure("", &issuer))?;
        let mut document = keys.to_document();
        document["issuer"] = Value::from(&*metadata.issuer);
        Ok(document)
    }

    /// By which account the issuer is known: a loaded one has its certificates as well.
    async fn provider_of(&self, request: &IssuerKeysRequest) -> Result<AccountConfig, Failure> {
        let loaded = self.loaded();
        if let Some(account) = loaded.iter().find(|account| same_issuer(&account.issuer, &request.issuer)) {
            return account.with_open(|open| open.config.clone());
        }
        let issuers = self.issuers().await;
        let is_known = issuers.iter().any(|known| same_issuer(&known.issuer, &request.issuer));
        if !is_known && !request.named {
            let text = format!("the issuer '{}' is not known here", request.issuer);
            return Err(Failure::new(ErrorCode::UnknownIssuer, text));
        }
        Ok(AccountConfig {
            issuer_url: Some(request.issuer.clone()),
            cert_path: request.cert_path.clone(),
            ..AccountConfig::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::Bench, *};
    use crate::provider::testing::{Reply, Scripted};

    const KEYS: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"k1","use":"sig","d":"canary",
        "x":"azOwhnMxXFF8Cu9t8kxW-zt22wewNEJWhxVcRXssGQI","y":"V1WlXsxRm-e5ZNWl7fjQbYSYKTtymAt4AOIzEsnXO2A"}]}"#;

    fn request(issuer: &str, named: bool) -> IssuerKeysRequest {
        IssuerKeysRequest { issuer: issuer.to_owned(), named, ..IssuerKeysRequest::default() }
    }

    #[tokio::test]
    async fn only_an_issuer_that_somebody_named_is_connected_to() {
        let op = Scripted::provider(|_| Reply::json(KEYS)).await;
        let bench = Bench::new();
        let refused = bench.accounts.issuer_keys(request(&op.issuer(), false)).await.expect_err("unknown");
        assert_eq!(refused.code, ErrorCode::UnknownIssuer);
        assert_eq!(op.connections(), 0);
        let named = bench.accounts.issuer_keys(request(&op.issuer(), true)).await.expect("keys");
        assert_eq!((&named["issuer"], &named["keys"][0]["kid"]), (&op.issuer().into(), &"k1".into()));
        assert!(!named.to_string().contains("canary"), "{named}");
        bench.add(&op.issuer(), "acc").await;
        bench.accounts.issuer_keys(request(&op.issuer(), false)).await.expect("of an account");
        assert_eq!(op.asked("/jwks").len(), 1, "kept");
    }

    #[tokio::test]
    async fn a_key_that_is_not_known_makes_the_keys_be_fetched() {
        let op = Scripted::provider(|_| Reply::json(KEYS)).await;
        let bench = Bench::new();
        let keys = |kid: &str| {
            let request = IssuerKeysRequest { kid: Some(kid.to_owned()), ..request(&op.issuer(), true) };
            bench.accounts.issuer_keys(request)
        };
        keys("k1").await.expect("keys");
        keys("k2").await.expect("keys");
        assert_eq!(op.asked("/jwks").len(), 1, "they are too young");
        let config = AccountConfig { issuer_url: Some(op.issuer()), ..AccountConfig::default() };
        bench.accounts.deps().providers.provider(&config).expect("a provider").let_keys_age();
        keys("k1").await.expect("keys");
        assert_eq!(op.asked("/jwks").len(), 1);
        keys("k2").await.expect("keys");
        assert_eq!(op.asked("/jwks").len(), 2);
    }
}
