//! A failure, as every request may be answered.

use std::fmt;

use crate::{error_code::ErrorCode, json::Object};

/// What a failure says when nothing else is known.
const NO_REASON: &str = "the agent gave no reason";

/// A reply that is no success: a code for programs, a text for people and for the programs that compare it.
///
/// The texts of the constructors are the C suite's, byte by byte: its clients and libraries compare some of them.
#[derive(Clone, PartialEq)]
pub struct Failure {
    /// `error_code`; of an agent that sends none, what its text means.
    pub code: ErrorCode,
    /// `error`; never empty.
    pub error: String,
    /// `error_description`, which only mytoken servers' answers keep apart.
    pub description: Option<String>,
    /// `info`: help for the person, with line feeds.
    pub info: Option<String>,
    /// `client`: a registration that worked, but not as wanted. Holds secrets.
    pub client: Option<Box<Object>>,
}

impl Failure {
    /// A failure with a text of its own.
    pub fn new(code: ErrorCode, error: impl Into<String>) -> Self {
        let error = Some(error.into()).filter(|text| !text.is_empty()).unwrap_or_else(|| NO_REASON.into());
        Self { code, error, description: None, info: None, client: None }
    }

    /// The same with help for the person. It ends with a line feed: the C suite's tools print it as it stands.
    #[must_use]
    pub fn with_info(mut self, info: impl Into<String>) -> Self {
        let mut info = info.into();
        if !info.ends_with('\n') {
            info.push('\n');
        }
        self.info = Some(info);
        self
    }

    /// The same with the client that was registered nevertheless.
    #[must_use]
    pub fn with_client(mut self, client: Object) -> Self {
        self.client = Some(Box::new(client));
        self
    }

    /// A request that lacks a field it cannot do without.
    pub fn missing_field(field: &str) -> Self {
        Self::new(ErrorCode::BadRequest, format!("Bad request. Required field '{field}' not present."))
    }

    /// A request with a field that is not what it should be, for instance `an object`.
    pub fn wrong_field(field: &str, expected: &str) -> Self {
        Self::new(ErrorCode::BadRequest, format!("Bad request. Field '{field}' is not {expected}."))
    }

    /// A known request that this agent does not serve.
    pub fn not_supported_yet(request: &str) -> Self {
        Self::new(ErrorCode::NotSupportedYet, format!("The request '{request}' is not supported yet"))
    }

    /// Sends what stands in an object that has `error`, or whose `status` says failure.
    /// Reads a failure, whoever sent it.
    pub fn from_object(object: &Object) -> Self {
        let error = object.string("error").unwrap_or_else(|| NO_REASON.into());
        let code = object
            .text("error_code")
            .map_or_else(|| ErrorCode::of_text(&error), |name| ErrorCode::parse(&name));
        Self {
            code,
            error,
            description: object.string("error_description"),
            info: object.string("info"),
            client: object.object("client").map(Box::new),
        }
    }

    /// As it is sent.
    pub fn to_object(&self) -> Object {
        let mut object = Object::default();
        object.insert("status", "failure");
        object.insert("error", self.error.as_str());
        object.insert("error_code", self.code.as_str());
        if let Some(description) = &self.description {
            object.insert("error_description", description.as_str());
        }
        if let Some(info) = &self.info {
            object.insert("info", info.as_str());
        }
        if let Some(client) = &self.client {
            object.insert("client", client.members().clone());
        }
        object
    }
}

macro_rules! failures {
    ($($(#[$doc:meta])* $name:ident = $code:ident, $text:literal;)*) => {
        impl Failure {$(
            $(#[$doc])*
            pub fn $name() -> Self {
                Self::new(ErrorCode::$code, $text)
            }
        )*}
    };
}

failures! {
    /// The message is not JSON.
    not_json = BadRequest, "Bad Request: could not parse json";
    /// The message is JSON, but no object.
    not_an_object = BadRequest, "Bad Request: is not a json object";
    /// An object without `request`.
    no_request_type = BadRequest, "Bad Request: No request type.";
    /// No request has this name.
    unknown_request = UnknownRequest, "Bad Request: Unknown request type.";
    /// A message longer than [`crate::framing::MAX_MESSAGE`].
    message_too_large = BadRequest, "Bad Request: message too large";
    /// A public key that would make the shared key known to everybody.
    suspicious_public_key = BadRequest, "received suspicious public key";
    /// What came after the keys is no sealed message.
    sealed_message_malformed = BadRequest, "internal error: ipc encrypted message malformed";
    /// A sealed message did not open.
    decryption_failed = DecryptionFailed, "decryption failed";
    /// Only `check` and `unlock` are answered while the agent is locked.
    agent_locked = AgentLocked, "Agent locked";
    /// `unlock` of an agent that is not locked.
    agent_not_locked = AgentNotLocked, "Agent not locked";
    /// Of the lock, or three times of an account file.
    wrong_password = WrongPassword, "wrong password";
    /// Neither loaded nor on disk. Makes the C and Python libraries try the remote agent: for this case only.
    account_not_found = AccountNotFound, "No account configured with that short name";
    /// Not loaded, and nothing loaded it. `oidc-gen -d` takes it for a success.
    account_not_loaded = AccountNotLoaded, "account not loaded";
    /// `register` under the name of a loaded account. `oidc-gen` compares the first sentence.
    account_already_loaded = AccountAlreadyLoaded,
        "An account with this shortname is already loaded. I will not register a new one.";
    /// The person said no.
    operation_forbidden = OperationForbidden, "operation forbidden";
    /// RFC 8628 section 3.5.
    authorization_pending = AuthorizationPending, "authorization_pending";
    /// RFC 8628 section 3.5.
    slow_down = SlowDown, "slow_down";
    /// `state` is missing or too short to be one of ours.
    state_malformed = BadRequest, "state malformed";
    /// No login with this `state` is open.
    wrong_state = WrongState, "wrong state";
    /// No login with this device code is open.
    wrong_device_code = WrongDeviceCode, "wrong device code";
    /// The account has no refresh token.
    no_refresh_token = NoRefreshToken, "No or malformed refresh token";
    /// `file_read` of a name that was not written.
    file_not_found = FileNotFound, "File not found";
    /// Dynamic registration (RFC 7591) is not offered. `oidc-gen` compares it and tries a public client.
    registration_not_supported = RegistrationClosed,
        "Dynamic registration is not supported by this issuer. Please register a client manually and then run oidc-gen with the -m flag.";
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error)?;
        self.description.iter().try_for_each(|description| write!(f, ": {description}"))
    }
}

impl std::error::Error for Failure {}

/// Code and text only: `client` holds secrets, `info` is long.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure")
            .field("code", &self.code)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}
