//! The device flow.

use oidc_tests::provider::{Endpoint, Fault};
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
