//! Giving back what was got: `delete` revokes the login, `delete_client` removes the client.

use std::time::{Duration, UNIX_EPOCH};

use oidc_proto::{
    account::AccountConfig,
    jwt::Claims,
    message::{DeleteClientRequest, Failure, Reply},
    secret::RefreshToken,
};
use url::Url;

use super::{Login, account_name, failure::failure_of, provider_deadline};
use crate::provider::{ClientConfiguration, ClientDeletion, OUT_OF_REACH, ProviderError};

impl Login {
    /// `delete`: revokes the refresh token, then unloads the account.
    ///
    /// Where the agent holds a newer refresh token of the same client than the account file, that one is revoked: the
    /// older is spent already.
    pub async fn delete(&self, config: AccountConfig) -> Result<Reply, Failure> {
        let name = account_name(&config)?;
        // A refresh under way spends the token that would be revoked; its successor is what has to go.
        let held = self.0.accounts.at_rest(&name).await?;
        if let Some(token) = tokens(&config, held.config.as_ref()) {
            self.revoke(&config, token).await.map_err(|error| {
                let reason = failure_of(&config)(error);
                let info = reason.info.clone().unwrap_or_default() + &stays_good(&config, token);
                Failure {
                    error: format!("Could not revoke token: {}", reason.error),
                    info: Some(info),
                    ..reason
                }
            })?;
        }
        self.0.accounts.forget(&name);
        tracing::info!(account = %name, "login revoked");
        Ok(Reply::success())
    }

    async fn revoke(&self, config: &AccountConfig, token: &RefreshToken) -> Result<(), ProviderError> {
        self.0.accounts.deps().providers.revoke_login(config, token, provider_deadline()).await
    }

    /// `delete_client`: removes a dynamically registered client (RFC 7592 section 2.3). One that is gone already is no
    /// error; one that the provider does not let be managed any more is mentioned in `info`.
    pub async fn delete_client(&self, request: DeleteClientRequest) -> Result<Reply, Failure> {
        let DeleteClientRequest { registration_client_uri: uri, registration_access_token: token, cert_path } =
            request;
        let could_not = |reason: Failure| Failure {
            error: format!("Could not delete client: {}", reason.error),
            ..reason
        };
        let Some(site) = site(&uri) else {
            return Err(could_not(Failure::wrong_field("registration_client_uri", "a web address")));
        };
        // Neither metadata nor issuer are needed: the client is managed at its own address.
        let config = AccountConfig { issuer_url: Some(site), cert_path, ..AccountConfig::default() };
        let client = ClientConfiguration { uri: &uri, token: &token };
        let deleted = match self.0.accounts.deps().providers.provider(&config) {
            Ok(provider) => provider.delete_client(client, provider_deadline()).await,
            Err(error) => Err(error),
        };
        let deleted = deleted.map_err(|error| could_not(failure_of(&config)(error)))?;
        tracing::info!(?deleted, "client deleted");
        self.0.accounts.deps().note_deleted(&uri).await;
        // Said to be done: whoever asks wants to be rid of it, and can do no more.
        Ok(match deleted {
            ClientDeletion::OutOfReach => Reply::success_with(OUT_OF_REACH),
            ClientDeletion::Deleted | ClientDeletion::AlreadyGone => Reply::success(),
        })
    }
}

/// What to revoke: the newest token that is known of this login.
fn tokens<'a>(config: &'a AccountConfig, held: Option<&'a AccountConfig>) -> Option<&'a RefreshToken> {
    let same_client = |held: &&AccountConfig| {
        held.client_id == config.client_id
            && held.mytoken_url == config.mytoken_url
            && config.issuer_url.as_deref().is_some_and(|issuer| held.has_issuer(issuer))
    };
    held.filter(same_client).and_then(|held| held.refresh_token.as_ref()).or(config.refresh_token.as_ref())
}

/// The year 10000, in seconds since the epoch: dates of HTTP end there.
const FAR_AHEAD: u64 = 253_402_300_800;

/// What is left where a login could not be revoked. Some refresh tokens are JWTs that say when they end.
fn stays_good(config: &AccountConfig, token: &RefreshToken) -> String {
    let end =
        Claims::of(token.expose()).and_then(|claims| claims.expires_at()).filter(|end| *end < FAR_AHEAD);
    let end = end.map_or_else(
        || "it expires".to_owned(),
        |end| httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(end)),
    );
    if let Some(server) = &config.mytoken_url {
        return format!(
            "The mytoken stays good until {end}, for whoever has a copy of the account, unless it is revoked at its server, on \
             the page {server}.\n"
        );
    }
    format!(
        "The login stays good until {end}, for whoever has a copy of the account, unless it is ended at the provider: on its \
         account page, or by its administrators.\n"
    )
}

/// Scheme, host and port of a web address.
fn site(uri: &str) -> Option<String> {
    let url = Url::parse(uri).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    Some(url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(client_id: &str, token: Option<&str>) -> AccountConfig {
        AccountConfig {
            issuer_url: Some("https://op/".into()),
            client_id: Some(client_id.into()),
            refresh_token: token.map(RefreshToken::from),
            ..AccountConfig::default()
        }
    }

    #[test]
    fn the_newer_token_of_the_same_client_is_revoked() {
        let in_file = account("c", Some("old"));
        let revoked =
            |held: Option<&AccountConfig>| tokens(&in_file, held).map(|token| token.expose().to_owned());
        assert_eq!(revoked(Some(&account("c", Some("new")))).as_deref(), Some("new"));
        assert_eq!(revoked(Some(&account("other", Some("new")))).as_deref(), Some("old"));
        assert_eq!(revoked(None).as_deref(), Some("old"));
        assert_eq!(tokens(&account("c", None), None), None);
    }

    #[test]
    fn a_client_is_managed_on_the_web() {
        assert_eq!(site("https://op.example:8443/reg/1?x=y").as_deref(), Some("https://op.example:8443"));
        assert_eq!(site("file:///etc/passwd"), None);
        assert_eq!(site("nonsense"), None);
    }
}
