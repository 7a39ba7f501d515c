//! Locking: nothing is handed out, secrets are sealed, and a guesser is slowed down without holding up anybody else.

use std::{thread, time::Duration};

use oidc_tests::scene::{ACCOUNT, Scene, access_token, timed};
use rustix::process::{Resource, Rlimit, prlimit};
use serde_json::{Value, json};

fn ask(scene: &Scene, request: &Value) -> Value {
    scene.agent.request(request).expect("a reply")
}

#[test]
fn a_locked_agent_hands_out_nothing_and_opens_with_the_password() {
    let scene = Scene::loaded();
    let token = scene.ask(json!({}));
    let locked = ask(&scene, &json!({"request": "lock", "password": "sesame"}));
    assert_eq!((&locked["status"], &locked["info"]), (&json!("success"), &json!("Agent locked")));
    for request in ["access_token", "id_token", "remove", "remove_all", "lock"] {
        let refused = ask(&scene, &json!({"request": request, "account": ACCOUNT, "password": "x"}));
        assert_eq!(
            (&refused["error"], &refused["error_code"]),
            (&json!("Agent locked"), &json!("agent_locked"))
        );
    }
    let wrong = ask(&scene, &json!({"request": "unlock", "password": "guess"}));
    assert_eq!((&wrong["error"], &wrong["error_code"]), (&json!("wrong password"), &json!("wrong_password")));
    let unlocked = ask(&scene, &json!({"request": "unlock", "password": "sesame"}));
    assert_eq!(unlocked["info"], "Agent unlocked", "{unlocked}");
    assert_eq!(scene.ask(json!({})), token);
    access_token(&scene.ask(json!({"min_valid_period": -1})));
    assert_eq!(ask(&scene, &json!({"request": "unlock", "password": "x"}))["error"], "Agent not locked");
}

#[test]
fn there_is_no_lock_without_a_password() {
    let scene = Scene::loaded();
    for request in [
        json!({"request": "lock"}),
        json!({"request": "lock", "password": ""}),
        json!({"request": "lock", "password": null}),
    ] {
        let refused = ask(&scene, &request);
        assert_eq!((&refused["status"], &refused["error_code"]), (&json!("failure"), &json!("bad_request")));
        assert!(refused["error"].as_str().is_some_and(|error| error.contains("'password'")), "{refused}");
    }
    access_token(&scene.ask(json!({})));
}

#[test]
fn guesses_at_once_are_tried_one_after_the_other() {
    let scene = Scene::loaded();
    ask(&scene, &json!({"request": "lock", "password": "sesame"}));
    let answers: Vec<Value> = thread::scope(|scope| {
        let guess = || ask(&scene, &json!({"request": "unlock", "password": "guess"}));
        let guessing: Vec<_> = (0..50).map(|_| scope.spawn(guess)).collect();
        guessing.into_iter().map(|guess| guess.join().expect("a reply")).collect()
    });
    let wrong = answers.iter().filter(|answer| answer["error_code"] == "wrong_password").count();
    let busy = answers.iter().filter(|answer| answer["error_code"] == "too_many_requests").count();
    assert_eq!(wrong + busy, answers.len(), "{answers:?}");
    assert!(busy >= 25, "{wrong} of {} were tried", answers.len());
}

#[test]
fn an_empty_agent_opens_only_with_the_right_password() {
    let scene = Scene::new();
    ask(&scene, &json!({"request": "lock", "password": "sesame"}));
    assert_eq!(ask(&scene, &json!({"request": "unlock", "password": "guess"}))["status"], "failure");
    assert_eq!(ask(&scene, &json!({"request": "unlock", "password": "sesame"}))["status"], "success");
}

#[test]
fn many_accounts_take_no_longer_to_lock_than_one() {
    let scene = Scene::loaded();
    for number in 0..20 {
        scene.add_unsaved(&format!("account-{number}"));
    }
    // One key derivation each, however many accounts there are.
    let (locked, elapsed) = timed(|| ask(&scene, &json!({"request": "lock", "password": "sesame"})));
    assert_eq!(locked["status"], "success");
    assert!(elapsed < Duration::from_secs(5), "locking took {elapsed:?}");
    let (unlocked, elapsed) = timed(|| ask(&scene, &json!({"request": "unlock", "password": "sesame"})));
    assert_eq!(unlocked["status"], "success");
    assert!(elapsed < Duration::from_secs(5), "unlocking took {elapsed:?}");
}

#[test]
fn a_guesser_waits_and_others_do_not() {
    let scene = Scene::loaded();
    ask(&scene, &json!({"request": "lock", "password": "sesame"}));
    thread::scope(|scope| {
        let guessing = scope.spawn(|| {
            for _ in 0..3 {
                ask(&scene, &json!({"request": "unlock", "password": "guess"}));
            }
        });
        for _ in 0..10 {
            let (reply, elapsed) = timed(|| ask(&scene, &json!({"request": "check"})));
            assert_eq!(reply["status"], "success");
            assert!(elapsed < Duration::from_secs(2), "{elapsed:?}");
        }
        guessing.join().expect("no panic");
    });
    let (last, elapsed) = timed(|| ask(&scene, &json!({"request": "unlock", "password": "guess"})));
    assert_eq!(last["status"], "failure");
    assert!(elapsed > Duration::from_millis(500), "the fourth wrong try took only {elapsed:?}");
}

/// Neither is an agent lost that cannot have the 64 MiB of a key derivation, nor is that a wrong password.
#[test]
fn without_memory_for_a_derivation_nothing_changes() {
    let scene = Scene::loaded();
    let token = scene.ask(json!({}));
    let in_vain = |request: &str| {
        limit_memory(&scene, Some(32 << 20));
        let refused = ask(&scene, &json!({"request": request, "password": "sesame"}));
        limit_memory(&scene, None);
        assert_eq!(refused["error_code"], "too_many_requests", "{refused}");
        let texts = refused.to_string();
        assert!(texts.contains("memory") && texts.contains("64 MiB") && !texts.contains("wrong"), "{texts}");
    };
    in_vain("lock");
    assert_eq!(scene.ask(json!({})), token, "it is not locked");
    assert_eq!(ask(&scene, &json!({"request": "lock", "password": "sesame"}))["status"], "success");
    for _ in 0..3 {
        in_vain("unlock");
    }
    let (unlocked, elapsed) = timed(|| ask(&scene, &json!({"request": "unlock", "password": "sesame"})));
    assert_eq!(unlocked["status"], "success", "{unlocked}");
    assert!(elapsed < Duration::from_secs(10), "nobody was taken for a guesser: {elapsed:?}");
    assert_eq!(scene.ask(json!({})), token);
}

/// Lets the agent have so many bytes of address space more than it has; `None`: as many as it likes.
fn limit_memory(scene: &Scene, more: Option<u64>) {
    let pid = scene.agent.pid();
    let status =
        fs_err::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).expect("a running agent");
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:")).expect("VmSize");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    let limits = Rlimit { current: more.map(|more| kib * 1024 + more), maximum: None };
    prlimit(Some(pid), Resource::As, limits).expect("the limit is set");
}
