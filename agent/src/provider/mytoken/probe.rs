//! What a mytoken server answers to an agent that holds a mytoken of it.

use oidc_proto::message::Prediction;
use tokio::time::Instant;

use super::super::{
    Provider,
    error::ProviderError,
    http::Request,
    probe::{Probed, fine, problem},
    text::presentable,
};

impl Provider {
    /// Asks for the metadata anew, and looks at what an account with a mytoken needs. What fails there is a finding, not an
    /// error.
    pub async fn probe_mytoken_server(&self, deadline: Instant) -> Result<Probed, ProviderError> {
        self.metadata.forget();
        let metadata = self.mytoken_metadata(deadline).await?;
        let named = presentable(&metadata.issuer, &[]);
        let mut findings =
            vec![fine("metadata", format!("the mytoken server calls itself {named}")), self.tls()];
        for (name, endpoint) in [
            ("access_token_endpoint", &metadata.token_endpoint),
            ("mytoken_endpoint", &metadata.mytoken_endpoint),
        ] {
            findings.push(match endpoint.as_deref().map(|endpoint| self.http.allowed(endpoint)) {
                Some(Ok(_)) => fine("endpoints", format!("it names its {name}")),
                Some(Err(kind)) => problem("endpoints", format!("{name}: {}", self.http.error(kind))),
                None => problem("endpoints", format!("it names no {name}")),
            });
        }
        let address = self.config_endpoint.as_deref().unwrap_or_default();
        let answer = self.http.send(Request::get(address), deadline).await?;
        let clock_ahead = answer.sent_at.map(|sent_at| self.clock.ahead_of(sent_at));
        Ok(Probed { metadata, findings, prediction: Prediction { clock_ahead, ..Prediction::default() } })
    }
}
