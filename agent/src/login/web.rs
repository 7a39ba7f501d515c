//! The web server of one login: pages only, at one path.

use std::{net::TcpListener, sync::Arc, time::Duration};

use http_body_util::Full;
use hyper::{
    Method, Request, Response,
    body::{Bytes, Incoming},
    header::{self, HeaderValue},
};
use tokio_util::sync::CancellationToken;

use super::page::{Page, Tone};
use crate::web::{self, Limits, Site, response::response};

/// An exchange with the provider lies between a request and its answer.
const LIMITS: Limits = Limits { connection: Duration::from_secs(60) };

/// Answers what a browser asks.
pub trait Visited: Send + Sync + 'static {
    /// The path that the redirect URI names.
    fn path(&self) -> &str;
    /// The page for a query at that path.
    fn answer(self: Arc<Self>, query: String) -> impl Future<Output = Page> + Send;
}

/// Serves until `stop`, then frees the port at once; pages on their way are still delivered.
pub async fn serve<V: Visited>(listeners: Vec<TcpListener>, visited: Arc<V>, stop: CancellationToken) {
    web::serve(listeners, Arc::new(LoginSite(visited)), LIMITS, stop).await;
}

struct LoginSite<V>(Arc<V>);

impl<V: Visited> Site for LoginSite<V> {
    async fn respond(self: Arc<Self>, request: Request<Incoming>) -> Response<Full<Bytes>> {
        respond(&request, Arc::clone(&self.0)).await
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
    let mut response = response(page.status, "text/html; charset=utf-8", page.to_html());
    let headers = response.headers_mut();
    if page.status == 405 {
        headers.insert(header::ALLOW, HeaderValue::from_static("GET"));
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
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

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
