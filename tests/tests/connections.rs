//! Many connections, slow ones, greedy ones: the agent serves the others, and its memory stays within its budget.

use std::{
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    thread,
    time::Duration,
};

use oidc_tests::{
    agent::Agent,
    environment::Environment,
    programs::{program, run},
    scene::{ACCOUNT, Scene, access_token, timed},
};
use serde_json::json;

/// Far longer than any answer takes beside all of this, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(10);
const MIB: usize = 1 << 20;
/// For everything but messages: what the allocator keeps, tasks, a debug build.
const SLACK: usize = 24 * MIB;
/// What all connections together may hold of messages.
const BUDGET: usize = 64 * MIB;

fn connect(agent: &Agent) -> UnixStream {
    let stream = UnixStream::connect(agent.socket()).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    stream.set_write_timeout(Some(PATIENCE)).expect("a time limit");
    stream
}

/// What the agent grew by while `work` was done, at most.
fn growth(agent: &Agent, work: impl FnOnce()) -> usize {
    let before = agent.resident();
    let highest = thread::scope(|scope| {
        let (done, is_done) = std::sync::mpsc::channel::<()>();
        let watch = scope.spawn(move || {
            let mut highest = agent.resident();
            while is_done.recv_timeout(Duration::from_millis(5))
                == Err(std::sync::mpsc::RecvTimeoutError::Timeout)
            {
                highest = highest.max(agent.resident());
            }
            highest
        });
        work();
        drop(done);
        watch.join().expect("no panic")
    });
    highest.saturating_sub(before)
}

fn serves_others(scene: &Scene) {
    let (reply, elapsed) = timed(|| scene.ask(json!({})));
    access_token(&reply);
    assert!(elapsed < PATIENCE, "{elapsed:?}");
}

#[test]
fn more_idle_connections_than_it_holds() {
    let scene = Scene::loaded();
    let grown = growth(&scene.agent, || {
        let mut idle = Vec::new();
        for _ in 0..2000 {
            idle.push(connect(&scene.agent));
        }
        serves_others(&scene);
    });
    assert!(grown < SLACK, "{grown} bytes");
    serves_others(&scene);
}

#[test]
fn more_connections_than_descriptors() {
    let scene = Scene::new();
    let environment = Environment::new();
    let mut command = environment.command_at("/bin/sh".as_ref());
    command.args(["-c", "ulimit -n 200 && exec \"$0\" \"$@\""]).arg(program("oidc-agent"));
    let agent = Agent::spawn(&environment, command, "narrow");
    let account = scene.provider.seed_account("other");
    let order = json!({"request": "add", "config": account.to_object().members()});
    assert_eq!(agent.request(&order).expect("a reply")["status"], "success");
    let idle: Vec<_> = (0..400).map(|_| connect(&agent)).collect();
    // Its provider, files and programs have descriptors left as well.
    let (reply, elapsed) = timed(|| agent.token("other", json!({"min_valid_period": -1})));
    access_token(&reply);
    assert!(elapsed < PATIENCE, "{elapsed:?} beside {} connections", idle.len());
}

#[test]
fn half_messages_share_a_budget() {
    let scene = Scene::loaded();
    let half = [br#"{"request":"check","x":""#.as_slice(), &vec![b'x'; 600_000]].concat();
    let mut open = Vec::new();
    let grown = growth(&scene.agent, || {
        for _ in 0..200 {
            let mut stream = connect(&scene.agent);
            // Refused before everything is read, once there is no memory left.
            let _ = stream.write_all(&half);
            open.push(stream);
        }
        serves_others(&scene);
    });
    assert!(grown < BUDGET + SLACK, "{grown} bytes");
    let mut reply = String::new();
    let _ = open.last_mut().expect("one").read_to_string(&mut reply);
    assert!(reply.is_empty() || reply.contains("too_many_requests"), "{reply}");
}

#[test]
fn blanks_without_end_take_no_memory() {
    let scene = Scene::loaded();
    let blanks = vec![b' '; 64 * 1024];
    let grown = growth(&scene.agent, || {
        thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| {
                    let mut stream = connect(&scene.agent);
                    let mut sent = 0;
                    while sent < 8 * MIB && stream.write_all(&blanks).is_ok() {
                        sent += blanks.len();
                    }
                    assert!(sent < 4 * MIB, "the agent read {sent} bytes");
                });
            }
            serves_others(&scene);
        });
    });
    assert!(grown < SLACK, "{grown} bytes");
}

#[test]
fn clients_that_never_read_hold_nobody_up() {
    let scene = Scene::loaded();
    // As much as can be kept under a name.
    let order = json!({"request": "file_write", "filename": "large", "data": "x".repeat(256 * 1024)});
    assert_eq!(scene.agent.request(&order).expect("a reply")["status"], "success");
    let mut lazy = Vec::new();
    let grown = growth(&scene.agent, || {
        for _ in 0..150 {
            let mut stream = connect(&scene.agent);
            stream.write_all(br#"{"request":"file_read","filename":"large"}"#).expect("written");
            lazy.push(stream);
        }
        serves_others(&scene);
    });
    assert!(grown < BUDGET + SLACK, "{grown} bytes for {} replies", lazy.len());
}

#[test]
fn clients_that_write_slowly_hold_nobody_up() {
    let scene = Scene::loaded();
    let request = json!({"request": "access_token", "account": ACCOUNT, "min_valid_period": 0}).to_string();
    let mut slow: Vec<_> = (0..300).map(|_| connect(&scene.agent)).collect();
    for byte in request.bytes() {
        for stream in &mut slow {
            stream.write_all(&[byte]).expect("a write");
        }
    }
    serves_others(&scene);
    for mut stream in slow {
        let mut reply = String::new();
        stream.read_to_string(&mut reply).expect("a reply");
        access_token(&serde_json::from_str(&reply).expect("JSON"));
    }
}

#[test]
fn an_agent_that_sends_blanks_without_end_does_not_hold_the_client() {
    let environment = Environment::new();
    let path = environment.path("run/blanks");
    let listener = UnixListener::bind(&path).expect("bound");
    // Ends with the process: the client may come more than once.
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            while stream.write_all(&[b' '; 4096]).is_ok() {}
        }
    });
    let mut command = environment.command("oidc");
    command.args(["token", "demo"]).env("OIDC_SOCK", &path).env("OIDC_NO_AUTOSTART", "1");
    let (finished, elapsed) = timed(|| run(command));
    let complaint = finished.failure();
    assert!(complaint.contains("more than"), "{complaint}");
    assert!(elapsed < PATIENCE, "{elapsed:?}");
}
