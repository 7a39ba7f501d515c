//! What a provider tells a client of a token (RFC 7662).

use oidc_proto::{json::Object, secret::SecretText};
use tokio::time::Instant;

use super::{
    Provider,
    client_authentication::Client,
    error::{ProviderError, Unsupported},
    form::Form,
    http::Repeat,
};

impl Provider {
    /// What the provider tells this client of a token.
    pub async fn introspect(
        &self,
        client: Client<'_>,
        token: &SecretText,
        deadline: Instant,
    ) -> Result<Object, ProviderError> {
        let known = self.known(deadline).await?;
        let endpoint = known.metadata.introspection_endpoint.as_deref();
        let endpoint = self.endpoint(endpoint, Unsupported::Introspection)?;
        let form = Form::default().with_secret("token", token.expose());
        let answer = self.client_request(known.at(endpoint), client, &form, Repeat::Freely, deadline).await?;
        Ok(answer.0)
    }
}
