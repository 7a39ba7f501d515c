//! Whole requests against a scripted provider.

mod custom_parameters;
mod discovery;
mod id_token;
mod login;
mod refresh;
mod registration;

use oidc_proto::secret::{ClientSecret, RefreshToken};
use tokio::time::Instant;

use super::{Client, Provider, ProviderError, Refresh, TokenResponse, testing::soon};

const TOKENS: &str = r#"{"access_token":"at-1","expires_in":3600,"refresh_token":"rt-2","scope":"openid"}"#;

/// A refresh of the token `rt-1` by the client `c` with the secret `s3cret`.
async fn refresh(
    provider: &Provider,
    scope: Option<&str>,
    audience: Option<&str>,
) -> Result<TokenResponse, ProviderError> {
    refresh_until(provider, scope, audience, soon()).await
}

async fn refresh_until(
    provider: &Provider,
    scope: Option<&str>,
    audience: Option<&str>,
    deadline: Instant,
) -> Result<TokenResponse, ProviderError> {
    let (secret, refresh_token) = (ClientSecret::from("s3cret"), RefreshToken::from("rt-1"));
    let client = Client { id: "c", secret: Some(&secret), key: None, registered_method: None, account: None };
    let granted_scope = Some("openid offline_access");
    provider
        .refresh(Refresh { client, refresh_token: &refresh_token, scope, granted_scope, audience }, deadline)
        .await
}
