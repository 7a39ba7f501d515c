//! What an agent gives up for good, that it says so, and that what it starts goes on working.

use std::{os::unix::fs::PermissionsExt, path::Path};

use oidc_tests::{
    agent::{Agent, PINENTRY},
    environment::{Environment, FileFormat, PASSWORD},
    programs::{program, run, run_with_input, workspace},
    provider::{Provider, Quirks, Rotation},
    require,
    scene::{ACCOUNT, Scene, access_token},
};
use serde_json::{Value, json};

/// The primary key of the fixture; messages are encrypted to its subkey.
const KEY: &str = "E554D44E36586FFFE818BFF3F8B2894778ED44AA";

/// How an agent comes to be.
#[derive(Clone, Copy)]
enum Started {
    Plainly,
    /// With `--seccomp`.
    Filtered,
    /// As by the systemd unit.
    WithoutNewPrivileges,
}

/// A scene whose agent asks with a program that writes down what a tracer says and gives the password.
fn scene(started: Started) -> Option<Scene> {
    let strace = require::strace()?;
    let provider = Provider::with(Quirks { rotation: Rotation::Always, ..Quirks::default() });
    let mut environment = Environment::new();
    environment.add_account(&provider.seed_account(ACCOUNT), FileFormat::Native);
    let pinentry = environment.path("pinentry");
    let script = format!(
        "#!/bin/sh\n{}\necho OK\nwhile read -r line; do case $line in GETPIN*) echo 'D {PASSWORD}';; esac; echo OK; done\n",
        look(&strace, &environment.path("asked"))
    );
    fs_err::write(&pinentry, script).expect("a program");
    fs_err::set_permissions(&pinentry, PermissionsExt::from_mode(0o700)).expect("a mode");
    environment.set(PINENTRY, pinentry.to_str().expect("UTF-8"));
    let agent = program("oidc-agent");
    let mut command = environment.command_at(match started {
        Started::WithoutNewPrivileges => Path::new("setpriv"),
        Started::Plainly | Started::Filtered => &agent,
    });
    match started {
        Started::Plainly => &mut command,
        Started::Filtered => command.arg("--seccomp"),
        Started::WithoutNewPrivileges => command.arg("--no-new-privs").arg(&agent),
    };
    let agent = Agent::spawn(&environment, command, "agent");
    Some(Scene { agent, environment, provider })
}

/// A line of shell that notes whether another process can be traced from there, and whether memory can be executed.
fn look(strace: &Path, seen: &Path) -> String {
    format!(
        "{{ if {} -o /dev/null true; then echo traced; fi; \
         if python3 -c 'import mmap; mmap.mmap(-1, 4096, prot=7)'; then echo executable; fi; echo end; }} 2>/dev/null >'{}'",
        strace.display(),
        seen.display()
    )
}

fn confined_by(scene: &Scene) -> Vec<String> {
    let reply = scene.agent.request(&json!({"request": "status_json"})).expect("a reply");
    let by: Vec<Value> = reply["info"]["confined_by"].as_array().expect("an array").clone();
    let by: Vec<String> = by.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let reply = scene.agent.request(&json!({"request": "status"})).expect("a reply");
    let shown = reply["info"].as_str().expect("a text").to_owned() + &scene.oidc(&["status"]).success();
    assert!(
        by.iter().all(|by| shown
            .lines()
            .filter(|line| line.starts_with("Confined") && line.contains(by.as_str()))
            .count()
            == 2),
        "{by:?}: {shown}"
    );
    by
}

/// Each kind of program that an agent starts, what it saw, and that files were written.
fn everything_works(scene: &Scene, saw: &str) {
    let environment = &scene.environment;
    let read = |name: &str| fs_err::read_to_string(environment.path(name)).expect("it was started");

    // pinentry, for an account that is not loaded.
    access_token(&scene.ask(json!({})));
    assert_eq!(read("asked"), saw, "pinentry");

    // A password command, for a file that is to be written and has no key.
    let (account, _) = environment.unlock_account(ACCOUNT);
    let strace = require::strace().expect("as before");
    let command = format!("{}; echo '{PASSWORD}'", look(&strace, &environment.path("commanded")));
    let entry = json!({"account": ACCOUNT, "type": 4, "command": command});
    let add = json!({
        "request": "add", "config": account.to_object().members(), "pw_entry": entry, "replace": true,
    });
    assert_eq!(scene.agent.request(&add).expect("a reply")["status"], "success");
    let held = scene.stored_refresh_token();
    access_token(&scene.ask(json!({"min_valid_period": -1})));
    assert_eq!(read("commanded"), saw, "a password command");
    assert!(scene.stored_refresh_token() != held, "the file was written");

    // gpg, and the gpg-agent that it starts.
    let Some(gpg) = require::gpg() else { return };
    let home = environment.home().join(".gnupg");
    fs_err::create_dir(&home).expect("a directory");
    fs_err::set_permissions(&home, PermissionsExt::from_mode(0o700)).expect("a mode");
    let mut import = environment.command_at(&gpg);
    let fixtures = workspace().join("tests/fixtures/accounts/gpg");
    import.args(["--batch", "--quiet", "--import"]).arg(fixtures.join("secret-key.asc"));
    run(import).success();
    let stop = || {
        let mut stop = environment.command_at(Path::new("gpgconf"));
        stop.args(["--kill", "all"]);
        run(stop).success();
    };
    stop();
    let mut account = scene.provider.seed_account("sealed");
    account.name = Some("sealed".into());
    let mut seal = environment.command_at(&gpg);
    seal.args(["--batch", "--quiet", "--trust-model=always", "--armor", "--encrypt", "--recipient", KEY]);
    let sealed = run_with_input(seal, &account.to_object().into_value().to_string()).success();
    fs_err::write(environment.account_file("sealed"), sealed).expect("written");
    let reply = scene.agent.token("sealed", json!({}));
    stop();
    access_token(&reply);
}

#[test]
fn an_agent_whose_programs_can_gain_privileges_leaves_them_everything() {
    let (Some(scene), Some(_)) = (scene(Started::Plainly), require::python()) else { return };
    assert!(!confined_by(&scene).contains(&"seccomp".to_owned()));
    everything_works(&scene, "traced\nexecutable\nend\n");
}

#[test]
fn a_filtered_agent_can_trace_nothing_and_all_its_programs_work() {
    for started in [Started::WithoutNewPrivileges, Started::Filtered] {
        let (Some(scene), Some(_)) = (scene(started), require::python()) else { return };
        assert!(confined_by(&scene).contains(&"seccomp".to_owned()));
        everything_works(&scene, "executable\nend\n");
    }
}
