//! What the HTTP library's errors mean.

use std::{error::Error, io, time::Duration};

use crate::provider::{error::ProviderErrorKind, text};

pub(super) fn kind_of(error: &reqwest::Error) -> ProviderErrorKind {
    if let Some(tls) = tls_error(error) {
        return ProviderErrorKind::Tls { reason: text::presentable(&tls.to_string(), &[]) };
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
