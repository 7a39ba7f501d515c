//! Dynamic client registration (RFC 7591).
//!
//! A client of ours is a native application with loopback redirects (RFC 8252 section 8.4). Providers refuse parts of that;
//! the request is then sent again without: see [`Attempt`]. The caller is told what is missing in the end.

use std::num::NonZeroU16;

use oidc_proto::{json::Object, scope::of as scope_of, secret::SecretText};
use reqwest::Method;
use serde_json::Value;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::{
    Provider,
    auth_method::{AuthMethod, TOKEN_ENDPOINT_AUTH_METHOD},
    client_authentication::bearer,
    error::{Closed, ProviderError, ProviderErrorKind},
    http::{Content, Repeat, Request},
    quirks::{Part, Quirks, Registering},
    registration_attempt::{Attempt, missing_scopes},
};

/// The client to register.
#[derive(Clone, Copy, Debug)]
pub struct Registration<'a> {
    /// Begins with `oidc-agent:`; INDIGO IAM shows such clients to their owner.
    pub client_name: &'a str,
    /// Separated by blanks. Asked for whatever the metadata list: they list only unrestricted scopes.
    pub scope: &'a str,
    /// Asked for whatever the metadata list, which often forget `refresh_token` and the device grant.
    pub grant_types: &'a [&'a str],
    /// Loopback addresses, and perhaps one of a private scheme.
    pub redirect_uris: &'a [String],
    /// How the client is to authenticate; `None`: as the provider likes.
    pub auth_method: Option<AuthMethod>,
    /// The public part of its key, for [`AuthMethod::PrivateKeyJwt`].
    pub jwks: Option<&'a Value>,
    /// For protected endpoints (RFC 7591 section 3): an initial access token, or an access token of the person.
    pub access_token: Option<&'a SecretText>,
}

/// A registered client.
#[derive(Debug)]
pub struct Registered {
    /// The whole answer, secrets and management data included: it belongs into the account.
    pub client: Object,
    /// What was asked for in the end and not given.
    pub missing: Missing,
    /// The scopes that were asked for in the end, separated by blanks.
    pub asked_scope: String,
    /// What was not asked for in the end, because it was refused.
    pub left_out: Vec<Part>,
    /// The words of the first refusal, if there was one.
    pub refusal: Option<String>,
}

/// What was asked for and not given. Empty where the provider does not say what it registered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// Scopes that the client may not ask for.
    pub scopes: Vec<String>,
    /// Grants that the client may not use.
    pub grant_types: Vec<String>,
    /// Redirect URIs that the client may not use.
    pub redirect_uris: Vec<String>,
}

impl Provider {
    /// Registers a client.
    ///
    /// What is refused is asked for once more without the part that the refusal means, or else without the least wanted
    /// one, until there is nothing left to do without; the first refusal counts then.
    pub async fn register(
        &self,
        wanted: Registration<'_>,
        deadline: Instant,
    ) -> Result<Registered, ProviderError> {
        let metadata = self.metadata(deadline).await?;
        let quirks = self.quirks(&metadata);
        let Some(endpoint) = metadata.registration_endpoint.as_deref() else {
            return Err(self.closed(Closed::NoEndpoint, &quirks));
        };
        let name = shortened(wanted.client_name, quirks.client_name_length);
        let mut attempt = Attempt::new(&name, wanted.scope, wanted.grant_types, wanted.redirect_uris);
        for part in &quirks.registration_refuses {
            attempt.leave_out_from_the_first(*part, &metadata);
        }
        let mut first_refusal: Option<ProviderError> = None;
        for _ in 0..=Attempt::STEPS {
            let error = match self.register_once(endpoint, &attempt, &wanted, deadline).await {
                Ok(client) => {
                    let missing = Missing::between(&attempt, &client);
                    return Ok(Registered {
                        client,
                        missing,
                        asked_scope: attempt.scope().to_owned(),
                        left_out: attempt.left_out().to_vec(),
                        refusal: first_refusal.as_ref().and_then(refusal_of).map(|(_, said)| said),
                    });
                }
                Err(error) => error,
            };
            let (said, status) = match error.kind() {
                // What the codes of RFC 6750 name is the token of the request, and not a part of it.
                ProviderErrorKind::Refused(refusal)
                    if matches!(refusal.error.as_str(), "insufficient_scope" | "invalid_token") =>
                {
                    (refusal.description.clone().unwrap_or_default(), refusal.status)
                }
                ProviderErrorKind::Refused(refusal) => (refusal.to_string(), refusal.status),
                ProviderErrorKind::Status { status, said, .. } => (said.clone().unwrap_or_default(), *status),
                _ => return Err(first_refusal.unwrap_or(error)),
            };
            let goes_on = match status {
                200 | 400 | 422 => attempt.give_in(&said, true, &metadata),
                // The person or the place may be meant, so only what is named is left out.
                403 => attempt.give_in(&said, false, &metadata),
                _ => false,
            };
            tracing::debug!(%error, goes_on, "registration refused");
            let error = first_refusal.get_or_insert(error);
            if !goes_on {
                let closed = closed_by(error, wanted.access_token.is_some(), quirks.registration);
                let error = error.clone();
                return Err(closed.map_or(error, |closed| self.closed(closed, &quirks)));
            }
        }
        Err(first_refusal.unwrap_or_else(|| self.closed(Closed::NoEndpoint, &quirks)))
    }

    fn closed(&self, closed: Closed, quirks: &Quirks) -> ProviderError {
        self.http.error(ProviderErrorKind::NoRegistration { closed, get_client: quirks.get_client.clone() })
    }

    async fn register_once(
        &self,
        endpoint: &str,
        attempt: &Attempt,
        wanted: &Registration<'_>,
        deadline: Instant,
    ) -> Result<Object, ProviderError> {
        let access_token = wanted.access_token;
        let mut body = attempt.to_json();
        if let Some(method) = wanted.auth_method {
            body[TOKEN_ENDPOINT_AUTH_METHOD] = method.as_str().into();
        }
        if let Some(jwks) = wanted.jwks {
            body["jwks"] = jwks.clone();
        }
        let request = Request {
            method: Method::POST,
            url: endpoint,
            authorization: access_token.map(|token| bearer(token.expose())),
            content: Some(Content::Json(Zeroizing::new(body.to_string().into_bytes()))),
            // A repeated registration would leave an orphan behind.
            repeat: Repeat::IfUnprocessed,
        };
        let secrets: Vec<_> = access_token.map(SecretText::expose).into_iter().collect();
        let client = self.http.send(request, deadline).await?.into_object(&self.http, &secrets)?;
        if client.text("client_id").is_none() {
            return Err(self.http.error(ProviderErrorKind::BadResponse { what: "client_id" }));
        }
        Ok(client)
    }
}

/// What a refusal means that nothing helps against; `None`: something is wrong with the request.
fn closed_by(error: &ProviderError, had_token: bool, registering: Registering) -> Option<Closed> {
    let (status, said) = refusal_of(error)?;
    // RFC 6750 section 3.1: more than this request was allowed by what it brought along, which was nothing.
    let lacks_token =
        matches!(error.kind(), ProviderErrorKind::Refused(refusal) if refusal.error == "insufficient_scope");
    match status {
        401 if had_token => Some(Closed::TokenRefused { said }),
        401 => Some(Closed::TokenNeeded { said }),
        403 if !had_token && (registering == Registering::Token || lacks_token) => {
            Some(Closed::TokenNeeded { said })
        }
        403..=405 => Some(Closed::Refused { said }),
        _ => None,
    }
}

/// The status and the words of a refusal.
fn refusal_of(error: &ProviderError) -> Option<(u16, String)> {
    match error.kind() {
        ProviderErrorKind::Refused(refusal) => Some((refusal.status, refusal.to_string())),
        ProviderErrorKind::Status { status, said, .. } => {
            Some((*status, said.clone().unwrap_or_else(|| format!("HTTP status {status}"))))
        }
        _ => None,
    }
}

/// The name, as long as it may be.
fn shortened(name: &str, longest: Option<NonZeroU16>) -> String {
    let longest = longest.map_or(usize::MAX, |longest| longest.get().into());
    name.chars().take(longest).collect()
}

impl Missing {
    fn between(wanted: &Attempt, client: &Object) -> Self {
        let list = |key: &str| client.contains(key).then(|| client.strings(key));
        let absent = |wanted: &[String], given: Option<Vec<String>>| match given {
            Some(given) => wanted.iter().filter(|one| !given.contains(one)).cloned().collect(),
            None => Vec::new(),
        };
        Self {
            scopes: scope_of(client, "scope")
                .map(|given| missing_scopes(wanted.scope(), &given))
                .unwrap_or_default(),
            grant_types: absent(wanted.grant_types(), list("grant_types")),
            redirect_uris: absent(wanted.redirect_uris(), list("redirect_uris")),
        }
    }

    /// Whether everything was given.
    pub fn is_empty(&self) -> bool {
        self.scopes.is_empty() && self.grant_types.is_empty() && self.redirect_uris.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_is_missing_where_the_provider_says_what_it_gave() {
        let uris = ["http://localhost:1".to_owned()];
        let asked = Attempt::new("n", "openid offline_access", &["refresh_token"], &uris);
        let given =
            |json: &str| Missing::between(&asked, &Object::parse(json.as_bytes()).expect("an object"));
        assert!(given(r#"{"client_id":"c"}"#).is_empty());
        let missing = given(
            r#"{"scope":"openid","grant_types":["authorization_code"],"redirect_uris":["http://localhost:1"]}"#,
        );
        assert_eq!(missing.scopes, ["offline_access"]);
        assert_eq!((missing.grant_types, missing.redirect_uris), (vec!["refresh_token".to_owned()], vec![]));
    }
}
