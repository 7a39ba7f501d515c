//! `AssumeRoleWithWebIdentity` of a security token service: AWS's own, Ceph's, MinIO's.

use std::time::{Duration, UNIX_EPOCH};

use oidc_proto::secret::SecretText;
use reqwest::Method;
use tokio::time::{Instant, sleep};
use url::Url;

use super::{
    body,
    error::{ProviderError, ProviderErrorKind},
    form::Form,
    http::{Answer, Content, Http, Repeat, Request, allowed_url, is_loopback},
    providers::Providers,
    sts_answer::{self, Said},
    text::presentable,
};

/// The version of the interface, which every call names.
const VERSION: &str = "2011-06-15";
/// What a service says that cannot reach the provider whose token it was shown. AWS recommends asking again.
const IDP_UNREACHABLE: &str = "IDPCommunicationError";
/// Waits before it is asked again.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_millis(1500)];

/// Which role is wanted, and where.
#[derive(Clone, Copy)]
pub struct AssumeRole<'a> {
    /// The service: see [`Providers::assume_role`].
    pub endpoint: &'a Url,
    /// `RoleArn`.
    pub role: &'a str,
    /// `RoleSessionName`.
    pub session: &'a str,
    /// `DurationSeconds`.
    pub seconds: u64,
    /// CA bundle instead of the system's.
    pub cert_path: Option<&'a str>,
}

/// What the service gave.
pub struct Assumed {
    /// Names the key.
    pub access_key_id: String,
    /// The secret.
    pub secret_access_key: SecretText,
    /// The token that goes with it.
    pub session_token: SecretText,
    /// How many seconds they live from the answer on, by the service's clock; by ours (`now`) where it does not tell.
    pub lifetime: u64,
}

/// Why there are no credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StsError {
    /// No answer, or none of such a service.
    Unanswered(ProviderError),
    /// The service says no.
    Refused(Refusal),
}

/// What a service says that says no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its name for the reason, such as `AccessDenied`; presentable.
    pub code: String,
    /// Its words; presentable.
    pub message: String,
    /// The HTTP status.
    pub status: u16,
}

impl Providers {
    /// The address of a service, if tokens may be sent there: `https`, or `http` on this machine.
    pub fn sts_endpoint(text: &str) -> Option<Url> {
        allowed_url(text, true).ok().filter(|url| url.username().is_empty() && url.password().is_none())
    }

    /// Shows a token to a service and takes the credentials of a role for it. `now` in seconds since the epoch.
    pub async fn assume_role(
        &self,
        asked: AssumeRole<'_>,
        token: &str,
        now: u64,
        deadline: Instant,
    ) -> Result<Assumed, StsError> {
        let http = self.http_of_service(asked.endpoint, asked.cert_path);
        let seconds = asked.seconds.to_string();
        let form = Form::default()
            .with("Action", "AssumeRoleWithWebIdentity")
            .with("Version", VERSION)
            .with("RoleArn", asked.role)
            .with("RoleSessionName", asked.session)
            .with("DurationSeconds", &seconds)
            .with_secret("WebIdentityToken", token);
        let mut pauses = PAUSES.into_iter();
        loop {
            let answered = ask(&http, asked.endpoint, &form, deadline).await;
            let said = answered.and_then(|answer| read(&http, &answer, &form.secrets(), now));
            let pause = match &said {
                Err(StsError::Refused(refusal)) if refusal.code == IDP_UNREACHABLE => pauses.next(),
                _ => None,
            };
            match pause.filter(|pause| Instant::now() + *pause < deadline) {
                Some(pause) => sleep(pause).await,
                None => return said,
            }
        }
    }
}

async fn ask(http: &Http, endpoint: &Url, form: &Form<'_>, deadline: Instant) -> Result<Answer, StsError> {
    let request = Request {
        method: Method::POST,
        url: endpoint.as_str(),
        authorization: None,
        content: Some(Content::Query(form.encode())),
        repeat: Repeat::Freely,
    };
    http.send(request, deadline).await.map_err(StsError::Unanswered)
}

fn read(http: &Http, answer: &Answer, secrets: &[&str], now: u64) -> Result<Assumed, StsError> {
    match sts_answer::read(&answer.body) {
        Some(Said::Credentials(given)) if answer.status.is_success() => {
            let sent = answer.sent_at.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
            let lifetime = given.expiration.saturating_sub(sent.map_or(now, |at| at.as_secs()));
            if lifetime == 0 {
                let what = "credentials that have not expired";
                return Err(StsError::Unanswered(http.error(ProviderErrorKind::BadResponse { what })));
            }
            Ok(Assumed {
                access_key_id: given.access_key_id,
                secret_access_key: given.secret_access_key,
                session_token: given.session_token,
                lifetime,
            })
        }
        Some(Said::Error { code, message }) => Err(StsError::Refused(Refusal {
            code: presentable(&code, secrets),
            message: presentable(&message, secrets),
            status: answer.status.as_u16(),
        })),
        _ => Err(StsError::Unanswered(http.error(if answer.status.is_success() {
            ProviderErrorKind::NotXml { found: body::describe(&answer.body, secrets) }
        } else {
            answer.status_error(secrets)
        }))),
    }
}

impl Refusal {
    /// Whether the same may well succeed later.
    pub fn is_transient(&self) -> bool {
        let throttled =
            ["Throttling", "ThrottlingException", "SlowDown", "ServiceUnavailable", "InternalFailure"];
        self.code == IDP_UNREACHABLE
            || throttled.contains(&self.code.as_str())
            || matches!(self.status, 408 | 429 | 500..)
    }

    /// Whether the token is said to be past its time.
    pub fn is_about_time(&self) -> bool {
        self.code.starts_with("ExpiredToken")
    }
}

impl StsError {
    /// Whether the same may well succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unanswered(error) => error.is_transient(),
            Self::Refused(refusal) => refusal.is_transient(),
        }
    }
}

impl Providers {
    fn http_of_service(&self, endpoint: &Url, cert_path: Option<&str>) -> Http {
        let host = endpoint.host_str().unwrap_or_default();
        let name = endpoint.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        self.http(presentable(&name, &[]).into(), cert_path, is_loopback(endpoint))
    }
}
