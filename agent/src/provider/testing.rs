//! A provider for the tests of this room: answers what it is told to, and remembers what it was asked.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use oidc_proto::{account::AccountConfig, json::Object};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::Instant,
};

use super::{IssuerSettings, Provider, Providers};

/// A request as it came in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// What to do about it.
pub(crate) enum Reply {
    /// Status, further header lines (each with its line end), body.
    Answer(u16, String, Vec<u8>),
    /// Bytes as they stand, then the end of the connection.
    Raw(Vec<u8>),
    /// Never.
    Hang,
}

impl Reply {
    pub(crate) fn json(body: impl Into<String>) -> Self {
        Self::Answer(200, String::new(), body.into().into_bytes())
    }

    pub(crate) fn status(status: u16, body: impl Into<String>) -> Self {
        Self::Answer(status, String::new(), body.into().into_bytes())
    }

    pub(crate) fn with_header(status: u16, header: &str, body: &str) -> Self {
        Self::Answer(status, format!("{header}\r\n"), body.as_bytes().to_vec())
    }
}

impl Asked {
    /// A header's value; empty when absent.
    pub(crate) fn header(&self, name: &str) -> &str {
        let line = self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        });
        line.unwrap_or_default()
    }
}

/// A listening provider; its tasks end with the test's runtime.
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    connections: Arc<AtomicUsize>,
}

impl Scripted {
    /// Answers with what `script` says; it gets the request and the issuer.
    pub(crate) async fn start(script: impl Fn(&Asked, &str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let scripted = Self { address, asked: Arc::default(), connections: Arc::default() };
        let (asked, connections, script) =
            (scripted.asked.clone(), scripted.connections.clone(), Arc::new(script));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::Relaxed);
                let (asked, script) = (asked.clone(), script.clone());
                tokio::spawn(async move {
                    serve(stream, |request| {
                        asked.lock().expect("no panic").push(request.clone());
                        script(&request, &format!("http://{address}"))
                    })
                    .await;
                });
            }
        });
        scripted
    }

    /// A provider with all endpoints, which answers discovery itself and leaves the rest to `script`.
    pub(crate) async fn provider(script: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(move |asked, issuer| match asked.path.as_str() {
            "/.well-known/openid-configuration" => Reply::json(metadata(issuer)),
            _ => script(asked),
        })
        .await
    }

    pub(crate) fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The agent's view of it.
    pub(crate) fn open(&self) -> Arc<Provider> {
        open(&self.issuer(), IssuerSettings::default())
    }

    /// The same with an override object of the issuer data.
    pub(crate) fn open_with(&self, quirks: &str) -> Arc<Provider> {
        let quirks = Object::parse(quirks.as_bytes()).expect("an object");
        open(&self.issuer(), IssuerSettings { quirks: Some(quirks), ..IssuerSettings::default() })
    }

    /// What was asked at that path.
    pub(crate) fn asked(&self, path: &str) -> Vec<Asked> {
        self.asked.lock().expect("no panic").iter().filter(|asked| asked.path == path).cloned().collect()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// A provider by issuer.
pub(crate) fn open(issuer: &str, settings: IssuerSettings) -> Arc<Provider> {
    let account = AccountConfig { issuer_url: Some(issuer.to_owned()), ..AccountConfig::default() };
    Providers::new(move |_| settings.clone()).provider(&account).expect("an issuer")
}

/// Ten seconds from now.
pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

fn metadata(issuer: &str) -> String {
    format!(
        r#"{{"issuer":"{issuer}","token_endpoint":"{issuer}/token","authorization_endpoint":"{issuer}/authorize?tenant=1",
        "revocation_endpoint":"{issuer}/revoke","device_authorization_endpoint":"{issuer}/device",
        "registration_endpoint":"{issuer}/register","jwks_uri":"{issuer}/jwks"}}"#
    )
}

async fn serve(mut stream: TcpStream, script: impl Fn(Asked) -> Reply) {
    let mut buffer = Vec::new();
    while let Some(asked) = next_request(&mut stream, &mut buffer).await {
        match script(asked) {
            Reply::Answer(status, headers, body) => {
                let head = format!("HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\n\r\n", body.len());
                if stream.write_all(&[head.into_bytes(), body].concat()).await.is_err() {
                    return;
                }
            }
            Reply::Raw(bytes) => {
                stream.write_all(&bytes).await.ok();
                return;
            }
            Reply::Hang => std::future::pending().await,
        }
    }
}

async fn next_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Asked> {
    loop {
        if let Some((asked, length)) = parse(buffer) {
            buffer.drain(..length);
            return Some(asked);
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

fn parse(buffer: &[u8]) -> Option<(Asked, usize)> {
    let end = buffer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    let mut words = head.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut asked = Asked { method, path, head, body: String::new() };
    let length: usize = asked.header("content-length").parse().unwrap_or(0);
    let body = buffer.get(end..end + length)?;
    asked.body = String::from_utf8_lossy(body).into_owned();
    Some((asked, end + length))
}
