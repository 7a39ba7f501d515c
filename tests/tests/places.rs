//! An agent is found from every environment, and never started where it was not asked for.

use std::{
    fs::Permissions,
    os::unix::fs::{PermissionsExt, symlink},
    thread,
};

use oidc_tests::{environment::Environment, machine::Machine, programs::run, require, scene::Scene};
use serde_json::Value;

/// What the variables of a caller may be.
const ENVIRONMENTS: &[&[(&str, &str)]] = &[
    &[],
    &[("TMPDIR", "/tmp/scratch")],
    &[("TMPDIR", "/no/such")],
    &[("XDG_RUNTIME_DIR", "/tmp/runtime")],
    &[("XDG_RUNTIME_DIR", "/tmp/runtime"), ("TMPDIR", "/no/such")],
    &[("XDG_RUNTIME_DIR", "/run/user/65000")],
    &[("XDG_RUNTIME_DIR", "/run/user/65000"), ("TMPDIR", "/tmp/scratch")],
    &[("XDG_RUNTIME_DIR", "/run/user/65000"), ("TMPDIR", "/no/such")],
    &[("XDG_RUNTIME_DIR", "/tmp/shared"), ("TMPDIR", "/tmp/a-file")],
];

fn prepare(machine: &Machine) {
    for (name, mode) in [("runtime", 0o700), ("scratch", 0o700), ("shared", 0o777)] {
        fs_err::create_dir(machine.path(&format!("/tmp/{name}"))).expect("made");
        let path = machine.path(&format!("/tmp/{name}"));
        fs_err::set_permissions(path, Permissions::from_mode(mode)).expect("mode set");
    }
    fs_err::write(machine.path("/tmp/a-file"), "").expect("written");
}

#[test]
fn an_agent_is_found_from_every_environment_and_started_in_each() {
    let Some(machine) = Machine::new() else { return };
    prepare(&machine);
    for with_login in [false, true] {
        if with_login {
            fs_err::create_dir(machine.path("/run/user/0")).expect("made");
        }
        for starter in ENVIRONMENTS {
            let started = machine.run(&["oidc", "agent", "start", "--json"], starter).success();
            let started: Value = serde_json::from_str(&started).expect("JSON");
            assert_eq!(started["started"], true, "{starter:?}: {started}");
            for caller in ENVIRONMENTS {
                let status = machine.run(&["oidc", "status"], caller);
                assert_eq!(
                    status.code,
                    Some(0),
                    "started in {starter:?}, called from {caller:?}: {status:?}"
                );
            }
            assert_eq!(machine.processes("oidc-agent").len(), 1, "{starter:?}");
            let stopped = machine.run(&["oidc", "agent", "stop"], &[]);
            assert_eq!(stopped.code, Some(0), "{starter:?}: {stopped:?}");
            let leftovers: Vec<_> = ["/tmp", "/tmp/scratch", "/tmp/runtime", "/run/user/0"]
                .into_iter()
                .filter_map(|directory| fs_err::read_dir(machine.path(directory)).ok())
                .flatten()
                .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
                .filter(|name| name.starts_with("oidc-agent"))
                .collect();
            assert_eq!(leftovers, [""; 0], "{starter:?}");
        }
    }
    assert!(!machine.path("/run/user/65000").exists(), "a missing runtime directory is not made");
}

#[test]
fn who_has_both_directories_has_an_agent_apart() {
    let Some(machine) = Machine::new() else { return };
    prepare(&machine);
    let apart = [("XDG_RUNTIME_DIR", "/tmp/runtime"), ("TMPDIR", "/tmp/scratch")];
    let start = |variables| machine.run(&["oidc", "agent", "start"], variables).success();
    assert_eq!(start(&apart), "oidc-agent started at /tmp/runtime/oidc-agent/oidc-agent.sock\n");
    assert_eq!(machine.run(&["oidc", "status"], &[]).code, Some(2), "nobody else finds it");
    assert!(
        machine.path("/tmp/scratch/oidc-agent-service-0/oidc-agent.sock").is_symlink(),
        "but C clients there"
    );
    assert_eq!(start(&[]), "oidc-agent started at /tmp/oidc-agent-service-0/oidc-agent.sock\n");
    let _ = machine.run(&["oidc", "agent", "stop"], &apart).success();
    assert_eq!(machine.run(&["oidc", "status"], &apart).code, Some(2), "nor finds others");
}

#[test]
fn a_user_namespace_that_knows_nobody_else_is_no_obstacle() {
    let Some(()) = require::root() else { return };
    let Some(machine) = Machine::new() else { return };
    // All directories of root's seem to belong to nobody there.
    for line in ["/mnt/programs/oidc agent start", "/mnt/programs/oidc status"] {
        let mut command = machine.command_as(1234, "unshare", &[]);
        command.args(["--user", "--map-current-user", "--", "/bin/sh", "-c", line]);
        let finished = run(command);
        assert_eq!(finished.code, Some(0), "{finished:?}");
    }
    // Its map has root's directories in it, and what belongs to nobody is somebody's.
    let mut command = machine.command_as(1234, "oidc", &[]);
    command.arg("status");
    let _ = run(command).success();
}

#[test]
fn many_that_start_at_once_share_one_agent_and_say_nothing_else() {
    let Some(machine) = Machine::new() else { return };
    for arguments in [&["oidc", "agent", "start"][..], &["oidc-token", "nosuch"]] {
        let start = || machine.run(arguments, &[]);
        let finished: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..15).map(|_| scope.spawn(start)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        let says_started = |line: &str| line.to_lowercase().contains("started");
        let told = finished.iter().filter(|it| says_started(&it.stdout) || says_started(&it.stderr));
        assert_eq!(told.count(), 1, "{finished:?}");
        for finished in finished {
            let other = finished.stderr.lines().filter(|line| !line.starts_with("Started oidc-agent at "));
            let refusal = [
                "Error: No account configured with that short name",
                "`oidc list` shows the accounts, `oidc gen` makes a new one.",
            ];
            let unexpected: Vec<_> = other.filter(|line| !refusal.contains(line)).collect();
            assert_eq!(unexpected, [""; 0], "{finished:?}");
        }
        assert_eq!(machine.processes("oidc-agent").len(), 1);
        let _ = machine.run(&["oidc", "agent", "stop"], &[]).success();
    }
}

#[test]
fn a_dead_socket_that_is_named_is_an_error_and_gets_no_agent() {
    let Some(machine) = Machine::new() else { return };
    drop(std::os::unix::net::UnixListener::bind(machine.path("/tmp/home/stale")).expect("bound"));
    for socket in ["/tmp/home/missing", "/tmp/home/no/such", "/tmp/home/stale"] {
        let variables = [("OIDC_SOCK", socket)];
        for (line, code) in [
            (&["oidc", "token", "acc"][..], 2),
            (&["oidc", "status"], 2),
            (&["oidc", "agent", "start"], 2),
            (&["oidc", "agent", "stop"], 2),
            (&["oidc", "gen", "acc", "--iss=https://op.example"], 2),
            (&["oidc-token", "acc"], 1),
            (&["oidc-gen", "acc", "--iss=https://op.example"], 1),
            (&["oidc-agent", "--status"], 1),
        ] {
            let finished = machine.run(line, &variables);
            assert_eq!(finished.code, Some(code), "{line:?}: {finished:?}");
            assert!(finished.stderr.contains(socket), "{line:?}: {finished:?}");
        }
        let json = machine.run(&["oidc", "token", "--json", "acc"], &variables);
        let error: Value = serde_json::from_str(&json.stderr).expect("JSON");
        assert_eq!(error["error_code"], "no_agent");
    }
    assert_eq!(machine.processes("oidc-agent"), [0; 0]);
    let left: Vec<_> = fs_err::read_dir(machine.path("/tmp/home")).expect("a directory").collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn a_start_on_demand_is_told_in_every_form() {
    let Some(machine) = Machine::new() else { return };
    let socket = "/tmp/oidc-agent-service-0/oidc-agent.sock";
    for line in [&["oidc", "token", "acc"][..], &["oidc-token", "acc"]] {
        let finished = machine.run(line, &[]);
        let first = finished.stderr.lines().next();
        assert_eq!(first, Some(format!("Started oidc-agent at {socket}").as_str()), "{finished:?}");
        let again = machine.run(line, &[]);
        assert!(!again.stderr.contains("Started"), "{again:?}");
        let _ = machine.run(&["oidc", "agent", "stop"], &[]).success();
    }
    let finished = machine.run(&["oidc", "token", "--json", "acc"], &[]);
    let error: Value = serde_json::from_str(&finished.stderr).expect("one JSON object");
    assert_eq!(error["agent_started"], socket, "{error}");
}

#[test]
fn a_default_place_that_is_named_is_one_still() {
    let Some(machine) = Machine::new() else { return };
    let variables = [("OIDC_SOCK", "/tmp/oidc-agent-service-0/oidc-agent.sock")];
    let finished = machine.run(&["oidc", "token", "acc"], &variables);
    assert!(finished.stderr.starts_with("Started oidc-agent"), "{finished:?}");
}

#[test]
fn a_foreign_link_at_a_default_place_is_not_followed() {
    let Some(()) = require::root() else { return };
    let Some(machine) = Machine::new() else { return };
    fs_err::create_dir(machine.path("/tmp/home/own")).expect("made");
    let link = machine.path("/tmp/oidc-agent-service-0");
    symlink("/tmp/home/own", &link).expect("linked");
    std::os::unix::fs::lchown(&link, Some(1234), Some(1234)).expect("given away");
    let finished = machine.run(&["oidc-agent", "--service"], &[]);
    assert!(finished.clone().failure().contains("belongs to another user"), "{finished:?}");
    fs_err::create_dir(machine.path("/tmp/runtime")).expect("made");
    let started = machine.run(&["oidc", "agent", "start"], &[("XDG_RUNTIME_DIR", "/tmp/runtime")]).success();
    assert!(started.contains("/tmp/runtime/"), "{started}");
    let left = fs_err::read_dir(machine.path("/tmp/home/own")).expect("a directory").count();
    assert_eq!(left, 0, "nothing was made through the link");
}

#[test]
fn a_socket_in_a_file_system_without_locks_is_served_with_a_warning() {
    let Some(strace) = require::strace() else { return };
    for error in ["ENOSYS", "EOPNOTSUPP", "ENOLCK", "EIO", "EINVAL", "EBADF", "EPERM"] {
        let environment = Environment::new();
        let mut command = environment.command_at(&strace);
        command.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=flock", "-e", "signal=none"]);
        command.args(["-e", &format!("inject=flock:error={error}")]);
        command.arg(oidc_tests::programs::program("oidc-agent"));
        command
            .args(["-a", "run/agent/sock", "/bin/sh", "-c", "test -S $OIDC_SOCK"])
            .current_dir(environment.path(""));
        let finished = run(command);
        assert_eq!(finished.code, Some(0), "{finished:?}");
        assert!(finished.stderr.contains("run/agent/sock.lock"), "{error}: {finished:?}");
    }
}

#[test]
fn remote_never_starts_an_agent_and_names_its_variable() {
    let Some(machine) = Machine::new() else { return };
    let scene = Scene::new();
    let file = fs_err::read(scene.environment.account_file("demo")).expect("an account file");
    fs_err::write(machine.path("/tmp/home/demo"), file).expect("written");
    let line = ["oidc", "add", "--remote", "--pw-env", "demo"];
    for (variables, text) in
        [(&[("OIDC_REMOTE_SOCK", "127.0.0.1:1")][..], "127.0.0.1:1"), (&[], "OIDC_REMOTE_SOCK")]
    {
        let finished = machine.run(&line, variables);
        assert_eq!(finished.code, Some(2), "{finished:?}");
        assert!(
            finished.stderr.contains(text) && finished.stderr.contains("OIDC_REMOTE_SOCK"),
            "{finished:?}"
        );
        assert!(!finished.stderr.contains("OIDC_SOCK."), "{finished:?}");
    }
    assert_eq!(machine.processes("oidc-agent"), [0; 0]);
}
