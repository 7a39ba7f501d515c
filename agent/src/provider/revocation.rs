//! Token revocation (RFC 7009).

use oidc_proto::secret::{ClientSecret, RefreshToken};
use tokio::time::Instant;

use super::{
    Provider,
    client_authentication::{Authenticated, Client},
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
        let form = Form::default()
            .with("token_type_hint", "refresh_token")
            .with_secret("token", refresh_token.expose());
        let mut first_refusal = None;
        let known = self.working_ways.of(client.id);
        let ways = client.authenticate(&form, &metadata, &self.quirks(&metadata), known);
        for way in revocation_ways(client, &form, ways) {
            let mut secrets = way.form.secrets();
            secrets.extend(client.secret.map(ClientSecret::expose));
            let answer = self.post_form(endpoint, way, Repeat::Freely, deadline).await?;
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

/// After the first way comes the same with `client_id` in the body, which some providers want beside the header.
fn revocation_ways<'f>(
    client: Client<'f>,
    form: &Form<'f>,
    ways: Vec<Authenticated<'f>>,
) -> Vec<Authenticated<'f>> {
    let mut all = Vec::with_capacity(ways.len() + 1);
    for way in ways {
        let with_id = (way.authorization.is_some() && !way.form.has("client_id")).then(|| Authenticated {
            way: way.way,
            form: form.clone().with("client_id", client.id),
            authorization: way.authorization.clone(),
        });
        all.push(way);
        all.extend(with_id);
    }
    all
}
