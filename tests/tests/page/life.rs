//! When the page is there, and when it is not.

use std::{os::unix::fs::PermissionsExt, process::Command};

use oidc_tests::{
    agent::{Agent, PINENTRY},
    environment::{Environment, FileFormat},
    programs::run,
    provider::Provider,
    scene::{ACCOUNT, Scene, load_into},
};
use serde_json::{Value, json};

use crate::visitor::Address;

fn page(scene: &Scene, arguments: &[&str]) -> Value {
    let arguments = [&["page", "--json"], arguments].concat();
    serde_json::from_str(&scene.oidc(&arguments).success()).expect("an object")
}

#[test]
fn it_is_there_when_it_is_asked_for_and_gone_when_it_is_stopped() {
    let scene = Scene::loaded();
    assert_eq!(page(&scene, &["--stop"])["info"], "There was no page.");
    let address = Address::of(&scene.agent);
    let visitor = address.open();
    let again = Address::of(&scene.agent);
    assert_eq!(again.port, address.port, "it stays");
    assert_eq!(visitor.ask("/state", &json!({})).status, 200, "and who is in stays in");
    again.open();

    assert_eq!(page(&scene, &["--stop"])["info"], "The page has ended.");
    address.expect_nobody();
    let next = Address::of(&scene.agent);
    let cookie = visitor.post("/state").with("cookie", &format!("oidc-page-{}=x", next.port));
    assert!(next.exchange(cookie.encode(next.port).as_bytes()).contains("403"), "a new page knows nobody");
}

#[test]
fn it_ends_by_its_own_button_and_with_the_agent() {
    let mut scene = Scene::loaded();
    let address = Address::of(&scene.agent);
    address.open().ask("/end", &json!({}));
    address.expect_nobody();
    let address = Address::of(&scene.agent);
    scene.agent.terminate().expect("it ends");
    address.expect_nobody();
}

#[test]
fn while_the_agent_is_locked_it_says_so_and_nothing_else() {
    let scene = Scene::loaded();
    let address = Address::of(&scene.agent);
    let visitor = address.open();
    let waiting = Address::of(&scene.agent);
    let ask = |request: Value| scene.agent.request(&request).expect("a reply");
    ask(json!({"request": "lock", "password": "sesame"}));
    for (path, body) in [
        ("/state", json!({})),
        ("/token", json!({"account": ACCOUNT})),
        ("/end", json!({})),
        ("/open", json!({"secret": waiting.secret})),
    ] {
        let answer = visitor.ask(path, &body);
        assert_eq!((answer.status, &answer.json()["error_code"]), (423, &json!("agent_locked")), "{path}");
    }
    assert_eq!(ask(json!({"request": "page"}))["error_code"], "agent_locked");
    ask(json!({"request": "unlock", "password": "sesame"}));
    assert_eq!(visitor.ask("/state", &json!({})).status, 200);
    waiting.open();
    ask(json!({"request": "lock", "password": "sesame"}));
    assert_eq!(ask(json!({"request": "page", "stop": 1}))["status"], "success", "a way in can be closed");
    address.expect_nobody();
}

#[test]
fn the_person_is_asked_about_the_page_before_it_gets_a_token() {
    let (provider, environment) = (Provider::start(), Environment::new());
    environment.add_account(&provider.seed_account(ACCOUNT), FileFormat::Native);
    let program = script(
        &environment,
        "pinentry",
        "echo OK\nwhile read -r line; do printf '%s\\n' \"$line\" >> \"${0%/*}/heard\"\n\
         case \"$line\" in BYE) echo OK; exit;; *) echo OK;; esac\ndone",
    );
    let mut command = environment.command("oidc-agent");
    command.arg("--confirm").env(PINENTRY, program);
    let agent = Agent::spawn(&environment, command, "agent");
    load_into(&agent, &environment, ACCOUNT);
    let address = Address::of(&agent);
    let visitor = address.open();
    let account = &visitor.ask("/state", &json!({})).json()["accounts"][0];
    assert_eq!((&account["confirm"], &account["token"]), (&json!(true), &Value::Null));
    let heard = environment.path("heard");
    assert!(!heard.exists(), "nobody is asked for what is shown");
    let token = visitor.ask("/token", &json!({"account": ACCOUNT})).json();
    assert!(token["access_token"].is_string(), "{token}");
    let heard = fs_err::read_to_string(heard).expect("a question");
    let question = heard.lines().find(|line| line.starts_with("SETDESC")).expect("a question");
    assert!(question.contains("Asked for by the page of this agent that is open in a browser"), "{question}");
    assert!(question.contains("\"oidc page\""), "{question}");
}

#[test]
fn a_browser_is_opened_where_there_is_a_display() {
    let scene = Scene::loaded();
    let opener = "printf %s \"$1\" > \"${0%/*}/opening\" && mv \"${0%/*}/opening\" \"${0%/*}/opened\"";
    let directory = script(&scene.environment, "xdg-open", opener);
    let directory = directory.parent().expect("a directory").display().to_string();
    let oidc = |arguments: &[&str]| {
        let mut command: Command = scene.agent.command(&scene.environment, "oidc");
        let path = std::env::var("PATH").unwrap_or_default();
        command.arg("page").args(arguments).env("PATH", format!("{directory}:{path}"));
        command
    };
    let mut command = oidc(&[]);
    let said = run({
        command.env("DISPLAY", ":77");
        command
    })
    .success();
    assert!(said.starts_with("The page opens in your browser.") && !said.contains('#'), "{said}");
    let opened = scene.environment.path("opened");
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !opened.exists() {
        assert!(std::time::Instant::now() < end, "the opener does not run");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let address = fs_err::read_to_string(&opened).expect("an address");
    assert!(address.starts_with("http://127.0.0.1:") && address.contains("/#"), "{address}");
    fs_err::remove_file(&opened).expect("removed");

    for (arguments, display) in [(&["--no-browser"][..], ":77"), (&[], "")] {
        let mut command = oidc(arguments);
        command.env("DISPLAY", display);
        let finished = run(command);
        assert!(finished.stderr.contains("ssh -N -L "), "{finished:?}");
        assert!(finished.success().starts_with("http://127.0.0.1:"));
    }
    assert!(!opened.exists(), "nothing was opened");
}

/// A program in the environment's directory.
fn script(environment: &Environment, name: &str, text: &str) -> std::path::PathBuf {
    let path = environment.path(name);
    fs_err::write(&path, format!("#!/bin/sh\n{text}\n")).expect("written");
    fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).expect("executable");
    path
}
