//! What a provider answers before anybody logs in, and what a login will therefore do.
//!
//! Nothing is made at the provider: whether it registers clients is told from how it refuses a registration that no
//! provider can take.

use std::time::SystemTime;

use oidc_proto::{json::Object, message::Finding, secret::RegistrationAccessToken};
use reqwest::{Method, StatusCode};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::{
    Provider, body,
    client_configuration::ClientConfiguration,
    http::{Answer, Content, Repeat, Request},
    metadata::{ProviderMetadata, lists},
    quirks::{Quirks, Registering},
    scope, signature,
    text::presentable,
};

/// How far clocks may be apart before it is worth a word, in seconds.
const CLOCKS_APART: u64 = 60;
/// How far before logins fail, in seconds.
const CLOCKS_TOO_FAR: u64 = 5 * 60;

/// A registration of which every member is of a wrong type.
const IMPOSSIBLE_CLIENT: &[u8] =
    br#"{"client_name":["oidc-agent"],"redirect_uris":0,"grant_types":0,"scope":0}"#;

impl Provider {
    /// Walks through what a login needs. What fails is a finding, not an error.
    pub async fn probe(&self, metadata: &ProviderMetadata, deadline: Instant) -> Vec<Finding> {
        let quirks = self.quirks(metadata);
        let mut findings =
            vec![fine("metadata", format!("the provider calls itself {}", shown(&metadata.issuer)))];
        let mut tls = self.tls();
        findings.append(&mut tls);
        findings.extend(self.endpoints(metadata));
        findings.extend(flows(metadata));
        findings.push(pkce(metadata));
        findings.extend(scopes(metadata, &quirks));
        findings.extend(self.keys_and_clock(metadata, deadline).await);
        let registering = self.registering(metadata, &quirks, deadline).await;
        findings.push(what_gen_does(metadata, &quirks, registering.1));
        // Before what follows from it.
        findings.insert(findings.len() - 1, registering.0);
        findings
    }

    fn tls(&self) -> Vec<Finding> {
        let text = if self.issuer.starts_with("https://") {
            "its certificate is trusted"
        } else {
            "plain http, which only providers on this machine may speak"
        };
        vec![fine("tls", text.to_owned())]
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
                None => findings.push(fine("endpoints", format!("it names no {name}"))),
            }
        }
        if findings.is_empty() {
            findings.push(fine("endpoints", "it has all that is used".to_owned()));
        }
        findings
    }

    async fn keys_and_clock(&self, metadata: &ProviderMetadata, deadline: Instant) -> Vec<Finding> {
        let Some(jwks_uri) = metadata.jwks_uri.as_deref() else { return Vec::new() };
        let answer = match self.http.send(Request::get(jwks_uri), deadline).await {
            Ok(answer) => answer,
            Err(error) => return vec![problem("keys", format!("its keys cannot be had: {error}"))],
        };
        let listed = &metadata.id_token_signing_alg_values_supported;
        let unknown: Vec<_> =
            listed.iter().filter(|name| signature::known(name).is_none()).map(|name| shown(name)).collect();
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
        let clock = answer.sent_at.map(clock);
        [keys].into_iter().chain(clock).collect()
    }

    /// Who may register, as the endpoint says.
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
        match answer.status {
            StatusCode::UNAUTHORIZED => (
                fine(
                    "registration",
                    format!("it registers clients for who has an initial access token ({})", said()),
                ),
                Registering::Token,
            ),
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
            _ => (fine("registration", "it registers clients for everybody".to_owned()), Registering::Open),
        }
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

fn flows(metadata: &ProviderMetadata) -> Vec<Finding> {
    let listed = &metadata.grant_types_supported;
    let refresh = (!listed.is_empty() && !lists(listed, "refresh_token"))
        .then(|| fine("flows", "it does not list the refresh grant; that is tried all the same".to_owned()));
    let flows: Vec<_> = [
        ("code", metadata.authorization_endpoint.is_some()),
        ("device", metadata.device_authorization_endpoint.is_some()),
    ]
    .into_iter()
    .filter_map(|(flow, is_there)| is_there.then_some(flow))
    .collect();
    let possible = if flows.is_empty() {
        problem("flows", "it has neither the code nor the device flow".to_owned())
    } else {
        fine("flows", format!("possible: {}", flows.join(", ")))
    };
    [possible].into_iter().chain(refresh).collect()
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

fn clock(sent_at: SystemTime) -> Finding {
    let now = SystemTime::now();
    let apart = now
        .duration_since(sent_at)
        .or_else(|_| sent_at.duration_since(now))
        .map_or(0, |apart| apart.as_secs());
    let direction = if sent_at < now { "ahead of" } else { "behind" };
    let text = format!("this computer is {apart} s {direction} the provider");
    match apart {
        0..CLOCKS_APART => fine("clock", "this computer and the provider agree on the time".to_owned()),
        CLOCKS_APART..CLOCKS_TOO_FAR => fine("clock", text),
        _ => problem("clock", text),
    }
}

fn what_gen_does(metadata: &ProviderMetadata, quirks: &Quirks, registering: Registering) -> Finding {
    if metadata.token_endpoint.is_none()
        || (metadata.authorization_endpoint.is_none() && metadata.device_authorization_endpoint.is_none())
    {
        return problem("gen", "no login is possible here".to_owned());
    }
    let client = match registering {
        Registering::Open => "`oidc gen` registers a client and logs in".to_owned(),
        Registering::Token => {
            "`oidc gen` needs an initial access token (`--at`), or a client (`--client-id`, `--pub`)"
                .to_owned()
        }
        Registering::Closed => "`oidc gen` needs a client (`--client-id`, `--pub`)".to_owned(),
    };
    match quirks.get_client.as_deref().filter(|_| registering != Registering::Open) {
        Some(how) => fine("gen", format!("{client}. {how}")),
        None => fine("gen", client),
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

fn fine(topic: &str, text: String) -> Finding {
    Finding { topic: topic.to_owned(), text, is_problem: false }
}

fn problem(topic: &str, text: String) -> Finding {
    Finding { topic: topic.to_owned(), text, is_problem: true }
}
