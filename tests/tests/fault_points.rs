//! An agent that is killed at each named step of a rotation: whenever a client had its token, the account lives.

use std::{io::Read, io::Write, os::unix::net::UnixStream, path::Path};

use oidc_tests::{
    agent::Agent,
    environment::FileFormat,
    provider::Quirks,
    require,
    scene::{ACCOUNT, Scene, access_token, load_into},
};
use serde_json::{Value, json};

/// The steps in their order, and whether the account lives when the agent is killed there: from the provider's answer to
/// the end of the write, nobody but the agent knows the new token, and no client has anything of it.
const WITH_KEY: [(&str, bool); 6] = [
    ("before-asking", true),
    ("answered", false),
    ("synced", false),
    ("renamed", true),
    ("in-file", true),
    ("stored", true),
];
const WITHOUT_KEY: [(&str, bool); 5] =
    [("before-asking", true), ("answered", false), ("renamed", true), ("beside", true), ("stored", true)];

#[test]
fn killed_at_each_step_with_the_files_key() {
    for format in [FileFormat::Native, FileFormat::OidcAgent] {
        killed_at_each(&WITH_KEY, format, true);
    }
}

#[test]
fn killed_at_each_step_without_the_files_key() {
    killed_at_each(&WITHOUT_KEY, FileFormat::OidcAgent, false);
}

fn killed_at_each(steps: &[(&str, bool)], format: FileFormat, with_key: bool) {
    let Some(program) = require::fault_points() else { return };
    for (step, lives) in steps {
        let mut scene = Scene::with(Quirks::default(), format);
        let armed = scene.environment.path("armed");
        let mut command = scene.environment.command_at(&program);
        command.env("OIDC_FAULT_POINT", format!("{step}@{}", armed.display()));
        let agent = Agent::spawn(&scene.environment, command, "mortal");
        if with_key {
            load_into(&agent, &scene.environment, ACCOUNT);
        } else {
            let account = scene.environment.read_account(ACCOUNT);
            let request = json!({"request": "add", "config": account.to_object().members(), "lifetime": 0});
            assert_eq!(agent.request(&request).expect("a reply")["status"], "success");
        }
        access_token(&agent.token(ACCOUNT, json!({"min_valid_period": -1})));
        fs_err::write(&armed, "").expect("armed");
        assert_eq!(last_reply(agent.socket()), "", "{step}: the client has nothing");

        scene.agent.kill();
        scene.agent = Agent::start(&scene.environment);
        let added = scene.oidc(&["add", "--pw-env", ACCOUNT]);
        assert_eq!(added.code == Some(0), *lives, "{step} ({format:?}): {added:?}");
        if *lives {
            access_token(&scene.ask(json!({"min_valid_period": -1})));
            assert_eq!(scene.provider.reuses(), 0, "{step} ({format:?})");
        }
    }
}

/// What comes of a forced request before the agent is gone.
fn last_reply(socket: &Path) -> String {
    let mut stream = UnixStream::connect(socket).expect("connected");
    let request: Value = json!({"request": "access_token", "account": ACCOUNT, "min_valid_period": -1});
    stream.write_all(request.to_string().as_bytes()).expect("sent");
    let mut reply = String::new();
    // A reset is as good an end as any.
    let _ = stream.read_to_string(&mut reply);
    reply
}
