//! The web server of one login: a few connections, one request each, pages only.

use std::{convert::Infallible, net::TcpListener, sync::Arc, time::Duration};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{self, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpStream, sync::Semaphore, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::page::{Page, Tone};

/// Most connections at a time: browsers open a few, some of them in advance.
const CONNECTIONS: usize = 16;
/// How long a browser may take to send its request. Connections opened in advance are closed then.
const REQUEST_DEADLINE: Duration = Duration::from_secs(20);
/// How long a request and its answer may take: an exchange with the provider lies in between.
const CONNECTION_DEADLINE: Duration = Duration::from_secs(60);
/// The longest request line and headers, in bytes.
const MAX_HEAD: usize = 32 * 1024;

/// Answers what a browser asks.
pub trait Visited: Send + Sync + 'static {
    /// The path that the redirect URI names.
    fn path(&self) -> &str;
    /// The page for a query at that path.
    fn answer(self: Arc<Self>, query: String) -> impl Future<Output = Page> + Send;
}

/// Serves until `stop`, then frees the port at once; pages on their way are still delivered.
pub async fn serve<V: Visited>(listeners: Vec<TcpListener>, visited: Arc<V>, stop: CancellationToken) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let accepting = TaskTracker::new();
    for listener in listeners {
        let listener = match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::warn!(%error, "the login's web server does not listen at one of its addresses");
                continue;
            }
        };
        let (visited, stop, slots) = (Arc::clone(&visited), stop.clone(), Arc::clone(&slots));
        accepting.spawn(async move {
            // Dropped at `stop`, and with it the port's socket.
            stop.run_until_cancelled(accept(listener, visited, slots)).await;
        });
    }
    accepting.close();
    accepting.wait().await;
}

async fn accept<V: Visited>(listener: tokio::net::TcpListener, visited: Arc<V>, slots: Arc<Semaphore>) {
    while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let visited = Arc::clone(&visited);
                tokio::spawn(async move {
                    let _ = timeout(CONNECTION_DEADLINE, converse(stream, visited)).await;
                    drop(slot);
                });
            }
            // Out of descriptors, or the connection is gone already; in the first case it will pass.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn converse<V: Visited>(stream: TcpStream, visited: Arc<V>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let visited = Arc::clone(&visited);
        async move { Ok::<_, Infallible>(respond(&request, visited).await) }
    });
    let served = http1::Builder::new()
        .keep_alive(false)
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_DEADLINE)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a browser's connection ended early");
    }
}

async fn respond<V: Visited>(request: &Request<Incoming>, visited: Arc<V>) -> Response<Full<Bytes>> {
    let page = if !is_meant_for_loopback(request.headers().get(header::HOST)) {
        Page::new(
            421,
            Tone::Neutral,
            "Wrong address",
            "This server answers on this computer's own addresses only.",
        )
    } else if request.uri().path() != visited.path() {
        Page::new(
            404,
            Tone::Neutral,
            "Nothing here",
            "This address belongs to a login that is under way elsewhere.",
        )
    } else if request.method() != Method::GET {
        Page::new(405, Tone::Neutral, "Not like this", "A login is answered by a plain visit (GET).")
    } else {
        let query = request.uri().query().unwrap_or_default().to_owned();
        visited.answer(query).await
    };
    to_response(&page)
}

/// Names of another host lead here only by a trick (DNS rebinding). The port may differ: it may be forwarded.
fn is_meant_for_loopback(host: Option<&HeaderValue>) -> bool {
    let Some(host) = host.and_then(|host| host.to_str().ok()) else { return false };
    let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    let name = name.map_or(host, |(name, _)| name);
    matches!(name.to_ascii_lowercase().as_str(), "localhost" | "127.0.0.1" | "[::1]")
}

fn to_response(page: &Page) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(page.to_html())));
    *response.status_mut() = StatusCode::from_u16(page.status).unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    let mut set = |name, value: &'static str| headers.insert(name, HeaderValue::from_static(value));
    set(header::CONTENT_TYPE, "text/html; charset=utf-8");
    set(header::CACHE_CONTROL, "no-store");
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::CONNECTION, "close");
    if page.status == 405 {
        set(header::ALLOW, "GET");
    }
    if let Some(location) = page.location.as_deref().and_then(|location| HeaderValue::from_str(location).ok())
    {
        headers.insert(header::LOCATION, location);
    }
    if let Ok(policy) = HeaderValue::from_str(&Page::content_security_policy()) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    struct Echo;

    impl Visited for Echo {
        fn path(&self) -> &'static str {
            "/cb"
        }

        async fn answer(self: Arc<Self>, query: String) -> Page {
            Page::new(200, Tone::Good, "Seen", query)
        }
    }

    async fn ask(port: u16, request: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("connected");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("UTF-8");
        answer
    }

    fn status(answer: &str) -> &str {
        answer.split(' ').nth(1).unwrap_or_default()
    }

    #[tokio::test]
    async fn serves_one_path_to_this_machine_and_frees_the_port() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("set");
        let port = listener.local_addr().expect("an address").port();
        let stop = CancellationToken::new();
        let serving = tokio::spawn(serve(vec![listener], Arc::new(Echo), stop.clone()));

        let seen = ask(port, "GET /cb?state=a%20b HTTP/1.1\r\nHost: localhost:1\r\n\r\n").await;
        assert_eq!(status(&seen), "200");
        assert!(seen.contains("<p>state=a%20b</p>"));
        let lower = seen.to_lowercase();
        for header in [
            "cache-control: no-store",
            "referrer-policy: no-referrer",
            "content-security-policy: ",
            "connection: close",
        ] {
            assert!(lower.contains(header), "{header}");
        }
        for (request, expected) in [
            ("GET /favicon.ico HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "404"),
            ("POST /cb HTTP/1.1\r\nHost: [::1]:7\r\nContent-Length: 0\r\n\r\n", "405"),
            ("GET /cb HTTP/1.1\r\nHost: evil.example\r\n\r\n", "421"),
            ("GET /cb HTTP/1.1\r\n\r\n", "421"),
            ("nonsense\r\n\r\n", "400"),
        ] {
            assert_eq!(status(&ask(port, request).await), expected, "{request}");
        }

        stop.cancel();
        serving.await.expect("served");
        TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
    }
}
