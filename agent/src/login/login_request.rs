//! A login that is about to begin, and what becomes of its account when it has succeeded.

use std::sync::Arc;

use oidc_proto::{
    account::{AccountConfig, login_end},
    error_code::ErrorCode,
    message::{Failure, TokenReply},
    scope,
    secret::RefreshToken,
    shortname::Shortname,
};
use tokio::time::Instant;

use super::{
    failure::{answer_of, failure_of},
    purpose::Purpose,
};
use crate::{
    clock::{Clock, LONGEST},
    provider::{
        Client, Expected, Provider, ProviderError, ProviderMetadata, TOKEN_ENDPOINT_AUTH_METHOD,
        TokenResponse,
    },
};

/// The member of an account whose client was refused the scope `offline_access`.
pub(super) const WITHOUT_OFFLINE_ACCESS: &str = "without_offline_access";

/// A login that is about to begin: an account without its new refresh token.
pub(super) struct LoginRequest {
    /// The account's name.
    pub name: Shortname,
    /// The account as the client gave it, without credentials of the person and without an old refresh token.
    pub config: AccountConfig,
    /// The account's provider.
    pub provider: Arc<Provider>,
    /// Its metadata as of now.
    pub metadata: Arc<ProviderMetadata>,
    /// The scopes to ask for.
    pub scope: String,
    /// Only an access token is wanted; nothing is loaded.
    pub only_at: bool,
    /// Who goes on with what it brings.
    pub purpose: Purpose,
    /// Says when a token expires.
    pub clock: Clock,
}

/// What a successful login gives.
pub(super) enum Granted {
    /// An account with its new refresh token, and the access token that came with it.
    Account(Box<AccountConfig>, TokenResponse),
    /// Only an access token was wanted.
    Token(TokenReply),
}

impl LoginRequest {
    /// The same for another copy of the account.
    pub fn with_config(&self, config: AccountConfig) -> Self {
        Self {
            name: self.name.clone(),
            config,
            provider: Arc::clone(&self.provider),
            metadata: Arc::clone(&self.metadata),
            scope: self.scope.clone(),
            only_at: self.only_at,
            purpose: self.purpose.clone(),
            clock: self.clock.clone(),
        }
    }

    /// A provider's error as the reply about this account. One for the scope `offline_access` says how to do without.
    pub fn refused(&self, error: ProviderError) -> Failure {
        if !self.is_refused_offline_access(&error) {
            return failure_of(&self.config)(error);
        }
        let origin = answer_of(error.provider());
        failure_of(&self.config)(error).with_info(format!("{origin}{WITHOUT_OFFLINE_HELP}"))
    }

    /// Whether a login is refused for the scope `offline_access` only. The next one for this client does without.
    pub fn is_refused_offline_access(&self, error: &ProviderError) -> bool {
        let client_id = self.config.client_id.as_deref().unwrap_or_default();
        self.provider.notes_offline_refusal(client_id, &self.scope, error, &self.metadata)
    }

    /// The same login without the scope `offline_access`.
    pub fn without_offline_access(&self) -> Self {
        let others = self.scope.split_whitespace().filter(|scope| *scope != scope::OFFLINE_ACCESS);
        Self { scope: others.collect::<Vec<_>>().join(" "), ..self.with_config(self.config.clone()) }
    }

    /// The client to log in with; a login by browser or device is impossible without.
    pub fn client(&self) -> Result<Client<'_>, Failure> {
        if self.config.client_id.is_none() {
            return Err(Failure::missing_field("client_id"));
        }
        Ok(Client::of(&self.config))
    }

    /// Judges the ID token of a login. Some providers send none, and without the scope `openid` one means nothing; the
    /// tokens came over the same connection as it would have.
    pub async fn judge_id_token(
        &self,
        response: &TokenResponse,
        nonce: Option<&str>,
        deadline: Instant,
    ) -> Result<(), ProviderError> {
        let (Some(id_token), Some(client_id)) = (&response.id_token, self.config.client_id.as_deref()) else {
            return Ok(());
        };
        if !scope::contains(&self.scope, "openid") {
            return Ok(());
        }
        self.provider.judge_id_token(id_token, Expected { client_id, nonce }, deadline).await
    }

    /// What a token response gives; `used` is the refresh token it was asked for with, if it was one. `None`: there is
    /// no refresh token.
    pub fn granted(
        &self,
        response: TokenResponse,
        used: Option<RefreshToken>,
        only_at: bool,
    ) -> Option<Granted> {
        if self.only_at || only_at {
            return Some(Granted::Token(self.token_reply(&response, used.as_ref())));
        }
        let is_new_login = used.is_none();
        let refresh_token = response.refresh_token.clone().or(used)?;
        let (mut config, asked) = (self.config.clone(), &self.scope);
        let ends_at =
            response.refresh_expires_in.map(|life| self.clock.now().wall.saturating_add(life.as_secs()));
        login_end::note(&mut config, &refresh_token, ends_at);
        config.refresh_token = Some(refresh_token);
        if !config.device_authorization_endpoint_set_by_user {
            let endpoint = self.metadata.device_authorization_endpoint.as_deref().map(str::to_owned);
            config.device_authorization_endpoint = endpoint.or(config.device_authorization_endpoint);
        }
        let granted = response.scope.as_deref().map(|granted| scope::in_blanks(granted, asked));
        if is_new_login {
            config.refresh_scope.clone_from(&granted);
        }
        // 4.x clients know one list only, the one that refreshes are asked with.
        config.scope = Some(granted.filter(|_| is_new_login).unwrap_or_else(|| asked.clone()));
        config.auth_scope = Some(asked.clone());
        self.remember_authentication(&mut config);
        let client_id = config.client_id.as_deref().unwrap_or_default();
        if self.provider.has_refused_offline_access(client_id) {
            config.other.insert(WITHOUT_OFFLINE_ACCESS, true);
        }
        Some(Granted::Account(Box::new(config), response))
    }

    /// Keeps with the account how its client authenticates, so that no agent has to find out again.
    fn remember_authentication(&self, config: &mut AccountConfig) {
        let working = config.client_id.as_deref().and_then(|id| self.provider.working_method(id));
        if let Some(method) = working.filter(|method| Client::of(config).registered_method != Some(*method)) {
            config.other.insert(TOKEN_ENDPOINT_AUTH_METHOD, method.as_str());
        }
    }

    fn token_reply(&self, response: &TokenResponse, used: Option<&RefreshToken>) -> TokenReply {
        let missing = response.scopes_not_granted(&self.scope).join(" ");
        let warning = format!("the provider did not grant the scope {missing}");
        TokenReply {
            access_token: response.access_token.clone(),
            issuer: self.config.issuer_url.clone().unwrap_or_default(),
            expires_at: response
                .expires_in
                .map(|life| self.clock.now().wall.saturating_add(life.min(LONGEST).as_secs())),
            scope: response.scope.clone(),
            warnings: if missing.is_empty() { Vec::new() } else { vec![warning] },
            // One that replaces a spent one belongs to whoever holds that; a further one was not asked for.
            refresh_token: response.refresh_token.clone().filter(|new| used.is_some_and(|used| used != new)),
        }
    }
}

/// What to do without the scope.
const WITHOUT_OFFLINE_HELP: &str = "The provider does not allow you, or this client, the scope offline_access, by which a login outlasts the session there. \
     Run the same command again: it does without that scope, and the login lasts as long as the provider lets it. For one \
     that lasts longer ask the administrators of the provider to allow offline access.\n";

/// A login by browser or device that gave no refresh token: the C suite's text.
pub(super) fn no_refresh_token() -> Failure {
    Failure::new(ErrorCode::NoRefreshToken, "Could not get a refresh token").with_info(
        "The provider logged you in, but gave no refresh token. Its client settings may not allow refresh tokens, or \
         the scope offline_access was not granted.",
    )
}
