//! The server over a real socket, in this process: what clients may do to it and what the others notice.

use std::{
    fs::Permissions,
    io::{Read, Write},
    os::unix::{fs::PermissionsExt, net::UnixListener as StdListener},
    path::Path,
    sync::Arc,
    time::Duration,
};

use oidc_agent::{
    caller::{Caller, Role},
    server::{
        entrance::{Entrance, Policy},
        gate::{Connection, Gate, Handed},
        handler::Handler,
        limits::Limits,
        listener::Listener,
    },
};
use oidc_proto::{
    channel::{AgentChannel, AgentStep, ClientChannel, ClientStep},
    message::{Reply, Request},
};
use rustix::{fs::Uid, thread::set_thread_res_uid};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    sync::{Notify, mpsc},
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

const CHECK: &[u8] = br#"{"request":"check"}"#;
const SUCCESS: &str = r#"{"status":"success"}"#;
/// More than any step takes that does not hang.
const PLENTY: Duration = Duration::from_secs(20);

/// Answers `check`; `access_token` never comes, `loaded_accounts` comes when `go` says so.
struct Fake {
    events: mpsc::UnboundedSender<&'static str>,
    go: Arc<Notify>,
}

struct Dropped(mpsc::UnboundedSender<&'static str>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.0.send("dropped");
    }
}

impl Handler for Fake {
    async fn handle(&self, request: Request, caller: Caller<'_>) -> Reply {
        assert!(caller.role == Role::Member || caller.peer.uid == rustix::process::geteuid().as_raw());
        match request {
            Request::AccessToken(_) => {
                let _dropped = Dropped(self.events.clone());
                self.events.send("asked").expect("a listener");
                std::future::pending().await
            }
            Request::LoadedAccounts => {
                self.events.send("asked").expect("a listener");
                self.go.notified().await;
                self.events.send("finished").expect("a listener");
                Reply::success()
            }
            Request::FileRead { .. } => Reply::success_with("x".repeat(700_000)),
            Request::StateLookup { .. } => panic!("a defect"),
            _ => Reply::success(),
        }
    }
}

struct Server {
    directory: tempfile::TempDir,
    events: mpsc::UnboundedReceiver<&'static str>,
    go: Arc<Notify>,
    stop: CancellationToken,
    task: JoinHandle<std::io::Result<()>>,
}

impl Server {
    fn start(limits: Limits) -> Self {
        Self::admitting(Policy::own_user(), limits)
    }

    fn admitting(policy: Policy, limits: Limits) -> Self {
        Self::with(policy, limits, None)
    }

    fn behind(gate: Gate) -> Self {
        Self::with(Policy::own_user(), Limits::default(), Some(gate))
    }

    fn with(policy: Policy, limits: Limits, gate: Option<Gate>) -> Self {
        let directory = tempfile::tempdir().expect("temporary directory");
        let socket = StdListener::bind(directory.path().join("sock")).expect("bound");
        let listener = Listener::new(Entrance::own(socket, policy), limits).expect("a listener");
        let listener = match gate {
            Some(gate) => listener.behind(gate),
            None => listener,
        };
        let (sender, events) = mpsc::unbounded_channel();
        let (go, stop) = (Arc::new(Notify::new()), CancellationToken::new());
        let handler = Fake { events: sender, go: Arc::clone(&go) };
        let task = tokio::spawn(listener.serve(Arc::new(handler), stop.clone()));
        Self { directory, events, go, stop, task }
    }

    async fn connect(&self) -> UnixStream {
        UnixStream::connect(self.directory.path().join("sock")).await.expect("connected")
    }

    async fn ask(&self, request: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request).await.expect("written");
        read_to_end(&mut stream).await
    }

    async fn event(&mut self) -> &'static str {
        timeout(PLENTY, self.events.recv()).await.expect("an event in time").expect("a handler")
    }
}

async fn read_to_end(stream: &mut UnixStream) -> String {
    let mut text = String::new();
    timeout(PLENTY, stream.read_to_string(&mut text)).await.expect("an end in time").expect("no reset");
    text
}

#[tokio::test]
async fn a_plain_request_is_answered_plainly_and_the_connection_closed() {
    let server = Server::start(Limits::default());
    assert_eq!(server.ask(CHECK).await, SUCCESS);
}

#[tokio::test]
async fn bytes_may_come_one_by_one() {
    let server = Server::start(Limits::default());
    let mut stream = server.connect().await;
    for byte in CHECK {
        stream.write_all(&[*byte]).await.expect("written");
        tokio::task::yield_now().await;
    }
    assert_eq!(read_to_end(&mut stream).await, SUCCESS);
}

#[tokio::test]
async fn garbage_behind_a_request_does_not_cost_its_reply() {
    let server = Server::start(Limits::default());
    let mut request = CHECK.to_vec();
    request.extend_from_slice(b"\n\0 {\"request\":\"remove_all\"} garbage \xff");
    request.resize(20_000, b'x');
    for _ in 0..20 {
        assert_eq!(server.ask(&request).await, SUCCESS);
    }
}

#[tokio::test]
async fn a_sealed_request_is_answered_sealed() {
    let server = Server::start(Limits::default());
    let mut stream = server.connect().await;
    let (mut channel, first) = ClientChannel::sealed(Request::Check.to_json());
    stream.write_all(&first).await.expect("written");
    let mut buffer = [0; 4096];
    let reply = loop {
        let count = timeout(PLENTY, stream.read(&mut buffer)).await.expect("in time").expect("bytes");
        match channel.receive(&buffer[..count]).expect("a step") {
            ClientStep::NeedMore => {}
            ClientStep::Send(bytes) => stream.write_all(&bytes).await.expect("written"),
            ClientStep::Reply(payload) => break Reply::parse(&payload).expect("a reply"),
        }
    };
    assert_eq!(reply, Reply::success());
}

#[tokio::test]
async fn nonsense_gets_a_reason() {
    let server = Server::start(Limits::default());
    let reply = server.ask(b"GET / HTTP/1.1\r\n\r\n").await;
    assert!(reply.contains("Bad Request"), "{reply}");
    let mut stream = server.connect().await;
    stream.write_all(br#"{"request":"#).await.expect("written");
    stream.shutdown().await.expect("half closed");
    let reply = read_to_end(&mut stream).await;
    assert!(reply.contains("failure"), "{reply}");
}

#[tokio::test]
async fn a_half_closed_connection_still_gets_its_reply() {
    let mut server = Server::start(Limits::default());
    let mut stream = server.connect().await;
    stream.write_all(br#"{"request":"loaded_accounts"}"#).await.expect("written");
    stream.shutdown().await.expect("half closed");
    assert_eq!(server.event().await, "asked");
    server.go.notify_one();
    assert_eq!(read_to_end(&mut stream).await, SUCCESS);
}

#[tokio::test]
async fn a_token_request_ends_with_its_client() {
    let mut server = Server::start(Limits::default());
    let mut stream = server.connect().await;
    stream.write_all(br#"{"request":"access_token","account":"a"}"#).await.expect("written");
    assert_eq!(server.event().await, "asked");
    drop(stream);
    assert_eq!(server.event().await, "dropped");
}

#[tokio::test]
async fn a_half_closed_token_request_goes_on_until_the_client_is_gone() {
    let mut server = Server::start(Limits::default());
    let mut stream = server.connect().await;
    stream.write_all(br#"{"request":"access_token","account":"a"} "#).await.expect("written");
    stream.shutdown().await.expect("half closed");
    assert_eq!(server.event().await, "asked");
    let early = timeout(Duration::from_millis(600), server.events.recv()).await;
    assert!(early.is_err(), "a half close is no hang-up: {early:?}");
    drop(stream);
    assert_eq!(server.event().await, "dropped");
}

#[tokio::test]
async fn other_requests_are_done_although_the_client_left() {
    let mut server = Server::start(Limits::default());
    let mut stream = server.connect().await;
    stream.write_all(br#"{"request":"loaded_accounts"}"#).await.expect("written");
    assert_eq!(server.event().await, "asked");
    drop(stream);
    server.go.notify_one();
    assert_eq!(server.event().await, "finished");
}

#[tokio::test]
async fn a_silent_client_is_closed_at_its_deadline() {
    let limits = Limits { first_message: Duration::from_millis(100), ..Limits::default() };
    let server = Server::start(limits);
    assert_eq!(read_to_end(&mut server.connect().await).await, "");
}

#[tokio::test]
async fn a_client_that_sent_only_its_key_is_closed_at_its_deadline() {
    let limits = Limits { request: Duration::from_millis(100), ..Limits::default() };
    let server = Server::start(limits);
    let mut stream = server.connect().await;
    let (_, key) = ClientChannel::sealed(Request::Check.to_json());
    stream.write_all(&key).await.expect("written");
    let heard = read_to_end(&mut stream).await;
    assert!(heard[44..].contains("was not complete in time"), "{heard}");
}

#[tokio::test]
async fn a_client_that_stops_within_its_request_hears_why_it_is_closed() {
    let limits = Limits { first_message: Duration::from_millis(100), ..Limits::default() };
    let server = Server::start(limits);
    let mut stream = server.connect().await;
    stream.write_all(br#"{"request":"check","#).await.expect("written");
    let reply = read_to_end(&mut stream).await;
    assert!(reply.contains("was not complete in time") && reply.contains("bad_request"), "{reply}");
}

#[tokio::test]
async fn blanks_without_end_are_refused() {
    let server = Server::start(Limits::default());
    let mut stream = server.connect().await;
    let blanks = vec![b' '; 1 << 16];
    let mut sent = 0;
    while sent < 64 << 20 && stream.write_all(&blanks).await.is_ok() {
        sent += blanks.len();
    }
    assert!(sent < 4 << 20, "the agent read {sent} bytes");
}

#[tokio::test]
async fn all_connections_together_have_a_budget_and_small_requests_are_always_served() {
    let limits = Limits { memory: 1 << 20, ..Limits::default() };
    let server = Server::start(limits);
    let mut hungry = Vec::new();
    let open = [br#"{"request":"check","x":""#.as_slice(), &vec![b'x'; 300_000]].concat();
    for _ in 0..8 {
        let mut stream = server.connect().await;
        // The agent may refuse before it has read everything.
        let _ = stream.write_all(&open).await;
        hungry.push(stream);
    }
    let mut refused = 0;
    for stream in &mut hungry {
        let mut reply = String::new();
        if timeout(Duration::from_millis(200), stream.read_to_string(&mut reply)).await.is_ok() {
            assert!(reply.is_empty() || reply.contains("too_many_requests"), "{reply}");
            refused += 1;
        }
    }
    assert!((6..8).contains(&refused), "{refused} of 8 were refused");
    assert_eq!(server.ask(CHECK).await, SUCCESS);
    drop(hungry);
    let large = [br#"{"request":"check","x":""#.as_slice(), &vec![b'x'; 50_000], br#""}"#].concat();
    let freed = async {
        while server.ask(&large).await != SUCCESS {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PLENTY, freed).await.expect("the memory is given back");
}

#[tokio::test]
async fn a_reply_that_finds_no_memory_is_a_failure() {
    let server = Server::start(Limits { memory: 1 << 16, ..Limits::default() });
    let reply = server.ask(br#"{"request":"file_read","filename":"x"}"#).await;
    assert!(reply.contains("too_many_requests"), "{reply}");
}

#[tokio::test]
async fn silent_clients_do_not_keep_others_out() {
    let limits = Limits { connections: 4, patience: Duration::from_millis(50), ..Limits::default() };
    let server = Server::start(limits);
    let mut silent = Vec::new();
    for _ in 0..4 {
        silent.push(server.connect().await);
    }
    let started = Instant::now();
    assert_eq!(server.ask(CHECK).await, SUCCESS);
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(read_to_end(&mut silent[0]).await, "", "the oldest was closed");
}

#[tokio::test]
async fn busy_connections_are_never_closed_for_others() {
    let limits = Limits { connections: 1, patience: Duration::from_millis(20), ..Limits::default() };
    let mut server = Server::start(limits);
    let mut busy = server.connect().await;
    busy.write_all(br#"{"request":"loaded_accounts"}"#).await.expect("written");
    assert_eq!(server.event().await, "asked");
    let mut waiting = server.connect().await;
    waiting.write_all(CHECK).await.expect("written");
    let early = timeout(Duration::from_millis(100), waiting.readable()).await;
    assert!(early.is_err(), "there is no room yet");
    server.go.notify_one();
    assert_eq!(read_to_end(&mut busy).await, SUCCESS);
    assert_eq!(read_to_end(&mut waiting).await, SUCCESS);
}

#[tokio::test]
async fn a_reply_larger_than_the_socket_takes_arrives() {
    let server = Server::start(Limits::default());
    let reply = server.ask(br#"{"request":"file_read","filename":"x"}"#).await;
    assert!(reply.len() > 700_000, "{}", reply.len());
}

#[tokio::test]
async fn a_defect_costs_nobody_the_agent() {
    let server = Server::start(Limits::default());
    let reply = server.ask(br#"{"request":"state_lookup","state":"0:0x"}"#).await;
    assert!(reply.contains(r#""error_code":"internal""#), "{reply}");
    assert_eq!(server.ask(CHECK).await, SUCCESS);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_given_up() {
    let limits = Limits { connections: 1, reply: Duration::from_millis(100), ..Limits::default() };
    let server = Server::start(limits);
    let mut lazy = server.connect().await;
    lazy.write_all(br#"{"request":"file_read","filename":"x"}"#).await.expect("written");
    assert_eq!(server.ask(CHECK).await, SUCCESS, "its place is free again");
}

#[tokio::test]
async fn the_end_waits_for_requests_in_hand_only() {
    let mut server = Server::start(Limits::default());
    let mut silent = server.connect().await;
    let mut busy = server.connect().await;
    busy.write_all(br#"{"request":"loaded_accounts"}"#).await.expect("written");
    assert_eq!(server.event().await, "asked");
    server.stop.cancel();
    assert_eq!(read_to_end(&mut silent).await, "");
    assert!(!server.task.is_finished());
    server.go.notify_one();
    assert_eq!(read_to_end(&mut busy).await, SUCCESS);
    timeout(PLENTY, server.task).await.expect("in time").expect("no panic").expect("no error");
}

#[tokio::test]
async fn another_user_is_refused_before_a_byte_is_read() {
    let own = rustix::process::geteuid();
    if own.is_root() {
        let server = Server::start(Limits::default());
        let path = server.directory.path().join("sock");
        for open in [server.directory.path(), &path] {
            fs_err::set_permissions(open, Permissions::from_mode(0o777)).expect("opened to everybody");
        }
        let reply = tokio::task::spawn_blocking(move || ask_as_nobody(&path)).await.expect("no panic");
        assert_eq!(reply, "");
    } else {
        // Let the agent be another user's.
        let server = Server::admitting(Policy::of_user(own.as_raw() + 1), Limits::default());
        assert_eq!(server.ask(b"").await, "");
    }
}

#[tokio::test]
async fn members_leave_room_for_the_owner() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let limits =
        Limits { connections: 4, members: 2, patience: Duration::from_millis(20), ..Limits::default() };
    let policy = Policy::own_user().and_group(Some(rustix::process::getegid()));
    let mut server = Server::admitting(policy, limits);
    let path = server.directory.path().join("sock");
    for open in [server.directory.path(), &path] {
        fs_err::set_permissions(open, Permissions::from_mode(0o777)).expect("opened to everybody");
    }
    let member = || {
        let mut stream = as_nobody(|| std::os::unix::net::UnixStream::connect(&path).expect("connected"));
        let _ = stream.write_all(br#"{"request":"loaded_accounts"}"#);
        stream.set_nonblocking(true).expect("for the runtime");
        UnixStream::from_std(stream).expect("in the runtime")
    };
    let _busy = [member(), member()];
    for _ in 0..2 {
        assert_eq!(server.event().await, "asked");
    }
    for _ in 0..2 {
        let end = timeout(PLENTY, member().read(&mut [0; 64])).await.expect("not kept waiting");
        assert!(!end.is_ok_and(|count| count > 0), "one too many");
    }
    assert_eq!(server.ask(CHECK).await, SUCCESS);
}

fn ask_as_nobody(path: &Path) -> String {
    as_nobody(|| {
        let mut stream = std::os::unix::net::UnixStream::connect(path).expect("the mode lets everybody in");
        let _ = stream.write_all(CHECK);
        let mut reply = String::new();
        let _ = stream.read_to_string(&mut reply);
        reply
    })
}

/// Does something in a thread that has given up its rights; its own, so that no other test gets them.
fn as_nobody<T: Send>(act: impl FnOnce() -> T + Send) -> T {
    let act = || {
        let nobody = Uid::from_raw(65534);
        set_thread_res_uid(nobody, nobody, nobody).expect("root may");
        act()
    };
    std::thread::scope(|scope| scope.spawn(act).join().expect("no panic"))
}

#[tokio::test]
async fn connections_that_were_stopped_go_on_at_another_listener() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let bind = |name: &str| StdListener::bind(directory.path().join(name)).expect("bound");
    let serve = |socket, gate: &Gate, handed, stop: &CancellationToken| {
        let listener = Listener::new(Entrance::own(socket, Policy::own_user()), Limits::default());
        let listener = listener.expect("a listener").behind(gate.clone()).going_on_with(handed);
        let (events, _) = mpsc::unbounded_channel();
        let handler = Fake { events, go: Arc::default() };
        tokio::spawn(listener.serve(Arc::new(handler), stop.clone()))
    };
    let ((gate, _wishes), stop) = (Gate::new(), CancellationToken::new());
    let first = serve(bind("first"), &gate, None, &stop);
    let connect = || async { UnixStream::connect(directory.path().join("first")).await.expect("connected") };
    let (begin, end) = CHECK.split_at(7);
    let (silent, mut half, mut keyed) = (connect().await, connect().await, connect().await);
    half.write_all(begin).await.expect("written");
    let (mut channel, key) = ClientChannel::sealed(Request::Check.to_json());
    keyed.write_all(&key).await.expect("written");
    let mut buffer = [0; 4096];
    let count = keyed.read(&mut buffer).await.expect("read");
    let Ok(ClientStep::Send(request)) = channel.receive(&buffer[..count]) else { panic!("no key") };

    let closed = gate.close();
    gate.still().await;
    let (listening, stopped) = gate.stopped();
    assert!(listening.is_some() && stopped.len() == 3);
    let late = connect().await;
    let mut connections: Vec<_> = stopped
        .iter()
        .map(|stopped| {
            let socket = stopped.socket().try_clone().expect("a descriptor");
            Connection::handed_on(socket, stopped.hand_on()).expect("its own words")
        })
        .collect();
    assert!(
        connections
            .iter()
            .all(|connection| connection.patience.is_some_and(|left| left <= Duration::from_secs(30)))
    );
    // In its own process that would be the end of everything it has open.
    stop.cancel();
    first.await.expect("no panic").expect("ended");
    drop((closed, stopped, listening, late));
    // One whose request was for the next one is answered.
    let (asking, theirs) = std::os::unix::net::UnixStream::pair().expect("a pair");
    theirs.set_nonblocking(true).expect("set");
    let mut asked = AgentChannel::new();
    assert!(matches!(asked.receive(CHECK), AgentStep::Request(_)));
    connections.push(Connection { socket: theirs.into(), channel: asked, patience: None });

    let reply = Reply::success_with("taken over");
    let (gate, _wishes) = Gate::new();
    let _second =
        serve(bind("second"), &gate, Some(Handed { connections, reply }), &CancellationToken::new());
    half.write_all(end).await.expect("written");
    keyed.write_all(&request).await.expect("written");
    assert_eq!(read_to_end(&mut half).await, SUCCESS);
    let count = keyed.read(&mut buffer).await.expect("read");
    let Ok(ClientStep::Reply(reply)) = channel.receive(&buffer[..count]) else { panic!("no reply") };
    assert_eq!(String::from_utf8_lossy(&reply).trim_end(), SUCCESS);
    asking.set_nonblocking(true).expect("set");
    let mut asking = UnixStream::from_std(asking).expect("a stream");
    assert!(read_to_end(&mut asking).await.contains("taken over"));
    let mut silent = silent;
    silent.write_all(CHECK).await.expect("written");
    assert_eq!(read_to_end(&mut silent).await, SUCCESS);
}

#[tokio::test]
async fn a_closed_gate_delays_and_refuses_nothing() {
    let (gate, _wishes) = Gate::new();
    let server = Server::behind(gate.clone());
    let closed = gate.close();
    let mut asking = server.connect().await;
    asking.write_all(CHECK).await.expect("written");
    let answered = timeout(Duration::from_millis(100), read_to_end(&mut asking)).await;
    assert!(answered.is_err(), "it is served behind a closed gate: {answered:?}");
    drop(closed);
    assert_eq!(read_to_end(&mut asking).await, SUCCESS);
    assert_eq!(server.ask(CHECK).await, SUCCESS);
}
