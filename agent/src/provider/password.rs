//! The resource owner password credentials grant (RFC 6749 section 4.3), for providers that still have it.

use oidc_proto::secret::Password;
use tokio::time::Instant;

use super::{
    Provider, client_authentication::Client, error::ProviderError, form::Form, http::Repeat,
    token_response::TokenResponse,
};

/// A person's credentials at the provider, and what is asked for with them.
#[derive(Clone, Copy, Debug)]
pub struct PasswordGrant<'a> {
    /// Which client asks.
    pub client: Client<'a>,
    /// The person's name at the provider.
    pub username: &'a str,
    /// The person's password at the provider.
    pub password: &'a Password,
    /// Separated by blanks.
    pub scope: &'a str,
    /// Separated by blanks.
    pub audience: Option<&'a str>,
}

impl Provider {
    /// Trades the person's password for tokens.
    pub async fn password_grant(
        &self,
        grant: PasswordGrant<'_>,
        deadline: Instant,
    ) -> Result<TokenResponse, ProviderError> {
        let form = Form::grant("password")
            .with("username", grant.username)
            .with_secret("password", grant.password.expose())
            .with("scope", grant.scope);
        self.audience_request(grant.client, form, grant.audience, Repeat::IfUnprocessed, deadline).await
    }
}
