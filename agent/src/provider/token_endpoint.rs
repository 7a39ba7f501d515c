//! Requests to the token endpoint (RFC 6749 section 3.2), common to all grants, and to the endpoints beside it that
//! authenticate the client the same way.

use std::time::SystemTime;

use oidc_proto::{json::Object, secret::ClientSecret};
use reqwest::Method;
use tokio::time::Instant;

use super::{
    Provider,
    client_authentication::{Authenticated, Client},
    error::{ProviderError, ProviderErrorKind, Unsupported},
    form::Form,
    http::{Answer, Content, Repeat, Request},
    token_response::TokenResponse,
};

impl Provider {
    /// Sends a grant and reads the tokens.
    pub(crate) async fn token_request(
        &self,
        client: Client<'_>,
        form: Form<'_>,
        deadline: Instant,
    ) -> Result<TokenResponse, ProviderError> {
        self.grant_request(client, form, Repeat::IfUnprocessed, deadline).await
    }

    /// [`Provider::token_request`], for a grant that says what may be done about a failed try.
    pub(crate) async fn grant_request(
        &self,
        client: Client<'_>,
        form: Form<'_>,
        repeat: Repeat,
        deadline: Instant,
    ) -> Result<TokenResponse, ProviderError> {
        let metadata = self.metadata(deadline).await?;
        let endpoint = self.endpoint(metadata.token_endpoint.as_deref(), Unsupported::Token)?;
        let (response, sent_at) = self
            .client_request(endpoint, client, &form, repeat, deadline)
            .await
            .inspect_err(|error| self.forget_metadata_after(error))?;
        TokenResponse::from_object(response, sent_at)
            .ok_or_else(|| self.http.error(ProviderErrorKind::BadResponse { what: "access_token" }))
    }

    /// Sends a form with the client's authentication and reads the object that comes back, and when the provider sent
    /// it by its own clock.
    ///
    /// Refused for the client's authentication it goes out once more with every other way to authenticate; if those are
    /// refused too, the first answer counts.
    pub(crate) async fn client_request(
        &self,
        endpoint: &str,
        client: Client<'_>,
        form: &Form<'_>,
        repeat: Repeat,
        deadline: Instant,
    ) -> Result<(Object, Option<SystemTime>), ProviderError> {
        let metadata = self.metadata(deadline).await?;
        let quirks = self.quirks(&metadata);
        let mut first_refusal = None;
        let known = self.working_ways.of(client.id);
        for request in client.authenticate(form, &metadata, &quirks, known) {
            let way = request.way;
            let mut secrets = request.form.secrets();
            secrets.extend(client.secret.map(ClientSecret::expose));
            let answer = self.post_form(endpoint, request, repeat, deadline).await;
            let sent_at = answer.as_ref().ok().and_then(|answer| answer.sent_at);
            let object = answer.and_then(|answer| answer.into_object(&self.http, &secrets));
            match object.map(|object| (object, sent_at)) {
                Err(error)
                    if refuses_authentication(&error, first_refusal.is_some() || client.secret.is_none()) =>
                {
                    first_refusal.get_or_insert(error);
                }
                result => {
                    if result.is_ok() && known != Some(way) {
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

    /// An endpoint that answers as if it were none may have moved.
    fn forget_metadata_after(&self, error: &ProviderError) {
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
        request: Authenticated<'_>,
        repeat: Repeat,
        deadline: Instant,
    ) -> Result<Answer, ProviderError> {
        let request = Request {
            method: Method::POST,
            url: endpoint,
            authorization: request.authorization,
            content: Some(Content::Form(request.form.encode())),
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

/// RFC 6749 section 5.2: `invalid_client`, or the status alone. `loosely` counts `invalid_request` as well, with which
/// providers answer an authentication that is not of the kind they expect.
fn refuses_authentication(error: &ProviderError, loosely: bool) -> bool {
    match error.kind() {
        ProviderErrorKind::Refused(refusal) => {
            refusal.error == "invalid_client" || (loosely && refusal.error == "invalid_request")
        }
        ProviderErrorKind::Status { status, .. } => *status == 401,
        _ => false,
    }
}
