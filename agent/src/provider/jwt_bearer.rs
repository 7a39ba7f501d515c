//! The JWT bearer grant (RFC 7523 section 2.1): a JWT of an issuer that the provider trusts, for a token.

use oidc_proto::secret::SecretText;
use tokio::time::Instant;

use super::{
    Provider, client_authentication::Client, error::ProviderError, form::Form, http::Repeat,
    token_response::TokenResponse,
};

/// What is brought, by which client, and for what.
#[derive(Clone, Copy, Debug)]
pub struct JwtBearer<'a> {
    /// Without an id where the assertion alone is enough.
    pub client: Client<'a>,
    /// The JWT.
    pub assertion: &'a SecretText,
    /// Separated by blanks.
    pub scope: Option<&'a str>,
    /// Separated by blanks.
    pub audience: Option<&'a str>,
}

impl Provider {
    /// Gets an access token for a JWT.
    pub async fn jwt_bearer(
        &self,
        grant: JwtBearer<'_>,
        deadline: Instant,
    ) -> Result<TokenResponse, ProviderError> {
        let form = Form::grant("urn:ietf:params:oauth:grant-type:jwt-bearer")
            .with_secret("assertion", grant.assertion.expose())
            .with_scope(grant.scope);
        self.audience_request(grant.client, form, grant.audience, Repeat::IfUnprocessed, deadline).await
    }
}
