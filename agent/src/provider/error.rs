//! What can go wrong between the agent and a provider, and how it is told: by code to programs, by text to people.

use std::{sync::Arc, time::Duration};

use oidc_proto::error_code::ErrorCode;

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
    /// A refresh token refused with a status alone: most likely it is gone.
    LoginProbablyNeeded {
        /// The HTTP status, 400 or 401.
        status: u16,
        /// The first line of the body.
        said: Option<String>,
    },
    /// Fewer scopes than those of the login were asked for, and this provider would take the others away for good. Nothing
    /// was sent.
    WouldNarrow {
        /// The scopes that would be lost, separated by blanks.
        lost: String,
    },
    /// An error status without an OAuth error.
    Status {
        /// The HTTP status.
        status: u16,
        /// RFC 9110 section 10.2.3.
        retry_after: Option<Duration>,
        /// The first line of the body, or the title of a web page.
        said: Option<String>,
    },
    /// A redirect; requests that may carry credentials never follow one.
    Redirect {
        /// Host of the address pointed to, where it could be read.
        to: Option<String>,
    },
    /// An answer of more than 1 MiB.
    TooLarge,
    /// An answer that is no JSON object.
    NotJson {
        /// What it is instead.
        found: String,
    },
    /// An answer that is none of AWS's query protocol.
    NotXml {
        /// What it is instead.
        found: String,
    },
    /// An answer that is not what the specification asks for.
    BadResponse {
        /// What is wrong with it.
        what: &'static str,
    },
    /// There are no metadata where they should be.
    NoMetadata {
        /// Where was looked, and what came back.
        looked: Vec<(String, String)>,
    },
    /// The provider calls itself something else (OpenID Connect Discovery section 4.3, RFC 9207 section 2.4).
    IssuerMismatch {
        /// The issuer asked for.
        expected: String,
        /// The issuer found; `None`: the provider names none.
        found: Option<String>,
    },
    /// A client cannot be registered here.
    NoRegistration {
        /// Why.
        closed: Closed,
        /// How to get a client otherwise, as far as it is known.
        get_client: Option<String>,
    },
    /// The provider's metadata lacks what is needed.
    Unsupported(Unsupported),
    /// An address that is neither https nor on this machine.
    InsecureUrl {
        /// Scheme and host.
        url: String,
    },
    /// An address on this machine that a provider elsewhere names.
    StrayUrl {
        /// Scheme and host.
        url: String,
    },
    /// What is said of a person must not be believed (OpenID Connect Core section 5.3.4).
    Userinfo {
        /// The check that failed.
        reason: String,
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

/// Why a client cannot be registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed {
    /// There is nowhere to ask.
    NoEndpoint,
    /// Whoever asks has to bring an initial access token (RFC 7591 section 3).
    TokenNeeded {
        /// The provider's words.
        said: String,
    },
    /// The token that was brought is not taken.
    TokenRefused {
        /// The provider's words.
        said: String,
    },
    /// The provider registers nobody, or not from here.
    Refused {
        /// The provider's words.
        said: String,
    },
}

/// What a provider may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unsupported {
    /// `authorization_endpoint`.
    Authorization,
    /// Where a person's clients are listed; no specification has it.
    ClientList,
    /// `device_authorization_endpoint` (RFC 8628 section 4).
    DeviceAuthorization,
    /// `jwks_uri`.
    Keys,
    /// `mytoken_endpoint` of a mytoken server.
    Mytoken,
    /// `introspection_endpoint` (RFC 7662).
    Introspection,
    /// `userinfo_endpoint` (OpenID Connect Core section 5.3).
    UserInfo,
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

impl ProviderErrorKind {
    /// Counts what earlier tries waited as well.
    pub(crate) fn with_all_that_was_waited(self, after: Duration) -> Self {
        match self {
            Self::Timeout { .. } => Self::Timeout { after },
            other => other,
        }
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
            ProviderErrorKind::LoginNeeded(_) | ProviderErrorKind::LoginProbablyNeeded { .. } => {
                ErrorCode::LoginNeeded
            }
            ProviderErrorKind::WouldNarrow { .. } => ErrorCode::InvalidScope,
            ProviderErrorKind::Refused(refusal) => match refusal.error.as_str() {
                "invalid_client" => ErrorCode::InvalidClient,
                "invalid_scope" => ErrorCode::InvalidScope,
                "authorization_pending" => ErrorCode::AuthorizationPending,
                "slow_down" => ErrorCode::SlowDown,
                _ => ErrorCode::ProviderRefused,
            },
            ProviderErrorKind::IssuerMismatch { .. } | ProviderErrorKind::StrayUrl { .. } => {
                ErrorCode::ProviderMismatch
            }
            ProviderErrorKind::Unsupported(_) => ErrorCode::NotSupportedByProvider,
            ProviderErrorKind::NoRegistration { closed, .. } => match closed {
                Closed::NoEndpoint | Closed::Refused { .. } => ErrorCode::RegistrationClosed,
                Closed::TokenNeeded { .. } | Closed::TokenRefused { .. } => {
                    ErrorCode::RegistrationTokenNeeded
                }
            },
            ProviderErrorKind::Configuration { .. } | ProviderErrorKind::InsecureUrl { .. } => {
                ErrorCode::BadRequest
            }
            ProviderErrorKind::Status { status: 429 | 500.., .. } => ErrorCode::ProviderUnreachable,
            ProviderErrorKind::Status { .. }
            | ProviderErrorKind::Redirect { .. }
            | ProviderErrorKind::TooLarge
            | ProviderErrorKind::NotJson { .. }
            | ProviderErrorKind::NotXml { .. }
            | ProviderErrorKind::NoMetadata { .. }
            | ProviderErrorKind::BadResponse { .. }
            | ProviderErrorKind::IdToken { .. }
            | ProviderErrorKind::Userinfo { .. } => ErrorCode::ProviderBadResponse,
        }
    }

    /// Whether only a new login helps: asking again with this refresh token is useless.
    pub fn is_dead_token(&self) -> bool {
        matches!(self.kind, ProviderErrorKind::LoginNeeded(_) | ProviderErrorKind::LoginProbablyNeeded { .. })
    }

    /// Whether an access token is not enough for what it was sent for (RFC 6750 section 3.1).
    pub fn is_forbidden(&self) -> bool {
        match &self.kind {
            ProviderErrorKind::Refused(refusal) => matches!(refusal.status, 401 | 403),
            ProviderErrorKind::Status { status, .. } => matches!(status, 401 | 403),
            _ => false,
        }
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
}

impl std::error::Error for ProviderError {}
