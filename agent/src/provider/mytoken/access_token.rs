//! Access tokens for a mytoken: the refresh grant (RFC 6749 section 6) as a mytoken server takes it.

use oidc_proto::secret::RefreshToken;
use reqwest::Method;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::{
    super::{
        Provider,
        error::{ProviderError, ProviderErrorKind, Unsupported},
        form::Form,
        http::{Content, Repeat, Request},
        scope,
        token_response::TokenResponse,
    },
    Mytoken, marked_dead,
};

/// The client of every mytoken account, id and secret both `mytoken`, as the C suite sends it (RFC 7617).
const CLIENT: &str = "Basic bXl0b2tlbjpteXRva2Vu";

/// What to use a mytoken for.
#[derive(Clone, Copy, Debug)]
pub struct MytokenUse<'a> {
    /// The newest one known.
    pub mytoken: &'a RefreshToken,
    /// The scopes asked for, separated by blanks.
    pub scope: Option<&'a str>,
    /// The scopes of the account, sent when none are asked for. Without any the server decides.
    pub usual_scope: Option<&'a str>,
    /// The audiences asked for, separated by blanks.
    pub audience: Option<&'a str>,
}

impl Provider {
    /// Gets an access token of the OpenID provider. A mytoken in the answer replaces the one that was used, as a refresh token
    /// does: see [`Provider::refresh`].
    pub async fn use_mytoken(
        &self,
        wanted: MytokenUse<'_>,
        deadline: Instant,
    ) -> Result<TokenResponse, ProviderError> {
        let usual = wanted.usual_scope.and_then(|usual| scope::without(usual, scope::OFFLINE_ACCESS));
        let scope = wanted.scope.or(usual.as_deref());
        let first = self.use_once(&wanted, scope, deadline).await;
        let answer = match first {
            // The mytoken is for less than the account's scopes: what it is for will do. A refusal uses nothing up.
            Err(error) if wanted.scope.is_none() && scope.is_some() && is_about_scopes(&error) => {
                tracing::debug!(%error, "asking for an access token without naming scopes");
                let second = self.use_once(&wanted, None, deadline).await;
                second.map(|response| TokenResponse { login_scope_refused: true, ..response })
            }
            first => first,
        };
        answer.map_err(|error| marked_dead(self, error))
    }

    async fn use_once(
        &self,
        wanted: &MytokenUse<'_>,
        scope: Option<&str>,
        deadline: Instant,
    ) -> Result<TokenResponse, ProviderError> {
        let metadata = self.metadata(deadline).await?;
        let endpoint = self.endpoint(metadata.token_endpoint.as_deref(), Unsupported::Token)?;
        let mytoken = wanted.mytoken.expose();
        let audience = wanted.audience.map(str::trim).filter(|audience| !audience.is_empty());
        let form = Form::grant("refresh_token")
            .with_secret("refresh_token", mytoken)
            .with_scope(scope)
            .with_some("audience", audience);
        let request = Request {
            method: Method::POST,
            url: endpoint,
            authorization: Some(Zeroizing::new(CLIENT.to_owned())),
            content: Some(Content::Form(form.encode())),
            repeat: Repeat::Spends,
        };
        let answer = self.http.send(request, deadline).await?;
        let sent_at = answer.sent_at;
        let answer = answer.into_object(&self.http, &[mytoken]);
        let mut answer = answer.inspect_err(|error| self.forget_metadata_after(error))?;
        let update = Mytoken::take_successor(&mut answer);
        // The C suite reads a mytoken beside the access token as the new one. Its life is not what `expires_in` is about here.
        let beside = answer.string("mytoken").map(RefreshToken::new);
        answer.remove("mytoken");
        let mut response = TokenResponse::from_object(answer, sent_at)
            .ok_or_else(|| self.http.error(ProviderErrorKind::BadResponse { what: "access_token" }))?;
        if let Some(update) = update {
            response.refresh_expires_in = update.expires_in;
            response.refresh_token = Some(update.token);
        } else if beside.is_some() {
            response.refresh_token = beside;
        }
        Ok(response)
    }
}

/// Whether the scopes may be what is refused; `usage_restricted` does not say which restriction it was.
fn is_about_scopes(error: &ProviderError) -> bool {
    let ProviderErrorKind::Refused(refusal) = error.kind() else { return false };
    matches!(refusal.error.as_str(), "invalid_scope" | "usage_restricted")
}
