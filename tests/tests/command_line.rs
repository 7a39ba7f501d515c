//! The command line as programs and scripts see it: errors as JSON, options without effect, numbers, names.

use std::{
    fs::Permissions,
    os::unix::{fs::PermissionsExt, process::CommandExt},
};

use oidc_proto::account::AccountConfig;
use oidc_tests::{
    environment::{Environment, FileFormat},
    programs::{Finished, program, run},
    require,
    scene::{ACCOUNT, Scene},
};
use serde_json::Value;

/// `oidc` or one of its other names, without an agent.
fn oidc(name: &str, arguments: &[&str]) -> Finished {
    let environment = Environment::new();
    let mut command = environment.command("oidc");
    command.arg0(name).args(arguments).env("OIDC_NO_AUTOSTART", "1");
    run(command)
}

#[test]
fn every_error_is_one_json_object_for_whoever_wants_that() {
    for (name, arguments, code, exit) in [
        ("oidc", &["token", "--json"][..], "usage", 64),
        ("oidc", &["--json", "add", "A", "--nosuchopt"], "usage", 64),
        ("oidc", &["tokn", "--json"], "usage", 64),
        ("oidc", &["reset", "--json", "-f"], "usage", 64),
        ("oidc", &["agent", "--json", "restart"], "usage", 64),
        ("oidc-token", &["--json", "--nosuchopt"], "usage", 64),
        ("oidc", &["token", "--json", "-t", "10x", "A"], "usage", 64),
        ("oidc", &["token", "--json", "A"], "no_agent", 2),
        ("oidc", &["gen", "--json", "--prompt", "none", "X"], "no_agent", 2),
        ("oidc", &["passwd", "--json", "null"], "account_not_found", 3),
    ] {
        let finished = oidc(name, arguments);
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(exit), ""), "{name} {arguments:?}");
        let object: Value = serde_json::from_str(&finished.stderr)
            .unwrap_or_else(|error| panic!("{name} {arguments:?}: {error}: {}", finished.stderr));
        assert_eq!((&object["status"], &object["error_code"]), (&"failure".into(), &code.into()), "{object}");
        assert!(object["info"].is_string(), "{object}");
    }
    let scene = Scene::new();
    let finished = scene.oidc(&["gen", "--json", "--prompt", "none", "X"]);
    let object: Value = serde_json::from_str(&finished.stderr).expect("one object and nothing before it");
    assert!(object["error"].as_str().is_some_and(|error| error.contains("issuer")), "{object}");
}

#[test]
fn a_remark_on_the_directory_is_a_warning_of_the_result() {
    let scene = Scene::new();
    let directory = scene.environment.accounts();
    fs_err::set_permissions(directory, Permissions::from_mode(0o777)).expect("mode set");
    let plain = scene.oidc(&["passwd", "--pw-cmd=false", "--pw-prompt=none", ACCOUNT]);
    assert!(plain.stderr.contains("can be changed by other users"), "{plain:?}");
    let finished = scene.oidc(&["passwd", "--json", "--pw-cmd=false", "--pw-prompt=none", ACCOUNT]);
    let object: Value =
        serde_json::from_str(&finished.stderr).unwrap_or_else(|error| panic!("{error}: {finished:?}"));
    assert!(object["warnings"][0].as_str().is_some_and(|text| text.contains("chmod 700")), "{object}");
}

/// As in a container: neither the session nor the process group has a number there.
#[test]
fn a_session_outside_of_the_pid_namespace_is_no_obstacle() {
    let Some(()) = require::root() else { return };
    let environment = Environment::new();
    let account = AccountConfig { name: Some(ACCOUNT.into()), ..AccountConfig::default() };
    environment.add_account(&account, FileFormat::Native);
    let mut command = environment.command_at("unshare".as_ref());
    command.args(["--pid", "--fork", "--mount-proc"]).arg(program("oidc"));
    command.args(["passwd", "--json", "--pw-cmd=false", "--pw-prompt=none", ACCOUNT]);
    let finished = run(command);
    assert_eq!(finished.code, Some(10), "{finished:?}");
    assert!(finished.stderr.contains("prompt_unavailable"), "{finished:?}");
}

#[test]
fn what_has_no_effect_says_so_and_changes_no_output() {
    for (name, arguments, options) in [
        ("oidc-add", &["-l", "-g", "-v", "--seccomp"][..], 3),
        ("oidc-gen", &["-l", "-g", "-v", "--seccomp"], 3),
        ("oidc-add", &["-l"], 0),
    ] {
        let finished = oidc(name, arguments);
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), ""), "{name} {arguments:?}");
        assert_eq!(finished.stderr.matches("has no effect").count(), options, "{}", finished.stderr);
    }
    assert!(oidc("oidc-token", &["--seccomp", "A"]).stderr.contains("--seccomp has no effect"));
}

#[test]
fn the_c_suites_names_take_the_digits_that_a_number_begins_with() {
    let scene = Scene::loaded();
    for time in ["10x", "1.5", "60"] {
        let mut command = scene.agent.command(&scene.environment, "oidc");
        command.arg0("oidc-token").args(["-t", time, ACCOUNT]);
        run(command).success();
        let mut command = scene.agent.command(&scene.environment, "oidc");
        command.arg0("oidc-add").args(["--pw-env", "-t", time, ACCOUNT]);
        let seconds: String = time.chars().take_while(char::is_ascii_digit).collect();
        let finished = run(command);
        assert!(finished.stderr.contains(&format!("Lifetime set to {seconds} seconds")), "{finished:?}");
        scene.load(ACCOUNT);
    }
    let refused = scene.oidc(&["token", "-t", "1.5", ACCOUNT]);
    assert!(refused.code == Some(64) && refused.stderr.contains("such as 30m"), "{refused:?}");
}
