//! The authorization code grant (RFC 6749 section 4.1.3).

use oidc_proto::secret::{AuthorizationCode, CodeVerifier};
use tokio::time::Instant;

use super::{
    Provider, client_authentication::Client, error::ProviderError, form::Form, http::Repeat,
    token_response::TokenResponse,
};

impl Provider {
    /// Exchanges the code that came back for tokens. `redirect_uri` is the one of the authorization request, byte by
    /// byte; the verifier is used up. Nothing is sent after `deadline`; the answer to what was sent is waited for as
    /// long as it may come, for the code is spent.
    pub async fn exchange_code(
        &self,
        client: Client<'_>,
        code: &AuthorizationCode,
        redirect_uri: &str,
        code_verifier: CodeVerifier,
        deadline: Instant,
    ) -> Result<TokenResponse, ProviderError> {
        let form = Form::grant("authorization_code")
            .with_secret("code", code.expose())
            .with("redirect_uri", redirect_uri)
            .with_secret("code_verifier", code_verifier.expose());
        self.grant_request(client, form, Repeat::Spends, deadline).await
    }
}
