//! A provider whose certificate is not accepted: what is wrong, in words and with real dates, and the option that mends it.

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::Arc,
    thread,
};

use oidc_tests::{agent::Agent, environment::Environment, programs::run, provider::Provider};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority")
}

/// A server that shows one certificate and answers every request with 404.
struct Server {
    port: u16,
    pem: String,
}

impl Server {
    /// With a certificate for `localhost`, after `change`; signed by itself where there is no authority.
    fn start(authority: Option<&Authority>, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
        params.not_after = date_time_ymd(4000, 12, 31);
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = match authority {
            Some(authority) => params.signed_by(&key, authority),
            None => params.self_signed(&key),
        };
        let certificate = certificate.expect("a certificate");
        let port = serve(certificate.der().clone(), PrivatePkcs8KeyDer::from(key.serialize_der()).into());
        Self { port, pem: certificate.pem() }
    }
}

fn serve(certificate: CertificateDer<'static>, key: PrivateKeyDer<'static>) -> u16 {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a usable certificate");
    let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").expect("a port"));
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let Ok(mut tls) = rustls::ServerConnection::new(Arc::clone(&config)) else { return };
            let mut tls = rustls::Stream::new(&mut tls, &mut stream);
            let mut request = Vec::new();
            let mut byte = [0];
            // A client that does not like the certificate hangs up.
            while !request.ends_with(b"\r\n\r\n") && matches!(tls.read(&mut byte), Ok(1)) {
                request.push(byte[0]);
            }
            if request.ends_with(b"\r\n\r\n") {
                let _ = tls
                    .write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            }
        }
    });
    port
}

struct Stage {
    agent: Agent,
    environment: Environment,
}

impl Stage {
    fn new() -> Self {
        let environment = Environment::new();
        Self { agent: Agent::start(&environment), environment }
    }

    /// What is said of the provider there, by two commands in the same words.
    fn told(&self, issuer: &str, trusted: &str) -> String {
        // A file of its own each time: the agent looks after a moment only whether one has changed.
        let mut file = tempfile::Builder::new().suffix(".pem").tempfile_in(self.environment.accounts());
        let file = file.as_mut().expect("a file");
        file.write_all(trusted.as_bytes()).expect("written");
        let path = file.path().to_str().expect("a path");
        let oidc = |arguments: &[&str]| {
            let mut command = self.agent.command(&self.environment, "oidc");
            command.args(arguments).args(["--cp", path]).env("OIDC_ENCRYPTION_PW", "secret");
            let finished = run(command);
            assert_eq!(finished.code, Some(9), "{finished:?}");
            finished.stderr
        };
        let probed = oidc(&["provider", "probe", issuer]);
        let made = oidc(&["gen", "demo", "--issuer", issuer, "--prompt=none", "--pw-env", "--flow=device"]);
        let first = probed.lines().next().expect("a line");
        assert!(made.contains(first), "{first} is not in {made}");
        probed
    }
}

#[test]
fn what_is_wrong_is_told_in_words_with_what_mends_it() {
    let (ours, again, other) = (authority("Ours"), authority("Ours"), authority("Other"));
    let good = Server::start(Some(&ours), |_| {});
    let expired = Server::start(Some(&ours), |params| params.not_after = date_time_ymd(2001, 12, 31));
    let early = Server::start(Some(&ours), |params| params.not_before = date_time_ymd(3001, 1, 1));
    let of_a_client = Server::start(Some(&ours), |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let own = Server::start(None, |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    let plain = Server::start(None, |_| {});
    let http = Provider::start();
    http.tolerate_violations();
    let http_port = http.origin().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");

    let stage = Stage::new();
    let ours = ours.pem();
    for (host, port, trusted, says) in [
        ("localhost", good.port, &other.pem(), vec!["nobody who is trusted here", "--cp"]),
        ("localhost", good.port, &again.pem(), vec!["another authority", "of the same name", "--cp"]),
        ("127.0.0.1", good.port, &ours, vec!["is for ", "localhost", "not for 127.0.0.1", "--issuer"]),
        ("localhost", expired.port, &ours, vec!["has expired on Mon, 31 Dec 2001", "administrators"]),
        ("localhost", early.port, &ours, vec!["not valid before Thu, 01 Jan 3001", "clock"]),
        ("localhost", of_a_client.port, &ours, vec!["not made for servers"]),
        ("localhost", own.port, &ours, vec!["signed itself", "--cp"]),
        ("localhost", plain.port, &ours, vec!["nobody who is trusted here", "--cp"]),
        ("localhost", http_port, &ours, vec!["does not speak TLS", "https://"]),
    ] {
        let issuer = format!("https://{host}:{port}");
        let told = stage.told(&issuer, trusted);
        for part in says.into_iter().chain([&*format!("{host}:{port}")]) {
            assert!(told.contains(part), "{part} is not in {told}");
        }
        for jargon in
            ["BadSignature", "UnknownIssuer", "CaUsedAsEndEntity", "invalid peer", "InvalidContentType"]
        {
            assert!(!told.contains(jargon), "{told}");
        }
    }
}

/// The connection is good then, and all that is missing is a provider.
#[test]
fn a_certificate_that_is_named_is_trusted() {
    let (ours, other) = (authority("Ours"), authority("Other"));
    let signed = Server::start(Some(&ours), |_| {});
    let own = Server::start(None, |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    let plain = Server::start(None, |_| {});
    // Beside it one of the same name that is not the server's.
    let namesake = Server::start(None, |_| {});
    let stage = Stage::new();
    for (server, trusted) in [
        (&signed, other.pem() + &ours.pem()),
        (&own, own.pem.clone()),
        (&plain, plain.pem.clone()),
        (&plain, namesake.pem.clone() + &plain.pem),
    ] {
        let told = stage.told(&format!("https://localhost:{}", server.port), &trusted);
        assert!(told.contains("well-known"), "{told}");
    }
}

#[test]
fn a_file_without_certificates_is_named() {
    let ours = authority("Ours");
    let server = Server::start(Some(&ours), |_| {});
    let stage = Stage::new();
    let issuer = format!("https://localhost:{}", server.port);
    let probe = |file: &str| {
        let mut command = stage.agent.command(&stage.environment, "oidc");
        command.current_dir(stage.environment.accounts());
        command.args(["provider", "probe", &issuer, "--cp", file]);
        run(command).failure()
    };
    let accounts = stage.environment.accounts();
    fs_err::write(accounts.join("nothing.pem"), "no certificate\n").expect("written");
    for file in ["absent.pem", "nothing.pem"] {
        let told = probe(file);
        let path = accounts.join(file).display().to_string();
        assert!(told.contains(&path), "relative paths are those of who typed them: {told}");
    }
    // And one with is found from there.
    fs_err::write(accounts.join("ours.pem"), ours.pem()).expect("written");
    let told = probe("ours.pem");
    assert!(told.contains("well-known"), "{told}");
}
