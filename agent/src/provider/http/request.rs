//! Requests: where secrets may be sent, and what a request carries.

use reqwest::{
    Method,
    header::{ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_TYPE, HeaderMap, HeaderValue},
};
use url::Url;
use zeroize::Zeroizing;

use super::resolve::is_loopback;
use crate::provider::{error::ProviderErrorKind, text};

/// What may be done about a failed try.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Asking again does no harm.
    Freely,
    /// The request changes something: only if it cannot have been processed.
    IfUnprocessed,
    /// As [`Repeat::IfUnprocessed`], and the request spends what only its answer replaces: that is read for as long as
    /// it may come.
    Spends,
}

/// A request; bodies and credentials are zeroized when it is dropped.
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    pub(crate) url: &'a str,
    pub(crate) authorization: Option<Zeroizing<String>>,
    pub(crate) content: Option<Content>,
    pub(crate) repeat: Repeat,
}

/// What a request carries.
pub(crate) enum Content {
    /// `application/x-www-form-urlencoded`.
    Form(Zeroizing<Vec<u8>>),
    /// The same, of a service that answers in XML: AWS's query protocol.
    Query(Zeroizing<Vec<u8>>),
    /// `application/json`.
    Json(Zeroizing<Vec<u8>>),
}

impl Request<'_> {
    /// A GET without credentials.
    pub(crate) fn get(url: &str) -> Request<'_> {
        Request { method: Method::GET, url, authorization: None, content: None, repeat: Repeat::Freely }
    }
}

/// A request that can be sent any number of times.
pub(super) struct Prepared {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Option<bytes::Bytes>,
    pub(super) repeat: Repeat,
}

impl Prepared {
    /// `on_this_machine`: see [`allowed_url`].
    pub(super) fn new(request: Request<'_>, on_this_machine: bool) -> Result<Self, ProviderErrorKind> {
        let mut headers = HeaderMap::new();
        // What is said of a person may be signed, and INDIGO IAM's SCIM has no plain JSON.
        let is_of_a_person = request.method == Method::GET && request.authorization.is_some();
        let accepted = if is_of_a_person {
            "application/json, application/scim+json, application/jwt"
        } else if matches!(request.content, Some(Content::Query(_))) {
            "application/xml, text/xml"
        } else {
            "application/json"
        };
        headers.insert(ACCEPT, HeaderValue::from_static(accepted));
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        if let Some(authorization) = &request.authorization {
            let mut value =
                HeaderValue::from_str(authorization).map_err(|_| ProviderErrorKind::Configuration {
                    reason: "the client's credentials cannot stand in an HTTP header".to_owned(),
                })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let body = request.content.map(|content| {
            let (media_type, body) = match content {
                Content::Form(body) | Content::Query(body) => ("application/x-www-form-urlencoded", body),
                Content::Json(body) => ("application/json", body),
            };
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
            // Keeps the zeroizing owner; tries share the bytes.
            bytes::Bytes::from_owner(body)
        });
        Ok(Self {
            method: request.method,
            url: allowed_url(request.url, on_this_machine)?,
            headers,
            body,
            repeat: request.repeat,
        })
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    pub(super) fn build(&self) -> reqwest::Request {
        let mut request = reqwest::Request::new(self.method.clone(), self.url.clone());
        *request.headers_mut() = self.headers.clone();
        *request.body_mut() = self.body.clone().map(Into::into);
        request
    }
}

/// The address, if secrets may be sent there: https, or http to this machine where the issuer itself is
/// `on_this_machine`. A provider elsewhere has no business here: whatever listens at a port of this machine, be it
/// another user's, would be sent its secrets.
pub(crate) fn allowed_url(url: &str, on_this_machine: bool) -> Result<Url, ProviderErrorKind> {
    let insecure = |url: &str| ProviderErrorKind::InsecureUrl { url: text::presentable(url, &[]) };
    let parsed = Url::parse(url).map_err(|_| insecure(url))?;
    match parsed.scheme() {
        "https" if parsed.has_host() => Ok(parsed),
        "http" if is_loopback(&parsed) && on_this_machine => Ok(parsed),
        "http" if is_loopback(&parsed) => {
            Err(ProviderErrorKind::StrayUrl { url: text::presentable(&origin(&parsed), &[]) })
        }
        _ => Err(insecure(&origin(&parsed))),
    }
}

fn origin(url: &Url) -> String {
    format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default())
}
