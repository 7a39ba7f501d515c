//! A provider that hangs, lies, floods or sends elsewhere: a clear error in bounded time, and nobody else notices.

use std::{thread, time::Duration};

use oidc_tests::{
    environment::FileFormat,
    provider::{Endpoint, Fault, Provider, Quirks, Recorded, Rotation},
    scene::{ACCOUNT, Scene, access_token, timed},
};
use serde_json::json;

/// An answer that does not wait for anybody: generous for a busy machine, far below any deadline.
const AT_ONCE: Duration = Duration::from_secs(3);

#[test]
fn while_one_provider_hangs_other_accounts_are_served() {
    let scene = Scene::loaded();
    let healthy = Provider::start();
    scene.environment.add_account(&healthy.seed_account("other"), FileFormat::Native);
    scene.load("other");
    scene.ask(json!({}));
    scene.provider.faults().set(Endpoint::Token, Fault::Hang);
    let before = scene.provider.log().refreshes();
    thread::scope(|scope| {
        let hanging = scope.spawn(|| timed(|| scene.ask(json!({"min_valid_period": -1}))));
        assert!(scene.provider.log().wait_for(before + 1, Duration::from_secs(10), Recorded::is_refresh));

        let (reply, elapsed) = timed(|| scene.agent.token("other", json!({"min_valid_period": -1})));
        access_token(&reply);
        assert!(elapsed < AT_ONCE, "a new token of another account took {elapsed:?}");
        // The same account's cached token needs no provider either.
        let (reply, elapsed) = timed(|| scene.ask(json!({})));
        access_token(&reply);
        assert!(elapsed < AT_ONCE, "a cached token took {elapsed:?}");

        let (reply, elapsed) = hanging.join().expect("a reply");
        assert_eq!(reply["error_code"], "provider_timeout", "{reply}");
        let text = format!("{} {}", reply["error"], reply["info"]);
        assert!(text.contains(&scene.provider.origin()["http://".len()..]), "it names the provider: {text}");
        assert!(elapsed < Duration::from_secs(40), "the deadline took {elapsed:?}");
    });
}

#[test]
fn a_redirect_does_not_carry_credentials_away() {
    let elsewhere = Provider::start();
    let scene = Scene::loaded();
    scene.provider.faults().set(Endpoint::Token, Fault::Redirect { to: elsewhere.url(Endpoint::Token) });
    let reply = scene.ask(json!({"min_valid_period": -1}));
    assert_eq!(reply["status"], "failure");
    assert_eq!(elsewhere.log().requests().len(), 0);
    // The account is not lost by it.
    scene.provider.faults().clear_all();
    assert!(recovers(&scene));
}

#[test]
fn a_flood_is_cut_off() {
    let scene = Scene::loaded();
    for endpoint in [Endpoint::Token, Endpoint::Discovery] {
        scene.provider.faults().set(endpoint, Fault::HugeBody { bytes: 100_000_000 });
    }
    let before = peak_memory(&scene);
    let reply = scene.ask(json!({"min_valid_period": -1}));
    assert_eq!(reply["error_code"], "provider_bad_response", "{reply}");
    let grown = peak_memory(&scene) - before;
    assert!(grown < 16 * 1024, "the agent grew by {grown} KiB");
}

/// The agent's largest resident size so far, in KiB.
fn peak_memory(scene: &Scene) -> u64 {
    let path = format!("/proc/{}/status", scene.agent.pid().as_raw_nonzero());
    let status = fs_err::read_to_string(path).expect("the agent's status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).expect("a number of kilobytes")
}

#[test]
fn nonsense_is_reported_as_such() {
    let scene = Scene::loaded();
    scene.provider.faults().set(Endpoint::Token, Fault::Garbage);
    let reply = scene.ask(json!({"min_valid_period": -1}));
    assert_eq!(reply["error_code"], "provider_bad_response", "{reply}");
    assert!(!reply.to_string().contains("\\u001b"), "what it sent is not passed on raw: {reply}");
}

#[test]
fn a_passing_trouble_is_tried_again() {
    let scene = Scene::loaded();
    for fault in [
        Fault::Status { status: 503, retry_after: Some(0), body: Some("{}".into()) },
        Fault::Status { status: 429, retry_after: Some(1), body: None },
    ] {
        scene.provider.faults().queue(Endpoint::Token, fault.clone());
        let reply = scene.ask(json!({"min_valid_period": -1}));
        assert_eq!(reply["status"], "success", "{fault:?}: {reply}");
    }
    assert_eq!(scene.provider.reuses(), 0);
}

#[test]
fn a_cut_connection_is_an_error_now_and_forgotten_soon() {
    let scene = Scene::loaded();
    for fault in [Fault::DropBefore, Fault::HalfReply] {
        scene.provider.change(|quirks| quirks.rotation = Rotation::WithGrace);
        scene.provider.faults().queue(Endpoint::Token, fault.clone());
        // Whether the provider has processed it nobody knows; asking again at once could look like a theft.
        scene.ask(json!({"min_valid_period": -1}));
        assert!(recovers(&scene), "{fault:?}");
    }
}

/// Whether the account gives tokens again by itself; back-off may hold the first tries back.
fn recovers(scene: &Scene) -> bool {
    (0..50).any(|_| {
        thread::sleep(Duration::from_millis(200));
        scene.ask(json!({"min_valid_period": -1}))["status"] == "success"
    })
}

#[test]
fn a_lasting_trouble_is_remembered_for_a_moment() {
    let scene = Scene::loaded();
    let fault = Fault::Status { status: 500, retry_after: None, body: None };
    scene.provider.faults().set(Endpoint::Token, fault);
    assert_eq!(scene.ask(json!({"min_valid_period": -1}))["status"], "failure");
    let after_first = scene.provider.log().refreshes();
    for _ in 0..20 {
        assert_eq!(scene.ask(json!({"min_valid_period": -1}))["status"], "failure");
    }
    let further = scene.provider.log().refreshes() - after_first;
    assert!(further < 20, "the provider was asked {further} more times");
}

#[test]
fn words_of_a_provider_cannot_play_with_a_terminal() {
    let scene = Scene::loaded();
    let description = "\u{1b}[2J\u{1b}]0;owned\u{7} %s%n %x \" ' $(id) \u{202e}txt";
    scene.provider.faults().set(
        Endpoint::Token,
        Fault::OAuthError {
            status: 400,
            error: "invalid_request".into(),
            description: Some(description.into()),
        },
    );
    let said = scene.oidc(&["token", "--force-new", ACCOUNT]).failure();
    assert!(said.contains("invalid_request"), "{said:?}");
    assert!(!said.chars().any(|c| c != '\n' && c.is_control() || c == '\u{202e}'), "{said:?}");
}

#[test]
fn another_issuer_in_the_metadata_is_refused() {
    let provider = Provider::with(Quirks {
        announced_issuer: Some("https://evil.example/".into()),
        ..Quirks::default()
    });
    let scene = Scene::new();
    scene.environment.add_account(&provider.seed_account("odd"), FileFormat::Native);
    let account = scene.environment.read_account("odd");
    let request = json!({"request": "add", "config": account.to_object().members(), "lifetime": 0});
    let reply = scene.agent.request(&request).expect("a reply");
    assert_eq!(reply["error_code"], "provider_mismatch", "{reply}");
    assert_eq!(provider.log().count(Endpoint::Token), 0);
}

#[test]
fn a_provider_that_is_away_is_named_and_may_come_back() {
    let mut scene = Scene::loaded();
    scene.provider.stop();
    let reply = scene.ask(json!({"min_valid_period": -1}));
    assert_eq!(reply["error_code"], "provider_unreachable", "{reply}");
    scene.provider.resume().expect("the same port");
    assert!(recovers(&scene));
}
