//! The client knows by the kernel who answers, and sends nothing to anybody else.

use std::{
    fs::Permissions,
    io::Read,
    os::unix::{
        fs::{PermissionsExt, chown},
        net::UnixListener,
    },
    path::Path,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use oidc_proto::framing::PUBLIC_KEY_LEN;
use oidc_tests::{
    environment::Environment,
    machine::Machine,
    programs::{Finished, run},
    provider::{Provider, Quirks},
    require,
};
use rustix::{process::Uid, thread::set_thread_res_uid};

/// Another user. Nobody's number would do, but stands for unknown ones as well.
const STRANGER: u32 = 1234;

/// What a stranger's agent received.
#[derive(Clone, Default)]
struct Received(Arc<Mutex<Vec<u8>>>);

impl Received {
    fn bytes(&self) -> Vec<u8> {
        self.0.lock().expect("no thread panics").clone()
    }
}

/// An agent of the other user's. Reads whatever it gets, as long as this process lives.
fn listen_as_stranger(path: &Path) -> Received {
    let received = Received::default();
    let counter = received.clone();
    let listener = UnixListener::bind(path).expect("bound");
    chown(path, Some(STRANGER), Some(STRANGER)).expect("given away");
    let (ready, is_ready) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let stranger = Uid::from_raw(STRANGER);
        // Of this thread only. The kernel notes who calls listen(2).
        set_thread_res_uid(stranger, stranger, stranger).expect("another user");
        rustix::net::listen(&listener, 16).expect("listening");
        ready.send(()).expect("somebody waits");
        for mut stream in listener.incoming().flatten() {
            let mut buffer = [0; 64];
            stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
            let count = stream.read(&mut buffer).unwrap_or_default();
            counter.0.lock().expect("no thread panics").extend_from_slice(&buffer[..count]);
        }
    });
    is_ready.recv().expect("it listens");
    received
}

fn make(path: &Path, mode: u32, owner: u32) {
    fs_err::create_dir(path).expect("made");
    fs_err::set_permissions(path, Permissions::from_mode(mode)).expect("mode set");
    chown(path, Some(owner), Some(owner)).expect("given away");
}

fn is_refused(finished: &Finished, code: i32) {
    assert_eq!(finished.code, Some(code), "{finished:?}");
    assert!(finished.stderr.contains("another user"), "{finished:?}");
}

#[test]
fn a_planted_socket_receives_nothing_and_keeps_nobody_from_the_next_place() {
    let Some(()) = require::root() else { return };
    let Some(machine) = Machine::new() else { return };
    let provider = Provider::with(Quirks::default());
    machine.add_account(&provider, "demo");
    let directory = machine.path("/tmp/oidc-agent-service-0");
    make(&directory, 0o755, STRANGER);
    let received = listen_as_stranger(&directory.join("oidc-agent.sock"));

    for (line, code) in [
        (&["oidc", "add", "--pw-env", "demo"][..], 2),
        (&["oidc", "status"], 2),
        (&["oidc", "token", "demo"], 2),
        (&["oidc", "agent", "start"], 2),
        (&["oidc", "agent", "stop"], 2),
        (&["oidc-add", "--pw-env", "demo"], 1),
        (&["oidc-token", "demo"], 1),
    ] {
        is_refused(&machine.run(line, &[]), code);
    }
    make(&machine.path("/tmp/runtime"), 0o700, 0);
    let variables = [("XDG_RUNTIME_DIR", "/tmp/runtime")];
    let added = machine.run(&["oidc", "add", "--pw-env", "--skip-check", "demo"], &variables);
    assert_eq!(added.code, Some(0), "{added:?}");
    assert!(machine.run(&["oidc", "status"], &variables).success().contains("demo"));
    assert_eq!(received.bytes(), b"");
}

#[test]
fn another_users_agent_is_asked_only_where_that_is_allowed() {
    let Some(()) = require::root() else { return };
    let environment = Environment::new();
    let sticky = environment.path("shared");
    make(&sticky, 0o1777, 0);
    let socket = sticky.join("agent");
    let received = listen_as_stranger(&socket);
    let ask = |program: &str, arguments: &[&str], uid: &str| {
        let mut command = environment.command(program);
        command.args(arguments).env("OIDC_SOCK", &socket).env("OIDC_SOCK_UID", uid);
        run(command)
    };
    for uid in ["", "1233"] {
        let finished = ask("oidc", &["token", "acc"], uid);
        is_refused(&finished, 2);
        assert!(finished.stderr.contains("OIDC_SOCK_UID=1234"), "how to allow it: {finished:?}");
        is_refused(&ask("oidc-agent", &["--status"], uid), 1);
        is_refused(&ask("oidc", &["agent", "stop"], uid), 2);
    }
    let finished = ask("oidc", &["token", "acc"], "root");
    assert!(finished.failure().contains("OIDC_SOCK_UID"));
    assert_eq!(received.bytes(), b"");
    // It gets a public key, and never answers: nothing is said to another user in clear.
    let _ = ask("oidc", &["token", "acc"], "1234").failure();
    let received = received.bytes();
    assert!(
        received.len() == PUBLIC_KEY_LEN && received.ends_with(b"="),
        "{}",
        String::from_utf8_lossy(&received)
    );
}

/// Where the C suite puts the socket of an agent that is shared with a group.
#[test]
fn an_agent_in_another_users_directory_is_allowed_by_what_the_hint_says() {
    let Some(()) = require::root() else { return };
    let environment = Environment::new();
    let directory = environment.path("oidc-shared");
    make(&directory, 0o755, STRANGER);
    let socket = directory.join("agent");
    let received = listen_as_stranger(&socket);
    let mut command = environment.command("oidc");
    command.args(["token", "acc"]).env("OIDC_SOCK", &socket);
    let finished = run(command);
    is_refused(&finished, 2);
    assert!(finished.stderr.contains("OIDC_SOCK_UID=1234"), "{finished:?}");
    assert_eq!(received.bytes(), b"");
    let mut command = environment.command("oidc");
    command.args(["token", "acc"]).env("OIDC_SOCK", &socket).env("OIDC_SOCK_UID", "1234");
    let _ = run(command).failure();
    assert!(!received.bytes().is_empty());
}

#[test]
fn the_way_to_a_socket_is_judged() {
    let environment = Environment::new();
    let agent = oidc_tests::agent::Agent::start(&environment);
    let open = environment.path("open");
    fs_err::create_dir(&open).expect("made");
    fs_err::set_permissions(&open, Permissions::from_mode(0o777)).expect("mode set");
    std::os::unix::fs::symlink(agent.socket(), open.join("link")).expect("linked");
    let ask = |socket: &Path| {
        let mut command = environment.command("oidc");
        command.arg("status").env("OIDC_SOCK", socket);
        run(command)
    };
    let _ = ask(agent.socket()).success();
    let finished = ask(&open.join("link"));
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(finished.stderr.contains("can be written by others"), "{finished:?}");
    let mut command = environment.command("oidc");
    let uid = rustix::process::geteuid().as_raw().to_string();
    command.arg("status").env("OIDC_SOCK", open.join("link")).env("OIDC_SOCK_UID", uid);
    let _ = run(command).success();
    fs_err::set_permissions(&open, Permissions::from_mode(0o1777)).expect("mode set");
    let _ = ask(&open.join("link")).success();
}
