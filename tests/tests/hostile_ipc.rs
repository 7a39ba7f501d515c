//! Whoever can reach the socket may send anything: the agent answers or closes, and goes on serving others.

use std::{
    fs::Permissions,
    io::{Read, Write},
    net::Shutdown,
    os::unix::{
        fs::{PermissionsExt, symlink},
        net::UnixStream,
    },
    thread,
    time::Duration,
};

use oidc_tests::{
    require,
    scene::{ACCOUNT, Scene, access_token, timed},
};
use rustix::{process::Uid, thread::set_thread_res_uid};
use serde_json::json;

/// Far longer than any answer takes, far shorter than a test may.
const PATIENCE: Duration = Duration::from_secs(20);

fn connect(scene: &Scene) -> UnixStream {
    let stream = UnixStream::connect(scene.agent.socket()).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    stream
}

/// Whether the agent still does its work.
fn is_well(scene: &Scene) -> bool {
    scene.agent.request(&json!({"request": "check"})).is_ok_and(|reply| reply["status"] == "success")
}

#[test]
fn a_request_may_come_in_pieces_of_one_byte() {
    let scene = Scene::loaded();
    let request = json!({"request": "access_token", "account": ACCOUNT, "min_valid_period": 0}).to_string();
    let mut stream = connect(&scene);
    for byte in request.bytes() {
        stream.write_all(&[byte]).expect("a write");
        stream.flush().expect("a flush");
    }
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("a reply");
    access_token(&serde_json::from_str(&reply).expect("JSON"));
}

#[test]
fn half_a_request_holds_nobody_up() {
    let scene = Scene::loaded();
    let mut stalled: Vec<_> = (0..50).map(|_| connect(&scene)).collect();
    for stream in &mut stalled {
        stream.write_all(br#"{"request":"access_tok"#).expect("a write");
    }
    let (reply, elapsed) = timed(|| scene.ask(json!({})));
    access_token(&reply);
    assert!(elapsed < Duration::from_secs(3), "{elapsed:?}");
}

#[test]
fn a_thousand_idle_connections_hold_nobody_up() {
    let scene = Scene::loaded();
    let idle: Vec<_> =
        (0..1000).map(|_| UnixStream::connect(scene.agent.socket()).expect("a connection")).collect();
    let (reply, elapsed) = timed(|| scene.ask(json!({})));
    access_token(&reply);
    assert!(elapsed < Duration::from_secs(5), "{elapsed:?} beside {} idle connections", idle.len());
}

#[test]
fn nonsense_is_refused_and_forgotten() {
    let scene = Scene::new();
    let deep = [b"{\"request\":".as_slice(), &b"[".repeat(100_000), b"}"].concat();
    let cases: [&[u8]; 9] = [
        b"",
        b"\0\0\0\0",
        b"GET / HTTP/1.1\r\n\r\n",
        b"{}",
        b"{\"request\":7}",
        b"{\"request\":\"nonsense\"}",
        b"{\"request\":\"add\",\"config\":7,\"pw_entry\":7}",
        b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        &deep,
    ];
    for bytes in cases {
        let mut stream = connect(&scene);
        // The agent may refuse before it has read everything.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(Shutdown::Write);
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply);
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        assert!(!String::from_utf8_lossy(&reply).contains("success"), "{shown}");
        assert!(is_well(&scene), "after {shown}");
    }
}

#[test]
fn a_message_beyond_the_limit_is_refused() {
    let scene = Scene::new();
    let mut stream = connect(&scene);
    let _ = stream.write_all(b"{\"request\":\"check\",\"x\":\"");
    let piece = vec![b'x'; 64 << 10];
    let mut sent = 0;
    // Stops when the agent stops reading: it closes, and the write fails.
    while sent < 16 << 20 && stream.write_all(&piece).is_ok() {
        sent += piece.len();
    }
    assert!(sent < 16 << 20, "the agent read {sent} bytes");
    assert!(is_well(&scene));
}

#[test]
fn a_password_file_that_is_none_is_not_waited_for() {
    let scene = Scene::new();
    let pipe = scene.environment.home().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs");
    assert!(made.success());
    let (account, _) = scene.environment.unlock_account(ACCOUNT);
    for path in [pipe.as_path(), std::path::Path::new("/dev/zero"), &scene.environment.home()] {
        let entry = json!({"account": ACCOUNT, "type": 16, "pw_file": path});
        let order = json!({"request": "add", "config": account.to_object().members(), "pw_entry": entry});
        let (reply, elapsed) = timed(|| scene.agent.request(&order).expect("a reply"));
        assert_eq!(reply["status"], "success", "{reply}");
        assert!(elapsed < Duration::from_secs(5), "{elapsed:?} for {}", path.display());
        let reply = scene.agent.request(&json!({"request": "remove", "account": ACCOUNT})).expect("a reply");
        assert_eq!(reply["status"], "success", "{reply}");
    }
}

#[test]
fn names_that_are_none_lead_nowhere() {
    let scene = Scene::new();
    fs_err::write(scene.environment.home().join("outside"), "{}").expect("a file");
    fs_err::create_dir(scene.environment.account_file("directory")).expect("a directory");
    symlink(scene.environment.account_file(ACCOUNT), scene.environment.account_file("link")).expect("a link");
    for name in ["../../outside", "/etc/passwd", "..", ".", "", "a\u{1b}[2Jb", "directory", "link", "missing"]
    {
        for request in ["access_token", "id_token", "remove", "reset"] {
            let order = json!({"request": request, "account": name, "prompt": "none"});
            let reply = scene.agent.request(&order).expect("a reply");
            // Forgetting what is no account may succeed by doing nothing.
            let nothing = request == "reset" && reply["info"]["file_deleted"] == false;
            assert!(nothing || reply["status"] == "failure", "{request} {name:?}: {reply}");
            assert!(!reply["error"].to_string().contains("\\u001b"), "{reply}");
        }
    }
    let left = |name: &str| scene.environment.account_file(name).symlink_metadata().is_ok();
    assert!(
        left(ACCOUNT)
            && left("link")
            && left("directory")
            && scene.environment.home().join("outside").exists()
    );
}

#[test]
fn another_user_is_not_served() {
    let Some(()) = require::root() else { return };
    let scene = Scene::new();
    // Somebody has opened every door; the agent looks at who comes in all the same.
    let socket = scene.agent.socket();
    for path in socket.ancestors().take_while(|path| path.starts_with(scene.environment.path(""))) {
        fs_err::set_permissions(path, Permissions::from_mode(0o777)).expect("open permissions");
    }
    let heard = thread::scope(|scope| scope.spawn(|| ask_as_nobody(&scene)).join().expect("no panic"));
    assert!(!heard.contains("success"), "a stranger heard {heard}");
    assert!(is_well(&scene));
}

/// Credentials belong to a thread on Linux: this one becomes somebody else, for good.
fn ask_as_nobody(scene: &Scene) -> String {
    let nobody = Uid::from_raw(65534);
    set_thread_res_uid(nobody, nobody, nobody).expect("root may become anybody");
    let mut stream = connect(scene);
    let mut heard = String::new();
    // Being cut off while writing or reading is an answer too.
    let _ = stream.write_all(br#"{"request":"check"}"#);
    let _ = stream.read_to_string(&mut heard);
    heard
}
