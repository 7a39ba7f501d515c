//! Requests to the token endpoint (RFC 6749 section 3.2), common to all grants, and to the endpoints beside it that
//! authenticate the client the same way.

use std::{borrow::Cow, sync::Arc, time::SystemTime};

use oidc_proto::{
    client_key::{ClientKey, ClientKeyError},
    custom_parameters::RequestKind,
    json::Object,
    secret::ClientSecret,
};
use reqwest::Method;
use tokio::time::Instant;

use super::{
    Provider,
    audience::{self, with_audience},
    auth_method::AuthMethod,
    client_assertion::Signer,
    client_authentication::{Authenticated, Client, Way},
    error::{ProviderError, ProviderErrorKind, Unsupported},
    form::Form,
    http::{Answer, Content, Repeat, Request},
    metadata::{ProviderMetadata, lists},
    quirks::{AudienceStyle, Quirks},
    token_response::TokenResponse,
};

/// What is known of a provider, found out once for all that a request needs of it.
pub(crate) struct Known {
    pub(crate) metadata: Arc<ProviderMetadata>,
    pub(crate) quirks: Quirks,
}

/// Where a form goes.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) url: &'a str,
    pub(crate) known: &'a Known,
    /// What is known of the client's authentication there in particular; what works in that order is not remembered for
    /// other endpoints. Empty: nothing.
    pub(crate) order: &'a [AuthMethod],
}

impl Known {
    /// An endpoint of which nothing in particular is known.
    pub(crate) fn at<'a>(&'a self, url: &'a str) -> Target<'a> {
        Target { url, known: self, order: &[] }
    }
}

impl Provider {
    /// Sends a grant and reads the tokens.
    pub(crate) async fn grant_request(
        &self,
        client: Client<'_>,
        form: Form<'_>,
        repeat: Repeat,
        deadline: Instant,
    ) -> Result<TokenResponse, ProviderError> {
        let known = self.known(deadline).await?;
        self.grant_to(&known, client, form, repeat, deadline).await
    }

    async fn grant_to(
        &self,
        known: &Known,
        client: Client<'_>,
        form: Form<'_>,
        repeat: Repeat,
        deadline: Instant,
    ) -> Result<TokenResponse, ProviderError> {
        let endpoint = self.endpoint(known.metadata.token_endpoint.as_deref(), Unsupported::Token)?;
        let custom = match form.grant_type().and_then(RequestKind::of_grant) {
            Some(kind) => self.custom_parameters(kind, client.account, deadline).await?,
            None => Vec::new(),
        };
        let form = form.with_custom(&custom);
        let (response, sent_at) = self
            .client_request(known.at(endpoint), client, &form, repeat, deadline)
            .await
            .inspect_err(|error| self.forget_metadata_after(error))?;
        TokenResponse::from_object(response, sent_at)
            .ok_or_else(|| self.http.error(ProviderErrorKind::BadResponse { what: "access_token" }))
    }

    /// What is known of the provider as of now.
    pub(crate) async fn known(&self, deadline: Instant) -> Result<Known, ProviderError> {
        let metadata = self.metadata(deadline).await?;
        let quirks = self.quirks(&metadata);
        Ok(Known { metadata, quirks })
    }

    /// [`Provider::grant_request`] for a token with these audiences; see [`super::audience`].
    pub(crate) async fn audience_request(
        &self,
        client: Client<'_>,
        form: Form<'_>,
        audience: Option<&str>,
        repeat: Repeat,
        deadline: Instant,
    ) -> Result<TokenResponse, ProviderError> {
        let known = self.known(deadline).await?;
        let style = self.audience_style(client.id, &known.quirks);
        let asked = with_audience(form.clone(), audience, style);
        let first = self.grant_to(&known, client, asked, repeat, deadline).await;
        let Some(other) = first.as_ref().err().and_then(|error| audience::retreat(audience, style, error))
        else {
            return first;
        };
        tracing::debug!(?style, ?other, "asking for the audience another way");
        let asked = with_audience(form, audience, other);
        let second = self.grant_to(&known, client, asked, repeat, deadline).await;
        match second {
            Ok(response) => {
                self.working_styles.remember(client.id, other);
                Ok(response)
            }
            Err(error) if audience::retreat(audience, other, &error).is_some() => first,
            Err(error) => Err(error),
        }
    }

    /// How an audience is asked for: as it worked before, else as the provider data say.
    pub(crate) fn audience_style(&self, client_id: &str, quirks: &Quirks) -> AudienceStyle {
        self.working_styles.of(client_id).unwrap_or(quirks.audience)
    }

    /// Sends a form with the client's authentication and reads the object that comes back, and when the provider sent
    /// it by its own clock.
    ///
    /// Refused for the client's authentication it goes out once more with every other way to authenticate; if those are
    /// refused too, the first answer counts: the likeliest way is the first one.
    pub(crate) async fn client_request(
        &self,
        target: Target<'_>,
        client: Client<'_>,
        form: &Form<'_>,
        repeat: Repeat,
        deadline: Instant,
    ) -> Result<(Object, Option<SystemTime>), ProviderError> {
        let Target { url: endpoint, known: Known { metadata, quirks }, order } = target;
        let is_general = order.is_empty();
        let mut quirks = Cow::Borrowed(quirks);
        if !is_general {
            quirks.to_mut().client_authentication = order.to_vec();
        }
        let mut first_refusal: Option<ProviderError> = None;
        let known = self.working_ways.of(client.id).filter(|_| is_general);
        let is_loose = !client.is_confidential() && known.is_none();
        let signer = self.signer(client, metadata)?;
        let mut ways = client.ways(metadata, &quirks, known);
        let mut was_late = false;
        while let Some(way) = ways.pop_front() {
            let request = client.authenticate(way, form.clone(), signer.as_ref());
            let request = request.map_err(|error| self.unusable_key(error))?;
            let body = request.form();
            let mut secrets = body.secrets();
            secrets.extend(client.secret.map(ClientSecret::expose));
            let answer = self.post_form(endpoint, &request, repeat, deadline).await;
            let sent_at = answer.as_ref().ok().and_then(|answer| answer.sent_at);
            let is_late = sent_at.is_some_and(|sent_at| self.clock.saw(sent_at));
            let object = answer.and_then(|answer| answer.into_object(&self.http, &secrets));
            match object.map(|object| (object, sent_at)) {
                Err(error)
                    if refuses_authentication(
                        &error,
                        known.is_none(),
                        is_loose || first_refusal.is_some(),
                    ) =>
                {
                    tracing::debug!(%error, ?way, is_late, "authenticating the client another way");
                    first_refusal.get_or_insert(error);
                    // Signed by a clock that is not the provider's: once more by that.
                    if is_late && !was_late && matches!(way, Way::Assertion { .. }) {
                        was_late = true;
                        ways.push_front(way);
                    }
                }
                result => {
                    if result.is_ok() && is_general && known != Some(way) {
                        self.working_ways.remember(client.id, way);
                    }
                    return result;
                }
            }
        }
        // There is always a way, so it was refused.
        Err(first_refusal
            .unwrap_or_else(|| self.http.error(ProviderErrorKind::BadResponse { what: "an answer" })))
    }

    /// What signs for a client with a key.
    pub(crate) fn signer<'a>(
        &'a self,
        client: Client<'_>,
        metadata: &'a ProviderMetadata,
    ) -> Result<Option<Signer<'a>>, ProviderError> {
        let Some(private) = client.key else { return Ok(None) };
        let key = ClientKey::parse(private.text).map_err(|error| self.unusable_key(error))?;
        let supported = &metadata.token_endpoint_auth_signing_alg_values_supported;
        let algorithm = key.algorithm(private.algorithm, |name| lists(supported, name));
        Ok(Some(Signer { key, algorithm, metadata, issuer: &self.issuer, clock: &self.clock }))
    }

    /// The account's key cannot be used.
    pub(crate) fn unusable_key(&self, error: ClientKeyError) -> ProviderError {
        let reason = format!("the client's key cannot be used: {error}");
        self.http.error(ProviderErrorKind::Configuration { reason })
    }

    /// An endpoint that answers as if it were none may have moved.
    pub(crate) fn forget_metadata_after(&self, error: &ProviderError) {
        if matches!(
            error.kind(),
            ProviderErrorKind::Status { status: 404 | 405 | 410, .. } | ProviderErrorKind::Redirect { .. }
        ) {
            self.metadata.forget();
        }
    }

    /// Sends one form as it stands.
    pub(crate) async fn post_form(
        &self,
        endpoint: &str,
        request: &Authenticated<'_>,
        repeat: Repeat,
        deadline: Instant,
    ) -> Result<Answer, ProviderError> {
        let request = Request {
            method: Method::POST,
            url: endpoint,
            authorization: request.authorization.clone(),
            content: Some(Content::Form(request.form().encode())),
            repeat,
        };
        self.http.send(request, deadline).await
    }

    /// An endpoint of the metadata, or that there is none.
    pub(crate) fn endpoint<'a>(
        &self,
        endpoint: Option<&'a str>,
        what: Unsupported,
    ) -> Result<&'a str, ProviderError> {
        endpoint.ok_or_else(|| self.http.error(ProviderErrorKind::Unsupported(what)))
    }
}

/// Whether an answer refuses the way by which the client proved who it is. It spends nothing then: an error response
/// brings no tokens, and the client is looked at first.
///
/// RFC 6749 section 5.2 has `invalid_client` for it. Where each way `is_unproven`, answers count as well that providers give
/// in its place: 401, 403 and 400 without an error, `unauthorized_client`. Once a way has worked they are about something
/// else, such as a refresh token that is gone.
/// `is_loose`: another way was refused already, or the client has no secret; then `invalid_request` counts, with which
/// providers answer an authentication of a kind that they do not expect.
fn refuses_authentication(error: &ProviderError, is_unproven: bool, is_loose: bool) -> bool {
    match error.kind() {
        ProviderErrorKind::Refused(refusal) => match refusal.error.as_str() {
            "invalid_client" => true,
            "unauthorized_client" => refusal.status == 401 || is_unproven,
            "invalid_request" => is_loose,
            // Codes of other things, whatever the status (INDIGO IAM: 401 for a dead refresh token).
            "invalid_grant"
            | "invalid_token"
            | "invalid_scope"
            | "invalid_target"
            | "unsupported_grant_type"
            | "authorization_pending"
            | "slow_down"
            | "access_denied"
            | "expired_token" => false,
            _ => refusal.status == 401,
        },
        ProviderErrorKind::Status { status: 400 | 401 | 403, .. } => is_unproven,
        _ => false,
    }
}
