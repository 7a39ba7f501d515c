//! Surroundings that lack what a desktop has: a home, a name for the user, memory, descriptors, a private umask.

use std::{
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::Path,
    process::Command,
};

use oidc_tests::{
    agent::Agent,
    environment::{Environment, FileFormat, PASSWORD},
    machine::Machine,
    programs::{Finished, program, run},
    provider::{Provider, Quirks},
    require,
    scene::{ACCOUNT, access_token, load_into},
};
use serde_json::json;

/// `script`, at whose end stands `"$@"`, around a program of this workspace.
fn wrapped(environment: &Environment, script: &str, name: &str) -> Command {
    let mut command = environment.command_at("sh".as_ref());
    command.args(["-c", script, "sh"]).arg(program(name));
    command
}

/// An account that has a file, and its provider.
fn account(environment: &Environment) -> Provider {
    let provider = Provider::with(Quirks::default());
    environment.add_account(&provider.seed_account(ACCOUNT), FileFormat::Native);
    provider
}

#[test]
fn an_agent_needs_no_environment() {
    let environment = Environment::new();
    let provider = account(&environment);
    let mut command = Command::new("env");
    command.arg("-i").arg(program("oidc-agent"));
    let agent = Agent::spawn(&environment, command, "agent");
    load_into(&agent, &environment, ACCOUNT);
    for _ in 0..2 {
        access_token(&agent.token(ACCOUNT, json!({"min_valid_period": -1})));
    }
    assert_eq!(provider.reuses(), 0);
}

#[test]
fn a_home_may_be_the_root_directory() {
    let environment = Environment::new();
    let agent = Agent::start(&environment);
    for home in ["/", "/nonexistent"] {
        let mut command = agent.command(&environment, "oidc");
        command.args(["list", "--json"]).env("HOME", home).env_remove("OIDC_CONFIG_DIR");
        assert_eq!(run(command).success().trim(), "[]", "{home}");
    }
}

/// A shell with a script, to which and to whatever it starts the kernel refuses a system call. `$0` is the agent, `$1` the
/// client. It ends after the last of these processes.
fn refused(environment: &Environment, call: &str, errno: &str, script: &str) -> Option<Finished> {
    let strace = require::strace()?;
    let mut command = environment.command_at(&strace);
    let (trace, inject) = (format!("trace={call}"), format!("inject={call}:error={errno}"));
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject, "sh", "-c", script]);
    command.arg(program("oidc-agent")).arg(program("oidc"));
    Some(run(command))
}

/// Old kernels lack pidfds, and filters of system calls that do not know them forbid them.
#[test]
fn without_pidfds_an_agent_ends_after_its_command_all_the_same() {
    let environment = Environment::new();
    for errno in ["ENOSYS", "EPERM"] {
        let script = r#""$0" sh -c 'echo $OIDC_SOCK; "$0" list --json; exit 7' "$1""#;
        let Some(finished) = refused(&environment, "pidfd_open", errno, script) else { return };
        assert_eq!((finished.code, finished.stderr.as_str()), (Some(7), ""), "{finished:?}");
        let (socket, list) = finished.stdout.split_once('\n').expect("two lines");
        assert_eq!(list.trim(), "[]");
        assert!(!Path::new(socket).parent().expect("a directory").exists(), "{socket}");
    }
}

/// Before Linux 5.9.
#[test]
fn without_close_range_a_daemon_holds_nothing_of_its_starter_all_the_same() {
    let environment = Environment::new();
    let script = r#"exec 9>held; flock 9; eval "$("$0" --quiet)"; exec 9>&-
                    flock --nonblock held echo free; kill $OIDCD_PID"#;
    for errno in ["ENOSYS", "EPERM"] {
        let Some(finished) = refused(&environment, "close_range", errno, script) else { return };
        assert_eq!(finished.success(), "free\n");
    }
}

/// As in a container, where the agent is the first process and the user is a number.
#[test]
fn an_agent_may_be_the_first_process() {
    let environment = Environment::new();
    let _provider = account(&environment);
    let mut command = environment.command_at("unshare".as_ref());
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    command.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    let mut probe = Command::new("unshare");
    probe.args(command.get_args()).arg("true");
    if run(probe).code != Some(0) {
        require::not_run::<()>("mount and PID namespaces (unshare)");
        return;
    }
    command.arg(program("oidc-agent"));
    let agent = Agent::spawn(&environment, command, "agent");
    // Its clients are in no namespace that it sees.
    load_into(&agent, &environment, ACCOUNT);
    access_token(&agent.token(ACCOUNT, json!({"min_valid_period": -1})));
}

#[test]
fn a_user_may_be_a_number_only() {
    let Some(()) = require::root() else { return };
    let Some(machine) = Machine::new() else { return };
    let environment = Environment::new();
    let _provider = account(&environment);
    let file = machine.path("/tmp/demo");
    fs_err::copy(environment.account_file(ACCOUNT), &file).expect("copied");
    fs_err::set_permissions(&file, PermissionsExt::from_mode(0o644)).expect("readable");
    let script = "set -e
        id -un >/dev/null 2>&1 && exit 9
        mkdir -m 700 /tmp/own /tmp/own/.oidc-agent; cp /tmp/demo /tmp/own/.oidc-agent/
        cd /tmp/own; export HOME=/tmp/own; unset OIDC_CONFIG_DIR
        eval \"$(/mnt/programs/oidc-agent)\" >/dev/null
        /mnt/names/oidc-add --pw-env demo
        /mnt/names/oidc-token demo
        /mnt/programs/oidc-agent -k >/dev/null
        unset OIDC_SOCK OIDCD_PID
        /mnt/programs/oidc add --pw-env demo >/dev/null
        /mnt/programs/oidc token demo";
    let mut command = machine.command_as(54321, "/bin/sh", &[("OIDC_ENCRYPTION_PW", PASSWORD)]);
    command.args(["-c", script]);
    let said = run(command).success();
    assert!(said.starts_with("success\neyJ") && said.matches("eyJ").count() >= 2, "{said}");
}

#[test]
fn limits_of_a_batch_system_are_enough() {
    // Programs that are not optimised need more than 128 KiB of stack to start.
    for limit in ["-v 150000", "-n 20", "-u 3", "-l 0", "-f 0", "-s 512", "-c 0"] {
        let environment = Environment::new();
        let provider = account(&environment);
        let script = format!("ulimit {limit}; exec \"$@\"");
        // Where no file can be written, the log is none.
        let end = if limit == "-f 0" { "exec \"$@\" >/dev/null 2>&1" } else { "exec \"$@\"" };
        let agent_script = format!("ulimit {limit}; {end}");
        let agent = Agent::spawn(&environment, wrapped(&environment, &agent_script, "oidc-agent"), "agent");
        let unsaved = provider.seed_account("unsaved");
        let order = json!({"request": "add", "config": unsaved.to_object().members(), "plain_add": 1});
        assert_eq!(agent.request(&order).expect("a reply")["status"], "success", "{limit}");
        for _ in 0..2 {
            access_token(&agent.token("unsaved", json!({"min_valid_period": -1})));
        }
        for arguments in [&["token", "unsaved"][..], &["list"], &["status"], &["add", "--pw-env", ACCOUNT]] {
            let mut command = wrapped(&environment, &script, "oidc");
            command.args(arguments).env("OIDC_SOCK", agent.socket()).env("OIDC_NO_AUTOSTART", "1");
            let finished = run(command);
            if limit == "-f 0" && arguments[0] == "add" {
                // Nothing can be kept: nothing may be spent.
                assert_ne!(finished.code, None, "{finished:?}");
                continue;
            }
            assert_eq!(finished.code, Some(0), "{limit} {arguments:?}: {finished:?}");
        }
        assert_eq!(provider.reuses(), 0, "{limit}");
    }
}

#[test]
fn what_is_made_is_private_whatever_the_umask() {
    for umask in ["000", "077"] {
        let environment = Environment::new();
        let provider = account(&environment);
        let script = format!("umask {umask}; exec \"$@\"");
        let socket = environment.path("own/sock");
        fs_err::create_dir(environment.path("own")).expect("a directory");
        let mut command = wrapped(&environment, &script, "oidc-agent");
        command.args(["--json", "-a"]).arg(&socket);
        run(command).success();
        for arguments in [&["add", "--pw-env", ACCOUNT][..], &["token", "-f", ACCOUNT]] {
            let mut command = wrapped(&environment, &script, "oidc");
            command.args(arguments).env("OIDC_SOCK", &socket).env("OIDC_NO_AUTOSTART", "1");
            run(command).success();
        }
        let mode = |path: &Path| fs_err::metadata(path).expect("it is there").mode() & 0o777;
        assert_eq!(mode(&socket), 0o600, "{umask}");
        for entry in fs_err::read_dir(environment.accounts()).expect("a directory") {
            let path = entry.expect("an entry").path();
            assert_eq!(mode(&path), 0o600, "{umask}: {}", path.display());
        }
        assert!(provider.is_live(&environment.read_account(ACCOUNT).refresh_token.expect("a token")));
        let mut command = environment.command("oidc");
        command.args(["agent", "stop"]).env("OIDC_SOCK", &socket);
        run(command).success();
    }
}

#[test]
fn a_directory_of_accounts_may_be_a_link_with_any_name() {
    let mut environment = Environment::new();
    let provider = account(&environment);
    let (elsewhere, link) = (environment.path("Größe 2 \"x\" $y"), environment.path("ein Ünterstrich"));
    fs_err::rename(environment.accounts(), &elsewhere).expect("moved");
    symlink(&elsewhere, &link).expect("a link");
    environment.set("OIDC_CONFIG_DIR", link.to_str().expect("UTF-8"));
    let agent = Agent::start(&environment);
    for arguments in [&["list"][..], &["add", "--pw-env", ACCOUNT], &["token", "-f", ACCOUNT], &["status"]] {
        let mut command = agent.command(&environment, "oidc");
        command.args(arguments).env("OIDC_NO_AUTOSTART", "1");
        assert_ne!(run(command).success(), "", "{arguments:?}");
    }
    assert_eq!(provider.reuses(), 0);
    drop(agent);
    // What was rotated is in the file behind the link.
    let agent = Agent::start(&environment);
    let mut command = agent.command(&environment, "oidc");
    command.args(["add", "--pw-env", ACCOUNT]);
    run(command).success();
    access_token(&agent.token(ACCOUNT, json!({"min_valid_period": -1})));
    assert_eq!(provider.reuses(), 0);
    assert!(fs_err::symlink_metadata(&link).expect("there still").file_type().is_symlink());
}
