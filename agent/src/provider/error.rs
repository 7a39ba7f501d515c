//! What can go wrong between the agent and a provider, and how it is told: by code to programs, by text to people.

use std::{fmt, sync::Arc, time::Duration};

use oidc_proto::{error_code::ErrorCode, message::Failure};

use super::text::presentable;

/// An error, and whose it is.
///
/// Never holds a token or a password; texts of the provider are escaped and bounded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderError {
    provider: Arc<str>,
    kind: ProviderErrorKind,
}

/// The kinds of failure that callers tell apart.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProviderErrorKind {
    /// No connection: name resolution, TCP, proxy.
    Unreachable {
        /// What the operating system said.
        reason: String,
    },
    /// No complete answer in time.
    Timeout {
        /// How long was waited.
        after: Duration,
    },
    /// The provider's certificate was not accepted, or TLS failed otherwise.
    Tls {
        /// What TLS said.
        reason: String,
    },
    /// The connection ended before the answer was complete.
    Interrupted,
    /// An OAuth error response (RFC 6749 section 5.2, RFC 7591 section 3.2.2, RFC 7009 section 2.2.1).
    Refused(OAuthError),
    /// A refusal that only a new login mends: the refresh token is gone.
    LoginNeeded(OAuthError),
    /// An error status without an OAuth error.
    Status {
        /// The HTTP status.
        status: u16,
        /// RFC 9110 section 10.2.3.
        retry_after: Option<Duration>,
    },
    /// A redirect; requests that may carry credentials never follow one.
    Redirect {
        /// Host of the address pointed to, where it could be read.
        to: Option<String>,
    },
    /// An answer of more than 1 MiB.
    TooLarge,
    /// An answer that is not what the specification asks for.
    BadResponse {
        /// What is wrong with it.
        what: &'static str,
    },
    /// The provider calls itself something else (OpenID Connect Discovery section 4.3, RFC 9207 section 2.4).
    IssuerMismatch {
        /// The issuer asked for.
        expected: String,
        /// The issuer found; `None`: the provider names none.
        found: Option<String>,
    },
    /// The provider's metadata lacks what is needed.
    Unsupported(Unsupported),
    /// An address that is neither https nor on this machine.
    InsecureUrl {
        /// Scheme and host.
        url: String,
    },
    /// An ID token that must not be believed (OpenID Connect Core section 3.1.3.7).
    IdToken {
        /// The check that failed.
        reason: String,
    },
    /// The account or the issuer data is unusable: bad URL, unreadable CA file.
    Configuration {
        /// What is wrong.
        reason: String,
    },
}

/// What a provider may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unsupported {
    /// `authorization_endpoint`.
    Authorization,
    /// `device_authorization_endpoint` (RFC 8628 section 4).
    DeviceAuthorization,
    /// `jwks_uri`.
    Keys,
    /// `registration_endpoint` (RFC 7591).
    Registration,
    /// `revocation_endpoint` (RFC 7009).
    Revocation,
    /// `token_endpoint`.
    Token,
}

/// What a provider answered (RFC 6749 section 5.2), made presentable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthError {
    /// The HTTP status it came with.
    pub status: u16,
    /// `error`: a code, though some providers send free text.
    pub error: String,
    /// `error_description`.
    pub description: Option<String>,
    /// RFC 9110 section 10.2.3.
    pub retry_after: Option<Duration>,
}

impl OAuthError {
    /// Takes texts from a provider; `secrets` are blotted out of them.
    pub(crate) fn new(status: u16, error: &str, description: Option<&str>, secrets: &[&str]) -> Self {
        Self {
            status,
            error: presentable(error, secrets),
            description: description.map(|text| presentable(text, secrets)).filter(|text| !text.is_empty()),
            retry_after: None,
        }
    }
}

impl fmt::Display for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error)?;
        self.description.iter().try_for_each(|description| write!(f, ": {description}"))
    }
}

impl fmt::Display for Unsupported {
    /// The texts of the C suite; its tools compare the one about registration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Authorization => "Authorization code flow is not supported by this issuer.",
            Self::DeviceAuthorization => "Device Flow not Supported by OpenID Provider",
            Self::Keys => "The issuer publishes no keys to check ID tokens with.",
            Self::Registration => {
                "Dynamic registration is not supported by this issuer. \
                 Please register a client manually and then run oidc-gen with the -m flag."
            }
            Self::Revocation => "Token revocation is not supported by this issuer.",
            Self::Token => {
                "Could not get token endpoint from the configuration endpoint. This could be because of a network \
                 issue. But it's more likely that your issuer is not correct."
            }
        })
    }
}

impl ProviderError {
    /// `provider` is the issuer's host and path, or whatever else names it to a person.
    pub(crate) fn new(provider: Arc<str>, kind: ProviderErrorKind) -> Self {
        Self { provider, kind }
    }

    /// Who failed: host, port and path of the issuer.
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// What failed.
    pub fn kind(&self) -> &ProviderErrorKind {
        &self.kind
    }

    /// The same for programs.
    pub fn code(&self) -> ErrorCode {
        match &self.kind {
            ProviderErrorKind::Unreachable { .. } | ProviderErrorKind::Interrupted => {
                ErrorCode::ProviderUnreachable
            }
            ProviderErrorKind::Timeout { .. } => ErrorCode::ProviderTimeout,
            ProviderErrorKind::Tls { .. } => ErrorCode::ProviderTls,
            ProviderErrorKind::LoginNeeded(_) => ErrorCode::LoginNeeded,
            ProviderErrorKind::Refused(refusal) => match refusal.error.as_str() {
                "invalid_client" => ErrorCode::InvalidClient,
                "invalid_scope" => ErrorCode::InvalidScope,
                "authorization_pending" => ErrorCode::AuthorizationPending,
                "slow_down" => ErrorCode::SlowDown,
                _ => ErrorCode::ProviderRefused,
            },
            ProviderErrorKind::IssuerMismatch { .. } => ErrorCode::ProviderMismatch,
            ProviderErrorKind::Unsupported(_) => ErrorCode::NotSupportedByProvider,
            ProviderErrorKind::Configuration { .. } | ProviderErrorKind::InsecureUrl { .. } => {
                ErrorCode::BadRequest
            }
            ProviderErrorKind::Status { status: 429 | 500.., .. } => ErrorCode::ProviderUnreachable,
            ProviderErrorKind::Status { .. }
            | ProviderErrorKind::Redirect { .. }
            | ProviderErrorKind::TooLarge
            | ProviderErrorKind::BadResponse { .. }
            | ProviderErrorKind::IdToken { .. } => ErrorCode::ProviderBadResponse,
        }
    }

    /// Whether only a new login helps: asking again with this refresh token is useless.
    pub fn is_dead_token(&self) -> bool {
        matches!(self.kind, ProviderErrorKind::LoginNeeded(_))
    }

    /// Whether the same request may well succeed later.
    pub fn is_transient(&self) -> bool {
        match &self.kind {
            ProviderErrorKind::Unreachable { .. }
            | ProviderErrorKind::Timeout { .. }
            | ProviderErrorKind::Interrupted
            | ProviderErrorKind::Status { status: 408 | 429 | 500.., .. } => true,
            ProviderErrorKind::Refused(refusal) => {
                matches!(refusal.status, 408 | 429 | 500..)
                    || matches!(
                        refusal.error.as_str(),
                        "temporarily_unavailable" | "server_error" | "slow_down"
                    )
            }
            _ => false,
        }
    }

    /// How long the provider asked to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match &self.kind {
            ProviderErrorKind::Status { retry_after, .. } => *retry_after,
            ProviderErrorKind::Refused(refusal) | ProviderErrorKind::LoginNeeded(refusal) => {
                refusal.retry_after
            }
            _ => None,
        }
    }

    /// The reply to a client, with the C suite's texts: what C programs compare stays as it is, and the help says
    /// what to run. `account` is the short name, `issuer` its issuer URL.
    pub fn to_failure(&self, account: &str, issuer: &str) -> Failure {
        let error = self.wire_text();
        let info = help(&error, account, issuer).or_else(|| match &self.kind {
            ProviderErrorKind::Refused(_)
            | ProviderErrorKind::LoginNeeded(_)
            | ProviderErrorKind::Unsupported(_) => {
                Some(format!("This is the answer of the provider {}.\n", self.provider))
            }
            _ => None,
        });
        Failure { info, ..Failure::new(self.code(), error) }
    }

    /// As [`fmt::Display`], but where C programs compare the text, it stands alone.
    fn wire_text(&self) -> String {
        match &self.kind {
            ProviderErrorKind::Refused(refusal) if refusal.is_poll_status() => refusal.error.clone(),
            ProviderErrorKind::Refused(refusal) | ProviderErrorKind::LoginNeeded(refusal) => {
                refusal.to_string()
            }
            ProviderErrorKind::Unsupported(what) => what.to_string(),
            _ => self.to_string(),
        }
    }
}

impl OAuthError {
    /// Device polling forwards these bare, even when the provider adds a description (RFC 8628 section 3.5).
    fn is_poll_status(&self) -> bool {
        matches!(self.error.as_str(), "authorization_pending" | "slow_down")
    }
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let provider = &self.provider;
        match &self.kind {
            ProviderErrorKind::Unreachable { reason } => {
                write!(f, "could not connect to url: {provider}: {reason}")
            }
            ProviderErrorKind::Timeout { after } => {
                write!(
                    f,
                    "reached timeout: no answer from {provider} within {} s",
                    after.as_secs_f32().ceil()
                )
            }
            ProviderErrorKind::Tls { reason } => write!(f, "error with ssl cert: {provider}: {reason}"),
            ProviderErrorKind::Interrupted => {
                write!(
                    f,
                    "could not connect to url: {provider}: connection ended before the answer was complete"
                )
            }
            ProviderErrorKind::Refused(refusal) | ProviderErrorKind::LoginNeeded(refusal) => {
                write!(f, "{provider}: {refusal}")
            }
            ProviderErrorKind::Status { status, .. } => {
                write!(f, "Received Http Status Code {status} from {provider}")
            }
            ProviderErrorKind::Redirect { to } => {
                write!(f, "Provider answered with unexpected response: {provider} redirects")?;
                to.iter().try_for_each(|to| write!(f, " to {to}"))
            }
            ProviderErrorKind::TooLarge => {
                write!(f, "Provider answered with unexpected response: {provider} sends more than 1 MiB")
            }
            ProviderErrorKind::BadResponse { what } => {
                write!(f, "Provider answered with unexpected response, {what} expected ({provider})")
            }
            ProviderErrorKind::IssuerMismatch { expected, found } => write!(
                f,
                "Provider uses another issuer url than expected. Something is fishy. Expected {expected}, found {}.",
                found.as_deref().unwrap_or("none")
            ),
            ProviderErrorKind::Unsupported(what) => write!(f, "{provider}: {what}"),
            ProviderErrorKind::InsecureUrl { url } => {
                write!(f, "{provider}: {url} is neither https nor on this machine")
            }
            ProviderErrorKind::IdToken { reason } => write!(f, "{provider}: ID token refused: {reason}"),
            ProviderErrorKind::Configuration { reason } => write!(f, "{provider}: {reason}"),
        }
    }
}

impl std::error::Error for ProviderError {}

/// The C suite's help, chosen by how the error text begins.
fn help(error: &str, account: &str, issuer: &str) -> Option<String> {
    if error.starts_with("invalid_grant:")
        || error.starts_with("invalid_token:")
        || error == "No or malformed refresh token"
    {
        return Some(format!(
            "Most likely the refresh token expired. To create a new one, just run:\n\
             \t$ oidc-gen {account} --reauthenticate\n"
        ));
    }
    if error.starts_with("invalid_scope:") {
        return Some(format!(
            "We cannot get these scopes with the current configuration. To get these scopes you might need to adapt \
             the account configuration with\n\t$ oidc-gen -m {account}\n\
             but it also might be necessary to change the client configuration with the OpenID provider.\n"
        ));
    }
    if error.starts_with("invalid_request") {
        return Some("This is most likely a bug. Please hand in a bug report.\n".to_owned());
    }
    if error.starts_with("invalid_client") {
        return Some(format!(
            "Probably the OIDC client has been deleted. You must register a new client with the OpenID Provider \
             manually and then use \n\t$ oidc-gen -m {account}\n\
             to update this account configuration, or you delete this account configuration and create a new one \
             using dynamic client configuration (if supported):\n\
             \t $ oidc-gen -d {account}\n\t $ oidc-gen {account} --iss={issuer}\n"
        ));
    }
    None
}
