//! What a provider says of a token: introspection (RFC 7662), and userinfo (OpenID Connect Core section 5.3).

use oidc_proto::{json::Object, secret::SecretText};
use reqwest::Method;
use tokio::time::Instant;

use super::{
    Provider,
    client_authentication::{Client, bearer},
    error::{ProviderError, Unsupported},
    form::Form,
    http::{Repeat, Request},
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

    /// What the provider says of the person to whoever brings the token.
    pub async fn user_info(&self, token: &SecretText, deadline: Instant) -> Result<Object, ProviderError> {
        let metadata = self.metadata(deadline).await?;
        let url = self.endpoint(metadata.userinfo_endpoint.as_deref(), Unsupported::UserInfo)?;
        let authorization = Some(bearer(token.expose()));
        let request =
            Request { method: Method::GET, url, authorization, content: None, repeat: Repeat::Freely };
        self.http.send(request, deadline).await?.into_object(&self.http, &[token.expose()])
    }
}
