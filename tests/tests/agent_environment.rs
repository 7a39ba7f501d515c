//! No password stays in the environment of an agent, nor is it handed to any other program.

use std::os::unix::fs::PermissionsExt;

use oidc_tests::{
    environment::{Environment, FileFormat, PASSWORD},
    machine::Machine,
    programs::{program, run},
    provider::{Provider, Quirks},
    require,
};

const CANARY: &str = "canary-in-the-environment";

fn environ_of_agent(machine: &Machine) -> String {
    let pids = machine.processes("oidc-agent");
    assert_eq!(pids.len(), 1);
    let bytes = fs_err::read(machine.path(&format!("/proc/{}/environ", pids[0]))).expect("root may read it");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn an_agent_started_on_demand_has_no_password() {
    let Some(()) = require::root() else { return };
    let Some(machine) = Machine::new() else { return };
    let provider = Provider::with(Quirks::default());
    machine.add_account(&provider, "demo");
    let variables = [
        ("OIDC_REFRESH_TOKEN", CANARY),
        ("MY_OWN_PASSWORD", PASSWORD),
        ("MY_OWN_TOKEN", CANARY),
        ("KEPT", "value-that-is-kept"),
    ];
    for line in [
        &["oidc", "add", "--skip-check", "--pw-env=MY_OWN_PASSWORD", "demo"][..],
        &["oidc-add", "--skip-check", "--pw-env", "demo"],
        &[
            "oidc",
            "gen",
            "--iss=http://127.0.0.1:1",
            "--pw-env=MY_OWN_PASSWORD",
            "--rt-env=MY_OWN_TOKEN",
            "new",
        ],
    ] {
        let finished = machine.run(line, &variables);
        let environ = environ_of_agent(&machine);
        assert!(environ.contains("value-that-is-kept"), "{line:?}: {environ}");
        assert!(
            !environ.contains("OIDC_ENCRYPTION_PW") && !environ.contains("OIDC_REFRESH_TOKEN"),
            "{environ}"
        );
        for name in ["MY_OWN_PASSWORD", "MY_OWN_TOKEN"] {
            let is_named = line.iter().any(|argument| argument.contains(name));
            assert!(!is_named || !environ.contains(name), "{line:?} {finished:?}: {environ}");
        }
        let _ = machine.run(&["oidc", "agent", "stop"], &[]).success();
    }
}

#[test]
fn an_agent_started_by_hand_has_no_password_either() {
    let Some(()) = require::root() else { return };
    let Some(machine) = Machine::new() else { return };
    let variables = [("OIDC_REFRESH_TOKEN", CANARY)];
    let _ = machine.run(&["oidc-agent"], &variables).success();
    let environ = environ_of_agent(&machine);
    assert!(
        environ.contains("HOME=") && !environ.contains(CANARY) && !environ.contains(PASSWORD),
        "a daemon: {environ}"
    );
    drop(machine);

    // The command has the whole environment, its agent has not.
    let Some(machine) = Machine::new() else { return };
    let look = "test \"$OIDC_REFRESH_TOKEN\" = canary-in-the-environment && cat /proc/$OIDCD_PID/environ";
    let seen = machine.run(&["oidc-agent", "sh", "-c", look], &variables).success();
    assert!(seen.contains("PATH=") && !seen.contains("canary") && !seen.contains(PASSWORD), "{seen}");

    let environment = Environment::new();
    let agent = oidc_tests::agent::Agent::start(&environment);
    let environ = fs_err::read(format!("/proc/{}/environ", agent.pid())).expect("root may read it");
    let environ = String::from_utf8_lossy(&environ);
    assert!(environ.contains("HOME=") && !environ.contains(PASSWORD), "in the foreground: {environ}");
}

#[test]
fn programs_that_a_client_starts_get_no_password() {
    let provider = Provider::with(Quirks::default());
    let environment = Environment::new();
    environment.add_account(&provider.seed_account("demo"), FileFormat::Native);
    let seen = environment.path("seen");
    let pinentry = environment.path("pinentry");
    let script = format!(
        "#!/bin/sh\nenv >'{}'\necho OK\nwhile read -r line; do case $line in GETPIN*) echo 'D {PASSWORD}';; esac; \
         echo OK; done\n",
        seen.display()
    );
    fs_err::write(&pinentry, script).expect("written");
    fs_err::set_permissions(&pinentry, std::fs::Permissions::from_mode(0o700)).expect("mode set");
    let command = format!("env >'{}'; echo '{PASSWORD}'", seen.display());
    for arguments in [&["--pw-prompt=gui"][..], &["--pw-env=UNSET_PASSWORD", "--pw-cmd", &command]] {
        let mut print = environment.command_at(&program("oidc"));
        print.args(["add", "--print"]).args(arguments).arg("demo");
        print.env("OIDC_PINENTRY", &pinentry).env("OIDC_REFRESH_TOKEN", CANARY);
        let _ = run(print).success();
        let environ = fs_err::read_to_string(&seen).expect("it was started");
        assert!(environ.contains("HOME="), "{environ}");
        assert!(!environ.contains(PASSWORD) && !environ.contains(CANARY), "{arguments:?}: {environ}");
        fs_err::remove_file(&seen).expect("removed");
    }
}
