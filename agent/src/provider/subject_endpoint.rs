//! Addresses that give subject tokens to programs: of the platform that these run on, and of no OpenID provider.

use oidc_proto::secret::SecretText;
use reqwest::Method;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::{
    Provider,
    client_authentication::bearer,
    error::ProviderError,
    http::{Repeat, Request},
};

impl Provider {
    /// What such an address answers. Nothing is known of what this provider supports, and nothing is asked.
    pub async fn subject_token(
        &self,
        url: &str,
        token: Option<&SecretText>,
        deadline: Instant,
    ) -> Result<Zeroizing<Vec<u8>>, ProviderError> {
        let authorization = token.map(|token| bearer(token.expose()));
        let request =
            Request { method: Method::GET, url, authorization, content: None, repeat: Repeat::Freely };
        let secrets: Vec<_> = token.map(SecretText::expose).into_iter().collect();
        Ok(self.http.send(request, deadline).await?.checked(&self.http, &secrets)?.body)
    }
}
