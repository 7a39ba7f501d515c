//! A request, read whole and taken apart.

use base64::{Engine, prelude::BASE64_STANDARD};
use http_body_util::BodyExt;
use hyper::{HeaderMap, Method, Request, body::Incoming as RequestBody, header};
use serde_json::Value;

use super::{
    endpoint::Endpoint,
    log::{Authorization, Recorded},
    params::Params,
};

/// A request to the provider.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: Params,
    pub(super) form: Params,
    pub(super) json: Option<Value>,
    pub(super) authorization: Authorization,
    pub(super) content_type: String,
    /// Which media types are wanted.
    pub(super) accept: String,
    /// The password part of HTTP Basic.
    pub(super) basic_secret: String,
    user_agent: Option<String>,
    connection: u64,
}

impl Incoming {
    /// Reads the request's body; fails when the connection does.
    pub(super) async fn read(request: Request<RequestBody>, connection: u64) -> hyper::Result<Self> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let content_type = text_of(&head.headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
        let is_form = content_type.starts_with("application/x-www-form-urlencoded");
        let (authorization, basic_secret) = authorization(&head.headers);
        Ok(Self {
            method: head.method,
            path: head.uri.path().into(),
            query: Params::parse(head.uri.query().unwrap_or_default().as_bytes()),
            form: if is_form { Params::parse(&body) } else { Params::default() },
            json: serde_json::from_slice(&body).ok(),
            authorization,
            content_type,
            accept: text_of(&head.headers, header::ACCEPT.as_str()).unwrap_or_default(),
            basic_secret,
            user_agent: text_of(&head.headers, header::USER_AGENT.as_str()),
            connection,
        })
    }

    /// The bearer token, if one was sent.
    pub(super) fn bearer(&self) -> Option<&str> {
        match &self.authorization {
            Authorization::Bearer { token } => Some(token),
            _ => None,
        }
    }

    /// As it goes into the log.
    pub(super) fn record(&self, endpoint: Endpoint) -> Recorded {
        Recorded {
            endpoint,
            method: self.method.to_string(),
            path: self.path.clone(),
            query: self.query.clone(),
            form: self.form.clone(),
            json: self.json.clone(),
            authorization: self.authorization.clone(),
            user_agent: self.user_agent.clone(),
            connection: self.connection,
            status: None,
        }
    }
}

fn text_of(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(Into::into)
}

fn authorization(headers: &HeaderMap) -> (Authorization, String) {
    let Some(value) = text_of(headers, header::AUTHORIZATION.as_str()) else {
        return (Authorization::None, String::new());
    };
    if let Some(token) = value.strip_prefix("Bearer ") {
        return (Authorization::Bearer { token: token.into() }, String::new());
    }
    let decoded = value
        .strip_prefix("Basic ")
        .and_then(|encoded| BASE64_STANDARD.decode(encoded).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok());
    // A client id may hold a colon when it was not form-encoded; the last one separates then.
    match decoded.as_deref().and_then(|pair| pair.rsplit_once(':')) {
        Some((client_id, secret)) => (
            Authorization::Basic { client_id: client_id.into(), with_secret: !secret.is_empty() },
            secret.into(),
        ),
        None => (Authorization::Other, String::new()),
    }
}
