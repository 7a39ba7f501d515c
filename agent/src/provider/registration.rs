//! Dynamic client registration (RFC 7591).
//!
//! A client of ours is a native application with loopback redirects (RFC 8252 section 8.4). Providers that refuse
//! parts of that say which by error code or in words; the request is then sent again without that part, and the
//! caller is told what is missing in the end.

use oidc_proto::{
    json::Object,
    scope::{contains, of as scope_of},
    secret::SecretText,
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::{
    Provider,
    client_authentication::bearer,
    error::{OAuthError, ProviderError, ProviderErrorKind, Unsupported},
    http::{Content, Repeat, Request},
    metadata::{ProviderMetadata, lists},
    scope,
};

/// Most requests for one registration.
const MAX_TRIES: usize = 5;

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
    /// For protected endpoints (RFC 7591 section 3): an initial access token, or an access token of the person.
    pub access_token: Option<&'a SecretText>,
}

/// A registered client.
#[derive(Debug)]
pub struct Registered {
    /// The whole answer, secrets and management data included: it belongs into the account.
    pub client: Object,
    /// What was asked for and not given.
    pub missing: Missing,
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
    pub async fn register(
        &self,
        wanted: Registration<'_>,
        deadline: Instant,
    ) -> Result<Registered, ProviderError> {
        let metadata = self.metadata(deadline).await?;
        let endpoint = self.endpoint(metadata.registration_endpoint.as_deref(), Unsupported::Registration)?;
        let mut attempt = Attempt::new(&wanted);
        let mut tries = 1;
        let client = loop {
            match self.register_once(endpoint, &attempt, wanted.access_token, deadline).await {
                Ok(client) => break client,
                Err(error) => {
                    let ProviderErrorKind::Refused(refusal) = error.kind() else { return Err(error) };
                    if tries == MAX_TRIES || !attempt.give_in(refusal, &metadata) {
                        return Err(error);
                    }
                    tracing::debug!(%error, "registering with less");
                    tries += 1;
                }
            }
        };
        let missing = Missing::between(&wanted, &client);
        Ok(Registered { client, missing })
    }

    async fn register_once(
        &self,
        endpoint: &str,
        attempt: &Attempt,
        access_token: Option<&SecretText>,
        deadline: Instant,
    ) -> Result<Object, ProviderError> {
        let request = Request {
            method: Method::POST,
            url: endpoint,
            authorization: access_token.map(|token| bearer(token.expose())),
            content: Some(Content::Json(Zeroizing::new(attempt.to_json().to_string().into_bytes()))),
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

/// One request, and what may still be left out of it.
struct Attempt {
    application_type: &'static str,
    client_name: String,
    scope: String,
    grant_types: Vec<String>,
    redirect_uris: Vec<String>,
}

impl Attempt {
    fn new(wanted: &Registration<'_>) -> Self {
        Self {
            application_type: "native",
            client_name: wanted.client_name.to_owned(),
            scope: wanted.scope.to_owned(),
            grant_types: wanted.grant_types.iter().map(|grant| (*grant).to_owned()).collect(),
            redirect_uris: wanted.redirect_uris.to_vec(),
        }
    }

    fn to_json(&self) -> Value {
        let uses_code = self.grant_types.iter().any(|grant| grant == "authorization_code");
        json!({
            "application_type": self.application_type,
            "client_name": self.client_name,
            "response_types": if uses_code { vec!["code"] } else { vec![] },
            "grant_types": self.grant_types,
            "scope": self.scope,
            "redirect_uris": self.redirect_uris,
        })
    }

    /// Leaves out what was refused; `false`: there is nothing to leave out.
    fn give_in(&mut self, refusal: &OAuthError, metadata: &ProviderMetadata) -> bool {
        if !matches!(refusal.status, 400 | 403 | 422) {
            return false;
        }
        let said = refusal.to_string().to_lowercase();
        if said.contains("redirect") {
            return self.drop_private_schemes() || self.become_web();
        }
        if said.contains("application_type") || said.contains("application type") {
            self.drop_private_schemes();
            return self.become_web();
        }
        if said.contains("grant") {
            return self.drop_grants(&said, &metadata.grant_types_supported);
        }
        said.contains("scope") && self.drop_scopes(&metadata.scopes_supported)
    }

    fn drop_private_schemes(&mut self) -> bool {
        let before = self.redirect_uris.len();
        self.redirect_uris.retain(|uri| uri.starts_with("http://") || uri.starts_with("https://"));
        self.redirect_uris.len() < before
    }

    fn become_web(&mut self) -> bool {
        std::mem::replace(&mut self.application_type, "web") != "web"
    }

    /// The grant named in the refusal, else those that the provider does not list.
    fn drop_grants(&mut self, said: &str, supported: &[Box<str>]) -> bool {
        let before = self.grant_types.len();
        let names = |grant: &String| said.contains(&grant.to_lowercase());
        let is_named = self.grant_types.iter().any(names);
        self.grant_types.retain(|grant| if is_named { !names(grant) } else { lists(supported, grant) });
        let fewer = self.grant_types.len() < before;
        fewer && !self.grant_types.is_empty()
    }

    fn drop_scopes(&mut self, supported: &[Box<str>]) -> bool {
        let keeps =
            |scope: &&str| matches!(*scope, scope::OPENID | scope::OFFLINE_ACCESS) || lists(supported, scope);
        let left = self.scope.split_whitespace().filter(keeps).collect::<Vec<_>>().join(" ");
        let fewer = left.len() < self.scope.len();
        self.scope = left;
        fewer
    }
}

impl Missing {
    fn between(wanted: &Registration<'_>, client: &Object) -> Self {
        let list = |key: &str| client.contains(key).then(|| client.strings(key));
        let owned = |text: &str| text.to_owned();
        let absent = |wanted: Vec<String>, given: Option<Vec<String>>| match given {
            Some(given) => wanted.into_iter().filter(|one| !given.contains(one)).collect(),
            None => Vec::new(),
        };
        Self {
            scopes: scope_of(client, "scope")
                .map(|given| {
                    wanted
                        .scope
                        .split_whitespace()
                        .filter(|scope| !contains(&given, scope))
                        .map(owned)
                        .collect()
                })
                .unwrap_or_default(),
            grant_types: absent(
                wanted.grant_types.iter().map(|grant| owned(grant)).collect(),
                list("grant_types"),
            ),
            redirect_uris: absent(wanted.redirect_uris.to_vec(), list("redirect_uris")),
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

    fn attempt() -> Attempt {
        let redirect_uris =
            ["http://localhost:4242".to_owned(), "edu.kit.data.oidc-agent:/redirect".to_owned()];
        Attempt::new(&Registration {
            client_name: "oidc-agent:x",
            scope: "openid offline_access storage.read:/ odd",
            grant_types: &["refresh_token", "authorization_code", "password"],
            redirect_uris: &redirect_uris,
            access_token: None,
        })
    }

    fn metadata() -> ProviderMetadata {
        let json = br#"{"scopes_supported":["openid","storage.read:/"],
            "grant_types_supported":["authorization_code","refresh_token"]}"#;
        ProviderMetadata::parse(json).expect("metadata")
    }

    fn refusal(error: &str, description: &str) -> OAuthError {
        OAuthError::new(400, error, Some(description), &[])
    }

    #[test]
    fn begins_as_a_native_application() {
        assert_eq!(
            attempt().to_json(),
            json!({
                "application_type": "native",
                "client_name": "oidc-agent:x",
                "response_types": ["code"],
                "grant_types": ["refresh_token", "authorization_code", "password"],
                "scope": "openid offline_access storage.read:/ odd",
                "redirect_uris": ["http://localhost:4242", "edu.kit.data.oidc-agent:/redirect"],
            })
        );
    }

    #[test]
    fn redirects_are_given_up_before_being_native() {
        let (mut attempt, metadata) = (attempt(), metadata());
        let refusal = refusal("invalid_redirect_uri", "no custom schemes");
        assert!(attempt.give_in(&refusal, &metadata));
        assert_eq!((attempt.application_type, attempt.redirect_uris.len()), ("native", 1));
        assert!(attempt.give_in(&refusal, &metadata));
        assert_eq!(attempt.application_type, "web");
        assert!(!attempt.give_in(&refusal, &metadata));
    }

    #[test]
    fn a_refused_grant_or_scope_is_left_out() {
        let (mut attempt, metadata) = (attempt(), metadata());
        assert!(attempt.give_in(&refusal("Grant type not allowed: password", ""), &metadata));
        assert_eq!(attempt.grant_types, ["refresh_token", "authorization_code"]);
        assert!(!attempt.give_in(&refusal("invalid_client_metadata", "grant types"), &metadata));
        assert!(attempt.give_in(&refusal("invalid_client_metadata", "scope must only contain …"), &metadata));
        assert_eq!(attempt.scope, "openid offline_access storage.read:/");
        assert!(!attempt.give_in(&refusal("invalid_client_metadata", "name too short"), &metadata));
    }

    #[test]
    fn tells_what_is_missing_where_the_provider_says_what_it_gave() {
        let uris = ["http://localhost:1".to_owned()];
        let wanted = Registration {
            client_name: "n",
            scope: "openid offline_access",
            grant_types: &["refresh_token"],
            redirect_uris: &uris,
            access_token: None,
        };
        let given =
            |json: &str| Missing::between(&wanted, &Object::parse(json.as_bytes()).expect("an object"));
        assert!(given(r#"{"client_id":"c"}"#).is_empty());
        let missing = given(
            r#"{"scope":"openid","grant_types":["authorization_code"],"redirect_uris":["http://localhost:1"]}"#,
        );
        assert_eq!(missing.scopes, ["offline_access"]);
        assert_eq!((missing.grant_types, missing.redirect_uris), (vec!["refresh_token".to_owned()], vec![]));
    }
}
