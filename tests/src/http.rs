//! The least HTTP/1.1 client: what a test needs to play a browser or to drive a provider by hand.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde_json::Value;
use url::Url;

/// No test waits longer than this for an answer.
const DEADLINE: Duration = Duration::from_secs(20);

/// A request, built up and sent over a connection of its own.
#[derive(Debug, Clone)]
pub struct Request {
    method: &'static str,
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// An answer, read whole.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Without any transfer coding.
    pub body: Vec<u8>,
}

/// `GET url`.
pub fn get(url: impl Into<String>) -> Request {
    request("GET", url)
}

/// `POST url`, without a body yet.
pub fn post(url: impl Into<String>) -> Request {
    request("POST", url)
}

/// Any other method.
pub fn request(method: &'static str, url: impl Into<String>) -> Request {
    Request { method, url: url.into(), headers: Vec::new(), body: Vec::new() }
}

impl Request {
    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets a form as the body.
    #[must_use]
    pub fn form(mut self, pairs: &[(&str, &str)]) -> Self {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        self.body = form.into_bytes();
        self.header("content-type", "application/x-www-form-urlencoded")
    }

    /// Sets JSON as the body.
    #[must_use]
    pub fn json(mut self, body: &Value) -> Self {
        self.body = body.to_string().into_bytes();
        self.header("content-type", "application/json")
    }

    /// Sends the request and reads the answer to the end of the connection.
    pub fn send(self) -> io::Result<Response> {
        let url = Url::parse(&self.url).map_err(io::Error::other)?;
        let address = url.socket_addrs(|| Some(80))?;
        let mut stream = TcpStream::connect(&address[..])?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.write_all(&self.encode(&url))?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        Response::parse(&bytes)
    }

    fn encode(&self, url: &Url) -> Vec<u8> {
        let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
        let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
        let first = format!("{} {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n", self.method);
        let headers = self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
        let last = format!("content-length: {}\r\n\r\n", self.body.len());
        let head = std::iter::once(first).chain(headers).chain([last]).collect::<String>();
        [head.as_bytes(), &self.body].concat()
    }
}

impl Response {
    fn parse(bytes: &[u8]) -> io::Result<Self> {
        let bad = || io::Error::new(io::ErrorKind::UnexpectedEof, "no whole HTTP answer");
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").ok_or_else(bad)?;
        let head = std::str::from_utf8(&bytes[..end]).map_err(io::Error::other)?;
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).ok_or_else(bad)?;
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut response = Self { status, headers, body: bytes[end + 4..].to_vec() };
        if response.header("transfer-encoding") == Some("chunked") {
            response.body = unchunked(&response.body).ok_or_else(bad)?;
        }
        let length = response.header("content-length").and_then(|length| length.parse().ok());
        if length.is_some_and(|length: usize| length != response.body.len()) {
            return Err(bad());
        }
        Ok(response)
    }

    /// The first header of this name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; `null` when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

fn unchunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|window| window == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..line]).ok()?, 16).ok()?;
        rest = &rest[line + 2..];
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..length)?);
        rest = rest.get(length + 2..)?;
    }
}
