//! An answer before it becomes HTTP, so that a fault can still cut it.

use serde::Serialize;
use serde_json::json;

/// Status, headers and the whole body.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

impl Reply {
    /// JSON that must not be cached (RFC 6749 section 5.1).
    pub(super) fn json(status: u16, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).unwrap_or_default();
        Self { status, headers: vec![], body }
            .with("content-type", "application/json")
            .with("cache-control", "no-store")
    }

    /// RFC 6749 section 5.2.
    pub(super) fn error(status: u16, error: &str, description: &str) -> Self {
        Self::json(status, &json!({"error": error, "error_description": description}))
    }

    pub(super) fn html(status: u16, body: &str) -> Self {
        let page = format!("<!doctype html><meta charset=utf-8><title>Test provider</title>{body}");
        Self { status, headers: vec![], body: page.into_bytes() }.with("content-type", "text/html")
    }

    pub(super) fn text(status: u16, body: &str) -> Self {
        Self { status, headers: vec![], body: body.into() }.with("content-type", "text/plain")
    }

    pub(super) fn redirect(status: u16, to: &str) -> Self {
        Self::empty(status).with("location", to)
    }

    pub(super) fn empty(status: u16) -> Self {
        Self { status, headers: vec![], body: vec![] }
    }

    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// `text` with the characters that mean something in HTML escaped.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
