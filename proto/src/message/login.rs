//! The requests of `oidc-gen`: registering a client, logging in, deleting what was made.

use std::fmt;

use super::{
    Failure, PasswordEntry,
    field::{put, put_flag, required, required_object, seconds},
};
use crate::{
    account::{AccountConfig, grant_type},
    error_code::ErrorCode,
    json::Object,
    secret::{DeviceCode, RegistrationAccessToken, SecretText},
};

/// Seconds between two polls when the provider does not say (RFC 8628 section 3.2).
const DEFAULT_INTERVAL: u64 = 5;

/// A way to a refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flow {
    /// Use the refresh token of the config.
    Refresh,
    /// RFC 6749 section 4.3.
    Password,
    /// RFC 6749 section 4.1.
    Code,
    /// RFC 8628.
    Device,
    /// A mytoken server's own login (5.x).
    MytokenOidc,
    /// RFC 6749 section 4.4; ours. Nobody logs in.
    ClientCredentials,
    /// RFC 8693; ours. Nobody logs in.
    TokenExchange,
    /// RFC 7523 section 2.1; ours. Nobody logs in.
    JwtBearer,
}

/// `gen`: get an account's first refresh token.
#[derive(Clone, PartialEq, Default)]
pub struct GenRequest {
    /// The account, with or without a refresh token.
    pub config: AccountConfig,
    /// Tried in order; never empty when read: refresh, password, code, device unless given.
    pub flows: Vec<Flow>,
    /// As in [`super::AddRequest`].
    pub pw_entry: Option<PasswordEntry>,
    /// Code flow: start no web server.
    pub no_webserver: bool,
    /// Code flow: no redirect URI with a custom scheme.
    pub no_scheme: bool,
    /// Only an access token is wanted; nothing is loaded.
    pub only_at: bool,
}

/// `register`: RFC 7591 dynamic registration.
#[derive(Clone, PartialEq)]
pub struct RegisterRequest {
    /// Name, issuer, scopes; perhaps redirect URIs.
    pub config: AccountConfig,
    /// Decides the grant types asked for.
    pub flows: Vec<Flow>,
    /// Initial access token for protected endpoints (RFC 7591 section 3).
    pub authorization: Option<SecretText>,
    /// Register no redirect URI with a custom scheme among those that the agent chooses.
    pub no_scheme: bool,
}

/// `code_exchange`: the browser came back.
#[derive(Debug, Clone, PartialEq)]
pub struct CodeExchangeRequest {
    /// The full URL the browser was sent to, with `code` and `state` in its query; the code is a secret.
    pub redirect_uri: SecretText,
    /// Sent by `oidc-gen --codeExchange`, which fetches the account itself.
    pub from_gen: bool,
}

/// `device`: one poll of the device flow.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceRequest {
    /// `oidc_device`, as the agent gave it; only the device code matters.
    pub device: DeviceAuthorization,
    /// As in [`GenRequest`].
    pub only_at: bool,
}

/// A device authorization response (RFC 8628 section 3.2).
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceAuthorization {
    /// For polling; a mytoken server's polling code.
    pub device_code: DeviceCode,
    /// For the person. Empty when the server has none (mytoken).
    pub user_code: String,
    /// Where the person types the code.
    pub verification_uri: String,
    /// The same with the code in it.
    pub verification_uri_complete: Option<String>,
    /// Seconds; `None` when unknown.
    pub expires_in: Option<u64>,
    /// Seconds between two polls; 5 when the provider does not say.
    pub interval: u64,
}

/// `delete_client`: RFC 7592 section 2.3.
#[derive(Debug, Clone, PartialEq)]
pub struct DeleteClientRequest {
    /// Where the client is managed.
    pub registration_client_uri: String,
    /// Sent as bearer token.
    pub registration_access_token: RegistrationAccessToken,
    /// CA bundle to use instead of the system's.
    pub cert_path: Option<String>,
}

impl Flow {
    /// The flows of a `gen` request that names none.
    pub const DEFAULT: [Self; 4] = [Self::Refresh, Self::Password, Self::Code, Self::Device];

    const ALL: [Self; 8] = [
        Self::Refresh,
        Self::Password,
        Self::Code,
        Self::Device,
        Self::MytokenOidc,
        Self::ClientCredentials,
        Self::TokenExchange,
        Self::JwtBearer,
    ];

    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refresh => "refresh",
            Self::Password => "password",
            Self::Code => "code",
            Self::Device => "device",
            Self::MytokenOidc => "mt_oidc",
            Self::ClientCredentials => "client_credentials",
            Self::TokenExchange => "token_exchange",
            Self::JwtBearer => "jwt_bearer",
        }
    }

    /// The `grant_type` of accounts of robots, for which nobody logs in; `None` for logins of people.
    pub const fn robot_grant(self) -> Option<&'static str> {
        match self {
            Self::ClientCredentials => Some(grant_type::CLIENT_CREDENTIALS),
            Self::TokenExchange => Some(grant_type::TOKEN_EXCHANGE),
            Self::JwtBearer => Some(grant_type::JWT_BEARER),
            Self::Refresh | Self::Password | Self::Code | Self::Device | Self::MytokenOidc => None,
        }
    }

    /// The flow of an account of a robot; `None` for other accounts.
    pub fn of_robot(account: &AccountConfig) -> Option<Self> {
        let grant = account.grant_type.as_deref()?;
        Self::ALL.into_iter().find(|flow| flow.robot_grant() == Some(grant))
    }

    /// The flow of a name, whatever its case.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|flow| flow.as_str().eq_ignore_ascii_case(name))
    }

    fn read_all(object: &Object) -> Result<Vec<Self>, Failure> {
        let parse = |name: &String| {
            Self::parse(name)
                .ok_or_else(|| Failure::new(ErrorCode::BadRequest, format!("Unknown flow '{name}'")))
        };
        object.strings("flow").iter().map(parse).collect()
    }

    fn write_all(flows: &[Self], object: &mut Object) {
        object.insert("flow", flows.iter().map(|flow| flow.as_str()).collect::<Vec<_>>());
    }
}

impl GenRequest {
    pub(super) fn read(object: &mut Object) -> Result<Self, Failure> {
        let config = AccountConfig::from_object(required_object(object, "config")?);
        let mut flows = Flow::read_all(object)?;
        if flows.is_empty() {
            flows = Flow::DEFAULT.into();
        }
        Ok(Self {
            config,
            flows,
            pw_entry: PasswordEntry::read_optional(object)?,
            no_webserver: object.flag("no_webserver"),
            no_scheme: object.flag("no_scheme"),
            only_at: object.flag("only_at"),
        })
    }

    pub(super) fn write(&self, object: &mut Object) {
        object.insert("config", self.config.to_object().into_value());
        Flow::write_all(&self.flows, object);
        if let Some(entry) = &self.pw_entry {
            object.insert("pw_entry", entry.to_object().into_value());
        }
        put_flag(object, "no_webserver", self.no_webserver);
        put_flag(object, "no_scheme", self.no_scheme);
        put_flag(object, "only_at", self.only_at);
    }
}

impl RegisterRequest {
    pub(super) fn read(object: &mut Object) -> Result<Self, Failure> {
        let config = AccountConfig::from_object(required_object(object, "config")?);
        let flows = Flow::read_all(object)?;
        if flows.is_empty() {
            return Err(Failure::missing_field("flow"));
        }
        Ok(Self {
            config,
            flows,
            authorization: object.string("authorization").map(SecretText::new),
            no_scheme: object.flag("no_scheme"),
        })
    }

    pub(super) fn write(&self, object: &mut Object) {
        object.insert("config", self.config.to_object().into_value());
        Flow::write_all(&self.flows, object);
        put(object, "authorization", self.authorization.as_ref().map(SecretText::expose));
        put_flag(object, "no_scheme", self.no_scheme);
    }
}

impl CodeExchangeRequest {
    pub(super) fn read(object: &Object) -> Result<Self, Failure> {
        let redirect_uri = SecretText::new(required(object, "redirect_uri")?);
        Ok(Self { redirect_uri, from_gen: object.flag("from_gen") })
    }

    pub(super) fn write(&self, object: &mut Object) {
        object.insert("redirect_uri", self.redirect_uri.expose());
        put_flag(object, "from_gen", self.from_gen);
    }
}

impl DeviceRequest {
    pub(super) fn read(object: &mut Object) -> Result<Self, Failure> {
        let device = required_object(object, "oidc_device")?;
        let device =
            DeviceAuthorization::from_object(&device).ok_or_else(|| Failure::missing_field("device_code"))?;
        Ok(Self { device, only_at: object.flag("only_at") })
    }

    pub(super) fn write(&self, object: &mut Object) {
        object.insert("oidc_device", self.device.to_object().into_value());
        put_flag(object, "only_at", self.only_at);
    }
}

impl DeviceAuthorization {
    /// Reads a provider's or an agent's object, Google's `verification_url` too. `None` without a device code.
    pub fn from_object(object: &Object) -> Option<Self> {
        let either = |name: &str, other: &str| object.string(name).or_else(|| object.string(other));
        Some(Self {
            device_code: DeviceCode::new(object.string("device_code")?),
            user_code: object.string("user_code").unwrap_or_default(),
            verification_uri: either("verification_uri", "verification_url").unwrap_or_default(),
            verification_uri_complete: either("verification_uri_complete", "verification_url_complete"),
            expires_in: seconds(object, "expires_in"),
            interval: seconds(object, "interval").unwrap_or(DEFAULT_INTERVAL),
        })
    }

    pub(super) fn to_object(&self) -> Object {
        let mut object = Object::default();
        object.insert("device_code", self.device_code.expose());
        object.insert("user_code", self.user_code.as_str());
        object.insert("verification_uri", self.verification_uri.as_str());
        object.insert(
            "verification_uri_complete",
            self.verification_uri_complete.as_deref().unwrap_or_default(),
        );
        if let Some(seconds) = self.expires_in {
            object.insert("expires_in", seconds);
        }
        object.insert("interval", self.interval);
        object
    }
}

impl DeleteClientRequest {
    pub(super) fn read(object: &Object) -> Result<Self, Failure> {
        Ok(Self {
            registration_client_uri: required(object, "registration_client_uri")?,
            registration_access_token: RegistrationAccessToken::new(required(
                object,
                "registration_access_token",
            )?),
            cert_path: object.string("cert_path"),
        })
    }

    pub(super) fn write(&self, object: &mut Object) {
        object.insert("registration_client_uri", self.registration_client_uri.as_str());
        object.insert("registration_access_token", self.registration_access_token.expose());
        put(object, "cert_path", self.cert_path.as_deref());
    }
}

impl fmt::Debug for GenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GenRequest")
            .field("name", &self.config.name)
            .field("flows", &self.flows)
            .field("pw_entry", &self.pw_entry)
            .field("no_webserver", &self.no_webserver)
            .field("no_scheme", &self.no_scheme)
            .field("only_at", &self.only_at)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RegisterRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisterRequest")
            .field("name", &self.config.name)
            .field("flows", &self.flows)
            .finish_non_exhaustive()
    }
}
