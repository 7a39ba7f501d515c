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
    testing::{Reply, Scripted, soon},
};

fn http() -> Http {
    HttpClients::default().http("op.example".into(), None)
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
async fn says_who_it_is_and_keeps_the_connection() {
    let op = Scripted::start(|_, _| Reply::json("{}")).await;
    let (http, url) = (http(), format!("{}/x", op.issuer()));
    for _ in 0..3 {
        http.send(post(&url), soon()).await.expect("an answer");
    }
    assert_eq!(op.connections(), 1);
    let asked = op.asked("/x").remove(0);
    assert_eq!(asked.header("user-agent"), concat!("oidc-agent/", env!("CARGO_PKG_VERSION")));
    assert_eq!(asked.header("accept"), "application/json");
    assert_eq!(asked.header("content-type"), "application/x-www-form-urlencoded");
    assert_eq!(asked.body, "grant_type=refresh_token");
}

#[tokio::test]
async fn a_status_that_asks_for_it_is_tried_again_with_a_fresh_buffer() {
    for status in [408, 429, 502, 503, 504] {
        static STATUS: AtomicUsize = AtomicUsize::new(0);
        STATUS.store(status, Ordering::Relaxed);
        let unavailable = || {
            let status = u16::try_from(STATUS.load(Ordering::Relaxed)).expect("a status");
            Reply::with_header(status, "retry-after: 0", r#"{"old":1}"#)
        };
        let op = Scripted::start(first_then(unavailable, || Reply::json(r#"{"new":1}"#))).await;
        let answer = post_to(&op, soon()).await.expect("an answer");
        assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, &br#"{"new":1}"#[..]), "{status}");
    }
    let op = Scripted::start(|_, _| Reply::status(500, "")).await;
    assert_eq!(post_to(&op, soon()).await.expect("an answer").status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(op.asked("/x").len(), 1);
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
