//! HTTP as the agent speaks it to providers: bounded in time and size, never following a redirect, repeating only
//! what may be repeated.
//!
//! **Repeating.** A request without side effects is tried up to three times on every failure that may pass. A token
//! request is not: a provider that rotates refresh tokens takes a second use of the same token for theft and ends
//! the session, and after a timeout or a broken connection nobody knows whether the first use went through, or
//! still is being worked on. Such a request is repeated only if it cannot have been processed (no connection came
//! about), or if the provider itself answered with a status that asks for another try.

use std::{
    collections::HashMap,
    error::Error as _,
    io,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use reqwest::{
    Method, Response, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER},
};
use tokio::{
    sync::OnceCell,
    time::{Instant, sleep, timeout_at},
};
use url::{Host, Url};
use zeroize::Zeroizing;

use super::{
    error::{ProviderError, ProviderErrorKind},
    retry_after, roots, text,
};

/// Longest wait for a connection, TLS included, as in the C suite.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for one complete answer, as in the C suite.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Largest answer that is read.
const MAX_BODY: usize = 1 << 20;
/// Room for an answer of unknown length.
const FIRST_CAPACITY: usize = 8 << 10;
/// Waits before the second and the third try.
const PAUSES: [Duration; 2] = [Duration::from_millis(300), Duration::from_millis(900)];
/// Idle connections are kept for a herd of accounts at one provider. Not for long: a connection that outlives a
/// laptop's sleep is dead without anybody knowing, and costs the next request its whole deadline.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// Idle connections kept for each host.
const IDLE_CONNECTIONS: usize = 2;
/// Proxies are not asked for these, whatever the environment says.
const NEVER_PROXIED: &str = "localhost,127.0.0.0/8,::1";

/// One HTTP client for each CA bundle, built when first needed and kept.
#[derive(Default)]
pub(crate) struct HttpClients {
    by_cert_path: Mutex<HashMap<Option<PathBuf>, Arc<Slot>>>,
}

struct Slot {
    cert_path: Option<PathBuf>,
    client: OnceCell<reqwest::Client>,
}

/// HTTP to one provider, which gives its name to the errors.
#[derive(Clone)]
pub(crate) struct Http {
    slot: Arc<Slot>,
    provider: Arc<str>,
}

/// What may be done about a failed try.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// The request changes nothing.
    Freely,
    /// The request changes something: only if it cannot have been processed.
    IfUnprocessed,
    /// Never.
    Not,
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
    /// `application/json`.
    Json(Zeroizing<Vec<u8>>),
}

/// A complete answer.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Zeroizing<Vec<u8>>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) location: Option<String>,
}

impl Request<'_> {
    /// A GET without credentials.
    pub(crate) fn get(url: &str) -> Request<'_> {
        Request { method: Method::GET, url, authorization: None, content: None, repeat: Repeat::Freely }
    }
}

impl HttpClients {
    /// HTTP to the provider of that name, trusting `cert_path` or else the system's roots.
    pub(crate) fn http(&self, provider: Arc<str>, cert_path: Option<PathBuf>) -> Http {
        let mut slots = self.by_cert_path.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = slots
            .entry(cert_path)
            .or_insert_with_key(|cert_path| {
                Arc::new(Slot { cert_path: cert_path.clone(), client: OnceCell::new() })
            })
            .clone();
        Http { slot, provider }
    }
}

impl Slot {
    async fn client(&self) -> Result<&reqwest::Client, ProviderErrorKind> {
        self.client
            .get_or_try_init(|| async {
                let cert_path = self.cert_path.clone();
                // Reads and parses a CA bundle: several milliseconds that other connections must not wait for.
                let built = tokio::task::spawn_blocking(move || build_client(cert_path.as_deref())).await;
                built.unwrap_or_else(|panic| Err(panic.to_string()))
            })
            .await
            .map_err(|reason| ProviderErrorKind::Configuration { reason })
    }
}

fn build_client(cert_path: Option<&Path>) -> Result<reqwest::Client, String> {
    let tls = roots::tls_config(cert_path)?;
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .user_agent(concat!("oidc-agent/", env!("CARGO_PKG_VERSION")))
        .no_proxy();
    if let Some(proxy) = https_proxy()? {
        builder = builder.proxy(proxy);
    }
    builder.build().map_err(|error| reason_of(&error))
}

/// The proxy of the environment, as curl reads it, except for this machine itself.
fn https_proxy() -> Result<Option<reqwest::Proxy>, String> {
    let variable =
        |names: &[&str]| names.iter().find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    let Some(address) = variable(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]) else {
        return Ok(None);
    };
    let except = match variable(&["no_proxy", "NO_PROXY"]) {
        Some(hosts) => format!("{hosts},{NEVER_PROXIED}"),
        None => NEVER_PROXIED.to_owned(),
    };
    // The address may hold a password, so it is not quoted.
    let proxy =
        reqwest::Proxy::https(&address).map_err(|_| "the address in https_proxy is not a URL".to_owned())?;
    Ok(Some(proxy.no_proxy(reqwest::NoProxy::from_string(&except))))
}

impl Http {
    /// An error of this provider.
    pub(crate) fn error(&self, kind: ProviderErrorKind) -> ProviderError {
        ProviderError::new(self.provider.clone(), kind)
    }

    /// The name of the provider, for errors.
    pub(crate) fn provider(&self) -> &Arc<str> {
        &self.provider
    }

    /// Sends a request and reads the whole answer, whatever its status.
    ///
    /// Ends by `deadline`, and each try after [`REQUEST_TIMEOUT`].
    pub(crate) async fn send(
        &self,
        request: Request<'_>,
        deadline: Instant,
    ) -> Result<Answer, ProviderError> {
        let prepared = Prepared::new(request).map_err(|kind| self.error(kind))?;
        let mut pauses = PAUSES.into_iter();
        loop {
            let result = self.try_once(&prepared, deadline).await;
            let Some(wait) = wait_before_repeating(&result, prepared.repeat, &mut pauses) else {
                return result.map_err(|kind| self.error(kind));
            };
            if Instant::now() + wait >= deadline {
                return result.map_err(|kind| self.error(kind));
            }
            tracing::debug!(provider = %self.provider, ?wait, "asking again");
            sleep(wait).await;
        }
    }

    async fn try_once(&self, request: &Prepared, deadline: Instant) -> Result<Answer, ProviderErrorKind> {
        let begin = Instant::now();
        let end = deadline.min(begin + REQUEST_TIMEOUT);
        let exchange = async {
            let client = self.slot.client().await?;
            let response = client.execute(request.build()).await.map_err(|error| kind_of(&error))?;
            read_answer(response).await
        };
        timeout_at(end, exchange).await.unwrap_or_else(|_| {
            Err(ProviderErrorKind::Timeout { after: end.saturating_duration_since(begin) })
        })
    }
}

/// A request that can be sent any number of times.
struct Prepared {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Option<bytes::Bytes>,
    repeat: Repeat,
}

impl Prepared {
    fn new(request: Request<'_>) -> Result<Self, ProviderErrorKind> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
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
                Content::Form(body) => ("application/x-www-form-urlencoded", body),
                Content::Json(body) => ("application/json", body),
            };
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
            // Keeps the zeroizing owner; tries share the bytes.
            bytes::Bytes::from_owner(body)
        });
        Ok(Self {
            method: request.method,
            url: allowed_url(request.url)?,
            headers,
            body,
            repeat: request.repeat,
        })
    }

    fn build(&self) -> reqwest::Request {
        let mut request = reqwest::Request::new(self.method.clone(), self.url.clone());
        *request.headers_mut() = self.headers.clone();
        *request.body_mut() = self.body.clone().map(Into::into);
        request
    }
}

/// The address, if secrets may be sent there: https, or http to this machine.
pub(crate) fn allowed_url(url: &str) -> Result<Url, ProviderErrorKind> {
    let insecure = |url: &str| ProviderErrorKind::InsecureUrl { url: text::presentable(url, &[]) };
    let parsed = Url::parse(url).map_err(|_| insecure(url))?;
    match parsed.scheme() {
        "https" if parsed.has_host() => Ok(parsed),
        "http" if is_loopback(&parsed) => Ok(parsed),
        scheme => Err(insecure(&format!("{scheme}://{}", parsed.host_str().unwrap_or_default()))),
    }
}

/// Whether the URL's host is this machine (RFC 8252 section 8.3 counts `localhost` as well).
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

async fn read_answer(mut response: Response) -> Result<Answer, ProviderErrorKind> {
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let location = header(LOCATION).map(str::to_owned);
    let retry_after = header(RETRY_AFTER).and_then(retry_after::parse);
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok());
    if announced.is_some_and(|length| length > MAX_BODY) {
        return Err(ProviderErrorKind::TooLarge);
    }
    let mut body = Zeroizing::new(Vec::with_capacity(announced.unwrap_or(FIRST_CAPACITY)));
    while let Some(chunk) = response.chunk().await.map_err(|_| ProviderErrorKind::Interrupted)? {
        if body.len() + chunk.len() > MAX_BODY {
            return Err(ProviderErrorKind::TooLarge);
        }
        append(&mut body, &chunk);
    }
    Ok(Answer { status: response.status(), body, retry_after, location })
}

/// Appends without leaving a copy behind: a buffer that grows in place is freed unzeroized.
fn append(body: &mut Zeroizing<Vec<u8>>, chunk: &[u8]) {
    if body.len() + chunk.len() > body.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity(2 * (body.len() + chunk.len())));
        larger.extend_from_slice(body);
        *body = larger;
    }
    body.extend_from_slice(chunk);
}

/// How long to wait before the next try; `None`: this result stands.
fn wait_before_repeating(
    result: &Result<Answer, ProviderErrorKind>,
    repeat: Repeat,
    pauses: &mut impl Iterator<Item = Duration>,
) -> Option<Duration> {
    let may_repeat = match result {
        Ok(answer) => matches!(answer.status.as_u16(), 408 | 429 | 502..=504) && repeat != Repeat::Not,
        Err(ProviderErrorKind::Unreachable { .. }) => repeat != Repeat::Not,
        Err(ProviderErrorKind::Timeout { .. } | ProviderErrorKind::Interrupted) => repeat == Repeat::Freely,
        Err(_) => false,
    };
    let pause = if may_repeat { pauses.next()? } else { return None };
    let asked_for = result.as_ref().ok().and_then(|answer| answer.retry_after);
    Some(asked_for.unwrap_or(pause))
}

fn kind_of(error: &reqwest::Error) -> ProviderErrorKind {
    if let Some(tls) = tls_error(error) {
        return ProviderErrorKind::Tls { reason: text::presentable(&tls.to_string(), &[]) };
    }
    if error.is_connect() {
        let reason =
            if error.is_timeout() { "connecting took too long".to_owned() } else { reason_of(error) };
        return ProviderErrorKind::Unreachable { reason };
    }
    if error.is_timeout() {
        return ProviderErrorKind::Timeout { after: REQUEST_TIMEOUT };
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
fn reason_of(error: &reqwest::Error) -> String {
    let mut reason: &dyn std::error::Error = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    text::presentable(&reason.to_string(), &[])
}
