//! The refresh grant (RFC 6749 section 6).

use oidc_proto::secret::RefreshToken;
use tokio::time::Instant;

use super::{
    Provider,
    client_authentication::Client,
    error::{ProviderError, ProviderErrorKind},
    form::Form,
    http::Repeat,
    quirks::{Quirks, RefreshScope},
    scope,
    text::presentable,
    token_response::TokenResponse,
};

/// What to refresh, and what for.
#[derive(Clone, Copy, Debug)]
pub struct Refresh<'a> {
    /// Whose token it is.
    pub client: Client<'a>,
    /// The newest one known.
    pub refresh_token: &'a RefreshToken,
    /// The scopes asked for; a text without words asks for the provider's default.
    pub scope: Option<&'a str>,
    /// The scopes of the login, sent when none are asked for: see [`oidc_proto::account::AccountConfig::granted_scope`].
    pub granted_scope: Option<&'a str>,
    /// The audiences asked for, separated by blanks. The account's own audience belongs to the login only.
    pub audience: Option<&'a str>,
}

impl Provider {
    /// Gets a new access token.
    ///
    /// A refresh token in the answer replaces the old one, which may be dead already: make it durable before using
    /// the access token. [`ProviderError::is_dead_token`] tells that only a login helps.
    ///
    /// Nothing is sent after `deadline`. What was sent is waited for up to [`super::SPENDING_TIMEOUT`]: a provider that
    /// answers late has rotated the token all the same.
    pub async fn refresh(
        &self,
        refresh: Refresh<'_>,
        deadline: Instant,
    ) -> Result<TokenResponse, ProviderError> {
        let metadata = self.metadata(deadline).await?;
        let quirks = self.quirks(&metadata);
        self.narrows_nothing(&refresh, &quirks)?;
        let scope = requested_scope(&refresh, &quirks);
        let first = self.refresh_once(&refresh, scope.as_deref(), deadline).await;
        let is_refused = |error: &ProviderError| matches!(error.kind(), ProviderErrorKind::Refused(refusal) if refusal.error == "invalid_scope");
        let answer = match first {
            // The scopes of the login are not granted any more, or never were for a refresh: what is left will do.
            Err(error) if refresh.scope.is_none() && scope.is_some() && is_refused(&error) => {
                tracing::debug!(%error, "refreshing without naming scopes");
                let second = self.refresh_once(&refresh, None, deadline).await;
                second.map(|response| TokenResponse { login_scope_refused: true, ..response })
            }
            first => first,
        };
        answer.map_err(|error| self.mark_dead_token(&quirks, error))
    }

    async fn refresh_once(
        &self,
        refresh: &Refresh<'_>,
        scope: Option<&str>,
        deadline: Instant,
    ) -> Result<TokenResponse, ProviderError> {
        let form = Form::grant("refresh_token")
            .with_secret("refresh_token", refresh.refresh_token.expose())
            .with_some("scope", scope);
        self.audience_request(refresh.client, form, refresh.audience, Repeat::Spends, deadline).await
    }

    /// Where a refresh with fewer scopes costs the others, it is not sent.
    fn narrows_nothing(&self, refresh: &Refresh<'_>, quirks: &Quirks) -> Result<(), ProviderError> {
        let Some(asked) = refresh.scope.filter(|asked| quirks.narrows_on_refresh && !asked.trim().is_empty())
        else {
            return Ok(());
        };
        let granted = refresh.granted_scope.unwrap_or_default().split_whitespace();
        let lost: Vec<_> = granted
            .filter(|granted| *granted != scope::OFFLINE_ACCESS && !scope::contains(asked, granted))
            .collect();
        if lost.is_empty() {
            return Ok(());
        }
        let lost = presentable(&lost.join(" "), &[]);
        Err(self.http.error(ProviderErrorKind::WouldNarrow { lost }))
    }

    fn mark_dead_token(&self, quirks: &Quirks, error: ProviderError) -> ProviderError {
        match error.kind() {
            ProviderErrorKind::Refused(refusal)
                if refusal.status < 500
                    && quirks.is_dead_token(&refusal.error, refusal.description.as_deref()) =>
            {
                self.http.error(ProviderErrorKind::LoginNeeded(refusal.clone()))
            }
            // Neither the client nor the request can be meant: every way to name the one was tried, and the other is the
            // same each time.
            ProviderErrorKind::Status { status: status @ (400 | 401), said, .. } => self
                .http
                .error(ProviderErrorKind::LoginProbablyNeeded { status: *status, said: said.clone() }),
            _ => error,
        }
    }
}

/// The value of `scope`; `None`: no such parameter.
fn requested_scope(refresh: &Refresh<'_>, quirks: &Quirks) -> Option<String> {
    let granted_offline =
        refresh.granted_scope.is_some_and(|granted| scope::contains(granted, scope::OFFLINE_ACCESS));
    let keep_offline = quirks.offline_access_on_refresh && granted_offline;
    let scopes = match (refresh.scope, quirks.refresh_scope) {
        (Some(asked), _) => asked.split_whitespace().collect::<Vec<_>>().join(" "),
        // As the C suite: a refresh is not a login, so it does not ask for offline access again.
        (None, RefreshScope::Granted) => scope::without(refresh.granted_scope?, scope::OFFLINE_ACCESS)?,
        (None, RefreshScope::Omit) => return None,
    };
    if scopes.is_empty() {
        return None;
    }
    Some(if keep_offline { scope::with(&scopes, scope::OFFLINE_ACCESS) } else { scopes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope_of(asked: Option<&str>, granted: Option<&str>, quirks: &Quirks) -> Option<String> {
        let token = RefreshToken::from("r");
        let client = Client { id: "c", secret: None, key: None, registered_method: None, account: None };
        let refresh =
            Refresh { client, refresh_token: &token, scope: asked, granted_scope: granted, audience: None };
        requested_scope(&refresh, quirks)
    }

    #[test]
    fn the_scopes_of_the_login_unless_others_are_asked_for() {
        let quirks = Quirks::default();
        let granted = Some("openid offline_access profile");
        assert_eq!(scope_of(None, granted, &quirks).as_deref(), Some("openid profile"));
        assert_eq!(scope_of(Some("a  b"), granted, &quirks).as_deref(), Some("a b"));
        assert_eq!(scope_of(Some("a offline_access"), granted, &quirks).as_deref(), Some("a offline_access"));
        assert_eq!(scope_of(None, Some("offline_access"), &quirks), None);
        assert_eq!(scope_of(None, None, &quirks), None);
    }

    #[test]
    fn a_blank_asks_for_the_providers_default() {
        assert_eq!(scope_of(Some(" "), Some("openid"), &Quirks::default()), None);
    }

    #[test]
    fn quirks_leave_scopes_out_or_keep_offline_access() {
        let quirks = Quirks {
            refresh_scope: RefreshScope::Omit,
            offline_access_on_refresh: true,
            ..Quirks::default()
        };
        let granted = Some("openid offline_access");
        assert_eq!(scope_of(None, granted, &quirks), None);
        assert_eq!(scope_of(Some("a"), granted, &quirks).as_deref(), Some("a offline_access"));
        assert_eq!(scope_of(Some("a"), Some("openid"), &quirks).as_deref(), Some("a"));
    }
}
