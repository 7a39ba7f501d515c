//! What the C suite's agents answered once, asked again of ours: `status`, `error`, the members of the reply, and what
//! `info` says of a success. The recorded requests are sent as they are, but for what names the recorded provider and its login.
//! `docs/compatibility.md` gives the reasons for the differences listed here.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use oidc_proto::account::AccountConfig;
use oidc_tests::{
    agent::Agent,
    environment::Environment,
    provider::{Endpoint, Fault, Provider, Quirks, Rotation},
};
use serde_json::Value;

/// The issuer that was recorded, without the slash at its end.
const RECORDED_ISSUER: &str = "http://127.0.0.1:18099/op";

/// Where ours says something else, and what.
const DIFFERENCES: [(&str, &str); 14] = [
    ("add-missing-config", "Bad request. Required field 'config' not present."),
    ("code-exchange-missing", "Bad request. Required field 'redirect_uri' not present."),
    ("device-missing", "Bad request. Required field 'oidc_device' not present."),
    ("scopes-missing", "Bad Request: issuer url or configuration endpoint must be given"),
    ("plain-access-token-neither", "Bad request. Required field 'account' or 'issuer' not present."),
    ("plain-id-token-neither", "Bad request. Required field 'account' or 'issuer' not present."),
    ("reauthenticate-unknown", "No account configured with that short name"),
    ("add-provider-http-500", ""),
    ("add-provider-non-json", ""),
    ("add-provider-error-with-quotes", ""),
    ("add-unreachable-provider", ""),
    ("plain-status", ""),
    ("plain-status-two", ""),
    ("enc-status", ""),
];

/// Members that only our replies have.
const OURS: [&str; 4] = ["error_code", "info", "scope", "warnings"];

struct Fixture {
    name: String,
    request: String,
    reply: Value,
}

impl Fixture {
    fn read(directory: &Path, name: &str) -> Option<Self> {
        let fixture: Value =
            serde_json::from_slice(&fs_err::read(directory.join(format!("{name}.json"))).ok()?).ok()?;
        let opened = |side: &str| fixture[side]["plaintext"].as_str().map(str::to_owned);
        let sent = |side: &str| {
            let of_side = |message: &&Value| message["from"] == side;
            let message = fixture["messages"].as_array()?.iter().rfind(of_side)?;
            String::from_utf8(BASE64_STANDARD.decode(message["bytes_base64"].as_str()?).ok()?).ok()
        };
        let (request, reply) =
            (opened("request").or_else(|| sent("client"))?, opened("reply").or_else(|| sent("agent"))?);
        // The C agent writes raw line feeds, and once two objects.
        let reply = reply.replace(['\n', '\t'], " ");
        let reply = serde_json::Deserializer::from_str(&reply).into_iter().next()?.ok()?;
        Some(Self { name: name.to_owned(), request, reply })
    }
}

/// An agent, a provider, and how the recorded login is called there.
struct Stage {
    agent: Agent,
    provider: Provider,
    account: AccountConfig,
    directory: PathBuf,
    _environment: Environment,
}

impl Stage {
    fn new(release: &str) -> Self {
        // Two recorded accounts share a login.
        let quirks = Quirks { rotation: Rotation::Never, ..Quirks::default() };
        let (environment, provider) = (Environment::new(), Provider::with(quirks));
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ipc").join(release);
        let account = provider.seed_account("fix");
        Self { agent: Agent::start(&environment), provider, account, directory, _environment: environment }
    }

    /// Replays exchanges in this order; those that a release does not have are left out.
    fn replay(&self, names: &[&str]) {
        for name in names {
            let fixture = Fixture::read(&self.directory, name);
            assert!(fixture.is_some() || self.directory.ends_with("v5.3.3"), "{name}");
            if let Some(fixture) = fixture {
                self.compare(&fixture);
            }
        }
    }

    fn compare(&self, fixture: &Fixture) {
        let request = self.localised(&fixture.request);
        let reply = self.agent.exchange(request.as_bytes()).expect("a reply");
        let ours: Value = serde_json::from_slice(&reply).expect("strict JSON");
        let context = format!("{}: {request}\n  theirs: {}\n  ours: {ours}", fixture.name, fixture.reply);
        assert_eq!(ours["status"], fixture.reply["status"], "{context}");
        let different = DIFFERENCES.iter().find(|(name, _)| *name == fixture.name);
        match different {
            Some((_, "")) => {}
            Some((_, text)) => assert_eq!(ours["error"], *text, "{context}"),
            None => {
                assert_eq!(ours.get("error"), fixture.reply.get("error"), "{context}");
                // The help beside an error is ours.
                if fixture.reply["info"].is_string() && fixture.reply["status"] != "failure" {
                    assert_eq!(ours["info"], self.localised_value(&fixture.reply["info"]), "{context}");
                }
            }
        }
        let (ours, theirs) = (members(&ours), members(&fixture.reply));
        assert!(ours.is_superset(&theirs), "{context}");
        assert!(ours.difference(&theirs).all(|member| OURS.contains(&member.as_str())), "{context}");
    }

    /// The request with our provider's issuer and login in place of the recorded ones.
    fn localised(&self, text: &str) -> String {
        let issuer = self.provider.issuer();
        let text = text.replace(RECORDED_ISSUER, issuer.trim_end_matches('/'));
        let Ok(mut request) = serde_json::from_str::<Value>(&text) else { return text };
        let config = request.get_mut("config").and_then(Value::as_object_mut);
        let Some(config) =
            config.filter(|config| config.get("refresh_token").is_some_and(|token| token == "rt-good"))
        else {
            return text;
        };
        let ours = self.account.to_object();
        for member in ["client_id", "client_secret", "refresh_token"] {
            config.insert(member.to_owned(), ours.members()[member].clone());
        }
        request.to_string()
    }

    fn localised_value(&self, value: &Value) -> Value {
        let issuer = self.provider.issuer();
        value.as_str().unwrap_or_default().replace(RECORDED_ISSUER, issuer.trim_end_matches('/')).into()
    }
}

fn members(value: &Value) -> BTreeSet<String> {
    value.as_object().expect("an object").keys().cloned().collect()
}

const RELEASES: [&str; 2] = ["", "v5.3.3"];

#[test]
fn without_an_account() {
    for release in RELEASES {
        Stage::new(release).replay(&[
            "plain-check",
            "enc-check",
            "plain-status",
            "enc-status",
            "plain-status-json",
            "enc-status-json",
            "plain-loaded-accounts-empty",
            "enc-loaded-accounts-empty",
            "plain-access-token-neither",
            "plain-access-token-unknown-account",
            "enc-access-token-unknown-account",
            "plain-access-token-unknown-issuer",
            "plain-id-token-neither",
            "enc-unicode",
            "enc-unknown-request",
            "malformed-plain-empty-object",
            "malformed-plain-empty-request",
            "malformed-plain-no-request-key",
            "malformed-plain-number-request",
            "malformed-plain-unknown-request",
            "malformed-plain-duplicate-key",
            "malformed-plain-escaped-value",
            "malformed-plain-leading-whitespace",
            "malformed-plain-trailing-garbage",
            "add-unreachable-provider",
            "add-missing-config",
            "remove-missing-account",
            "remove-not-loaded",
            "unlock-not-locked",
            "code-exchange-missing",
            "code-exchange-no-state",
            "code-exchange-short-state",
            "code-exchange-wrong-state",
            "device-missing",
            "device-unknown",
            "gen-unknown-flow",
            "reauthenticate-missing",
            "reauthenticate-unknown",
            "scopes-missing",
            "state-lookup-missing",
            "state-lookup-unknown",
            "term-http-server",
            "file-1-read-missing",
            "file-2-write",
            "file-3-read",
            "file-4-remove",
            "file-5-read-removed",
        ]);
    }
}

#[test]
fn with_accounts() {
    for release in RELEASES {
        Stage::new(release).replay(&[
            "add-success-enc",
            "add-again",
            "add-again-lifetime",
            "add-again-lifetime-0",
            "add-lifetime",
            "plain-loaded-accounts-two",
            "enc-loaded-accounts-two",
            "plain-status-two",
            "plain-status-json-two",
            "access-token-1-cached",
            "access-token-2-string-number",
            "access-token-3-min-valid-too-long",
            "access-token-4-force-new",
            "access-token-5-scope",
            "access-token-6-audience",
            "access-token-7-cached-again",
            "access-token-8-enc",
            "access-token-9-issuer",
            "register-already-loaded",
            "lock-1-lock",
            "lock-2-lock-again",
            "lock-3-check",
            "lock-4-status",
            "lock-5-access-token",
            "lock-6-loaded-accounts",
            "lock-7-loaded-accounts-enc",
            "lock-8-unknown",
            "lock-9-unlock-wrong",
            "lock-10-unlock-enc",
            "lock-11-access-token",
            "remove",
            "remove-all",
            "plain-loaded-accounts-after-remove-all",
        ]);
    }
}

#[test]
fn with_a_provider_that_refuses() {
    let refusal = |status, error: &str, description: Option<&str>| Fault::OAuthError {
        status,
        error: error.into(),
        description: description.map(Into::into),
    };
    let status =
        |status, body: Option<&str>| Fault::Status { status, retry_after: None, body: body.map(Into::into) };
    for release in RELEASES {
        for (name, fault) in [
            ("add-provider-invalid-grant", refusal(400, "invalid_grant", Some("Token is not active"))),
            ("add-provider-invalid-client", refusal(401, "invalid_client", Some("who"))),
            ("add-provider-invalid-request", refusal(400, "invalid_request", Some("hm"))),
            ("add-provider-invalid-scope", refusal(400, "invalid_scope", Some("nope"))),
            ("add-provider-other-error", refusal(400, "server_error", None)),
            ("add-provider-error-with-quotes", refusal(400, "invalid_grant", Some(r#"say "hi""#))),
            ("add-provider-http-500", status(500, Some("boom"))),
            ("add-provider-non-json", Fault::Garbage),
        ] {
            let stage = Stage::new(release);
            stage.provider.faults().set(Endpoint::Token, fault);
            stage.replay(&[name]);
        }
    }
}
