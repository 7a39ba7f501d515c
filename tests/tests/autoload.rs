//! Accounts that a request loads: the person is asked once, and only who may wait for that waits.

use std::{
    os::unix::fs::PermissionsExt,
    thread,
    time::{Duration, Instant},
};

use oidc_tests::{
    agent::Agent,
    environment::{Environment, FileFormat, PASSWORD},
    provider::Provider,
    scene::{ACCOUNT, Scene, access_token, timed},
};
use serde_json::json;

/// Generous for a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

/// A program in pinentry's place, which is answered through a file.
fn with_pinentry() -> Scene {
    let provider = Provider::start();
    let mut environment = Environment::new();
    environment.add_account(&provider.seed_account(ACCOUNT), FileFormat::Native);
    let (program, asked, answer) =
        (environment.path("pinentry"), environment.path("asked"), environment.path("answer"));
    let script = format!(
        "#!/bin/sh\necho OK\nwhile read -r line; do\ncase \"$line\" in\n\
         GETPIN) echo asked >>'{}'; until [ -e '{answer}' ]; do sleep 0.05; done; cat '{answer}';;\n\
         BYE) echo OK; exit;;\n*) echo OK;;\nesac\ndone\n",
        asked.display(),
        answer = answer.display()
    );
    fs_err::write(&program, script).expect("a program");
    fs_err::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).expect("executable");
    environment.set("OIDC_PINENTRY", program.to_str().expect("UTF-8"));
    let agent = Agent::start(&environment);
    Scene { agent, environment, provider }
}

fn questions(scene: &Scene) -> usize {
    fs_err::read_to_string(scene.environment.path("asked")).map_or(0, |asked| asked.lines().count())
}

fn wait_for_a_question(scene: &Scene) {
    wait_until(|| questions(scene) > 0);
}

fn wait_until(done: impl Fn() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !done() {
        assert!(Instant::now() < end, "it never came about");
        thread::sleep(Duration::from_millis(20));
    }
}

fn answer(scene: &Scene, lines: &str) {
    let part = scene.environment.path("part");
    fs_err::write(&part, lines).expect("written");
    fs_err::rename(part, scene.environment.path("answer")).expect("renamed");
}

#[test]
fn the_person_is_asked_once_for_everybody() {
    let scene = with_pinentry();
    thread::scope(|scope| {
        let asking: Vec<_> = (0..20).map(|_| scope.spawn(|| scene.ask(json!({})))).collect();
        wait_for_a_question(&scene);
        let (refused, elapsed) = timed(|| scene.ask(json!({"prompt": "none"})));
        assert_eq!(refused["error_code"], "prompt_unavailable", "{refused}");
        assert!(elapsed < Duration::from_secs(5), "waited {elapsed:?} for somebody else's prompt");
        answer(&scene, &format!("D {PASSWORD}\nOK\n"));
        for asked in asking {
            let reply = asked.join().expect("a reply");
            assert_eq!(reply["status"], "success", "{reply}");
        }
    });
    assert_eq!(questions(&scene), 1);
}

#[test]
fn a_no_is_everybodys() {
    let scene = with_pinentry();
    thread::scope(|scope| {
        let asking: Vec<_> = (0..20).map(|_| scope.spawn(|| scene.ask(json!({})))).collect();
        wait_for_a_question(&scene);
        wait_until(|| scene.agent.log().matches("request=\"access_token\"").count() >= asking.len());
        answer(&scene, "ERR 83886179 Operation cancelled <Pinentry>\n");
        for asked in asking {
            let reply = asked.join().expect("a reply");
            assert_eq!(reply["error"], "account not loaded", "{reply}");
        }
    });
    assert_eq!(questions(&scene), 1);
}

#[test]
fn a_question_is_taken_back_when_the_account_is_loaded_otherwise() {
    let scene = with_pinentry();
    thread::scope(|scope| {
        let asking = scope.spawn(|| scene.ask(json!({})));
        wait_for_a_question(&scene);
        // As 'oidc add' in a terminal.
        scene.load(ACCOUNT);
        access_token(&asking.join().expect("a reply"));
    });
}

#[test]
fn an_account_that_was_given_up_meanwhile_is_not_loaded() {
    let scene = with_pinentry();
    thread::scope(|scope| {
        let asking = scope.spawn(|| scene.ask(json!({})));
        wait_for_a_question(&scene);
        let _ = scene.oidc(&["reset", "--force", ACCOUNT]).success();
        answer(&scene, &format!("D {PASSWORD}\nOK\n"));
        let reply = asking.join().expect("a reply");
        assert_eq!(reply["error_code"], "account_not_found", "{reply}");
    });
    let loaded = scene.agent.request(&json!({"request": "loaded_accounts"})).expect("a reply");
    assert_eq!(loaded["info"], json!([]), "{loaded}");
    assert_eq!(scene.provider.log().refreshes(), 0, "nothing was spent");
}

#[test]
fn nothing_is_loaded_into_an_agent_that_was_locked_meanwhile() {
    let scene = with_pinentry();
    thread::scope(|scope| {
        let asking = scope.spawn(|| scene.ask(json!({})));
        wait_for_a_question(&scene);
        let locked = scene.agent.request(&json!({"request": "lock", "password": "sesame"})).expect("a reply");
        assert_eq!(locked["status"], "success", "{locked}");
        answer(&scene, &format!("D {PASSWORD}\nOK\n"));
        let reply = asking.join().expect("a reply");
        assert_eq!(reply["error_code"], "agent_locked", "{reply}");
    });
    assert_eq!(scene.provider.log().refreshes(), 0, "nothing was spent");
}
