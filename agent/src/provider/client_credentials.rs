//! The client credentials grant (RFC 6749 section 4.4): a client asks for itself.

use tokio::time::Instant;

use super::{
    Provider,
    client_authentication::Client,
    error::{OAuthError, ProviderError, ProviderErrorKind},
    form::Form,
    http::Repeat,
    token_response::TokenResponse,
};

/// Which client asks, and for what.
#[derive(Clone, Copy, Debug)]
pub struct ClientCredentials<'a> {
    /// Has to be one with a secret (RFC 6749 section 4.4).
    pub client: Client<'a>,
    /// Separated by blanks; absent, or a text without words: the provider's default.
    pub scope: Option<&'a str>,
    /// Separated by blanks.
    pub audience: Option<&'a str>,
}

impl Provider {
    /// Gets an access token for the client itself. A refresh token in the answer is of no use (RFC 6749 section 4.4.3):
    /// the client may ask again as it is.
    ///
    /// A bare 401 (RFC 9110 section 15.5.2) refuses the client: there are no other credentials in the request.
    pub async fn client_credentials(
        &self,
        grant: ClientCredentials<'_>,
        deadline: Instant,
    ) -> Result<TokenResponse, ProviderError> {
        let form = Form::grant("client_credentials").with_scope(grant.scope);
        let granted =
            self.audience_request(grant.client, form, grant.audience, Repeat::IfUnprocessed, deadline).await;
        granted.map_err(|error| self.client_refused(error))
    }

    fn client_refused(&self, error: ProviderError) -> ProviderError {
        match error.kind() {
            ProviderErrorKind::Status { status: status @ 401, retry_after, .. } => {
                let refusal = OAuthError::new(*status, "invalid_client", None, &[]);
                let refusal = OAuthError { retry_after: *retry_after, ..refusal };
                self.http.error(ProviderErrorKind::Refused(refusal))
            }
            _ => error,
        }
    }
}
