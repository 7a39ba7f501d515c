//! A service inside the test that takes tokens, or refuses them: HTTP over TLS on a port of its own, for real programs.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use crate::certificates::Certificates;

/// How long a connection may be silent.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest request, in bytes.
const MAX_REQUEST: usize = 1024 * 1024;

/// A request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The header `Authorization`.
    pub authorization: Option<String>,
}

/// An answer: status, content type and body. 401 says that a bearer token or a password is wanted.
pub type Answer = (u16, &'static str, String);

/// A running service; ends when dropped.
#[derive(Debug)]
pub struct Service {
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    /// With a certificate for `localhost` and 127.0.0.1.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(certificates: &Certificates, answer: impl Fn(&Asked) -> Answer + Send + 'static) -> Self {
        let config = tls(&certificates.certificate, &certificates.key);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (asked, ends) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (log, ended) = (Arc::clone(&asked), Arc::clone(&ends));
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                // A client that hangs up is no failure of the service.
                let _ = serve(stream, &config, &log, &answer);
            }
        });
        Self { port, asked, ends, thread: Some(thread) }
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        // A connection wakes it up.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn tls(certificate: &Path, key: &Path) -> Arc<rustls::ServerConfig> {
    let certificate = CertificateDer::from_pem_file(certificate).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(key).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a usable certificate");
    Arc::new(config)
}

/// One request, one answer.
fn serve(
    mut stream: TcpStream,
    config: &Arc<rustls::ServerConfig>,
    log: &Mutex<Vec<Asked>>,
    answer: &impl Fn(&Asked) -> Answer,
) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut tls = rustls::ServerConnection::new(Arc::clone(config)).map_err(std::io::Error::other)?;
    let mut tls = rustls::Stream::new(&mut tls, &mut stream);
    let (mut request, mut chunk) = (Vec::new(), [0; 4096]);
    let head = loop {
        let end = request.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(end) = end {
            break String::from_utf8_lossy(&request[..end]).into_owned();
        }
        let count = tls.read(&mut chunk)?;
        if count == 0 || request.len() > MAX_REQUEST {
            return Ok(());
        }
        request.extend_from_slice(&chunk[..count]);
    };
    let header = |name: &str| {
        let mut lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
    };
    let length: usize = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    while request.len() < head.len() + 4 + length.min(MAX_REQUEST) {
        match tls.read(&mut chunk)? {
            0 => break,
            count => request.extend_from_slice(&chunk[..count]),
        }
    }
    let mut words = head.split_ascii_whitespace();
    let asked = Asked {
        method: words.next().unwrap_or_default().to_owned(),
        target: words.next().unwrap_or_default().to_owned(),
        authorization: header("authorization"),
    };
    log.lock().unwrap_or_else(PoisonError::into_inner).push(asked.clone());
    let (status, kind, body) = answer(&asked);
    let wanted = if status == 401 {
        "www-authenticate: Bearer realm=\"test\"\r\nwww-authenticate: Basic realm=\"test\"\r\n"
    } else {
        ""
    };
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\n{wanted}content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    tls.write_all(head.as_bytes())?;
    tls.write_all(body.as_bytes())?;
    tls.conn.send_close_notify();
    tls.flush()
}
