//! Somebody who speaks HTTP to the page, well or badly.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use oidc_tests::agent::Agent;
use serde_json::{Value, json};

/// How long an answer is waited for.
const DEADLINE: Duration = Duration::from_secs(40);

/// A page that was asked for, and what opens it.
pub struct Address {
    /// Its port.
    pub port: u16,
    /// What opens it once.
    pub secret: String,
}

impl Address {
    /// Asks an agent for its page.
    pub fn of(agent: &Agent) -> Self {
        let reply = agent.request(&json!({"request": "page"})).expect("a reply");
        let address = reply["page"]["address"].as_str().unwrap_or_else(|| panic!("no page: {reply}"));
        let rest = address.strip_prefix("http://127.0.0.1:").expect("on this computer");
        let (port, secret) = rest.split_once("/#").expect("the secret is where no browser sends it");
        Self { port: port.parse().expect("a port"), secret: secret.to_owned() }
    }

    /// The address as a browser opens it.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/#{}", self.port, self.secret)
    }

    /// Sends bytes, and reads until the end. What was read before an error counts.
    pub fn exchange(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().expect("the page is there");
        // It may close before all is sent.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// A connection.
    pub fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(DEADLINE))?;
        Ok(stream)
    }

    /// Nobody listens at that port any more, or will not in a moment.
    pub fn expect_nobody(&self) {
        let end = Instant::now() + DEADLINE;
        while self.connect().is_ok() {
            assert!(Instant::now() < end, "somebody still listens");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Opens the page as its script does.
    pub fn open(&self) -> Visitor<'_> {
        let request = Post::to("/open").body(&json!({"secret": self.secret}));
        let answer = Answer::read(&self.exchange(request.encode(self.port).as_bytes()));
        assert_eq!(answer.status, 200, "{answer:?}");
        let cookie = answer.header("set-cookie").expect("a cookie").to_owned();
        let (pair, attributes) = cookie.split_once(';').expect("attributes");
        assert_eq!(attributes, " HttpOnly; SameSite=Strict; Path=/");
        let word = answer.json()["word"].as_str().expect("a word").to_owned();
        Visitor { address: self, cookie: pair.to_owned(), word }
    }
}

/// Somebody who is in.
pub struct Visitor<'a> {
    address: &'a Address,
    /// Name and value.
    pub cookie: String,
    /// For the header.
    pub word: String,
}

impl Visitor<'_> {
    /// A request as the page's script makes it.
    pub fn post(&self, path: &str) -> Post {
        Post::to(path).with("cookie", &self.cookie).with("x-oidc-page", &self.word)
    }

    /// Asks as the page's script does.
    pub fn ask(&self, path: &str, body: &Value) -> Answer {
        Answer::read(&self.address.exchange(self.post(path).body(body).encode(self.address.port).as_bytes()))
    }
}

/// A request that is right in everything, before somebody changes it.
#[derive(Clone)]
pub struct Post {
    method: String,
    path: String,
    /// `None`: what the port makes of it.
    headers: Vec<(String, Option<String>)>,
    body: String,
}

impl Post {
    /// By `POST`, from the page itself.
    pub fn to(path: &str) -> Self {
        let own = |name: &str, value: Option<&str>| (name.to_owned(), value.map(str::to_owned));
        let headers = vec![
            own("host", None),
            own("origin", None),
            own("sec-fetch-site", Some("same-origin")),
            own("content-type", Some("application/json")),
        ];
        Self { method: "POST".to_owned(), path: path.to_owned(), headers, body: "{}".to_owned() }
    }

    /// By another method.
    pub fn by(mut self, method: &str) -> Self {
        method.clone_into(&mut self.method);
        self
    }

    /// With another value of a header, or another header.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self = self.without(name);
        self.headers.push((name.to_owned(), Some(value.to_owned())));
        self
    }

    /// Without a header.
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self
    }

    /// With a body.
    pub fn body(self, body: &Value) -> Self {
        Self { body: body.to_string(), ..self }
    }

    /// The bytes.
    pub fn encode(&self, port: u16) -> String {
        let own = |name: &str| match name {
            "host" => format!("127.0.0.1:{port}"),
            _ => format!("http://127.0.0.1:{port}"),
        };
        let first = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        let headers = self
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {}\r\n", value.clone().unwrap_or_else(|| own(name))));
        let last = format!("content-length: {}\r\n\r\n{}", self.body.len(), self.body);
        std::iter::once(first).chain(headers).chain([last]).collect()
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The status; 0: the connection was closed without a word.
    pub status: u16,
    head: String,
    /// What follows the headers.
    pub body: String,
}

impl Answer {
    /// Takes an answer apart.
    pub fn read(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// A header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let pairs = self.head.lines().filter_map(|line| line.split_once(": "));
        pairs.into_iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}
