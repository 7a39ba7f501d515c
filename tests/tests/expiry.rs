//! When logins end: how that is known, that it survives the agent, and who is told.

use oidc_tests::{
    agent::Agent,
    environment::FileFormat,
    provider::{Endpoint, Fault, Quirks},
    scene::{ACCOUNT, Scene},
    terminal::Terminal,
};
use serde_json::{Value, json};

const DAY: u64 = 24 * 3600;

fn account(scene: &Scene) -> Value {
    let reply = scene.agent.request(&json!({"request": "status_json"})).expect("a reply");
    reply["info"]["accounts"][0].clone()
}

fn at_a_terminal(scene: &Scene) -> String {
    let mut command = scene.agent.command(&scene.environment, "oidc");
    command.args(["token", ACCOUNT]).env("OIDC_NO_AUTOSTART", "1");
    let (code, seen) = Terminal::start(command).finish();
    assert_eq!(code, 0, "{seen}");
    seen
}

#[test]
fn what_the_provider_said_of_the_login_survives_the_agent() {
    let quirks = Quirks {
        refresh_token_lifetime: Some(30 * DAY),
        answers_refresh_lifetime: true,
        ..Quirks::default()
    };
    let mut scene = Scene::with(quirks, FileFormat::Native);
    scene.load(ACCOUNT);
    scene.ask(json!({}));
    let known = account(&scene);
    assert_eq!(known["refresh_token_expires_as"], "provider", "{known}");
    assert!(known["refresh_token_expires_at"].is_u64(), "{known}");

    // From now on the file is all that tells.
    scene.provider.faults().set(Endpoint::Token, Fault::Garbage);
    scene.agent = Agent::named(&scene.environment, "again");
    scene.oidc(&["add", "--skip-check", "--pw-env", ACCOUNT]).success();
    let again = account(&scene);
    assert_eq!(again["refresh_token_expires_at"], known["refresh_token_expires_at"], "{again}");
    let said = scene.oidc(&["status"]).success();
    assert!(said.contains("login until") && said.contains("as the provider said"), "{said}");
    scene.provider.faults().clear(Endpoint::Token);
    let said = scene.oidc(&["inspect", "--account", ACCOUNT]).success();
    assert!(said.contains("login        until") && said.contains("as the provider said"), "{said}");
    let said: Value =
        serde_json::from_str(&scene.oidc(&["inspect", "--json", "--account", ACCOUNT]).success())
            .expect("an object");
    assert_eq!(said["account"]["refresh_token_expires_as"], "provider", "{said}");
}

#[test]
fn a_person_at_a_terminal_is_told_once_a_day_and_a_script_never() {
    let quirks =
        Quirks { refresh_token_is_jwt: true, refresh_token_lifetime: Some(3 * DAY), ..Quirks::default() };
    let scene = Scene::loaded_with(quirks);
    let told = format!("oidc gen --reauthenticate {ACCOUNT}");
    let finished = scene.oidc(&["token", ACCOUNT]);
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""), "no terminal");
    let seen = at_a_terminal(&scene);
    assert!(seen.contains(&told) && seen.contains(" days ("), "{seen}");
    assert!(!at_a_terminal(&scene).contains(&told), "told already");
}
