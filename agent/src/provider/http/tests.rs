//! HTTP against a provider that misbehaves.

use std::{sync::atomic::AtomicUsize, sync::atomic::Ordering, time::Duration};

use reqwest::{Method, StatusCode};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::Instant,
};

use super::{Answer, Content, Http, HttpClients, Repeat, Request};
use crate::provider::{
    error::{ProviderError, ProviderErrorKind},
    form::Form,
    testing::{Reply, Scripted, SelfSigned, soon},
};

fn http() -> Http {
    HttpClients::default().http("op.example".into(), None, true)
}

fn post(url: &str) -> Request<'_> {
    let content = Some(Content::Form(Form::grant("refresh_token").encode()));
    Request { method: Method::POST, url, authorization: None, content, repeat: Repeat::IfUnprocessed }
}

async fn get_from(op: &Scripted, deadline: Instant) -> Result<Answer, ProviderError> {
    http().send(Request::get(&format!("{}/x", op.issuer())), deadline).await
}

async fn post_to(op: &Scripted, deadline: Instant) -> Result<Answer, ProviderError> {
    http().send(post(&format!("{}/x", op.issuer())), deadline).await
}

/// Answers with the first reply once, then with the second.
fn first_then(
    first: fn() -> Reply,
    then: fn() -> Reply,
) -> impl Fn(&super::super::testing::Asked, &str) -> Reply {
    let count = AtomicUsize::new(0);
    move |_, _| if count.fetch_add(1, Ordering::Relaxed) == 0 { first() } else { then() }
}

#[tokio::test]
async fn says_who_it_is_and_uses_no_connection_twice() {
    let op = Scripted::start(|_, _| Reply::json("{}")).await;
    let (http, url) = (http(), format!("{}/x", op.issuer()));
    for _ in 0..3 {
        http.send(post(&url), soon()).await.expect("an answer");
    }
    assert_eq!(op.connections(), 3);
    let asked = op.asked("/x").remove(0);
    assert_eq!(asked.header("user-agent"), concat!("oidc-agent/", env!("CARGO_PKG_VERSION")));
    assert_eq!(asked.header("connection"), "close");
    assert_eq!(asked.header("accept"), "application/json");
    assert_eq!(asked.header("content-type"), "application/x-www-form-urlencoded");
    assert_eq!(asked.body, "grant_type=refresh_token");
}

/// How often a request is sent that is answered with that status first.
async fn tries(status: u16, header: &'static str, is_get: bool) -> usize {
    let asked = AtomicUsize::new(0);
    let op = Scripted::start(move |_, _| match asked.fetch_add(1, Ordering::Relaxed) {
        0 => Reply::with_header(status, header, r#"{"old":1}"#),
        _ => Reply::json(r#"{"new":1}"#),
    })
    .await;
    let answer = if is_get { get_from(&op, soon()).await } else { post_to(&op, soon()).await };
    let answer = answer.expect("an answer");
    let tries = op.asked("/x").len();
    let last = if tries == 1 { &br#"{"old":1}"#[..] } else { &br#"{"new":1}"#[..] };
    assert_eq!(&answer.body[..], last, "{status}: a fresh buffer for each answer");
    tries
}

#[tokio::test]
async fn only_what_was_certainly_not_processed_is_repeated_if_it_spends_something() {
    const AFTER: &str = "retry-after: 0";
    const NOTHING: &str = "x-nothing: 1";
    for (status, header, posts, gets) in [
        (429, AFTER, 2, 2),
        (429, NOTHING, 2, 2),
        (503, AFTER, 2, 2),
        (503, NOTHING, 1, 2),
        (408, AFTER, 1, 2),
        (502, AFTER, 1, 2),
        (502, NOTHING, 1, 2),
        (504, AFTER, 1, 2),
        (504, NOTHING, 1, 2),
        (500, AFTER, 1, 1),
        (400, AFTER, 1, 1),
    ] {
        let (sent, asked) = tokio::join!(tries(status, header, false), tries(status, header, true));
        assert_eq!((sent, asked), (posts, gets), "{status} {header}");
    }
}

#[tokio::test]
async fn a_server_that_closes_kept_connections_is_no_trouble() {
    for after in [Duration::ZERO, Duration::from_millis(5)] {
        for header in ["x-nothing: 1", "connection: close", "connection: keep-alive"] {
            let op = Scripted::start(move |_, _| {
                Reply::ThenClose(Box::new(Reply::with_header(200, header, "{}")), after)
            })
            .await;
            let http = http();
            for _ in 0..20 {
                http.send(Request::get(&format!("{}/get", op.issuer())), soon()).await.expect("an answer");
                http.send(post(&format!("{}/x", op.issuer())), soon()).await.expect("an answer");
            }
            assert_eq!(op.asked("/x").len(), 20);
        }
    }
}

#[tokio::test]
async fn a_wait_that_ends_after_the_deadline_is_not_begun() {
    let op = Scripted::start(|_, _| Reply::with_header(429, "retry-after: 3600", "")).await;
    let begin = Instant::now();
    let answer = post_to(&op, soon()).await.expect("an answer");
    assert_eq!(answer.retry_after, Some(Duration::from_secs(3600)));
    assert!(begin.elapsed() < Duration::from_secs(2));
    assert_eq!(op.asked("/x").len(), 1);
}

#[tokio::test]
async fn a_token_request_that_may_have_been_processed_is_not_repeated() {
    let half = || Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"access".to_vec());
    for broken in [half, || Reply::Raw(Vec::new())] {
        let op = Scripted::start(move |_, _| broken()).await;
        let error = post_to(&op, soon()).await.err().expect("an error");
        assert_eq!(*error.kind(), ProviderErrorKind::Interrupted);
        assert!(error.is_transient());
        assert_eq!(op.asked("/x").len(), 1);
    }
    let op = Scripted::start(first_then(half, || Reply::json("{}"))).await;
    assert!(get_from(&op, soon()).await.is_ok(), "what changes nothing is tried again");
}

#[tokio::test]
async fn a_hanging_provider_costs_no_more_than_the_deadline() {
    let op = Scripted::start(first_then(|| Reply::json("{}"), || Reply::Hang)).await;
    let (http, url) = (http(), format!("{}/x", op.issuer()));
    // Builds the client, which takes a while without optimisation.
    http.send(post(&url), soon()).await.expect("an answer");
    let begin = Instant::now();
    let error = http.send(post(&url), begin + Duration::from_millis(300)).await.err().expect("an error");
    assert!(matches!(error.kind(), ProviderErrorKind::Timeout { .. }));
    assert!(error.to_string().contains("op.example"));
    assert!(begin.elapsed() < Duration::from_secs(2));
    assert_eq!(op.asked("/x").len(), 2, "the hanging request went out once");
}

#[tokio::test]
async fn a_late_answer_to_what_was_spent_is_read() {
    let late = || async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/x", listener.local_addr().expect("an address"));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 4096]).await;
                tokio::time::sleep(Duration::from_millis(600)).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
            }
        });
        url
    };
    let (http, url) = (http(), late().await);
    // Builds the client, which takes a while without optimisation.
    http.send(post(&url), soon()).await.expect("an answer");
    let deadline = Instant::now() + Duration::from_millis(200);
    let error = http.send(post(&url), deadline).await.err().expect("an error");
    assert!(matches!(error.kind(), ProviderErrorKind::Timeout { .. }), "{error}");
    let deadline = Instant::now() + Duration::from_millis(200);
    let spends = Request { repeat: Repeat::Spends, ..post(&url) };
    assert_eq!(http.send(spends, deadline).await.expect("an answer").status, StatusCode::OK);
}

#[tokio::test]
async fn nobody_listening_is_told_as_such() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let url = format!("http://{port}/x");
    let error = http().send(post(&url), soon()).await.err().expect("an error");
    assert!(matches!(error.kind(), ProviderErrorKind::Unreachable { .. }), "{error}");
    assert!(error.to_string().starts_with("could not connect to url: op.example: "), "{error}");
}

#[tokio::test]
async fn answers_are_bounded_announced_or_not() {
    let announced = || Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n".to_vec());
    let chunked = || {
        let chunk = [b"40000\r\n".as_slice(), &vec![b'x'; 0x40000], b"\r\n"].concat();
        Reply::Raw(
            [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(), chunk.repeat(5)].concat(),
        )
    };
    for flood in [announced, chunked] {
        let op = Scripted::start(move |_, _| flood()).await;
        let error = get_from(&op, soon()).await.err().expect("an error");
        assert_eq!(*error.kind(), ProviderErrorKind::TooLarge);
        assert_eq!(op.asked("/x").len(), 1);
    }
    let op = Scripted::start(|_, _| Reply::json("x".repeat(1 << 20))).await;
    assert_eq!(get_from(&op, soon()).await.expect("an answer").body.len(), 1 << 20);
}

#[tokio::test]
async fn no_secret_goes_over_an_open_network() {
    for url in ["http://op.example/token", "ftp://localhost/", "file:///etc/passwd", "https://", "token"] {
        let error = http().send(post(url), soon()).await.err().expect("an error");
        assert!(matches!(error.kind(), ProviderErrorKind::InsecureUrl { .. }), "{url}: {error}");
    }
}

#[tokio::test]
async fn a_provider_elsewhere_names_nothing_on_this_machine() {
    let op = Scripted::start(|_, _| Reply::json("{}")).await;
    let elsewhere = HttpClients::default().http("op.example".into(), None, false);
    let port = op.address.port();
    for host in ["127.0.0.1", "localhost", "x.localhost", "[::1]", "127.9.9.9"] {
        let error =
            elsewhere.send(post(&format!("http://{host}:{port}/x")), soon()).await.err().expect("refused");
        assert!(matches!(error.kind(), ProviderErrorKind::StrayUrl { .. }), "{error}");
        assert!(error.to_string().contains("op.example is not on this machine"), "{error}");
    }
    assert_eq!(op.connections(), 0);
}

#[tokio::test]
async fn localhost_is_both_families() {
    for at in ["127.0.0.1:0", "[::1]:0"] {
        let op = Scripted::listen(at, None, |_, _| Reply::json("{}")).await;
        for host in ["localhost", "op.localhost"] {
            let url = format!("http://{host}:{}/x", op.address.port());
            http().send(post(&url), soon()).await.expect(at);
        }
    }
}

#[tokio::test]
async fn an_object_that_is_whole_needs_no_proper_end() {
    let chunked = &b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n7\r\n{\"a\":1}\r\n"[..];
    let announced_more = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{\"a\":1}";
    let until_the_end = b"HTTP/1.0 200 OK\r\n\r\n{\"a\":1}";
    for answer in [chunked, announced_more, until_the_end] {
        for hangs in [false, true] {
            let reply = if hangs { Reply::RawThenHang } else { Reply::Raw };
            let op = Scripted::start(move |_, _| reply(answer.to_vec())).await;
            let begin = Instant::now();
            let answer = post_to(&op, soon()).await.expect("an answer");
            assert_eq!(&answer.body[..], br#"{"a":1}"#);
            assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
        }
    }
    let cut =
        || Reply::Raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\n{\"a\":1\r\n".to_vec());
    let op = Scripted::start(move |_, _| cut()).await;
    let error = post_to(&op, soon()).await.err().expect("an error");
    assert_eq!(*error.kind(), ProviderErrorKind::Interrupted);
}

#[tokio::test]
async fn what_was_waited_is_told_as_it_was() {
    // Two failures and their pauses come before the third try, which hangs.
    let count = AtomicUsize::new(0);
    let op = Scripted::start(move |_, _| match count.fetch_add(1, Ordering::Relaxed) {
        0 | 1 => Reply::Raw(Vec::new()),
        _ => Reply::Hang,
    })
    .await;
    let deadline = Instant::now() + Duration::from_millis(1800);
    let error = get_from(&op, deadline).await.err().expect("an error");
    assert!(error.to_string().contains("within 2 s"), "{error}");
}

/// What a server with that certificate is told by an agent whose `cert_path` is `trusted`.
async fn ask_with_tls(server: &SelfSigned, trusted: &str, host: &str) -> Result<Answer, ProviderError> {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ca.pem");
    fs_err::write(&path, trusted).expect("written");
    let op = Scripted::listen("127.0.0.1:0", Some(server.acceptor()), |_, _| Reply::json("{}")).await;
    let http = HttpClients::default().http("op.example".into(), Some(path), false);
    http.send(post(&format!("https://{host}:{}/x", op.address.port())), soon()).await
}

#[tokio::test]
async fn the_servers_own_certificate_may_be_the_one_that_is_trusted() {
    let (own, other) = (SelfSigned::make("localhost"), SelfSigned::make("localhost"));
    let plain = SelfSigned::with("localhost", false, 4000);
    for (server, trusted) in
        [(&own, own.pem.clone()), (&own, other.pem.clone() + &own.pem), (&plain, plain.pem.clone())]
    {
        ask_with_tls(server, &trusted, "localhost").await.expect("an answer");
    }
    let expired = SelfSigned::with("localhost", true, 2001);
    for (server, trusted, host) in [
        (&own, &other.pem, "localhost"),
        (&own, &own.pem, "op.localhost"),
        (&own, &own.pem, "127.0.0.1"),
        (&expired, &expired.pem, "localhost"),
    ] {
        let error = ask_with_tls(server, trusted, host).await.err().expect("refused");
        assert!(matches!(error.kind(), ProviderErrorKind::Tls { .. }), "{error}");
    }
}

#[tokio::test]
async fn tls_sessions_are_resumed_and_certificates_are_read_again_when_they_change() {
    let server = SelfSigned::make("localhost");
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ca.pem");
    fs_err::write(&path, &server.pem).expect("written");
    let op = Scripted::listen("127.0.0.1:0", Some(server.acceptor()), |_, _| Reply::json("{}")).await;
    let clients = HttpClients::default();
    let http = clients.http("op.example".into(), Some(path.clone()), false);
    let url = format!("https://localhost:{}/x", op.address.port());
    http.send(post(&url), soon()).await.expect("an answer");
    http.send(post(&url), soon()).await.expect("an answer");
    assert_eq!((op.connections(), op.resumed()), (2, 1));

    fs_err::write(&path, SelfSigned::make("localhost").pem).expect("written");
    clients.look_again();
    let error = http.send(post(&url), soon()).await.err().expect("refused");
    assert!(matches!(error.kind(), ProviderErrorKind::Tls { .. }), "{error}");
    fs_err::remove_file(&path).expect("removed");
    clients.look_again();
    let error = http.send(post(&url), soon()).await.err().expect("refused");
    assert!(error.to_string().contains("cannot read CA certificates from"), "{error}");
    fs_err::write(&path, &server.pem).expect("written");
    http.send(post(&url), soon()).await.expect("an answer");
}

#[tokio::test]
async fn file_systems_that_hang_hold_up_nobody_whose_certificates_are_known() {
    let server = SelfSigned::make("localhost");
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ca.pem");
    fs_err::write(&path, &server.pem).expect("written");
    let op = Scripted::listen("127.0.0.1:0", Some(server.acceptor()), |_, _| Reply::json("{}")).await;
    let clients = HttpClients::default();
    let http = clients.http("op.example".into(), Some(path), false);
    let url = format!("https://localhost:{}/x", op.address.port());
    http.send(post(&url), soon()).await.expect("an answer");
    let hanging = clients.hang();
    clients.look_again();
    let begin = Instant::now();
    for _ in 0..3 {
        http.send(post(&url), soon()).await.expect("an answer");
    }
    assert!(begin.elapsed() < Duration::from_secs(4), "one short wait for all of them");
    let other = clients.http("op.example".into(), Some("/nowhere".into()), false);
    let error = other.send(post(&url), Instant::now() + Duration::from_millis(50)).await.err().expect("busy");
    assert!(error.to_string().contains("too many other files are waited for"), "{error}");
    drop(hanging);
}

#[tokio::test]
async fn paths_that_lead_nowhere_cost_nobody_else_anything() {
    let directory = tempfile::tempdir().expect("a directory");
    let fifo = directory.path().join("fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .expect("a FIFO");
    let clients = HttpClients::default();
    for number in 0..200 {
        // Many names for the same thing: the table of bundles is bounded.
        let path = directory.path().join(format!("{number}"));
        fs_err::os::unix::fs::symlink(if number % 2 == 0 { &*fifo } else { "/dev/zero".as_ref() }, &path)
            .expect("a link");
        let http = clients.http("op.example".into(), Some(path), false);
        let error = http.send(post("https://localhost:9/x"), soon()).await.err().expect("no certificates");
        assert!(error.to_string().contains("is no regular file"), "{error}");
    }
    assert!(clients.bundles() <= 32);
}

#[tokio::test]
async fn a_server_without_tls_is_a_tls_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("https://{}/x", listener.local_addr().expect("an address"));
    let serving = async {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.expect("sent");
        // Until the client hangs up, so that it reads the answer and no reset.
        stream.read_to_end(&mut Vec::new()).await.ok();
    };
    let http = http();
    let (answer, ()) = tokio::join!(http.send(post(&url), soon()), serving);
    let error = answer.err().expect("an error");
    assert!(matches!(error.kind(), ProviderErrorKind::Tls { .. }), "{error}");
    assert!(!error.is_transient());
}

#[tokio::test]
async fn a_slow_answer_ends_at_the_deadline_wherever_it_is_slow() {
    let drip = || Reply::RawThenHang(b"HTTP/1.1 200 OK\r\ncontent-le".to_vec());
    let half = || Reply::RawThenHang(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"access".to_vec());
    let chunk =
        || Reply::RawThenHang(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n".to_vec());
    for slow in [drip, half, chunk, || Reply::Hang] {
        let op = Scripted::start(move |_, _| slow()).await;
        let begin = Instant::now();
        let error = post_to(&op, begin + Duration::from_millis(150)).await.err().expect("an error");
        assert!(matches!(error.kind(), ProviderErrorKind::Timeout { .. }), "{error}");
        assert!(begin.elapsed() < Duration::from_secs(2));
    }
}

#[tokio::test]
async fn a_connection_that_hangs_ends_at_the_deadline() {
    // Nobody accepts; with TLS nobody answers the handshake.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("https://{}/x", listener.local_addr().expect("an address"));
    let http = http();
    let begin = Instant::now();
    let error = http.send(post(&url), begin + Duration::from_millis(300)).await.err().expect("an error");
    assert!(matches!(error.kind(), ProviderErrorKind::Timeout { .. }), "{error}");
    assert!(begin.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_socks_proxy_is_given_the_name_and_this_machine_goes_past_it() {
    let proxy = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("socks5h://{}", proxy.local_addr().expect("an address"));
    let clients =
        HttpClients::in_environment(move |name| (name == "ALL_PROXY").then(|| address.clone().into()));
    let http = clients.http("op.example".into(), None, true);
    let asked = async {
        let (mut stream, _) = proxy.accept().await.expect("a connection");
        let mut greeting = [0; 3];
        stream.read_exact(&mut greeting).await.expect("a greeting");
        stream.write_all(&[5, 0]).await.expect("no authentication");
        let mut request = [0; 4 + 1 + 10 + 2];
        stream.read_exact(&mut request).await.expect("a request");
        // Connect, by name, to port 443.
        assert_eq!(request[..4], [5, 1, 0, 3]);
        assert_eq!((&request[5..15], &request[15..]), (&b"op.example"[..], &443_u16.to_be_bytes()[..]));
        // Refused by its rules.
        stream.write_all(&[5, 2, 0, 1, 0, 0, 0, 0, 0, 0]).await.expect("a refusal");
    };
    let deadline = Instant::now() + Duration::from_millis(200);
    let (answer, ()) = tokio::join!(http.send(post("https://op.example/x"), deadline), asked);
    let error = answer.err().expect("refused");
    assert!(matches!(error.kind(), ProviderErrorKind::Unreachable { .. }), "{error}");

    let op = Scripted::start(|_, _| Reply::json("{}")).await;
    http.send(post(&format!("{}/x", op.issuer())), soon()).await.expect("past the proxy");
}

#[tokio::test]
async fn an_http_proxy_is_told_who_asks_and_never_what() {
    for (address, authorization) in
        [("", None), ("http://", None), ("http://u:p%40w@", Some("Basic dTpwQHc="))]
    {
        let proxy = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("{address}{}", proxy.local_addr().expect("an address"));
        let clients =
            HttpClients::in_environment(move |name| (name == "https_proxy").then(|| address.clone().into()));
        let http = clients.http("op.example".into(), None, true);
        let asked = async {
            let (mut stream, _) = proxy.accept().await.expect("a connection");
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.expect("a request"));
            }
            stream.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").await.expect("a refusal");
            String::from_utf8(head).expect("text")
        };
        let (answer, head) = tokio::join!(http.send(post("https://op.example/x"), soon()), asked);
        assert!(head.starts_with("CONNECT op.example:443 HTTP/1.1\r\n"), "{head}");
        let own = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("proxy-authorization").then_some(value)
        });
        assert_eq!(own, authorization, "{head}");
        assert!(!head.contains("refresh_token"), "{head}");
        let error = answer.err().expect("refused").to_string();
        assert!(!error.contains("p@w") && !error.contains("p%40w"), "{error}");
    }
}

#[tokio::test]
async fn an_environment_that_is_unusable_stops_only_what_needs_it() {
    let clients = HttpClients::in_environment(|name| match name {
        "SSL_CERT_FILE" => Some("/nowhere/ca.pem".into()),
        "https_proxy" => Some("gopher://proxy".into()),
        _ => None,
    });
    let op = Scripted::start(|_, _| Reply::json("{}")).await;
    let here = clients.http("op.example".into(), None, true);
    here.send(post(&format!("{}/x", op.issuer())), soon())
        .await
        .expect("no certificates and no proxy are needed");

    let server = SelfSigned::make("localhost");
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ca.pem");
    fs_err::write(&path, &server.pem).expect("written");
    let tls = Scripted::listen("127.0.0.1:0", Some(server.acceptor()), |_, _| Reply::json("{}")).await;
    let own = clients.http("op.example".into(), Some(path), true);
    own.send(post(&format!("https://localhost:{}/x", tls.address.port())), soon())
        .await
        .expect("its own bundle");

    let error = own.send(post("https://op.example/x"), soon()).await.err().expect("a bad proxy");
    assert!(error.to_string().contains("https_proxy"), "{error}");
    let error = here.send(post("https://localhost:9/x"), soon()).await.err().expect("no certificates");
    assert!(error.to_string().contains("/nowhere/ca.pem"), "{error}");
}
