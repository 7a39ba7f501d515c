//! Giving a mytoken back.

use oidc_proto::{account::AccountConfig, json::Object, secret::RefreshToken};
use tokio::time::Instant;

use super::{
    super::{
        Provider, Providers,
        client_authentication::Client,
        error::{ProviderError, Unsupported},
        http::Repeat,
    },
    json_request,
};

impl Providers {
    /// Ends an account's login: revokes its refresh token, or its mytoken at the mytoken server. Mytokens that were made of
    /// that one stay good.
    pub async fn revoke_login(
        &self,
        account: &AccountConfig,
        token: &RefreshToken,
        deadline: Instant,
    ) -> Result<(), ProviderError> {
        let keeper = self.keeper(account)?;
        if account.mytoken_url.is_some() {
            keeper.revoke_mytoken(token, deadline).await
        } else {
            keeper.revoke(Client::of(account), token, deadline).await
        }
    }
}

impl Provider {
    async fn revoke_mytoken(&self, mytoken: &RefreshToken, deadline: Instant) -> Result<(), ProviderError> {
        let metadata = self.metadata(deadline).await?;
        let endpoint = self.endpoint(metadata.revocation_endpoint.as_deref(), Unsupported::Revocation)?;
        let mut body = Object::default();
        body.insert("token", mytoken.expose());
        let answer = self.http.send(json_request(endpoint, &body, Repeat::Freely), deadline).await?;
        answer.checked(&self.http, &[mytoken.expose()]).map(drop)
    }
}
