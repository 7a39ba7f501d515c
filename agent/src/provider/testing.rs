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
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    time::Instant,
};

use super::{IssuerSettings, Provider, Providers};
use crate::clock::Clock;

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
    /// The same, and the connection is shut that much later, without a word about it.
    ThenClose(Box<Reply>, Duration),
    /// Bytes as they stand, and then nothing.
    RawThenHang(Vec<u8>),
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
    resumed: Arc<AtomicUsize>,
    scheme: &'static str,
}

/// A server certificate that nobody but itself has signed.
pub(crate) struct SelfSigned {
    pub(crate) pem: String,
    pub(crate) der: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl SelfSigned {
    /// One that calls itself an authority, as `openssl req -x509` makes it.
    pub(crate) fn make(name: &str) -> Self {
        Self::with(name, true, 4000)
    }

    /// As [`SelfSigned::make`]; it ends with the given year.
    pub(crate) fn with(name: &str, is_authority: bool, last_year: i32) -> Self {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        params.not_after = date_time_ymd(last_year, 12, 31);
        if is_authority {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        Self {
            pem: certificate.pem(),
            der: certificate.der().clone(),
            key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        }
    }

    /// A server's side of TLS with it.
    pub(crate) fn acceptor(&self) -> tokio_rustls::TlsAcceptor {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![self.der.clone()], self.key.clone_key())
            .expect("a usable certificate");
        Arc::new(config).into()
    }
}

impl Scripted {
    /// Answers with what `script` says; it gets the request and the issuer.
    pub(crate) async fn start(script: impl Fn(&Asked, &str) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen("127.0.0.1:0", None, script).await
    }

    /// The same at an address of choice, with TLS if a certificate is given.
    pub(crate) async fn listen(
        at: &str,
        tls: Option<tokio_rustls::TlsAcceptor>,
        script: impl Fn(&Asked, &str) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(at).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let scheme = if tls.is_some() { "https" } else { "http" };
        let scripted = Self {
            address,
            asked: Arc::default(),
            connections: Arc::default(),
            resumed: Arc::default(),
            scheme,
        };
        let resumed = scripted.resumed.clone();
        let (asked, connections, script) =
            (scripted.asked.clone(), scripted.connections.clone(), Arc::new(script));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::Relaxed);
                let (asked, script, tls) = (asked.clone(), script.clone(), tls.clone());
                let resumed = resumed.clone();
                tokio::spawn(async move {
                    let answer = |request: Asked| {
                        asked.lock().expect("no panic").push(request.clone());
                        script(&request, &format!("{scheme}://{address}"))
                    };
                    match tls {
                        None => serve(stream, answer).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                if stream.get_ref().1.handshake_kind() == Some(rustls::HandshakeKind::Resumed)
                                {
                                    resumed.fetch_add(1, Ordering::Relaxed);
                                }
                                serve(stream, answer).await;
                            }
                        }
                    }
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
        format!("{}://{}", self.scheme, self.address)
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

    /// Connections that went on with a TLS session.
    pub(crate) fn resumed(&self) -> usize {
        self.resumed.load(Ordering::Relaxed)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// A provider by issuer.
pub(crate) fn open(issuer: &str, settings: IssuerSettings) -> Arc<Provider> {
    let account = AccountConfig { issuer_url: Some(issuer.to_owned()), ..AccountConfig::default() };
    Providers::new(Clock::system(), move |_| settings.clone()).provider(&account).expect("an issuer")
}

/// Ten seconds from now.
pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

fn metadata(issuer: &str) -> String {
    format!(
        r#"{{"issuer":"{issuer}","token_endpoint":"{issuer}/token","authorization_endpoint":"{issuer}/authorize?tenant=1",
        "revocation_endpoint":"{issuer}/revoke","device_authorization_endpoint":"{issuer}/device",
        "registration_endpoint":"{issuer}/register","jwks_uri":"{issuer}/jwks",
        "introspection_endpoint":"{issuer}/introspect","userinfo_endpoint":"{issuer}/userinfo"}}"#
    )
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, script: impl Fn(Asked) -> Reply) {
    let mut buffer = Vec::new();
    while let Some(asked) = next_request(&mut stream, &mut buffer).await {
        let mut reply = script(asked);
        let mut close_after = None;
        if let Reply::ThenClose(inner, after) = reply {
            (reply, close_after) = (*inner, Some(after));
        }
        match reply {
            Reply::Answer(status, headers, body) => {
                let head = format!("HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\n\r\n", body.len());
                if stream.write_all(&[head.into_bytes(), body].concat()).await.is_err() {
                    return;
                }
                stream.flush().await.ok();
            }
            Reply::Raw(bytes) => {
                stream.write_all(&bytes).await.ok();
                stream.flush().await.ok();
                return;
            }
            Reply::RawThenHang(bytes) => {
                stream.write_all(&bytes).await.ok();
                stream.flush().await.ok();
                std::future::pending::<()>().await;
            }
            Reply::Hang | Reply::ThenClose(..) => std::future::pending().await,
        }
        if let Some(after) = close_after {
            tokio::time::sleep(after).await;
            return;
        }
    }
}

async fn next_request(stream: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> Option<Asked> {
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
