//! Servers whose own certificate is the one that `cert_path` names.
//!
//! `openssl req -x509` makes a self-signed server certificate that calls itself an authority, and people give that very
//! certificate as `cert_path`. The path validation of RFC 5280 refuses an authority as a server; OpenSSL, and with it
//! the C suite, takes it. Here a certificate is taken without a path if it is byte for byte one that the file holds.

use std::{collections::HashSet, sync::Arc};

use ring::digest::{SHA256, digest};
use rustls::{
    CertificateError, DigitallySignedStruct, Error, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};

/// Verifies by path, and else by being the very certificate that was named.
#[derive(Debug)]
pub(super) struct Pinned {
    by_path: Arc<WebPkiServerVerifier>,
    /// SHA-256 of the DER.
    named: HashSet<[u8; 32]>,
}

impl Pinned {
    pub(super) fn new(by_path: Arc<WebPkiServerVerifier>, named: &[CertificateDer<'_>]) -> Self {
        Self { by_path, named: named.iter().map(fingerprint).collect() }
    }
}

fn fingerprint(certificate: &CertificateDer<'_>) -> [u8; 32] {
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(digest(&SHA256, certificate).as_ref());
    fingerprint
}

/// Whether all that is wrong is the path. The time of the server's certificate is judged before its path, and has
/// errors of its own; an authority that stands as a server is among the others, and one that bears the name of another.
fn is_about_the_path(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature | CertificateError::Other(_)
        )
    )
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let by_path =
            self.by_path.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match by_path {
            Err(error) if is_about_the_path(&error) && self.named.contains(&fingerprint(end_entity)) => {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            result => result,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.by_path.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.by_path.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.by_path.supported_verify_schemes()
    }
}
