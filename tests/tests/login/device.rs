//! The device flow.

use oidc_tests::{
    environment::PASSWORD,
    programs::run,
    provider::{Endpoint, Fault, Quirks},
};
use serde_json::{Value, json};

use crate::stage::{Stage, text, wait_until};

fn begin(stage: &Stage, fields: Value) -> Value {
    let account = stage.registered("demo", &["http://localhost:4242".into()]);
    let reply = stage.begin(&account, "device", fields);
    assert_eq!(reply["status"], "accepted", "{reply}");
    reply["oidc_device"].clone()
}

fn poll(stage: &Stage, device: &Value) -> Value {
    stage.request(&json!({"request": "device", "oidc_device": device, "only_at": 0}))
}

/// As [`poll_to_the_end`], however often the provider finds that too often.
fn poll_until_over(stage: &Stage, device: &Value) -> Value {
    let mut reply = poll_to_the_end(stage, device);
    while reply["error"] == "slow_down" {
        reply = poll_to_the_end(stage, device);
    }
    reply
}

/// Polls until the answer is another one than `authorization_pending`.
fn poll_to_the_end(stage: &Stage, device: &Value) -> Value {
    let mut reply = Value::Null;
    wait_until(|| {
        reply = poll(stage, device);
        reply["error"] != "authorization_pending"
    });
    reply
}

fn polls(stage: &Stage) -> usize {
    stage.provider.log().requests().iter().filter(|request| request.endpoint == Endpoint::Token).count()
}

#[test]
fn a_login_by_code_from_start_to_token() {
    let stage = Stage::new();
    let device = begin(&stage, json!({}));
    assert_eq!(device["interval"], 1);
    assert!(device["expires_in"].is_u64());
    assert!(text(&device["verification_uri_complete"]).starts_with(&text(&device["verification_uri"])));

    let pending = poll(&stage, &device);
    assert_eq!((&pending["status"], &pending["error"]), (&json!("failure"), &json!("authorization_pending")));
    assert_eq!(polls(&stage), 0, "a poll before the interval is over is not the provider's business");

    assert!(stage.provider.decide_device(&text(&device["user_code"]), true));
    let reply = poll_to_the_end(&stage, &device);
    assert_eq!(reply["status"], "success", "{reply}");
    assert_eq!(reply["config"]["name"], "demo");
    assert!(reply["config"]["device_authorization_endpoint"].is_string());
    assert!(stage.is_loaded("demo") && stage.refreshes("demo"));
    assert_eq!(poll(&stage, &device)["error"], "wrong device code");
}

#[test]
fn a_refusal_ends_it() {
    let stage = Stage::new();
    let device = begin(&stage, json!({}));
    stage.provider.decide_device(&text(&device["user_code"]), false);
    let reply = poll_to_the_end(&stage, &device);
    assert!(text(&reply["error"]).starts_with("access_denied"), "{reply}");
    assert_eq!(poll(&stage, &device)["error"], "wrong device code");
}

#[test]
fn slow_down_is_passed_on() {
    let stage = Stage::new();
    let device = begin(&stage, json!({}));
    let slow_down =
        Fault::OAuthError { status: 400, error: "slow_down".into(), description: Some("too fast".into()) };
    stage.provider.faults().queue(Endpoint::Token, slow_down);
    let reply = poll_to_the_end(&stage, &device);
    assert_eq!((&reply["error"], &reply["error_code"]), (&json!("slow_down"), &json!("slow_down")));
}

#[test]
fn a_provider_that_is_away_for_a_moment_ends_nothing() {
    let stage = Stage::new();
    let device = begin(&stage, json!({}));
    stage.provider.faults().set(Endpoint::Token, Fault::DropBefore);
    wait_until(|| {
        let reply = poll(&stage, &device);
        assert_eq!(reply["error"], "authorization_pending", "{reply}");
        polls(&stage) > 0
    });
    stage.provider.faults().clear_all();
    stage.provider.decide_device(&text(&device["user_code"]), true);
    assert_eq!(poll_to_the_end(&stage, &device)["status"], "success");
}

#[test]
fn an_access_token_alone_loads_nothing() {
    let stage = Stage::new();
    let device = begin(&stage, json!({"only_at": 1}));
    stage.provider.decide_device(&text(&device["user_code"]), true);
    let reply = poll_to_the_end(&stage, &device);
    assert!(reply["access_token"].is_string(), "{reply}");
    assert!(!stage.is_loaded("demo"));
}

#[test]
fn without_the_endpoint_it_says_so() {
    let stage = Stage::new();
    stage.provider.change(|quirks| quirks.metadata_without.push("device_authorization_endpoint".into()));
    let account = stage.registered("demo", &["http://localhost:4242".into()]);
    let reply = stage.begin(&account, "device", json!({}));
    assert_eq!(reply["error"], "Device Flow not Supported by OpenID Provider");
}

/// What the person is told when the time of a code is over: that nobody used it, or what went wrong first.
#[test]
fn a_code_that_expires_meanwhile_ends_with_the_reason() {
    let stage = Stage::with(Quirks { device_lifetime: 2, ..Quirks::default() });
    let device = begin(&stage, json!({}));
    let reply = poll_until_over(&stage, &device);
    assert!(text(&reply["error"]).starts_with("expired_token"), "{reply}");
    assert_eq!(reply["error_code"], "provider_refused");
    assert_eq!(poll(&stage, &device)["error"], "wrong device code");

    stage.provider.faults().set(
        Endpoint::Token,
        Fault::Status { status: 503, retry_after: None, body: Some("<h1>Maintenance</h1>".into()) },
    );
    let device = begin(&stage, json!({}));
    let reply = poll_until_over(&stage, &device);
    assert!(text(&reply["error"]).contains("Http Status Code 503"), "{reply}");
    assert_eq!(reply["error_code"], "provider_unreachable");
}

/// The same by the command, which counts the time itself.
#[test]
fn the_command_ends_with_the_first_failure_as_well() {
    let stage = Stage::with(Quirks { device_lifetime: 3, ..Quirks::default() });
    let log_in = || {
        let mut command = stage.agent.command(&stage.environment, "oidc");
        command.args(["gen", "demo", "--issuer", &stage.provider.issuer(), "--flow", "device"]);
        command
            .args(["--prompt", "none", "--confirm-default", "--pw-env"])
            .env("OIDC_ENCRYPTION_PW", PASSWORD);
        run(command)
    };
    let finished = log_in();
    assert_eq!(finished.code, Some(9), "{finished:?}");
    assert!(finished.stderr.contains("expired_token"), "{finished:?}");
    stage
        .provider
        .faults()
        .set(Endpoint::Token, Fault::Status { status: 502, retry_after: None, body: None });
    let finished = log_in();
    assert_eq!(finished.code, Some(8), "{finished:?}");
    assert!(finished.stderr.contains("Http Status Code 502"), "{finished:?}");
}
