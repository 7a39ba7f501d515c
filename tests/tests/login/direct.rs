//! Logins without a person, their order, and what is asked beside them.

use oidc_tests::provider::{Endpoint, Quirks};
use serde_json::json;

use crate::stage::{Stage, text, wait_until};

#[test]
fn a_refresh_token_that_works_is_taken_over() {
    let stage = Stage::new();
    let account = stage.provider.seed_account("demo").to_object().into_value();
    let reply = stage.begin(&account, "refresh", json!({}));
    assert_eq!(reply["status"], "success", "{reply}");
    assert_ne!(reply["config"]["refresh_token"], account["refresh_token"], "it was rotated");
    assert_eq!(reply["config"]["issuer_url"], account["issuer_url"]);
    assert!(stage.is_loaded("demo") && stage.refreshes("demo"));
    assert_eq!(stage.provider.reuses(), 0);
}

#[test]
fn an_access_token_alone_comes_by_refresh_too() {
    let stage = Stage::new();
    let account = stage.provider.seed_account("demo").to_object().into_value();
    let reply = stage.begin(&account, "refresh", json!({"only_at": 1}));
    assert!(reply["access_token"].is_string() && reply["expires_at"].is_u64(), "{reply}");
    assert!(!stage.is_loaded("demo"));
}

#[test]
fn flows_follow_each_other() {
    let stage = Stage::new();
    let mut account = stage.registered("demo", &["http://localhost:4242".into()]);
    account["refresh_token"] = json!("rt-unknown");
    let run = |flows: &[&str]| stage.request(&json!({"request": "gen", "config": account, "flow": flows}));

    // The C suite's client names a single flow twice.
    let alone = run(&["refresh", "refresh"]);
    assert!(text(&alone["error"]).starts_with("invalid_grant"), "{alone}");
    let none = run(&["refresh", "password"]);
    assert_eq!(none["error"], "No flow was successful.");
    assert!(text(&none["info"]).contains("refresh: invalid_grant"));
    assert!(run(&["refresh", "password", "device"])["oidc_device"].is_object());
    assert_eq!(run(&["bla"])["error"], "Unknown flow 'bla'");
}

#[test]
fn an_unreachable_provider_is_named() {
    let stage = Stage::new();
    let mut account = stage.registered("demo", &["http://localhost:4242".into()]);
    account["issuer_url"] = json!("http://127.0.0.1:1/");
    let reply = stage.begin(&account, "device", json!({}));
    assert_eq!(reply["error_code"], "provider_unreachable");
    assert!(text(&reply["error"]).contains("127.0.0.1:1"));
}

#[test]
fn an_account_logs_in_again() {
    let stage = Stage::new();
    let again = |name: &str| stage.request(&json!({"request": "reauthenticate", "account": name}));
    assert_eq!(again("nosuch")["error"], "No account configured with that short name");
    let account = stage.registered("demo", &["http://localhost:4242".into()]);
    let device = stage.begin(&account, "device", json!({}))["oidc_device"].clone();
    stage.provider.decide_device(&text(&device["user_code"]), true);
    let poll = json!({"request": "device", "oidc_device": device});
    wait_until(|| stage.request(&poll)["status"] == "success");

    assert!(again("demo")["oidc_device"]["user_code"].is_string());
}

#[test]
fn scopes_are_those_of_the_metadata() {
    let stage = Stage::new();
    let reply = stage.request(
        &json!({"request": "scopes", "issuer": stage.provider.issuer(), "config_endpoint": "(null)"}),
    );
    assert_eq!(reply["status"], "success");
    assert!(text(&reply["info"]).contains("openid"));

    let silent =
        Stage::with(Quirks { metadata_without: vec!["scopes_supported".into()], ..Quirks::default() });
    let reply = silent.request(&json!({"request": "scopes", "issuer": silent.provider.issuer()}));
    assert_eq!((&reply["status"], &reply["info"]), (&json!("success"), &json!("")));
    assert_eq!(
        stage.request(&json!({"request": "scopes"}))["error"],
        "Bad Request: issuer url or configuration endpoint must be given"
    );
}

#[test]
fn what_was_got_is_given_back() {
    let stage = Stage::new();
    let account = stage.registered("demo", &["http://localhost:4242".into()]);
    let client_id = text(&account["client_id"]);
    assert!(stage.provider.has_client(&client_id));

    let seeded = stage.provider.seed_account("other");
    let config = stage.begin(&seeded.to_object().into_value(), "refresh", json!({}))["config"].clone();
    assert!(stage.refreshes("other"), "the token in the config is spent now");
    let deleted = stage.request(&json!({"request": "delete", "config": config}));
    assert_eq!(deleted, json!({"status": "success"}));
    assert!(!stage.is_loaded("other"));
    let revocation = stage.provider.log().requests();
    let revocation =
        revocation.iter().find(|request| request.endpoint == Endpoint::Revocation).expect("asked");
    assert_ne!(revocation.form.first("token"), config["refresh_token"].as_str(), "the newer one was revoked");

    let delete_client = json!({
        "request": "delete_client",
        "registration_client_uri": account["registration_client_uri"],
        "registration_access_token": account["registration_access_token"],
        "cert_path": "",
    });
    assert_eq!(stage.request(&delete_client)["status"], "success");
    assert!(!stage.provider.has_client(&client_id));
    let again = stage.request(&delete_client);
    assert_eq!(again["status"], "success", "who is gone is gone: {again}");
    assert!(text(&again["info"]).contains("most likely the client is gone"), "{again}");
}

#[test]
fn a_provider_without_revocation_is_told_apart() {
    let stage = Stage::new();
    stage.provider.change(|quirks| quirks.metadata_without.push("revocation_endpoint".into()));
    let config = stage.provider.seed_account("demo").to_object().into_value();
    let reply = stage.request(&json!({"request": "delete", "config": config}));
    assert_eq!(reply["error"], "Could not revoke token: Token revocation is not supported by this issuer.");
    assert!(text(&reply["info"]).contains("The login stays good until it expires"), "{reply}");

    // INDIGO IAM's say when.
    stage.provider.change(|quirks| {
        quirks.refresh_token_is_jwt = true;
        quirks.refresh_token_lifetime = Some(86_400);
    });
    let config = stage.provider.seed_account("demo").to_object().into_value();
    let reply = stage.request(&json!({"request": "delete", "config": config}));
    let info = text(&reply["info"]);
    assert!(info.contains("stays good until ") && info.contains(" GMT, for whoever"), "{reply}");
}

#[test]
fn the_agent_keeps_texts_for_a_client() {
    let stage = Stage::new();
    let name = "/tmp/oidc-gen:demo";
    let read = || stage.request(&json!({"request": "file_read", "filename": name}));
    let write = |data: &str| stage.request(&json!({"request": "file_write", "filename": name, "data": data}));
    assert_eq!(read()["error"], "File not found");
    assert_eq!(write("YWJjAA"), json!({"status": "success"}));
    write("ZGVmAA");
    assert_eq!(read(), json!({"status": "success", "data": "ZGVmAA"}));
    let removed = stage.request(&json!({"request": "file_remove", "filename": name}));
    assert_eq!(removed, json!({"status": "success"}));
    assert_eq!(read()["error"], "File not found");
    assert!(!std::path::Path::new(name).exists());
}
