//! The authorization request of the code flow (RFC 6749 section 4.1.1, RFC 7636, RFC 8252, OpenID Connect Core
//! section 3.1.2.1), and the check of who answered it (RFC 9207).

use oidc_proto::{custom_parameters::RequestKind, secret::CodeVerifier};
use tokio::time::Instant;

use super::{
    Provider, audience,
    error::{ProviderError, ProviderErrorKind, Unsupported},
    pkce::{Pkce, random_text},
    scope,
    text::presentable,
};

/// What to ask for.
#[derive(Clone, Copy, Debug)]
pub struct AuthorizationRequest<'a> {
    /// RFC 6749 section 2.2.
    pub client_id: &'a str,
    /// One of the client's.
    pub redirect_uri: &'a str,
    /// Separated by blanks; see [`Provider::login_scope`].
    pub scope: &'a str,
    /// Unguessable; comes back with the answer.
    pub state: &'a str,
    /// Separated by blanks.
    pub audience: Option<&'a str>,
    /// Whether a refresh token is wanted.
    pub offline: bool,
    /// The account's short name, as of [`super::Client`].
    pub account: Option<&'a str>,
}

/// Where to send the person, and what to keep until they come back. Not for logs: `state` is in the URL.
#[must_use]
pub struct Authorization {
    /// Always http or https.
    pub url: String,
    /// For [`Provider::exchange_code`].
    pub code_verifier: CodeVerifier,
    /// For [`Provider::judge_id_token`]; only with the scope `openid`.
    pub nonce: Option<String>,
}

impl Provider {
    /// The scopes of a login: `requested`, or those of the provider data where nobody says, with those that make it an OpenID Connect one (`openid`, not for plain
    /// OAuth 2 providers) and bring a refresh token (`offline_access`, not where the provider has other means).
    pub async fn login_scope(
        &self,
        requested: &str,
        offline: bool,
        deadline: Instant,
    ) -> Result<String, ProviderError> {
        let metadata = self.metadata(deadline).await?;
        let quirks = self.quirks(&metadata);
        let usual = quirks.default_scopes.as_deref().filter(|_| requested.trim().is_empty() && !self.oauth);
        let requested = usual.unwrap_or(requested);
        let mut scopes =
            if self.oauth { requested.to_owned() } else { scope::with(requested, scope::OPENID) };
        if offline && quirks.offline_access_scope {
            scopes = scope::with(&scopes, scope::OFFLINE_ACCESS);
        } else {
            scopes = scope::without(&scopes, scope::OFFLINE_ACCESS).unwrap_or_default();
        }
        Ok(scopes)
    }

    /// The address for the person's browser.
    pub async fn authorization_request(
        &self,
        request: AuthorizationRequest<'_>,
        deadline: Instant,
    ) -> Result<Authorization, ProviderError> {
        let metadata = self.metadata(deadline).await?;
        let quirks = self.quirks(&metadata);
        let endpoint =
            self.endpoint(metadata.authorization_endpoint.as_deref(), Unsupported::Authorization)?;
        let mut url = self.http.allowed(endpoint).map_err(|kind| self.http.error(kind))?;
        let pkce = Pkce::new(&metadata);
        let nonce = scope::contains(request.scope, scope::OPENID).then(random_text);

        let mut parameters = vec![
            ("response_type", "code"),
            ("client_id", request.client_id),
            ("redirect_uri", request.redirect_uri),
            ("scope", request.scope),
            // OpenID Connect Core section 11: offline access needs the person's consent.
            ("prompt", "consent"),
            ("state", request.state),
        ];
        if quirks.access_type_offline && request.offline {
            parameters.push(("access_type", "offline"));
        }
        let challenge = pkce.challenge();
        parameters.extend([("code_challenge_method", pkce.method()), ("code_challenge", challenge.as_str())]);
        parameters.extend(nonce.as_deref().map(|nonce| ("nonce", nonce)));
        let style = self.audience_style(request.client_id, &quirks);
        parameters.extend(audience::parameters(request.audience, style));
        let custom = self.custom_parameters(RequestKind::AuthorizationUrl, request.account, deadline).await?;
        parameters.retain(|(name, _)| !custom.iter().any(|(other, _)| other == name));
        parameters.extend(custom.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        // Keeps a query that the endpoint already has (RFC 6749 section 3.1).
        url.query_pairs_mut().extend_pairs(parameters);
        Ok(Authorization { url: url.into(), code_verifier: pkce.verifier, nonce })
    }

    /// Checks the parameter `iss` of an authorization response: against answers of another provider that the person
    /// was lured to (RFC 9207 section 2.4).
    pub async fn check_authorization_issuer(
        &self,
        iss: Option<&str>,
        deadline: Instant,
    ) -> Result<(), ProviderError> {
        let metadata = self.metadata(deadline).await?;
        let accepted = match iss {
            Some(iss) => *iss == *metadata.issuer,
            None => !metadata.authorization_response_iss_parameter_supported,
        };
        if accepted {
            return Ok(());
        }
        Err(self.http.error(ProviderErrorKind::IssuerMismatch {
            expected: metadata.issuer.to_string(),
            found: iss.map(|iss| presentable(iss, &[])),
        }))
    }
}
