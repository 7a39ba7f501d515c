//! `provider`: what is known of a provider, and what it answers before anybody logs in.

use oidc_proto::message::{Failure, ProviderFact, ProviderReport, ProviderRequest, Reply};

use super::{Login, failure::failure_of, metadata::account_of, provider_deadline};
use crate::provider::ProviderMetadata;

impl Login {
    /// What the provider data say, and on request what the provider does.
    pub async fn provider_report(&self, request: ProviderRequest) -> Result<Reply, Failure> {
        let config = account_of(request.query)?;
        let deps = self.0.accounts.deps();
        deps.issuers.look_again(&deps.home).await;
        let provider = deps.providers.provider(&config).map_err(failure_of(&config))?;
        let metadata = provider.metadata(provider_deadline()).await;
        let (findings, without_metadata) = match &metadata {
            Ok(metadata) if request.probe => (provider.probe(metadata, provider_deadline()).await, None),
            Ok(_) => (Vec::new(), None),
            Err(error) if request.probe => return Err(failure_of(&config)(error.clone())),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        let nothing = ProviderMetadata::default();
        let metadata = metadata.as_deref().unwrap_or(&nothing);
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
            problems: deps.issuers.problems().iter().map(ToString::to_string).collect(),
            findings,
        };
        Ok(Reply::success_with(report.to_info()))
    }
}
