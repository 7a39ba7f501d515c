//! What a provider has given is not lost when nobody waits for it: a code is spent once.

use std::{io::Write, os::unix::net::UnixStream, time::Duration};

use oidc_tests::provider::{Endpoint, Fault, Recorded};
use serde_json::{Value, json};

use crate::stage::{Stage, text, wait_until};

/// Longer than the provider is delayed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Sends a request and goes away once the provider was asked.
fn ask_and_leave(stage: &Stage, request: &Value) {
    let mut stream = UnixStream::connect(stage.agent.socket()).expect("a connection");
    stream.write_all(request.to_string().as_bytes()).expect("sent");
    let asked = |request: &Recorded| request.endpoint == Endpoint::Token;
    assert!(stage.provider.log().wait_for(1, PATIENCE, asked), "the provider was not asked");
}

/// Polls, and goes away once a poll has reached the provider: the first ones come too early for it.
fn poll_and_leave(stage: &Stage, poll: &Value) {
    wait_until(|| {
        let mut stream = UnixStream::connect(stage.agent.socket()).expect("a connection");
        stream.write_all(poll.to_string().as_bytes()).expect("sent");
        let asked = |request: &Recorded| request.endpoint == Endpoint::Token;
        stage.provider.log().wait_for(1, Duration::from_millis(100), asked)
    });
}

fn delay_tokens(stage: &Stage, milliseconds: u64) {
    stage.provider.faults().queue(Endpoint::Token, Fault::Delay { milliseconds });
}

#[test]
fn a_device_login_whose_client_went_away_is_there_for_the_next_poll() {
    let stage = Stage::new();
    let account = stage.registered("demo", &["http://localhost:4242".into()]);
    let device = stage.begin(&account, "device", json!({}))["oidc_device"].clone();
    stage.provider.decide_device(&text(&device["user_code"]), true);
    let poll = json!({"request": "device", "oidc_device": device, "only_at": 0});
    delay_tokens(&stage, 500);
    poll_and_leave(&stage, &poll);
    wait_until(|| stage.is_loaded("demo"));
    let reply = stage.request(&poll);
    assert_eq!(reply["config"]["name"], "demo", "{reply}");
    assert_eq!(stage.request(&poll)["error"], "wrong device code");
    assert!(stage.refreshes("demo"));
}

#[test]
fn a_device_login_that_ends_under_the_lock_is_there_after_it() {
    let stage = Stage::new();
    let account = stage.registered("demo", &["http://localhost:4242".into()]);
    let device = stage.begin(&account, "device", json!({}))["oidc_device"].clone();
    stage.provider.decide_device(&text(&device["user_code"]), true);
    let poll = json!({"request": "device", "oidc_device": device, "only_at": 0});
    delay_tokens(&stage, 2000);
    poll_and_leave(&stage, &poll);
    assert_eq!(stage.request(&json!({"request": "lock", "password": "pw"}))["status"], "success");
    wait_until(|| stage.agent.log().contains("logged in"));
    assert_eq!(stage.request(&poll)["error"], "Agent locked");
    assert_eq!(stage.request(&json!({"request": "unlock", "password": "pw"}))["status"], "success");
    let reply = stage.request(&poll);
    assert_eq!(reply["config"]["name"], "demo", "{reply}");
    assert!(stage.is_loaded("demo") && stage.refreshes("demo"));
}

#[test]
fn a_code_whose_client_went_away_is_exchanged_all_the_same() {
    let stage = Stage::new();
    let login = stage.begin_code("demo", json!({"no_webserver": 1}));
    delay_tokens(&stage, 500);
    let redirected = login.redirected();
    let exchange = json!({"request": "code_exchange", "redirect_uri": redirected, "from_gen": 1});
    ask_and_leave(&stage, &exchange);
    wait_until(|| stage.is_loaded("demo"));
    assert_eq!(stage.lookup(&login.state)["config"]["name"], "demo");
    assert!(stage.refreshes("demo"));
}

#[test]
fn a_provider_that_takes_its_time_with_a_code_costs_no_login() {
    // Longer than any other answer is waited for.
    let late = 10_500;
    let stage = Stage::new();
    let login = stage.begin_code("demo", json!({}));
    delay_tokens(&stage, late);
    assert_eq!(login.browse().status, 200);
    assert_eq!(stage.lookup(&login.state)["config"]["name"], "demo");
}

#[test]
fn the_end_of_the_agent_waits_for_a_code_that_was_sent() {
    let mut stage = Stage::new();
    let login = stage.begin_code("demo", json!({"no_webserver": 1}));
    delay_tokens(&stage, 1000);
    let redirected = login.redirected();
    let exchange = json!({"request": "code_exchange", "redirect_uri": redirected, "from_gen": 1});
    ask_and_leave(&stage, &exchange);
    stage.agent.terminate().expect("ended");
    assert!(stage.agent.log().contains("logged in"), "{}", stage.agent.log());
}
