//! Against a mytoken server that answers what it is told to.

use std::{sync::Arc, time::Duration};

use oidc_proto::{error_code::ErrorCode, secret::RefreshToken};
use serde_json::json;

use super::*;
use crate::{
    clock::Clock,
    provider::{
        DevicePoll, IssuerSettings,
        testing::{Asked, Reply, Scripted, soon},
    },
};

const ISSUER: &str = "https://op.example/realms/x";

/// A server that answers for its metadata itself.
async fn server(script: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Scripted {
    Scripted::start(move |asked, origin| match asked.path.as_str() {
        WELL_KNOWN => Reply::json(
            json!({
                "issuer": origin,
                "access_token_endpoint": format!("{origin}/at"),
                "mytoken_endpoint": format!("{origin}/my"),
                "revocation_endpoint": format!("{origin}/revoke"),
                "providers_supported": [{"issuer": format!("{ISSUER}/"), "scopes_supported": ["openid"]}, 7, {}],
            })
            .to_string(),
        ),
        _ => script(asked),
    })
    .await
}

fn open(server: &Scripted) -> Arc<Provider> {
    let providers = Providers::new(Clock::system(), |_| IssuerSettings::default());
    providers.keeper(&account(server)).expect("an address")
}

fn account(server: &Scripted) -> AccountConfig {
    AccountConfig {
        issuer_url: Some(ISSUER.to_owned()),
        mytoken_url: Some(format!("{}/", server.issuer())),
        config_endpoint: Some(format!("{ISSUER}/.well-known/openid-configuration")),
        ..AccountConfig::default()
    }
}

fn mytoken() -> RefreshToken {
    RefreshToken::from("mt-secret")
}

fn wanted<'a>(mytoken: &'a RefreshToken, scope: Option<&'a str>) -> MytokenUse<'a> {
    MytokenUse { mytoken, scope, usual_scope: Some("openid a offline_access"), audience: Some("one two") }
}

#[tokio::test]
async fn an_access_token_is_asked_for_as_the_c_suite_does() {
    let server = server(|_| {
        Reply::json(
            r#"{"access_token":"at","expires_in":60,"token_update":{"mytoken":"mt-2","expires_in":99}}"#,
        )
    })
    .await;
    let response = open(&server).use_mytoken(wanted(&mytoken(), None), soon()).await.expect("a token");
    assert_eq!(response.access_token.expose(), "at");
    assert_eq!(response.expires_in, Some(Duration::from_secs(60)));
    assert_eq!(response.refresh_token, Some("mt-2".into()));
    assert_eq!(response.refresh_expires_in, Some(Duration::from_secs(99)));
    let asked = server.asked("/at").pop().expect("asked");
    assert_eq!(
        asked.body,
        "grant_type=refresh_token&refresh_token=mt-secret&scope=openid%20a&audience=one%20two"
    );
    assert_eq!(asked.header("authorization"), CLIENT_HEADER);
}

/// `mytoken:mytoken` (RFC 7617).
const CLIENT_HEADER: &str = "Basic bXl0b2tlbjpteXRva2Vu";

#[tokio::test]
async fn scopes_that_the_mytoken_is_not_for_are_left_out_unless_they_were_asked_for() {
    let server = server(|asked| {
        if asked.body.contains("scope=") {
            Reply::status(403, r#"{"error":"usage_restricted","error_description":"not allowed"}"#)
        } else {
            Reply::json(r#"{"access_token":"at"}"#)
        }
    })
    .await;
    let response = open(&server).use_mytoken(wanted(&mytoken(), None), soon()).await.expect("a token");
    assert!(response.login_scope_refused && response.refresh_token.is_none());
    let refused =
        open(&server).use_mytoken(wanted(&mytoken(), Some("a")), soon()).await.expect_err("refused");
    assert_eq!((refused.code(), refused.is_dead_token()), (ErrorCode::ProviderRefused, false));
    let info = refused.to_failure("acc", ISSUER).info.unwrap_or_default();
    assert!(info.contains("oidc gen --reauthenticate acc --mytoken=PROFILE"), "{info}");
}

#[tokio::test]
async fn what_only_another_mytoken_mends_is_told_from_the_rest() {
    for (status, body, code) in [
        (401, r#"{"error":"invalid_token","error_description":"mt-secret revoked"}"#, ErrorCode::LoginNeeded),
        (401, r#"{"error":"invalid_token"}"#, ErrorCode::LoginNeeded),
        (400, r#"{"error":"oidc_error","error_description":"invalid_grant: gone"}"#, ErrorCode::LoginNeeded),
        (400, r#"{"error":"oidc_error","error_description":"invalid_scope"}"#, ErrorCode::ProviderRefused),
        (
            400,
            r#"{"error":"invalid_grant","error_description":"Unsupported grant_type"}"#,
            ErrorCode::ProviderRefused,
        ),
        (403, r#"{"error":"insufficient_capabilities"}"#, ErrorCode::ProviderRefused),
        (500, r#"{"error":"invalid_token"}"#, ErrorCode::ProviderRefused),
        (502, "<html><title>Bad gateway</title>", ErrorCode::ProviderUnreachable),
        (200, "<html><title>Sign in</title>", ErrorCode::ProviderBadResponse),
        (200, "{}", ErrorCode::ProviderBadResponse),
    ] {
        let server = server(move |_| Reply::status(status, body)).await;
        let error = open(&server).use_mytoken(wanted(&mytoken(), Some("a")), soon()).await.expect_err(body);
        assert_eq!(error.code(), code, "{body}");
        let failure = error.to_failure("acc", ISSUER);
        assert!(!format!("{failure:?}").contains("mt-secret"), "{failure:?}");
    }
}

#[tokio::test]
async fn a_profile_decides_what_and_not_how() {
    let server = server(|_| {
        Reply::json(
            r#"{"polling_code":"pc","consent_uri":"https://mt.example/c/1","interval":7,"expires_in":300}"#,
        )
    })
    .await;
    for (profile, expected) in [
        (Some(json!("agent")), json!({"include": "agent", "name": "n"})),
        (Some(json!(["a", "b"])), json!({"include": ["a", "b"], "name": "n"})),
        (
            Some(
                json!({"capabilities": ["AT"], "name": "own", "grant_type": "x", "redirect_uri": "y", "mytoken": "z"}),
            ),
            json!({"capabilities": ["AT"], "name": "own"}),
        ),
        (Some(json!(7)), json!({"name": "n"})),
        (None, json!({"name": "n"})),
    ] {
        let login = MytokenLogin { issuer: ISSUER, profile: profile.as_ref(), name: "n" };
        let begun = open(&server).begin_mytoken(login, soon()).await.expect("begun");
        assert_eq!(begun.device_code.expose(), "pc");
        assert_eq!(begun.verification_uri, "https://mt.example/c/1");
        assert_eq!((begun.interval.as_secs(), begun.expires_in), (7, Some(Duration::from_secs(300))));
        let mut sent: Value =
            serde_json::from_str(&server.asked("/my").pop().expect("asked").body).expect("JSON");
        for (key, value) in [
            ("oidc_issuer", ISSUER),
            ("grant_type", "oidc_flow"),
            ("oidc_flow", "authorization_code"),
            ("client_type", "native"),
            ("response_type", "token"),
            ("application_name", "oidc-agent"),
        ] {
            assert_eq!(sent.as_object_mut().expect("an object").remove(key), Some(value.into()), "{key}");
        }
        assert_eq!(sent, expected);
    }
}

#[tokio::test]
async fn a_page_that_no_browser_may_be_sent_to_is_none() {
    for uri in ["javascript:alert(1)", "file:///etc/passwd", ""] {
        let answer = json!({"polling_code": "pc", "consent_uri": uri}).to_string();
        let server = server(move |_| Reply::json(answer.clone())).await;
        let login = MytokenLogin { issuer: ISSUER, profile: None, name: "n" };
        let error = open(&server).begin_mytoken(login, soon()).await.expect_err(uri);
        assert_eq!(error.code(), ErrorCode::ProviderBadResponse, "{uri}");
    }
}

#[tokio::test]
async fn polling_goes_on_until_there_is_a_mytoken() {
    let answers = [
        (428, r#"{"error":"authorization_pending"}"#),
        (400, r#"{"error":"slow_down"}"#),
        (401, r#"{"error":"access_denied","error_description":"user declined consent"}"#),
        (401, r#"{"error":"expired_token"}"#),
        (200, r#"{"transfer_code":"tc"}"#),
        (200, r#"{"mytoken":"mt-1","expires_in":60}"#),
    ];
    let mut seen = Vec::new();
    for (status, body) in answers {
        let server = server(move |_| Reply::status(status, body)).await;
        let provider = open(&server);
        let authorization = crate::provider::DeviceAuthorization {
            device_code: "pc".into(),
            user_code: String::new(),
            verification_uri: "https://mt.example/c".to_owned(),
            verification_uri_complete: None,
            expires_in: None,
            interval: Duration::from_secs(5),
            code_verifier: None,
        };
        seen.push(match provider.poll_mytoken(&authorization, soon()).await {
            Ok(DevicePoll::Pending) => "pending".to_owned(),
            Ok(DevicePoll::SlowDown) => "slow down".to_owned(),
            Ok(DevicePoll::Mytoken(mytoken)) => mytoken.token.expose().to_owned(),
            Ok(other) => format!("{other:?}"),
            Err(error) => error.code().to_string(),
        });
        let sent = server.asked("/my").pop().expect("asked").body;
        assert_eq!(sent, r#"{"grant_type":"polling_code","polling_code":"pc"}"#);
    }
    let expected =
        ["pending", "slow down", "provider_refused", "provider_refused", "provider_bad_response", "mt-1"];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn the_successor_is_no_part_of_what_was_made() {
    let server = server(|_| {
        Reply::json(r#"{"mytoken":"sub","capabilities":["AT"],"token_update":{"mytoken":"mt-2"}}"#)
    })
    .await;
    let own = mytoken();
    let profile = json!({"capabilities": ["AT"]});
    let wanted = Subtoken { mytoken: &own, issuer: ISSUER, profile: &profile, name: "n" };
    let minted = open(&server).make_subtoken(wanted, soon()).await.expect("made");
    assert_eq!(minted.answer.to_json().as_str(), r#"{"mytoken":"sub","capabilities":["AT"]}"#);
    assert_eq!(minted.successor.map(|successor| successor.token), Some("mt-2".into()));
    let sent: Value = serde_json::from_str(&server.asked("/my").pop().expect("asked").body).expect("JSON");
    assert_eq!(
        sent,
        json!({"capabilities": ["AT"], "name": "n", "oidc_issuer": ISSUER, "grant_type": "mytoken", "mytoken": "mt-secret"})
    );
}

#[tokio::test]
async fn a_mytoken_is_given_back_at_its_server() {
    let server = server(|_| Reply::status(204, "")).await;
    let providers = Providers::new(Clock::system(), |_| IssuerSettings::default());
    providers.revoke_login(&account(&server), &mytoken(), soon()).await.expect("revoked");
    assert_eq!(server.asked("/revoke").pop().expect("asked").body, r#"{"token":"mt-secret"}"#);
}

#[tokio::test]
async fn providers_are_spelled_as_the_server_spells_them() {
    let server = server(|_| Reply::status(404, "")).await;
    let provider = open(&server);
    let spelled = provider.mytoken_issuer(ISSUER, soon()).await.expect("metadata");
    assert_eq!(spelled, Some(format!("{ISSUER}/")));
    assert_eq!(provider.mytoken_issuer("https://other", soon()).await, Ok(None));
    assert_eq!(provider.mytoken_providers(soon()).await.expect("metadata").len(), 3);
}

#[tokio::test]
async fn another_servers_metadata_are_not_believed() {
    let server = Scripted::start(|_, _| {
        Reply::json(r#"{"issuer":"https://elsewhere.example","mytoken_endpoint":"x"}"#)
    })
    .await;
    let error = open(&server).mytoken_providers(soon()).await.expect_err("another one");
    assert_eq!(error.code(), ErrorCode::ProviderMismatch);
}

#[test]
fn addresses_of_metadata_are_told_apart() {
    let account =
        AccountConfig { mytoken_url: Some("https://mt.example/x/".to_owned()), ..AccountConfig::default() };
    for (address, is) in [
        ("https://mt.example/x/.well-known/mytoken-configuration", true),
        ("https://mt.example/xy/.well-known/mytoken-configuration", false),
        ("https://mt.example.evil/x/", false),
        ("https://op.example/.well-known/openid-configuration", false),
    ] {
        assert_eq!(is_of_mytoken_server(&account, address), is, "{address}");
    }
    assert!(!is_of_mytoken_server(&AccountConfig::default(), "https://mt.example/x/"));
}

#[tokio::test]
async fn a_server_is_looked_at_for_what_its_accounts_need() {
    let server = server(|_| Reply::json("{}")).await;
    let probed = open(&server).probe_mytoken_server(soon()).await.expect("it answers");
    assert!(probed.findings.iter().all(|finding| !finding.is_problem), "{:?}", probed.findings);

    let bare = Scripted::start(|_, origin| Reply::json(json!({"issuer": origin}).to_string())).await;
    let probed = open(&bare).probe_mytoken_server(soon()).await.expect("it answers");
    let problems: Vec<_> = probed.findings.iter().filter(|finding| finding.is_problem).collect();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].text.contains("access_token_endpoint"), "{problems:?}");

    let other = Scripted::start(|_, _| Reply::status(404, "")).await;
    let error = open(&other).probe_mytoken_server(soon()).await.expect_err("no such server");
    let failure = error.to_failure("acc", "https://op.example");
    assert!(failure.info.is_some_and(|info| info.contains("--mytoken-url is not correct")), "{error}");
}
