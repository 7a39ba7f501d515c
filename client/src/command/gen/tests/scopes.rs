//! Which scopes a login asks for: those of the agent's provider data, and of nobody twice.

use oidc_proto::{
    error_code::ErrorCode,
    message::{ProviderReport, Reply, Request},
};
use serde_json::{Value, json};

use super::{super::testing::Stage, ISSUER, error, failure, good_agent, last_login};

/// An agent that knows this of its provider.
fn agent_that_knows(effective: &Value) -> impl FnMut(&Request) -> Reply + use<> {
    let effective = effective.as_object().expect("an object").clone();
    let report = ProviderReport { effective, ..ProviderReport::default() }.to_info();
    let mut agent = good_agent();
    move |request| match request {
        Request::Provider(_) => Reply::success_with(report.clone()),
        other => agent(other),
    }
}

fn asked(stage: &Stage, name: &str) -> usize {
    stage.requests().iter().filter(|request| request.name() == name).count()
}

/// Without scopes, and with nobody to ask.
const SILENT: &[&str] = &["acc", "--issuer", ISSUER, "--pw-cmd", "echo pw", "--prompt=none"];

#[test]
fn the_usual_scopes_are_those_of_the_provider_data() {
    let mut stage = Stage::new(agent_that_knows(
        &json!({"default_scopes": "openid eduperson", "offline_access_scope": false}),
    ));
    let run = stage.run(SILENT);
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    assert_eq!(last_login(&stage).config.auth_scope.as_deref(), Some("openid eduperson"));
    assert_eq!((asked(&stage, "scopes"), asked(&stage, "provider")), (1, 1));

    let mut stage = Stage::new(agent_that_knows(&json!({"offline_access_scope": false})));
    let run = stage.run(&[SILENT, &["--scope", "offline_access email"]].concat());
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    assert_eq!(last_login(&stage).config.auth_scope.as_deref(), Some("email openid"));
}

#[test]
fn an_agent_that_knows_no_providers_is_told_the_usual_scopes() {
    let mut agent = good_agent();
    let mut stage = Stage::new(move |request| match request {
        Request::Provider(_) => failure(ErrorCode::BadRequest, "Bad request: provider"),
        other => agent(other),
    });
    let run = stage.run(SILENT);
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    // The provider does not list `profile`.
    assert_eq!(last_login(&stage).config.auth_scope.as_deref(), Some("openid offline_access"));
}

#[test]
fn a_provider_that_is_away_is_waited_for_once() {
    for more in [&[][..], &["--scope", "openid"]] {
        let mut agent = good_agent();
        let mut stage = Stage::new(move |request| match request {
            Request::Scopes(_) => failure(ErrorCode::ProviderUnreachable, "nobody there"),
            other => agent(other),
        });
        let ended = error(stage.run(&[SILENT, more].concat()));
        assert_eq!(ended.failure_code(), Some(ErrorCode::ProviderUnreachable));
        assert_eq!(asked(&stage, "scopes"), 1);
        let after = ["provider", "register", "gen"].map(|name| asked(&stage, name));
        assert_eq!(after, [0, 0, 0]);
    }
}

#[test]
fn the_provider_of_an_issuer_that_was_asked_for_is_looked_at_once() {
    let mut stage = Stage::new(good_agent()).with_answers(&[
        ("Issuer", "op.example"),
        ("Scopes", "max"),
        ("Enter encryption password", "pw"),
        ("Confirm encryption password", "pw"),
    ]);
    let run = stage.run(&["acc", "--flow", "device"]);
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    assert_eq!((asked(&stage, "scopes"), asked(&stage, "provider")), (1, 1));
}
