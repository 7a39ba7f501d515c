//! `provider`: what is known of a provider, and what it answers before anybody logs in.

use std::sync::Arc;

use oidc_proto::{
    account::same_issuer,
    message::{Failure, ProviderFact, ProviderReport, ProviderRequest, Reply},
};

use super::{Login, failure::failure_of, metadata::account_of, provider_deadline};

impl Login {
    /// What the provider data say, and on request what the provider does.
    pub async fn provider_report(&self, request: ProviderRequest) -> Result<Reply, Failure> {
        let loaded = request.account.as_deref().and_then(|name| self.0.accounts.place_of(name));
        // An account with a mytoken never speaks with its OpenID provider.
        let is_at_mytoken_server = loaded.as_ref().is_some_and(|config| {
            let servers = config.mytoken_url.as_deref().zip(request.query.issuer.as_deref());
            request.probe && servers.is_some_and(|(own, asked)| same_issuer(own, asked))
        });
        let config = loaded.map_or_else(|| account_of(request.query), Ok)?;
        let deps = self.0.accounts.deps();
        deps.issuers.look_again(&deps.home).await;
        let provider = if is_at_mytoken_server {
            deps.providers.keeper(&config)
        } else {
            deps.providers.provider(&config)
        };
        let provider = provider.map_err(failure_of(&config))?;
        let (metadata, without_metadata, findings, prediction) = if is_at_mytoken_server {
            let probed =
                provider.probe_mytoken_server(provider_deadline()).await.map_err(failure_of(&config))?;
            (probed.metadata, None, probed.findings, Some(probed.prediction))
        } else if request.probe {
            let probed = provider
                .probe(!request.spare_registration, config.cert_path.as_deref(), provider_deadline())
                .await
                .map_err(failure_of(&config))?;
            (probed.metadata, None, probed.findings, Some(probed.prediction))
        } else if request.at_hand {
            let metadata = provider.metadata_at_hand();
            let without = metadata.is_none().then(|| "it was not asked".to_owned());
            (metadata.unwrap_or_default(), without, Vec::new(), None)
        } else {
            // What is known of the provider holds while it is away, too.
            match provider.metadata(provider_deadline()).await {
                Ok(metadata) => (metadata, None, Vec::new(), None),
                Err(error) => (Arc::default(), Some(error.to_string()), Vec::new(), None),
            }
        };
        let metadata = &*metadata;
        let facts = provider.facts(metadata).into_iter().map(|fact| ProviderFact {
            key: fact.key,
            value: fact.value,
            source: fact.source,
        });
        let report = ProviderReport {
            issuer: if metadata.issuer.is_empty() {
                provider.issuer().to_owned()
            } else {
                metadata.issuer.to_string()
            },
            without_metadata,
            facts: facts.collect(),
            effective: provider.quirks(metadata).members(),
            problems: deps.issuers.problems().iter().map(ToString::to_string).collect(),
            findings,
            prediction,
        };
        Ok(Reply::success_with(report.to_info()))
    }
}
