//! The certificates that providers are checked against: the system's bundle, or the account's `cert_path`.
//!
//! A bundle is read as a stream, one certificate at a time, and only what verification needs of each is kept. The
//! platform verifier that comes with the HTTP library also reads the directory beside the bundle, some 300 files, and
//! holds all of it at once. Measured with Debian's 144 roots, optimised: 1 ms and 150 KiB that stay, against 8 ms and
//! 370 KiB.

use std::{
    env,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore,
    client::Resumption,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};

/// Where systems keep the bundle: Debian, Fedora and RHEL, openSUSE, Alpine, the BSDs.
const BUNDLES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/share/ssl/certs/ca-bundle.crt",
    "/usr/local/share/certs/ca-root-nss.crt",
];

/// The variables OpenSSL has for the same purpose.
const FILE_VARIABLE: &str = "SSL_CERT_FILE";
const DIRECTORY_VARIABLE: &str = "SSL_CERT_DIR";

/// TLS sessions kept for resumption, over all providers of a client.
const SESSIONS: usize = 16;

/// Whether the path means the system's roots. Releases 4.x of the C suite write the one they find into every account
/// file, which then may travel to a system that keeps its bundle elsewhere.
pub(crate) fn is_system_bundle(cert_path: &str) -> bool {
    BUNDLES.contains(&cert_path)
}

/// TLS as the agent speaks it: 1.2 and 1.3 on ring, HTTP/1.1, no client certificate.
///
/// Reads files, so it must not run on the runtime's threads. The error is for people.
pub(crate) fn tls_config(cert_path: Option<&Path>) -> Result<ClientConfig, String> {
    let roots = match cert_path {
        Some(path) => bundle(path)?,
        None => system_roots()?,
    };
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::in_memory_sessions(SESSIONS);
    Ok(config)
}

/// `SSL_CERT_FILE` and `SSL_CERT_DIR` replace the system's bundle, as they do for OpenSSL and curl.
fn system_roots() -> Result<RootCertStore, String> {
    let file = env::var_os(FILE_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
    let directory = env::var_os(DIRECTORY_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
    if file.is_some() || directory.is_some() {
        let mut roots = file.map_or_else(|| Ok(RootCertStore::empty()), |file| bundle(&file))?;
        if let Some(directory) = directory {
            add_directory(&mut roots, &directory)?;
        }
        return not_empty(roots, &format!("{FILE_VARIABLE} and {DIRECTORY_VARIABLE}"));
    }
    match BUNDLES.iter().map(Path::new).find(|path| path.exists()) {
        Some(path) => bundle(path),
        None => Err("the system has no CA certificates; name a bundle with SSL_CERT_FILE".to_owned()),
    }
}

fn bundle(path: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    add_file(&mut roots, path)?;
    not_empty(roots, &path.display().to_string())
}

fn not_empty(roots: RootCertStore, place: &str) -> Result<RootCertStore, String> {
    if roots.is_empty() { Err(format!("no usable CA certificate in {place}")) } else { Ok(roots) }
}

/// Certificates that cannot be used are passed over: bundles carry oddities.
fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
    let unreadable = |error: &dyn std::fmt::Display| {
        format!("cannot read CA certificates from {}: {error}", path.display())
    };
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| unreadable(&error))? {
        match certificate {
            Ok(certificate) => {
                roots.add_parsable_certificates([certificate]);
            }
            Err(error) => return Err(unreadable(&error)),
        }
    }
    Ok(())
}

/// Every file of a directory; those that hold no certificate are passed over.
fn add_directory(roots: &mut RootCertStore, directory: &Path) -> Result<(), String> {
    for entry in fs_err::read_dir(directory).map_err(|error| error.to_string())? {
        let path = entry.map_err(|error| error.to_string())?.path();
        if path.is_file() && add_file(roots, &path).is_err() {
            tracing::debug!(path = %path.display(), "no CA certificate");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_that_is_none_says_so() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("ca.pem");
        assert!(tls_config(Some(&path)).unwrap_err().contains("cannot read CA certificates from"));
        fs_err::write(&path, "no certificate").expect("written");
        assert!(tls_config(Some(&path)).unwrap_err().contains("no usable CA certificate in"));
    }
}
