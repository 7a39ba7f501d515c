//! What a provider answers before anybody logs in, and what a login will therefore do.
//!
//! Nothing is made at the provider: whether it registers clients is told from how it refuses a registration that no
//! provider can take.

use std::sync::Arc;

use oidc_proto::{
    json::Object,
    message::{ClientSource, Finding, Prediction},
    secret::RegistrationAccessToken,
    shell, token,
};
use reqwest::{Method, StatusCode};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::{
    Provider, body,
    client_configuration::ClientConfiguration,
    error::ProviderError,
    http::{Answer, Content, Repeat, Request},
    metadata::{ProviderMetadata, lists},
    pkce::Pkce,
    quirks::{Quirks, Registering},
    scope,
    text::presentable,
};

/// How far clocks may be apart before it is worth a word, in seconds.
const CLOCKS_APART: u64 = 60;
/// How far before logins fail, in seconds.
const CLOCKS_TOO_FAR: u64 = 5 * 60;

/// A registration of which every member is of a wrong type.
const IMPOSSIBLE_CLIENT: &[u8] =
    br#"{"client_name":["oidc-agent"],"redirect_uris":0,"grant_types":0,"scope":0}"#;

/// What a probe found, and what follows from it.
#[derive(Debug)]
pub struct Probed {
    /// The provider's metadata as of now.
    pub metadata: Arc<ProviderMetadata>,
    /// In the order of a login.
    pub findings: Vec<Finding>,
    /// What `gen` will do.
    pub prediction: Prediction,
}

impl Provider {
    /// Asks for the metadata anew, and walks through what a login needs. What fails there is a finding, not an error.
    /// `registers`: also who may register a client, which the registration endpoint is asked for. `certificates`: those that
    /// were given for this provider, so that commands name them too.
    pub async fn probe(
        &self,
        registers: bool,
        certificates: Option<&str>,
        deadline: Instant,
    ) -> Result<Probed, ProviderError> {
        self.metadata.forget();
        let metadata = self.metadata(deadline).await?;
        let quirks = self.quirks(&metadata);
        let mut findings =
            vec![fine("metadata", format!("the provider calls itself {}", shown(&metadata.issuer)))];
        findings.push(self.tls());
        findings.extend(self.endpoints(&metadata));
        findings.extend(flow_findings(&metadata));
        findings.extend(grants(&metadata));
        findings.push(pkce(&metadata));
        findings.extend(scopes(&metadata, &quirks));
        let (keys, clock_ahead) = self.keys_and_clock(&metadata, deadline).await;
        findings.extend(keys);
        findings.extend(clock_ahead.map(clock));
        let client = if registers {
            let (registration, client) = self.client_source(&metadata, &quirks, deadline).await;
            findings.push(registration);
            client
        } else {
            ClientSource::Given
        };
        let prediction = Prediction {
            flows: flows(&metadata).into_iter().map(str::to_owned).collect(),
            client,
            scope: self.login_scope("", true, deadline).await?,
            pkce: Pkce::new(&metadata).method().to_owned(),
            id_token_algorithms: checked(&metadata).map(shown).collect(),
            revocation: metadata.revocation_endpoint.is_some(),
            clock_ahead,
        };
        findings.push(self.what_gen_does(&prediction, &quirks, certificates));
        Ok(Probed { metadata, findings, prediction })
    }

    pub(super) fn tls(&self) -> Finding {
        let text = if self.issuer.starts_with("https://") {
            "its certificate is trusted"
        } else {
            "plain http, which only providers on this machine may speak"
        };
        fine("tls", text.to_owned())
    }

    /// Whether the endpoints may be spoken to.
    fn endpoints(&self, metadata: &ProviderMetadata) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (name, endpoint, is_needed) in [
            ("token_endpoint", &metadata.token_endpoint, true),
            ("authorization_endpoint", &metadata.authorization_endpoint, false),
            ("device_authorization_endpoint", &metadata.device_authorization_endpoint, false),
            ("registration_endpoint", &metadata.registration_endpoint, false),
            ("revocation_endpoint", &metadata.revocation_endpoint, false),
            ("jwks_uri", &metadata.jwks_uri, false),
        ] {
            match endpoint.as_deref().map(|endpoint| self.http.allowed(endpoint)) {
                Some(Ok(_)) => {}
                Some(Err(kind)) => {
                    findings.push(problem("endpoints", format!("{name}: {}", self.http.error(kind))));
                }
                None if is_needed => findings.push(problem("endpoints", format!("it names no {name}"))),
                None => findings.push(fine("endpoints", format!("it names no {name}{}", without(name)))),
            }
        }
        if findings.is_empty() {
            findings.push(fine("endpoints", "it has all that is used".to_owned()));
        }
        findings
    }

    /// What there is to say of the keys, and how many seconds this computer's clock is ahead.
    async fn keys_and_clock(
        &self,
        metadata: &ProviderMetadata,
        deadline: Instant,
    ) -> (Option<Finding>, Option<i64>) {
        let Some(jwks_uri) = metadata.jwks_uri.as_deref() else { return (None, None) };
        let answer = match self.http.send(Request::get(jwks_uri), deadline).await {
            Ok(answer) => answer,
            Err(error) => return (Some(problem("keys", format!("its keys cannot be had: {error}"))), None),
        };
        let listed = &metadata.id_token_signing_alg_values_supported;
        let unknown: Vec<_> =
            listed.iter().filter(|name| !token::is_known(name)).map(|name| shown(name)).collect();
        let keys = if !answer.status.is_success() || Object::parse(&answer.body).is_err() {
            problem("keys", format!("jwks_uri answers with {}", what(&answer)))
        } else if unknown.is_empty() {
            fine("keys", "the signatures of its ID tokens can be checked".to_owned())
        } else {
            fine(
                "keys",
                format!(
                    "signatures by {} are not checked; the connection stands in for them",
                    unknown.join(" ")
                ),
            )
        };
        (Some(keys), answer.sent_at.map(|sent_at| self.clock.ahead_of(sent_at)))
    }

    /// Where a client comes from.
    async fn client_source(
        &self,
        metadata: &ProviderMetadata,
        quirks: &Quirks,
        deadline: Instant,
    ) -> (Finding, ClientSource) {
        let (finding, registering) = self.registering(metadata, quirks, deadline).await;
        let source = match registering {
            Registering::Open => ClientSource::Registration,
            Registering::Token => ClientSource::RegistrationWithToken,
            Registering::Closed => ClientSource::Given,
        };
        (finding, source)
    }

    /// Who may register, as the endpoint says, or else the provider data.
    async fn registering(
        &self,
        metadata: &ProviderMetadata,
        quirks: &Quirks,
        deadline: Instant,
    ) -> (Finding, Registering) {
        let Some(endpoint) = metadata.registration_endpoint.as_deref() else {
            return (
                fine("registration", "it registers no clients by itself".to_owned()),
                Registering::Closed,
            );
        };
        let request = Request {
            method: Method::POST,
            url: endpoint,
            authorization: None,
            content: Some(Content::Json(Zeroizing::new(IMPOSSIBLE_CLIENT.to_vec()))),
            repeat: Repeat::IfUnprocessed,
        };
        let answer = match self.http.send(request, deadline).await {
            Ok(answer) => answer,
            Err(error) => return (problem("registration", error.to_string()), quirks.registration),
        };
        self.delete_what_was_made(&answer, deadline).await;
        let said = || what(&answer);
        // RFC 6750 section 3.1: nothing is not enough (Keycloak).
        let wants_more = || {
            let body = Object::parse(&answer.body).ok();
            body.and_then(|body| body.string("error")).is_some_and(|error| error == "insufficient_scope")
        };
        match answer.status {
            status
                if status == StatusCode::UNAUTHORIZED
                    || (status == StatusCode::FORBIDDEN && wants_more()) =>
            {
                (
                    fine(
                        "registration",
                        format!("it registers clients for who has an initial access token ({})", said()),
                    ),
                    Registering::Token,
                )
            }
            StatusCode::FORBIDDEN if quirks.registration == Registering::Open => (
                fine("registration", format!("it registers no clients for everybody ({})", said())),
                Registering::Closed,
            ),
            StatusCode::FORBIDDEN => (
                fine("registration", format!("it registers clients for some only ({})", said())),
                quirks.registration,
            ),
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::GONE => (
                problem("registration", format!("its registration endpoint does not work ({})", said())),
                Registering::Closed,
            ),
            status if status.is_server_error() => {
                // Odd members are too much for some; that says nothing about proper ones.
                (
                    fine("registration", format!("it is not clear who may register ({})", said())),
                    quirks.registration,
                )
            }
            // Some look at who asks only once they can read what is asked for.
            _ => {
                let text = match quirks.registration {
                    Registering::Open => "it registers clients for everybody",
                    Registering::Token => {
                        "as far as is known, it registers clients for who has an initial access token"
                    }
                    Registering::Closed => "as far as is known, it registers no clients for people",
                };
                (fine("registration", text.to_owned()), quirks.registration)
            }
        }
    }

    fn what_gen_does(&self, prediction: &Prediction, quirks: &Quirks, certificates: Option<&str>) -> Finding {
        let ways: Vec<_> = prediction
            .flows
            .iter()
            .map(|flow| if flow == "code" { "in a browser" } else { "with a code on another device" })
            .collect();
        if ways.is_empty() {
            return problem("gen", "no login is possible here".to_owned());
        }
        let certificates = certificates.map(|path| format!(" --cp {}", shell::quoted(path)));
        let command = format!(
            "oidc gen NAME --issuer {}{}",
            shell::quoted(&self.issuer),
            certificates.unwrap_or_default()
        );
        let client = match prediction.client {
            ClientSource::Registration => format!("`{command}` registers a client"),
            ClientSource::RegistrationWithToken => format!(
                "`{command} --at-env VARIABLE` registers a client with the initial access token in that variable; with a \
                 client that is there already, `{command} --client-id ID`"
            ),
            ClientSource::Given => {
                format!("`{command} --client-id ID` uses a client that is there already")
            }
        };
        let log_in = format!("{client}; then you log in {}", ways.join(" or "));
        let how = quirks.get_client.as_deref().filter(|_| prediction.client != ClientSource::Registration);
        fine("gen", how.map_or_else(|| log_in.clone(), |how| format!("{log_in}. {how}")))
    }

    /// A provider that takes everything has registered a client: it is given back.
    async fn delete_what_was_made(&self, answer: &Answer, deadline: Instant) {
        let client = Object::parse(&answer.body).ok().filter(|_| answer.status.is_success());
        let managed = client.and_then(|client| {
            let token = client.string("registration_access_token").map(RegistrationAccessToken::new)?;
            Some((client.string("registration_client_uri")?, token))
        });
        if let Some((uri, token)) = managed
            && let Err(error) =
                self.delete_client(ClientConfiguration { uri: &uri, token: &token }, deadline).await
        {
            tracing::warn!(provider = self.name(), %error, "a client that a probe made could not be deleted");
        }
    }
}

/// What a person has to do without where an endpoint is not there.
fn without(endpoint: &str) -> &'static str {
    match endpoint {
        "revocation_endpoint" => ": a login that is deleted stays good until it expires",
        "jwks_uri" => ": the connection stands in for the signatures of ID tokens",
        _ => "",
    }
}

/// The flows by which a person can log in.
fn flows(metadata: &ProviderMetadata) -> Vec<&'static str> {
    if metadata.token_endpoint.is_none() {
        return Vec::new();
    }
    let code = metadata.authorization_endpoint.as_ref().map(|_| "code");
    let device = metadata.device_authorization_endpoint.as_ref().map(|_| "device");
    code.into_iter().chain(device).collect()
}

fn flow_findings(metadata: &ProviderMetadata) -> Vec<Finding> {
    let listed = &metadata.grant_types_supported;
    let refresh = (!listed.is_empty() && !lists(listed, "refresh_token"))
        .then(|| fine("flows", "it does not list the refresh grant; that is tried all the same".to_owned()));
    let flows = flows(metadata);
    let possible = if flows.is_empty() {
        problem("flows", "it has neither the code nor the device flow".to_owned())
    } else {
        fine("flows", format!("possible: {}", flows.join(", ")))
    };
    [possible].into_iter().chain(refresh).collect()
}

/// Grants for accounts for which nobody logs in.
fn grants(metadata: &ProviderMetadata) -> Option<Finding> {
    let robots = [
        ("client_credentials", "the client's own"),
        ("urn:ietf:params:oauth:grant-type:token-exchange", "exchange"),
        ("urn:ietf:params:oauth:grant-type:jwt-bearer", "JWT bearer"),
    ];
    let listed = robots.into_iter().filter(|(grant, _)| lists(&metadata.grant_types_supported, grant));
    let names: Vec<_> = listed.map(|(_, name)| name).collect();
    (!names.is_empty()).then(|| {
        fine("grants", format!("listed for accounts for which nobody logs in: {}", names.join(", ")))
    })
}

/// The algorithms of ID tokens that are checked.
fn checked(metadata: &ProviderMetadata) -> impl Iterator<Item = &str> {
    let listed = &metadata.id_token_signing_alg_values_supported;
    listed.iter().map(|name| &**name).filter(|name| token::is_known(name))
}

fn pkce(metadata: &ProviderMetadata) -> Finding {
    let methods = &metadata.code_challenge_methods_supported;
    let text = if lists(methods, "S256") {
        "S256"
    } else if methods.is_empty() {
        "not listed; S256 is sent all the same"
    } else {
        "plain only"
    };
    fine("pkce", text.to_owned())
}

fn scopes(metadata: &ProviderMetadata, quirks: &Quirks) -> Vec<Finding> {
    let listed = &metadata.scopes_supported;
    if listed.is_empty() {
        return vec![fine("scopes", "it does not say which scopes there are".to_owned())];
    }
    let missing: Vec<_> = [scope::OPENID, scope::OFFLINE_ACCESS]
        .into_iter()
        .filter(|scope| {
            !lists(listed, scope) && (*scope != scope::OFFLINE_ACCESS || quirks.offline_access_scope)
        })
        .collect();
    if missing.is_empty() {
        return vec![fine("scopes", format!("{} are listed, with those that matter", listed.len()))];
    }
    vec![fine("scopes", format!("it does not list {}; that is asked for all the same", missing.join(" ")))]
}

fn clock(ahead: i64) -> Finding {
    let direction = if ahead > 0 { "ahead of" } else { "behind" };
    let text = format!("this computer is {} s {direction} the provider", ahead.unsigned_abs());
    match ahead.unsigned_abs() {
        0..CLOCKS_APART => fine("clock", "this computer and the provider agree on the time".to_owned()),
        CLOCKS_APART..CLOCKS_TOO_FAR => fine("clock", text),
        _ => problem("clock", text),
    }
}

/// An answer in a few words.
fn what(answer: &Answer) -> String {
    let status = answer.status.as_u16();
    let said = Object::parse(&answer.body)
        .ok()
        .and_then(|body| body.string("error_description").or_else(|| body.string("error")))
        .map(|said| presentable(&said, &[]))
        .or_else(|| body::first_words(&answer.body, &[]));
    said.map_or_else(|| format!("HTTP status {status}"), |said| format!("HTTP status {status}: {said}"))
}

fn shown(text: &str) -> String {
    presentable(text, &[])
}

pub(super) fn fine(topic: &str, text: String) -> Finding {
    Finding { topic: topic.to_owned(), text, is_problem: false }
}

pub(super) fn problem(topic: &str, text: String) -> Finding {
    Finding { topic: topic.to_owned(), text, is_problem: true }
}
