//! Token revocation (RFC 7009).

use oidc_proto::{
    custom_parameters::RequestKind,
    secret::{ClientSecret, RefreshToken},
};
use tokio::time::Instant;

use super::{
    Provider,
    client_authentication::Client,
    error::{ProviderError, ProviderErrorKind, Unsupported},
    form::Form,
    http::Repeat,
};

impl Provider {
    /// Revokes a refresh token and with it the login. A token that the provider no longer knows counts as revoked
    /// (RFC 7009 section 2.2).
    ///
    /// A refusal is answered with every other way to name the client; if they fail too, the first answer counts.
    pub async fn revoke(
        &self,
        client: Client<'_>,
        refresh_token: &RefreshToken,
        deadline: Instant,
    ) -> Result<(), ProviderError> {
        let metadata = self.metadata(deadline).await?;
        let endpoint = self.endpoint(metadata.revocation_endpoint.as_deref(), Unsupported::Revocation)?;
        let custom = self.custom_parameters(RequestKind::Revocation, client.account, deadline).await?;
        let form = Form::default()
            .with("token_type_hint", "refresh_token")
            .with_secret("token", refresh_token.expose())
            .with_custom(&custom);
        let mut first_refusal = None;
        let known = self.working_ways.of(client.id);
        let signer = self.signer(client, &metadata)?;
        let mut ways = Vec::new();
        for way in client.ways(&metadata, &self.quirks(&metadata), known) {
            let request = client.authenticate(way, form.clone(), signer.as_ref());
            let request = request.map_err(|error| self.unusable_key(error))?;
            // Some providers want it beside the header.
            let with_id = request.with_id(client.id);
            ways.push(request);
            ways.extend(with_id);
        }
        for request in &ways {
            let body = request.form();
            let mut secrets = body.secrets();
            secrets.extend(client.secret.map(ClientSecret::expose));
            let answer = self.post_form(endpoint, request, Repeat::Freely, deadline).await?;
            match answer.checked(&self.http, &secrets) {
                Ok(_) => return Ok(()),
                Err(error) if !error.is_transient() => {
                    first_refusal.get_or_insert(error);
                }
                Err(error) => return Err(first_refusal.unwrap_or(error)),
            }
        }
        Err(first_refusal
            .unwrap_or_else(|| self.http.error(ProviderErrorKind::BadResponse { what: "an answer" })))
    }
}
