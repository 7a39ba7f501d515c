//! The least HTTP/1.1 client: what a test needs to play a browser or to drive a provider by hand.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::TcpStream,
    time::Duration,
};

use serde_json::Value;
use url::Url;

/// How long an answer is waited for, unless [`Request::within`] says otherwise.
const DEADLINE: Duration = Duration::from_secs(20);

/// A request, built up and sent over a connection of its own.
#[derive(Debug, Clone)]
pub struct Request {
    method: &'static str,
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    deadline: Duration,
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
    Request { method, url: url.into(), headers: Vec::new(), body: Vec::new(), deadline: DEADLINE }
}

impl Request {
    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Waits for the answer as long as this.
    #[must_use]
    pub fn within(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
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
        stream.set_read_timeout(Some(self.deadline))?;
        stream.write_all(&self.encode(&url))?;
        Response::read(BufReader::new(stream))
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
    fn read(mut stream: impl BufRead) -> io::Result<Self> {
        let first = line(&mut stream)?;
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(cut_off)?;
        let mut response = Self { status, headers: Vec::new(), body: Vec::new() };
        loop {
            let line = line(&mut stream)?;
            let Some((name, value)) = line.split_once(':') else { break };
            response.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        // Not every server closes when it is asked to, so the length decides where there is one.
        response.body = if response.header("transfer-encoding") == Some("chunked") {
            read_chunked(&mut stream)?
        } else if let Some(length) = response.header("content-length") {
            read_exactly(&mut stream, length.parse().map_err(io::Error::other)?)?
        } else {
            let mut body = Vec::new();
            stream.read_to_end(&mut body)?;
            body
        };
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

fn read_chunked(stream: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let length = usize::from_str_radix(&line(stream)?, 16).map_err(io::Error::other)?;
        body.extend(read_exactly(stream, length)?);
        line(stream)?;
        if length == 0 {
            return Ok(body);
        }
    }
}

fn read_exactly(stream: &mut impl BufRead, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// A line without its end.
fn line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    if line.ends_with('\n') { Ok(line.trim_end().to_owned()) } else { Err(cut_off()) }
}

fn cut_off() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "no whole HTTP answer")
}
