//! Standard streams that are closed, full or cut off, and what an agent that goes into the background keeps of others'.

use std::path::Path;

use oidc_tests::{
    environment::Environment,
    programs::{Finished, program, run},
    provider::Quirks,
    scene::{Scene, access_token},
};
use serde_json::json;

/// A script in which `oidc` and `oidc-agent` are the programs of this workspace.
fn shell(environment: &Environment, socket: Option<&Path>, script: &str) -> Finished {
    let mut command = environment.command_at("bash".as_ref());
    let directory = program("oidc").parent().expect("a directory").to_owned();
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", directory.display())).env("OIDC_NO_AUTOSTART", "1");
    command.envs(socket.map(|socket| ("OIDC_SOCK", socket)));
    command.args(["-c", script]);
    run(command)
}

#[test]
fn a_client_does_without_its_streams() {
    let scene = Scene::with(Quirks::default(), oidc_tests::environment::FileFormat::Native);
    scene.add_unsaved("other");
    let token = access_token(&scene.agent.token("other", json!({}))).to_owned();
    for (redirection, is_shown, fails) in [
        ("<&-", true, false),
        ("2>&-", true, false),
        ("2>/dev/full", true, false),
        ("</dev/full 2>&-", true, false),
        (">&-", false, false),
        ("<&- >&- 2>&-", false, false),
        (">/dev/full", false, true),
        (">/dev/full 2>/dev/full", false, true),
    ] {
        for command in
            ["token other", "token --json other", "list --json", "status", "help exit-codes", "token nosuch"]
        {
            let script = format!("exec 7>&1; oidc {command} {redirection} 7>&-; echo \"ended $?\" >&7");
            let finished = shell(&scene.environment, Some(scene.agent.socket()), &script);
            let context = format!("{command} {redirection}: {finished:?}");
            let code = finished.stdout.rsplit_once("ended ").and_then(|(_, code)| code.trim().parse().ok());
            let code: i32 = code.unwrap_or_else(|| panic!("{context}"));
            assert!((0..=64).contains(&code) && !finished.stderr.contains("panicked"), "{context}");
            if command.ends_with("nosuch") {
                assert_ne!(code, 0, "{context}");
            } else {
                assert_eq!(code != 0, fails, "{context}");
            }
            if command == "token other" {
                assert_eq!(finished.stdout.starts_with(&format!("{token}\n")), is_shown, "{context}");
            }
        }
    }
    assert_eq!(access_token(&scene.agent.token("other", json!({}))), token, "the agent is well");
}

#[test]
fn whoever_reads_no_more_is_no_error() {
    let quirks = Quirks { access_token_padding: 200_000, ..Quirks::default() };
    let scene = Scene::with(quirks, oidc_tests::environment::FileFormat::Native);
    scene.add_unsaved("other");
    for (script, shown) in [
        ("oidc token other | head -c 3", "eyJ"),
        ("oidc token other | true", ""),
        ("oidc token --json other | true", ""),
        ("oidc token nosuch 2>&1 | true", ""),
        ("oidc help token | head -c 0", ""),
    ] {
        let finished = shell(&scene.environment, Some(scene.agent.socket()), script);
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), shown), "{script}: {finished:?}");
        assert_eq!(finished.stderr, "", "{script}");
    }
}

#[test]
fn an_agent_in_the_background_holds_nobodys_pipe_or_lock() {
    let environment = Environment::new();
    // A command substitution ends when everybody has closed the pipe, `cat` as well.
    let script = "set -e
        exec 9>held; flock -n 9
        eval \"$(oidc-agent)\" >said
        test -S \"$OIDC_SOCK\"
        exec 9>&-
        flock -n held echo free
        oidc status >/dev/null
        oidc-agent -k | cat >/dev/null";
    assert_eq!(shell(&environment, None, script).success(), "free\n");
}

/// At a place that was not told nobody would find it.
#[test]
fn an_agent_that_cannot_tell_its_random_place_is_ended() {
    let environment = Environment::new();
    for script in [
        "oidc-agent >/dev/full",
        // A pipe that nobody reads any more.
        "mkfifo pipe; exec 7<>pipe 8>pipe; exec 7<&-; oidc-agent >&8",
    ] {
        let finished = shell(&environment, None, script);
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(finished.stderr.contains("cannot tell where the agent listens"), "{finished:?}");
        let left: Vec<_> = fs_err::read_dir(environment.tmp()).expect("a directory").flatten().collect();
        assert!(left.is_empty(), "its directory is gone: {left:?}");
    }
    // One whose place is known goes on.
    let script = "oidc-agent -a \"$PWD/sock\" >/dev/full && OIDC_SOCK=$PWD/sock oidc agent stop";
    shell(&environment, None, script).success();
}

#[test]
fn an_agent_starts_without_any_stream() {
    for redirection in ["<&-", "2>&-", ">&-", "<&- >&- 2>&-", "2>/dev/full"] {
        let environment = Environment::new();
        let script = format!(
            "oidc-agent -a \"$PWD/agent/sock\" {redirection} >said || exit 1
             export OIDC_SOCK=$PWD/agent/sock
             oidc status >/dev/null || exit 2
             oidc list --json || exit 3
             oidc agent stop >/dev/null"
        );
        let script = if redirection.contains(" >&-") || redirection == ">&-" {
            script.replace(" >said", "")
        } else {
            script
        };
        let finished = shell(&environment, None, &script);
        assert_eq!(finished.code, Some(0), "{redirection}: {finished:?}");
        assert_eq!(finished.stdout.trim(), "[]", "{redirection}");
    }
}
