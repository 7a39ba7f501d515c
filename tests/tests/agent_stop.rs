//! What ends an agent ends nothing else, and has ended it when it says so. In a PID namespace of its own.

use oidc_tests::{machine::Machine, programs::run, require};

fn start(machine: &Machine) -> i32 {
    let _ = machine.run(&["oidc", "agent", "start"], &[]).success();
    let pids = machine.processes("oidc-agent");
    assert_eq!(pids.len(), 1);
    pids[0]
}

/// A second agent, with a socket of its own: socket and process.
fn start_another(machine: &Machine) -> (String, String) {
    let printed = machine.run(&["oidc-agent", "--json"], &[]).success();
    let printed: serde_json::Value = serde_json::from_str(&printed).expect("JSON");
    let text = |name: &str| printed[name].as_str().expect("text").to_owned();
    (text("socket"), text("dpid"))
}

#[test]
fn stop_ends_the_agent_that_listens_whatever_the_variable_says() {
    let Some(machine) = Machine::new() else { return };
    let mut bystander = machine.bystander(0);
    let (_, other) = start_another(&machine);
    for stale in
        [bystander.pid().to_string(), other.clone(), "4194304".into(), "0".into(), "-1".into(), String::new()]
    {
        let _ = start_default(&machine);
        let stopped = machine.run(&["oidc", "agent", "stop"], &[("OIDCD_PID", &stale)]);
        assert_eq!(stopped.code, Some(0), "{stale}: {stopped:?}");
        assert!(stopped.stdout.ends_with("has ended\n"), "{stopped:?}");
        let left: Vec<_> = machine.processes("oidc-agent").iter().map(ToString::to_string).collect();
        assert_eq!(left, [other.as_str()], "OIDCD_PID={stale}: the agent has ended, and only that one");
        assert_eq!(machine.run(&["oidc", "status"], &[]).code, Some(2));
        assert!(bystander.is_alive());
    }
    assert_eq!(machine.run(&["oidc", "agent", "stop"], &[]).code, Some(2), "none runs");
}

/// The agent at the default place, beside another one.
fn start_default(machine: &Machine) -> String {
    machine.run(&["oidc", "agent", "start"], &[]).success()
}

#[test]
fn stop_goes_by_the_socket_that_is_named() {
    let Some(machine) = Machine::new() else { return };
    let default = start(&machine);
    let (socket, _) = start_another(&machine);
    let stopped = machine.run(&["oidc", "agent", "stop", "--json"], &[("OIDC_SOCK", &socket)]).success();
    assert!(stopped.contains(&socket), "{stopped}");
    assert_eq!(machine.processes("oidc-agent"), [default]);
}

/// While an agent starts, the kernel names the process that began to listen, and not the one that stays.
#[test]
fn an_agent_that_is_just_starting_is_ended_whole() {
    let Some(machine) = Machine::new() else { return };
    // Asked again until there is one, however early that is.
    let script = "oidc-agent --service >/dev/null &
        for i in $(seq 1000); do oidc agent stop 2>>/tmp/said && break; done; wait";
    for _ in 0..10 {
        let finished = machine.run(&["/bin/sh", "-c", script], &[("PATH", "/mnt/programs:/usr/bin:/bin")]);
        assert!(finished.clone().success().contains("has ended"), "{finished:?}");
        let said = fs_err::read_to_string(machine.path("/tmp/said")).unwrap_or_default();
        assert_eq!(machine.processes("oidc-agent"), [0; 0], "{said}");
        assert!(!said.contains("was not ended"), "{said}");
    }
}

#[test]
fn kill_ends_no_process_that_is_no_agent() {
    let Some(machine) = Machine::new() else { return };
    let mut bystander = machine.bystander(0);
    let pid = bystander.pid().to_string();
    let agent = start(&machine);
    let default = "/tmp/oidc-agent-service-0/oidc-agent.sock";
    for variables in [
        &[("OIDCD_PID", pid.as_str())][..],
        &[("OIDCD_PID", pid.as_str()), ("OIDC_SOCK", "/no/such")],
        &[("OIDCD_PID", pid.as_str()), ("OIDC_SOCK", default)],
        &[("OIDCD_PID", "1")],
        &[("OIDCD_PID", "0")],
        &[("OIDCD_PID", "-1")],
        &[("OIDCD_PID", "")],
        &[("OIDCD_PID", "4194304")],
        &[("OIDCD_PID", "99999999999")],
        &[("OIDC_SOCK", default)],
    ] {
        let killed = machine.run(&["oidc-agent", "-k"], variables);
        assert_eq!((killed.code, killed.stdout.as_str()), (Some(1), ""), "{variables:?}: {killed:?}");
        assert!(!killed.stderr.is_empty());
        assert!(bystander.is_alive(), "{variables:?}");
        assert_eq!(machine.processes("oidc-agent"), [agent], "{variables:?}");
    }
    let told = machine.run(&["oidc-agent", "-k"], &[("OIDCD_PID", &pid)]).failure();
    assert!(told.contains("is no oidc-agent but 'sleep'"), "{told}");
}

#[test]
fn kill_ends_the_agent_and_sees_its_end() {
    let Some(machine) = Machine::new() else { return };
    let (socket, pid) = start_another(&machine);
    let killed = machine.run(&["oidc-agent", "-k"], &[("OIDCD_PID", &pid), ("OIDC_SOCK", &socket)]);
    let expected = format!("unset OIDC_SOCK;\nunset OIDCD_PID;\necho Agent pid {pid} killed;\n");
    assert_eq!(killed.success(), expected);
    assert_eq!(machine.processes("oidc-agent"), [0; 0]);
    assert!(!machine.path(&socket).exists());
    // Without the socket, and where a cleaner of old files has taken it.
    for variables in [&[][..], &[("OIDC_SOCK", "/tmp/gone")]] {
        let (_, pid) = start_another(&machine);
        let variables: Vec<_> = variables.iter().copied().chain([("OIDCD_PID", pid.as_str())]).collect();
        let _ = machine.run(&["oidc-agent", "-k", "--quiet"], &variables).success();
        assert_eq!(machine.processes("oidc-agent"), [0; 0]);
    }
}

#[test]
fn a_number_that_another_agent_has_now_is_refused() {
    let Some(machine) = Machine::new() else { return };
    let (socket, _) = start_another(&machine);
    let (_, other) = start_another(&machine);
    let killed = machine.run(&["oidc-agent", "-k"], &[("OIDCD_PID", &other), ("OIDC_SOCK", &socket)]);
    let told = killed.failure();
    assert!(told.contains(&other) && told.contains(&socket) && told.contains("nothing was ended"), "{told}");
    assert_eq!(machine.processes("oidc-agent").len(), 2);
}

#[test]
fn another_users_agent_is_not_ended() {
    let Some(()) = require::root() else { return };
    let Some(machine) = Machine::new() else { return };
    let mut command = machine.command_as(1234, "oidc-agent", &[]);
    command.arg("--json");
    let printed = run(command).success();
    let printed: serde_json::Value = serde_json::from_str(&printed).expect("JSON");
    let pid = printed["dpid"].as_str().expect("a number");
    let killed = machine.run(&["oidc-agent", "-k"], &[("OIDCD_PID", pid)]);
    assert!(killed.failure().contains("belongs to another user (uid 1234)"));
    assert_eq!(machine.processes("oidc-agent").len(), 1);
}

#[test]
fn an_agent_that_proc_hides_is_ended_where_it_listens() {
    let Some(()) = require::root() else { return };
    let Some(machine) = Machine::new() else { return };
    let _ = machine.run(&["mount", "-o", "remount,hidepid=2", "/proc"], &[]).success();
    let run_as_user = |line: &[&str], variables: &[(&str, &str)]| {
        let mut command = machine.command_as(1234, line[0], variables);
        command.args(&line[1..]);
        run(command)
    };
    let printed = run_as_user(&["oidc-agent", "--json"], &[]).success();
    let printed: serde_json::Value = serde_json::from_str(&printed).expect("JSON");
    let socket = printed["socket"].as_str().expect("text");
    let pid = printed["dpid"].as_str().expect("text");
    let killed = run_as_user(&["oidc-agent", "-k"], &[("OIDCD_PID", pid)]);
    assert!(killed.failure().contains("cannot be looked at"), "by its number alone it could be anything");
    let killed = run_as_user(&["oidc-agent", "-k"], &[("OIDCD_PID", pid), ("OIDC_SOCK", socket)]);
    assert_eq!(killed.code, Some(0), "{killed:?}");
    let _ = run_as_user(&["oidc", "agent", "start"], &[]).success();
    let _ = run_as_user(&["oidc", "agent", "stop"], &[]).success();
    assert_eq!(machine.processes("oidc-agent"), [0; 0]);
}

#[test]
fn an_old_kernel_has_no_handles_and_ends_agents_all_the_same() {
    let Some(strace) = require::strace() else { return };
    let Some(machine) = Machine::new() else { return };
    let strace = strace.to_str().expect("text");
    let (_, pid) = start_another(&machine);
    let no_pidfd = [
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "trace=pidfd_open,getsockopt",
        "-e",
        "inject=pidfd_open:error=ENOSYS",
    ];
    let line = [&[strace], &no_pidfd[..], &["/mnt/programs/oidc-agent", "-k"]].concat();
    let killed = machine.run(&line, &[("OIDCD_PID", &pid)]);
    assert_eq!(killed.code, Some(0), "{killed:?}");
    assert_eq!(machine.processes("oidc-agent"), [0; 0]);
    let _ = start(&machine);
    // The first three ask for credentials, of two connections.
    let no_peer_pidfd = ["-e", "inject=getsockopt:error=ENOPROTOOPT:when=4"];
    let line = [&[strace], &no_pidfd[..], &no_peer_pidfd, &["/mnt/programs/oidc", "agent", "stop"]].concat();
    let stopped = machine.run(&line, &[]);
    assert_eq!(stopped.code, Some(0), "{stopped:?}");
    assert_eq!(machine.processes("oidc-agent"), [0; 0]);
}
