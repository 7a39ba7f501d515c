//! What can go wrong at a provider, at each stage of a request: a clear error at once that names the provider, no more
//! requests than do no harm, and nobody else notices.

use std::time::Duration;

use oidc_proto::account::AccountConfig;
use oidc_tests::{
    agent::Agent,
    environment::Environment,
    provider::{Endpoint, Fault, Provider, Quirks},
    scene::{Scene, access_token, timed},
};
use serde_json::{Value, json};

/// An answer that waits for nothing: generous for a busy machine, far below any deadline.
const AT_ONCE: Duration = Duration::from_secs(4);

/// A fault, and what comes of it.
struct Row {
    at: Endpoint,
    fault: Fault,
    code: &'static str,
    says: &'static [&'static str],
    /// Requests at the endpoint.
    requests: usize,
}

fn row(
    at: Endpoint,
    fault: Fault,
    code: &'static str,
    says: &'static [&'static str],
    requests: usize,
) -> Row {
    Row { at, fault, code, says, requests }
}

fn status(status: u16, retry_after: Option<u64>, body: &str) -> Fault {
    Fault::Status { status, retry_after, body: Some(body.to_owned()) }
}

fn bytes(status: u16, content_type: &str, body: &[u8]) -> Fault {
    Fault::Bytes { status, content_type: content_type.to_owned(), body: body.to_owned() }
}

fn oauth(status: u16, error: &str, description: &str) -> Fault {
    Fault::OAuthError { status, error: error.to_owned(), description: Some(description.to_owned()) }
}

fn table() -> Vec<Row> {
    use Endpoint::{Discovery, Token};
    const ENDED: &[&str] = &["could not connect to url", "connection ended before the answer was complete"];
    const NO_JSON: &[&str] = &["Provider answered with unexpected response", "JSON expected"];
    let nested = "[".repeat(200_000);
    vec![
        // What may have been processed is not sent again.
        row(Token, Fault::DropBefore, "provider_unreachable", ENDED, 1),
        row(Token, Fault::DropAfter, "provider_unreachable", ENDED, 1),
        row(Token, Fault::HalfReply, "provider_unreachable", ENDED, 1),
        row(Token, status(500, None, "oops"), "provider_unreachable", &["Http Status Code 500"], 1),
        row(Token, status(502, None, "oops"), "provider_unreachable", &["Http Status Code 502"], 1),
        row(Token, status(502, Some(0), "oops"), "provider_unreachable", &["Http Status Code 502"], 1),
        row(Token, status(503, None, "oops"), "provider_unreachable", &["Http Status Code 503"], 1),
        row(Token, status(504, Some(0), "oops"), "provider_unreachable", &["Http Status Code 504"], 1),
        // What was not, is; and who is to wait for long is told so.
        row(Token, status(503, Some(0), "oops"), "provider_unreachable", &["Http Status Code 503"], 3),
        row(Token, status(429, None, "oops"), "provider_unreachable", &["Http Status Code 429"], 3),
        row(
            Token,
            status(503, Some(100_000), "oops"),
            "provider_unreachable",
            &["Http Status Code 503", "left alone for 86400 s"],
            1,
        ),
        row(
            Token,
            status(429, Some(u64::MAX), r#"{"error":"slow_down"}"#),
            "slow_down",
            &["slow_down", "left alone for 86400 s"],
            1,
        ),
        // Refusals, in the provider's words.
        row(Token, oauth(400, "invalid_grant", "spent"), "login_needed", &["invalid_grant: spent"], 1),
        // Once with the scopes of the login, once without.
        row(Token, oauth(400, "invalid_scope", "no"), "invalid_scope", &["invalid_scope: no"], 2),
        row(Token, oauth(400, "slow_down", "no"), "slow_down", &["slow_down"], 1),
        row(Token, oauth(401, "invalid_client", "no"), "invalid_client", &["invalid_client: no"], 3),
        row(Token, oauth(500, "server_error", "no"), "provider_refused", &["server_error: no"], 1),
        row(
            Token,
            oauth(400, "odd", "\u{1b}[2J\u{202e}x"),
            "provider_refused",
            &["odd: \\u{1b}[2J\\u{202e}x"],
            1,
        ),
        // Nonsense.
        row(Token, Fault::Garbage, "provider_bad_response", NO_JSON, 1),
        row(Token, status(200, None, "<html>"), "provider_bad_response", NO_JSON, 1),
        row(Token, status(200, None, ""), "provider_bad_response", NO_JSON, 1),
        row(Token, status(204, None, ""), "provider_bad_response", NO_JSON, 1),
        row(Token, status(200, None, "[]"), "provider_bad_response", NO_JSON, 1),
        row(Token, status(200, None, &nested), "provider_bad_response", NO_JSON, 1),
        row(Token, status(200, None, "{}"), "provider_bad_response", &["access_token expected"], 1),
        row(Token, status(403, None, ""), "provider_bad_response", &["Http Status Code 403"], 3),
        row(Token, status(403, None, "No\nmore"), "provider_bad_response", &["Code 403", ": No"], 3),
        row(
            Token,
            bytes(200, "text/html", b"<html><title>Sign in</title>"),
            "provider_bad_response",
            &["a web page 'Sign in'"],
            1,
        ),
        row(
            Token,
            bytes(200, "application/json", b"\x1f\x8b\x08\0\0"),
            "provider_bad_response",
            &["compressed data (gzip)"],
            1,
        ),
        row(
            Token,
            bytes(200, "application/json", b"\xff\xfe{\0}\0"),
            "provider_bad_response",
            &["another encoding than UTF-8"],
            1,
        ),
        row(
            Token,
            status(400, None, r#"{"error":{"code":400,"message":"gone","status":"NOT_FOUND"}}"#),
            "provider_refused",
            &["NOT_FOUND: gone"],
            1,
        ),
        // A refresh token that is refused without a word.
        row(Token, status(400, None, ""), "login_needed", &["Http Status Code 400", "--reauthenticate"], 3),
        row(Token, status(401, None, ""), "login_needed", &["Http Status Code 401", "--reauthenticate"], 3),
        row(Token, status(400, None, "<title>Oops</title>"), "login_needed", &["Code 400", "Oops"], 3),
        row(
            Token,
            status(503, Some(20), "oops"),
            "provider_unreachable",
            &["Code 503", "left alone for 20 s"],
            1,
        ),
        row(Token, Fault::HugeBody { bytes: 100_000_000 }, "provider_bad_response", &["more than 1 MiB"], 1),
        row(
            Token,
            Fault::Redirect { to: "https://elsewhere.example/token".to_owned() },
            "provider_bad_response",
            &["redirects to elsewhere.example"],
            1,
        ),
        // Looking for the provider does no harm, so it is done again.
        row(Discovery, Fault::DropBefore, "provider_unreachable", ENDED, 3),
        row(Discovery, Fault::HalfReply, "provider_unreachable", ENDED, 3),
        row(Discovery, status(502, None, ""), "provider_unreachable", &["Http Status Code 502"], 3),
        row(Discovery, status(500, None, ""), "provider_unreachable", &["Http Status Code 500"], 1),
        row(
            Discovery,
            status(404, None, ""),
            "provider_bad_response",
            &["metadata at one of the well-known"],
            2,
        ),
        row(Discovery, Fault::Garbage, "provider_bad_response", NO_JSON, 1),
        row(Discovery, status(200, None, &nested), "provider_bad_response", NO_JSON, 1),
        row(
            Discovery,
            Fault::HugeBody { bytes: 100_000_000 },
            "provider_bad_response",
            &["more than 1 MiB"],
            1,
        ),
        row(
            Discovery,
            Fault::Redirect { to: "http://elsewhere.example/".to_owned() },
            "bad_request",
            &["neither https nor on this machine"],
            1,
        ),
        row(
            Discovery,
            status(200, None, r#"{"issuer":"https://evil.example/"}"#),
            "provider_mismatch",
            &["Something is fishy", "--issuer https://evil.example/"],
            1,
        ),
        row(
            Discovery,
            bytes(200, "text/html", b"<title>Welcome</title>"),
            "provider_bad_response",
            &["metadata at one of the well-known", ".well-known/openid-configuration: a web page 'Welcome'"],
            2,
        ),
    ]
}

/// An agent that serves an account of a provider without faults, which nobody may notice anything of.
struct Others {
    scene: Scene,
}

impl Others {
    fn new() -> Self {
        let scene = Scene::with(Quirks::default(), oidc_tests::environment::FileFormat::Native);
        scene.add_unsaved("healthy");
        Self { scene }
    }

    fn agent(&self) -> &Agent {
        &self.scene.agent
    }

    /// Loads an account of another provider, without asking it anything.
    fn load(&self, account: &AccountConfig) {
        let request = json!({"request": "add", "config": account.to_object().members(), "plain_add": 1});
        let reply = self.agent().request(&request).expect("a reply");
        assert_eq!(reply["status"], "success", "{reply}");
    }

    fn ask(&self, name: &str) -> Value {
        self.agent().token(name, json!({"min_valid_period": -1}))
    }
}

#[test]
fn every_fault_has_a_clear_error_at_once() {
    let others = Others::new();
    for (number, Row { at, fault, code, says, requests }) in table().into_iter().enumerate() {
        let shown = format!("{at:?} {:.120}", format!("{fault:?}"));
        let provider = Provider::start();
        provider.tolerate_violations();
        let name = format!("account-{number}");
        others.load(&provider.seed_account(&name));
        provider.faults().set(at, fault);
        let (reply, elapsed) = timed(|| others.ask(&name));
        assert_eq!(reply["error_code"], code, "{shown}: {reply}");
        let text = format!(
            "{} {}",
            reply["error"].as_str().unwrap_or_default(),
            reply["info"].as_str().unwrap_or_default()
        );
        assert!(says.iter().all(|said| text.contains(said)), "{shown}: {text}");
        assert!(text.contains(&provider.origin()["http://".len()..]), "{shown} names the provider: {text}");
        assert!(elapsed < AT_ONCE, "{shown} took {elapsed:?}");
        assert_eq!(provider.log().count(at), requests, "{shown}: requests");
        let (healthy, elapsed) = timed(|| others.ask("healthy"));
        access_token(&healthy);
        assert!(elapsed < AT_ONCE, "{shown}: another account took {elapsed:?}");
    }
}

#[test]
fn a_provider_that_is_not_there_is_named() {
    let others = Others::new();
    let mut provider = Provider::start();
    others.load(&provider.seed_account("away"));
    provider.stop();
    let (reply, elapsed) = timed(|| others.ask("away"));
    assert_eq!(reply["error_code"], "provider_unreachable", "{reply}");
    assert!(reply["error"].as_str().is_some_and(|text| text.contains("Connection refused")), "{reply}");
    assert!(elapsed < AT_ONCE, "{elapsed:?}");
}

/// What the metadata lack is named by whoever needs it.
#[test]
fn metadata_without_what_is_needed_are_told_by_what_is_missing() {
    let others = Others::new();
    for (without, request, code, says) in [
        (
            "token_endpoint",
            json!({"request": "access_token", "account": "lacking", "min_valid_period": -1}),
            "not_supported_by_provider",
            "Could not get token endpoint",
        ),
        (
            "authorization_endpoint",
            json!({"request": "gen", "flow": ["code"]}),
            "not_supported_by_provider",
            "Authorization code flow is not supported",
        ),
        (
            "device_authorization_endpoint",
            json!({"request": "gen", "flow": ["device"]}),
            "not_supported_by_provider",
            "Device Flow not Supported",
        ),
        (
            "registration_endpoint",
            json!({"request": "register", "flow": ["code"]}),
            "registration_closed",
            "Dynamic registration is not supported",
        ),
        (
            "revocation_endpoint",
            json!({"request": "delete"}),
            "not_supported_by_provider",
            "Token revocation is not supported",
        ),
        ("issuer", json!({"request": "gen", "flow": ["code"]}), "provider_mismatch", "found none"),
    ] {
        let quirks = Quirks { metadata_without: vec![without.to_owned()], ..Quirks::default() };
        let provider = Provider::with(quirks);
        let mut account = provider.seed_account("lacking");
        if request["request"] == "access_token" {
            others.load(&account);
        } else {
            account.name = Some(format!("new-{}", without.replace('_', "-")));
            account.redirect_uris = vec!["http://localhost:0".into()];
        }
        let mut request = request.clone();
        request["config"] = account.to_object().into_value();
        let reply = others.agent().request(&request).expect("a reply");
        assert_eq!(reply["error_code"], code, "{without}: {reply}");
        let text = format!("{} {}", reply["error"], reply["info"]);
        assert!(text.contains(says), "{without}: {text}");
        assert!(text.contains(&provider.origin()["http://".len()..]), "{without} names the provider: {text}");
    }
}

#[test]
fn endpoints_that_nothing_may_be_sent_to_get_nothing() {
    let others = Others::new();
    for (number, endpoint) in
        ["http://elsewhere.example/token", "file:///etc/passwd", "ftp://127.0.0.1/token", "token", "https://"]
            .into_iter()
            .enumerate()
    {
        let mut quirks = Quirks::default();
        quirks.metadata_with.insert("token_endpoint".to_owned(), endpoint.into());
        let provider = Provider::with(quirks);
        let name = format!("account-{number}");
        others.load(&provider.seed_account(&name));
        let reply = others.ask(&name);
        assert_eq!(reply["error_code"], "bad_request", "{endpoint}: {reply}");
        let text = reply["error"].as_str().unwrap_or_default();
        assert!(text.contains("neither https nor on this machine"), "{endpoint}: {text}");
    }
}

#[test]
fn a_path_to_certificates_that_leads_nowhere_concerns_nobody_else() {
    let others = Others::new();
    let environment = Environment::new();
    let fifo = environment.path("fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .expect("a FIFO");
    let huge = environment.path("huge");
    fs_err::File::create(&huge).expect("created").set_len(1 << 30).expect("a sparse file");
    let paths = [fifo.display().to_string(), "/dev/zero".into(), "/".into(), huge.display().to_string()];
    for (number, path) in (0..200).zip(paths.iter().cycle()) {
        let request = json!({"request": "scopes", "issuer": format!("https://localhost:9/{number}"), "cert_path": path});
        let (reply, elapsed) = timed(|| others.agent().request(&request).expect("a reply"));
        let text = reply["error"].as_str().unwrap_or_default();
        assert!(text.contains("is no regular file") || text.contains("is larger than"), "{reply}");
        assert!(elapsed < AT_ONCE, "{path} took {elapsed:?}");
    }
    access_token(&others.ask("healthy"));
}
