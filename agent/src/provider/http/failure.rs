//! What the HTTP library's errors mean.

use std::{
    error::Error,
    io,
    time::{Duration, UNIX_EPOCH},
};

use rustls::pki_types::UnixTime;

use crate::provider::{error::ProviderErrorKind, text};

pub(super) fn kind_of(error: &reqwest::Error) -> ProviderErrorKind {
    if let Some(tls) = tls_error(error) {
        return ProviderErrorKind::Tls { reason: text::presentable(&in_words(tls), &[]) };
    }
    if error.is_connect() {
        let reason =
            if error.is_timeout() { "connecting took too long".to_owned() } else { reason_of(error) };
        return ProviderErrorKind::Unreachable { reason };
    }
    if error.is_timeout() {
        // Whoever sent it knows how long that was.
        return ProviderErrorKind::Timeout { after: Duration::ZERO };
    }
    ProviderErrorKind::Interrupted
}

/// What is wrong, and what mends it.
fn in_words(error: &rustls::Error) -> String {
    use rustls::{CertificateError as Certificate, Error};
    const TRUST: &str =
        "if it is the right one, name the certificate of its authority, or its own, with --cp";
    const CLOCK: &str = "if that is long past or far ahead, look at the clock of this computer";
    match error {
        Error::InvalidCertificate(certificate) => match certificate {
            Certificate::UnknownIssuer => {
                format!("nobody who is trusted here has signed the certificate of the server; {TRUST}")
            }
            Certificate::ExpiredContext { not_after, .. } => format!(
                "the certificate of the server has expired on {}; its administrators have to renew it, or {CLOCK}",
                date(*not_after)
            ),
            Certificate::Expired => {
                "the certificate of the server has expired; its administrators have to renew it".to_owned()
            }
            Certificate::NotValidYetContext { not_before, .. } => format!(
                "the certificate of the server is not valid before {}; {CLOCK}",
                date(*not_before)
            ),
            Certificate::NotValidYet => format!("the certificate of the server is not valid yet; {CLOCK}"),
            Certificate::NotValidForNameContext { expected, presented } => format!(
                "the certificate of the server is for {}, not for {}; use the name that it is for in --issuer",
                if presented.is_empty() { "no name".to_owned() } else { names(presented) },
                expected.to_str()
            ),
            Certificate::NotValidForName => {
                "the certificate of the server is for another name; use that name in --issuer".to_owned()
            }
            // An authority that was made anew under its old name.
            Certificate::BadSignature => format!(
                "the certificate of the server was signed by another authority than the one of the same name that is trusted \
                 here; {TRUST}"
            ),
            Certificate::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => format!(
                "the server shows the certificate of an authority, most likely one that it has signed itself, and which is not \
                 trusted here; {TRUST}"
            ),
            Certificate::InvalidPurpose | Certificate::InvalidPurposeContext { .. } => {
                "the certificate of the server is not made for servers; its administrators have to replace it".to_owned()
            }
            other => format!("the certificate of the server is not accepted: {other}; {TRUST}"),
        },
        Error::PeerIncompatible(_) => {
            format!("the server speaks no version of TLS, or no cipher, that is safe enough ({error})")
        }
        Error::AlertReceived(_) => format!(
            "the server ended the TLS handshake ({error}): it may want a certificate of its clients, which is not supported, or \
             speak old versions of TLS only"
        ),
        Error::InvalidMessage(_) => {
            "what answers there does not speak TLS: a plain http server, or another service at that port; look at the port and \
             at https:// in --issuer"
                .to_owned()
        }
        other => other.to_string(),
    }
}

fn date(time: UnixTime) -> String {
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(time.as_secs()))
}

/// The names of a certificate, a few of them.
fn names(presented: &[String]) -> String {
    const SHOWN: usize = 4;
    let mut names = presented[..presented.len().min(SHOWN)].join(", ");
    if presented.len() > SHOWN {
        names.push_str(", …");
    }
    names
}

/// The TLS error within, if there is one; an `io::Error` hides what it wraps from `source`.
fn tls_error(error: &reqwest::Error) -> Option<&rustls::Error> {
    let mut next = error.source();
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref() {
            return Some(tls);
        }
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(tls) = wrapped.and_then(|inner| inner.downcast_ref()) {
            return Some(tls);
        }
        next = match wrapped {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// The innermost reason; the outer ones repeat the URL.
pub(super) fn reason_of(error: &reqwest::Error) -> String {
    let mut reason: &dyn Error = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    text::presentable(&reason.to_string(), &[])
}
