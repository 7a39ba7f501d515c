//! The reply: one variant for each shape, whichever request it answers.

use std::fmt;

use serde_json::Value;
use zeroize::Zeroizing;

use super::{
    AwsCredentials, DeviceAuthorization, Failure, PageReply, aws,
    field::{put, verbatim},
};
use crate::{
    account::AccountConfig,
    framing::first_object,
    json::{JsonError, Object},
    secret::{AccessToken, IdToken, RefreshToken, SecretText},
};

/// What the agent answers.
#[derive(Clone, PartialEq)]
pub enum Reply {
    /// It is done; perhaps with information: a text, an array or an object.
    Success {
        /// Never a secret.
        info: Option<Value>,
    },
    /// To `access_token`, and to logins with `only_at`.
    Token(TokenReply),
    /// To `id_token`.
    IdToken(IdTokenReply),
    /// To `mytoken`: the server's answer with `oidc_issuer`, `mytoken_issuer` and `expires_at`.
    Mytoken(Object),
    /// An account that logged in. 4.x clients store `scope`, 5.x clients `auth_scope`: set both.
    Config(Box<AccountConfig>),
    /// A code flow has begun.
    AcceptedCode {
        /// Where the person logs in (RFC 6749 section 4.1.1).
        uri: String,
        /// For `state_lookup`.
        state: String,
    },
    /// A device flow has begun.
    AcceptedDevice(DeviceAuthorization),
    /// To `register`.
    Registered(Registration),
    /// To `state_lookup` when there is no config to give.
    StateLookup {
        /// Which of the two.
        status: LookupStatus,
        /// For people.
        info: String,
    },
    /// To `aws_credentials`.
    AwsCredentials(AwsCredentials),
    /// To `page`, unless that is to end.
    Page(PageReply),
    /// To `file_read`.
    FileData(SecretText),
    /// It is not done.
    Failure(Failure),
}

/// An access token.
#[derive(Clone, PartialEq, Debug)]
pub struct TokenReply {
    /// The token.
    pub access_token: AccessToken,
    /// The account's issuer URL, as the account spells it; an absolute URL, some clients check that.
    pub issuer: String,
    /// When the token expires, in seconds since the epoch; `None` (0 on the wire) when the provider did not say.
    pub expires_at: Option<u64>,
    /// Ours: the scopes that were granted, when the provider named them.
    pub scope: Option<String>,
    /// Ours: what the person should know, for instance that a scope was not granted.
    pub warnings: Vec<String>,
    /// Ours, to a login with `only_at` by a refresh token: the one that took its place at the provider. Nobody else has it.
    pub refresh_token: Option<RefreshToken>,
}

/// An ID token.
#[derive(Clone, PartialEq, Debug)]
pub struct IdTokenReply {
    /// The token.
    pub id_token: IdToken,
    /// The account's issuer URL.
    pub issuer: String,
    /// Ours: what may be wrong with it, as sentences.
    pub warnings: Vec<String>,
}

/// A client information response (RFC 7591 section 3.2.1). `Debug` shows its keys only.
#[derive(Clone, PartialEq, Debug)]
pub struct Registration {
    /// The provider's answer as it came.
    pub client: Object,
    /// The scopes that the provider supports, separated by blanks.
    pub max_scopes: Option<String>,
    /// What was not asked for in the end because the provider refused it, for the person: noun phrases, the least wanted
    /// first, such as `redirect URIs of a private-use scheme`.
    pub left_out: Vec<String>,
    /// The words of the refusal that began it; `None` where nothing was left out, or where it was known before that the
    /// provider would refuse it.
    pub left_out_because: Option<String>,
}

/// `status` of a `state_lookup` that gives no config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookupStatus {
    /// Not done yet, or no such state.
    NotFound,
    /// Done, and given away already.
    FoundButReceived,
}

/// Why bytes are no reply. Never quotes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// Not JSON, or no object.
    #[error("the agent's reply {0}")]
    Json(JsonError),
    /// An object that says neither success nor failure.
    #[error("the agent's reply has no status")]
    NoStatus,
    /// A reply with a part that cannot be read.
    #[error("the agent's reply has no usable '{0}'")]
    Malformed(&'static str),
}

impl Reply {
    /// A bare success.
    pub const fn success() -> Self {
        Self::Success { info: None }
    }

    /// A success with information.
    pub fn success_with(info: impl Into<Value>) -> Self {
        Self::Success { info: Some(info.into()) }
    }

    /// Reads a reply of any agent: raw control characters, numbers as text, a second object, a missing `status`.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReplyError> {
        let mut object = Object::parse(first_object(bytes)).map_err(ReplyError::Json)?;
        let status = object.string("status").unwrap_or_default();
        let is = |text: &str| status.eq_ignore_ascii_case(text);
        if object.text("error").is_some() || is("failure") {
            return Ok(Self::Failure(Failure::from_object(&object)));
        }
        if let Some(status) = LookupStatus::parse(&status) {
            return Ok(Self::StateLookup { status, info: object.string("info").unwrap_or_default() });
        }
        if let Some(reply) = Self::read_content(&mut object)? {
            return Ok(reply);
        }
        if is("success") {
            let info = object.remove("info").filter(|info| !info.is_null());
            return Ok(Self::Success { info });
        }
        Err(if is("accepted") { ReplyError::Malformed("uri") } else { ReplyError::NoStatus })
    }

    /// The variants that a member gives away.
    fn read_content(object: &mut Object) -> Result<Option<Self>, ReplyError> {
        let has = |key: &str| object.contains(key);
        Ok(Some(if has("access_token") {
            Self::Token(TokenReply::read(object)?)
        } else if has("id_token") {
            let token = object.string("id_token").ok_or(ReplyError::Malformed("id_token"))?;
            Self::IdToken(IdTokenReply {
                id_token: IdToken::new(token),
                issuer: issuer(object),
                warnings: object.strings("warnings"),
            })
        } else if has("mytoken") || has("transfer_code") {
            object.remove("status");
            Self::Mytoken(std::mem::take(object))
        } else if has("config") {
            let config = object.object("config").ok_or(ReplyError::Malformed("config"))?;
            Self::Config(Box::new(AccountConfig::from_object(config)))
        } else if has("oidc_device") {
            let device = object.object("oidc_device").as_ref().and_then(DeviceAuthorization::from_object);
            Self::AcceptedDevice(device.ok_or(ReplyError::Malformed("oidc_device"))?)
        } else if let (Some(uri), Some(state)) = (object.string("uri"), object.string("state")) {
            Self::AcceptedCode { uri, state }
        } else if has("client") {
            let client = object.object("client").ok_or(ReplyError::Malformed("client"))?;
            Self::Registered(Registration {
                client,
                max_scopes: object.string("max_scopes"),
                left_out: object.strings("left_out"),
                left_out_because: object.string("left_out_because"),
            })
        } else if has("page") {
            let page = object.object("page").as_ref().and_then(PageReply::from_object);
            Self::Page(page.ok_or(ReplyError::Malformed("page"))?)
        } else if has(aws::MEMBER) {
            let credentials = object.object(aws::MEMBER).as_ref().and_then(AwsCredentials::from_object);
            Self::AwsCredentials(credentials.ok_or(ReplyError::Malformed(aws::MEMBER))?)
        } else if let Some(data) = verbatim(object, "data") {
            Self::FileData(SecretText::new(data))
        } else {
            return Ok(None);
        }))
    }

    /// The reply as strict JSON on one line. Contains whatever secrets it holds.
    pub fn to_json(&self) -> Zeroizing<String> {
        self.to_object().to_json()
    }

    fn to_object(&self) -> Object {
        let mut object = Object::default();
        object.insert("status", self.status());
        match self {
            Self::Failure(failure) => return failure.to_object(),
            Self::Success { info: None } => {}
            Self::Success { info: Some(info) } => object.insert("info", info.clone()),
            Self::Token(reply) => reply.write(&mut object),
            Self::IdToken(reply) => {
                object.insert("id_token", reply.id_token.expose());
                object.insert("issuer", reply.issuer.as_str());
                if !reply.warnings.is_empty() {
                    object.insert("warnings", reply.warnings.clone());
                }
            }
            Self::Mytoken(answer) => write_mytoken(answer, &mut object),
            Self::Config(config) => object.insert("config", config.to_object().into_value()),
            Self::AcceptedCode { uri, state } => {
                object.insert("uri", uri.as_str());
                object.insert("state", state.as_str());
            }
            Self::AcceptedDevice(device) => object.insert("oidc_device", device.to_object().into_value()),
            Self::Registered(registration) => {
                object.insert("client", registration.client.members().clone());
                put(&mut object, "max_scopes", registration.max_scopes.as_deref());
                if !registration.left_out.is_empty() {
                    object.insert("left_out", registration.left_out.clone());
                }
                put(&mut object, "left_out_because", registration.left_out_because.as_deref());
            }
            Self::StateLookup { info, .. } => object.insert("info", info.as_str()),
            Self::Page(page) => object.insert("page", page.to_object().into_value()),
            Self::AwsCredentials(credentials) => {
                object.insert(aws::MEMBER, credentials.to_object().into_value());
            }
            Self::FileData(data) => object.insert("data", data.expose()),
        }
        object
    }

    /// The text in `status`.
    pub const fn status(&self) -> &'static str {
        match self {
            Self::Failure(_) => "failure",
            Self::AcceptedCode { .. } | Self::AcceptedDevice(_) => "accepted",
            Self::StateLookup { status, .. } => status.as_str(),
            _ => "success",
        }
    }
}

impl From<Failure> for Reply {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<Result<Self, Failure>> for Reply {
    fn from(result: Result<Self, Failure>) -> Self {
        result.unwrap_or_else(Self::Failure)
    }
}

impl TokenReply {
    fn read(object: &Object) -> Result<Self, ReplyError> {
        let token = object.string("access_token").ok_or(ReplyError::Malformed("access_token"))?;
        let expires_at = object.integer("expires_at").and_then(|time| u64::try_from(time).ok());
        Ok(Self {
            access_token: AccessToken::new(token),
            issuer: issuer(object),
            expires_at: expires_at.filter(|time| *time != 0),
            scope: object.string("scope"),
            warnings: object.strings("warnings"),
            refresh_token: object.string("refresh_token").map(RefreshToken::new),
        })
    }

    fn write(&self, object: &mut Object) {
        object.insert("access_token", self.access_token.expose());
        object.insert("issuer", self.issuer.as_str());
        object.insert("expires_at", self.expires_at.unwrap_or(0));
        put(object, "scope", self.scope.as_deref());
        if !self.warnings.is_empty() {
            object.insert("warnings", self.warnings.clone());
        }
        put(object, "refresh_token", self.refresh_token.as_ref().map(RefreshToken::expose));
    }
}

impl LookupStatus {
    /// The text in `status`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "NotFound",
            Self::FoundButReceived => "FoundButReceived",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::NotFound, Self::FoundButReceived]
            .into_iter()
            .find(|status| status.as_str().eq_ignore_ascii_case(text))
    }
}

fn issuer(object: &Object) -> String {
    object.string("issuer").unwrap_or_default()
}

/// Everything but what would make clients take the reply for a failure.
fn write_mytoken(answer: &Object, object: &mut Object) {
    for (key, value) in answer.members() {
        if !matches!(key.as_str(), "status" | "error") {
            object.insert(key.clone(), value.clone());
        }
    }
}

/// No token, no account config, no client data, no `state`.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Success { info } => f.debug_struct("Success").field("info", info).finish(),
            Self::Token(reply) => write!(f, "{reply:?}"),
            Self::IdToken(reply) => write!(f, "{reply:?}"),
            Self::Mytoken(_) => f.write_str("Mytoken(..)"),
            Self::Config(config) => write!(f, "Config({:?}, ..)", config.name),
            Self::AcceptedCode { .. } => f.write_str("AcceptedCode(..)"),
            Self::AcceptedDevice(_) => f.write_str("AcceptedDevice(..)"),
            Self::Registered(registration) => write!(f, "{registration:?}"),
            Self::StateLookup { status, .. } => write!(f, "StateLookup({status:?}, ..)"),
            Self::Page(page) => write!(f, "{page:?}"),
            Self::AwsCredentials(credentials) => write!(f, "{credentials:?}"),
            Self::FileData(_) => f.write_str("FileData(..)"),
            Self::Failure(failure) => write!(f, "{failure:?}"),
        }
    }
}
