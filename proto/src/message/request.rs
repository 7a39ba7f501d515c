//! The request itself: one variant for each name in the catalogue.

use std::fmt;

use serde_json::Value;
use zeroize::Zeroizing;

use super::{
    AddRequest, AwsCredentialsRequest, CodeExchangeRequest, DeleteClientRequest, DeviceRequest, Failure,
    FileWriteRequest, FilesQuery, FilesWaitRequest, GenRequest, IdTokenRequest, IntrospectRequest,
    IssuerKeysRequest, MytokenRequest, PageRequest, PasswdRequest, PersonRequest, ProviderQuery,
    ProviderRequest, RefusedRequest, RegisterRequest, ResetRequest, TokenRequest, UpgradeRequest,
    field::{put, required, required_object, verbatim},
};
use crate::{
    account::AccountConfig,
    framing::first_object,
    json::{JsonError, Object},
    secret::Password,
};

/// The shortest `state` that says whether only an access token is wanted.
const MIN_STATE_LEN: usize = 3;

/// What a client may ask. Variants are named after the requests.
#[derive(Clone, PartialEq)]
pub enum Request {
    /// Is an agent there? Also answered while locked.
    Check,
    /// Options and accounts, as text for people.
    Status,
    /// The same as an object ([`super::AgentStatus`]).
    StatusJson,
    /// `reminder` (ours): what of an account ends soon and was not told today: [`super::Reminder`], or no `info`. It counts as
    /// told from then on.
    Reminder {
        /// Short name.
        account: String,
    },
    /// Names of the loaded accounts, in load order.
    LoadedAccounts,
    /// Issuers and their accounts ([`super::IssuerInfos`]; 5.x).
    AccountInfo,
    /// An access token.
    AccessToken(TokenRequest),
    /// An ID token.
    IdToken(IdTokenRequest),
    /// A mytoken (5.x).
    Mytoken(MytokenRequest),
    /// Ours: a service refused a token; a new one, or why.
    Refused(RefusedRequest),
    /// Ours: what the provider says of an account's person ([`super::PersonReport`]).
    Userinfo(PersonRequest),
    /// Ours: the clients that the provider says this person has ([`super::ClientList`]).
    Clients(PersonRequest),
    /// Ours: temporary credentials of AWS, Ceph or MinIO for a token ([`super::AwsCredentials`]).
    AwsCredentials(Box<AwsCredentialsRequest>),
    /// Load a decrypted account.
    Add(Box<AddRequest>),
    /// Unload an account.
    Remove {
        /// Short name.
        account: String,
    },
    /// Unload all accounts.
    RemoveAll,
    /// Lock the agent.
    Lock {
        /// Not empty: an agent without a password would be open to whoever knows that.
        password: Password,
    },
    /// Unlock the agent.
    Unlock {
        /// May be empty, as C clients may send it.
        password: Password,
    },
    /// Get an account's first refresh token.
    Gen(Box<GenRequest>),
    /// Register a client (RFC 7591).
    Register(Box<RegisterRequest>),
    /// The browser came back (RFC 6749 section 4.1.3).
    CodeExchange(CodeExchangeRequest),
    /// Is the login with this state done?
    StateLookup {
        /// At least three characters.
        state: String,
    },
    /// One poll of the device flow (RFC 8628 section 3.4).
    Device(DeviceRequest),
    /// End the web server of a login.
    TermHttpServer {
        /// Answered with success whatever it is.
        state: Option<String>,
    },
    /// The scopes that a provider supports.
    Scopes(ProviderQuery),
    /// What is known of a provider (ours).
    Provider(ProviderRequest),
    /// The keys that an issuer signs with (ours).
    IssuerKeys(IssuerKeysRequest),
    /// What is known of a token (ours).
    Introspect(IntrospectRequest),
    /// The providers that a mytoken server supports (5.x).
    MytokenSupportedProviders(ProviderQuery),
    /// Revoke the refresh token (RFC 7009) and unload the account.
    Delete(Box<AccountConfig>),
    /// Delete a client at the provider (RFC 7592).
    DeleteClient(DeleteClientRequest),
    /// A new login for an account.
    Reauthenticate {
        /// Short name.
        account: String,
    },
    /// Keep a text in the agent's memory.
    FileWrite(FileWriteRequest),
    /// Get it back.
    FileRead {
        /// A name, not a path.
        filename: String,
    },
    /// Forget it.
    FileRemove {
        /// A name, not a path.
        filename: String,
    },
    /// Ours: forget an account whose password is lost.
    Reset(ResetRequest),
    /// Ours: the password of a loaded account's file changes.
    Passwd(PasswdRequest),
    /// Ours: how it stands with a loaded account ([`super::AccountReport`]).
    Examine {
        /// Short name.
        account: String,
    },
    /// Ours: the agent's web page begins, stays, or ends.
    Page(PageRequest),
    /// Ours: how it stands with managed token files ([`super::FilesStatus`]).
    FilesStatus(FilesQuery),
    /// Ours: new tokens for managed files now, also where that had been given up.
    FilesRenew {
        /// The entry's name; `None` for all.
        name: Option<String>,
    },
    /// Ours: the configuration of managed files is read again, and taken as a whole or not at all.
    FilesReload,
    /// Ours: until a managed file is fresh.
    FilesWait(FilesWaitRequest),
    /// Ours: another version takes over ([`super::UpgradeReport`]).
    Upgrade(UpgradeRequest),
}

impl Request {
    /// Reads a request; white space and anything after the first object are ignored.
    ///
    /// The failure is the reply to send. While the agent is locked, send [`Failure::agent_locked`] instead of an
    /// [`crate::error_code::ErrorCode::UnknownRequest`] or a missing field, as the C agent does.
    pub fn parse(bytes: &[u8]) -> Result<Self, Failure> {
        let mut object = Object::parse(first_object(bytes)).map_err(|error| match error {
            JsonError::NotAnObject => Failure::not_an_object(),
            JsonError::Syntax => Failure::not_json(),
        })?;
        let name = match object.members().get("request") {
            Some(Value::Array(_) | Value::Object(_)) => return Err(Failure::unknown_request()),
            _ => object.string("request").ok_or_else(Failure::no_request_type)?,
        };
        Self::read(&name, &mut object)
    }

    fn read(name: &str, object: &mut Object) -> Result<Self, Failure> {
        Ok(match name {
            "check" => Self::Check,
            "status" => Self::Status,
            "status_json" => Self::StatusJson,
            "reminder" => Self::Reminder { account: required(object, "account")? },
            "loaded_accounts" => Self::LoadedAccounts,
            "account_info" => Self::AccountInfo,
            "access_token" => Self::AccessToken(TokenRequest::read(object)?),
            "id_token" => Self::IdToken(IdTokenRequest::read(object)?),
            "mytoken" => Self::Mytoken(MytokenRequest::read(object)?),
            "refused" => Self::Refused(RefusedRequest::read(object)?),
            "userinfo" => Self::Userinfo(PersonRequest::read(object)?),
            "clients" => Self::Clients(PersonRequest::read(object)?),
            "aws_credentials" => Self::AwsCredentials(Box::new(AwsCredentialsRequest::read(object)?)),
            "add" => Self::Add(Box::new(AddRequest::read(object)?)),
            "remove" => Self::Remove { account: account_to_remove(object)? },
            "remove_all" => Self::RemoveAll,
            "lock" => Self::Lock { password: new_lock_password(object)? },
            "unlock" => Self::Unlock { password: lock_password(object) },
            "gen" => Self::Gen(Box::new(GenRequest::read(object)?)),
            "register" => Self::Register(Box::new(RegisterRequest::read(object)?)),
            "code_exchange" => Self::CodeExchange(CodeExchangeRequest::read(object)?),
            "state_lookup" => Self::StateLookup { state: state(object)? },
            "device" => Self::Device(DeviceRequest::read(object)?),
            "term_http_server" => Self::TermHttpServer { state: object.string("state") },
            "scopes" => Self::Scopes(ProviderQuery::read(object, "issuer")?),
            "provider" => Self::Provider(ProviderRequest::read(object)?),
            "issuer_keys" => Self::IssuerKeys(IssuerKeysRequest::read(object)?),
            "introspect" => Self::Introspect(IntrospectRequest::read(object)?),
            "mytoken_supported_providers" => {
                Self::MytokenSupportedProviders(ProviderQuery::read(object, "mytoken")?)
            }
            "delete" => {
                Self::Delete(Box::new(AccountConfig::from_object(required_object(object, "config")?)))
            }
            "delete_client" => Self::DeleteClient(DeleteClientRequest::read(object)?),
            "reauthenticate" => Self::Reauthenticate { account: required(object, "account")? },
            "file_write" => Self::FileWrite(FileWriteRequest::read(object)?),
            "file_read" => Self::FileRead { filename: required(object, "filename")? },
            "file_remove" => Self::FileRemove { filename: required(object, "filename")? },
            "reset" => Self::Reset(ResetRequest::read(object)?),
            "passwd" => Self::Passwd(PasswdRequest::read(object)?),
            "examine" => Self::Examine { account: required(object, "account")? },
            "page" => Self::Page(PageRequest::read(object)),
            "files_status" => Self::FilesStatus(FilesQuery::read(object)),
            "files_renew" => Self::FilesRenew { name: object.string("name") },
            "files_reload" => Self::FilesReload,
            "files_wait" => Self::FilesWait(FilesWaitRequest::read(object)?),
            "upgrade" => Self::Upgrade(UpgradeRequest::read(object)),
            _ => return Err(Failure::unknown_request()),
        })
    }

    /// The request as strict JSON on one line. Contains whatever secrets it holds.
    pub fn to_json(&self) -> Zeroizing<String> {
        let mut object = Object::default();
        object.insert("request", self.name());
        match self {
            Self::Check
            | Self::Status
            | Self::StatusJson
            | Self::LoadedAccounts
            | Self::AccountInfo
            | Self::RemoveAll
            | Self::FilesReload => {}
            Self::AccessToken(request) => request.write(&mut object),
            Self::IdToken(request) => request.write(&mut object),
            Self::Mytoken(request) => request.write(&mut object),
            Self::Refused(request) => request.write(&mut object),
            Self::Userinfo(request) | Self::Clients(request) => request.write(&mut object),
            Self::AwsCredentials(request) => request.write(&mut object),
            Self::Add(request) => request.write(&mut object),
            Self::Remove { account }
            | Self::Reauthenticate { account }
            | Self::Examine { account }
            | Self::Reminder { account } => {
                object.insert("account", account.as_str());
            }
            Self::Lock { password } | Self::Unlock { password } => {
                object.insert("password", password.expose());
            }
            Self::Gen(request) => request.write(&mut object),
            Self::Register(request) => request.write(&mut object),
            Self::CodeExchange(request) => request.write(&mut object),
            Self::StateLookup { state } => object.insert("state", state.as_str()),
            Self::Device(request) => request.write(&mut object),
            Self::TermHttpServer { state } => put(&mut object, "state", state.as_deref()),
            Self::Scopes(query) | Self::MytokenSupportedProviders(query) => query.write(&mut object),
            Self::Provider(request) => request.write(&mut object),
            Self::IssuerKeys(request) => request.write(&mut object),
            Self::Introspect(request) => request.write(&mut object),
            Self::Delete(config) => object.insert("config", config.to_object().into_value()),
            Self::DeleteClient(request) => request.write(&mut object),
            Self::FileWrite(request) => request.write(&mut object),
            Self::FileRead { filename } | Self::FileRemove { filename } => {
                object.insert("filename", filename.as_str());
            }
            Self::Reset(request) => request.write(&mut object),
            Self::Passwd(request) => request.write(&mut object),
            Self::Page(request) => request.write(&mut object),
            Self::FilesStatus(query) => query.write(&mut object),
            Self::FilesRenew { name } => put(&mut object, "name", name.as_deref()),
            Self::FilesWait(request) => request.write(&mut object),
            Self::Upgrade(request) => request.write(&mut object),
        }
        object.to_json()
    }

    /// The name in the field `request`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Status => "status",
            Self::StatusJson => "status_json",
            Self::Reminder { .. } => "reminder",
            Self::LoadedAccounts => "loaded_accounts",
            Self::AccountInfo => "account_info",
            Self::AccessToken(_) => "access_token",
            Self::IdToken(_) => "id_token",
            Self::Mytoken(_) => "mytoken",
            Self::Refused(_) => "refused",
            Self::Userinfo(_) => "userinfo",
            Self::Clients(_) => "clients",
            Self::AwsCredentials(_) => "aws_credentials",
            Self::Add(_) => "add",
            Self::Remove { .. } => "remove",
            Self::RemoveAll => "remove_all",
            Self::Lock { .. } => "lock",
            Self::Unlock { .. } => "unlock",
            Self::Gen(_) => "gen",
            Self::Register(_) => "register",
            Self::CodeExchange(_) => "code_exchange",
            Self::StateLookup { .. } => "state_lookup",
            Self::Device(_) => "device",
            Self::TermHttpServer { .. } => "term_http_server",
            Self::Scopes(_) => "scopes",
            Self::Provider(_) => "provider",
            Self::IssuerKeys(_) => "issuer_keys",
            Self::Introspect(_) => "introspect",
            Self::MytokenSupportedProviders(_) => "mytoken_supported_providers",
            Self::Delete(_) => "delete",
            Self::DeleteClient(_) => "delete_client",
            Self::Reauthenticate { .. } => "reauthenticate",
            Self::FileWrite(_) => "file_write",
            Self::FileRead { .. } => "file_read",
            Self::FileRemove { .. } => "file_remove",
            Self::Reset(_) => "reset",
            Self::Passwd(_) => "passwd",
            Self::Examine { .. } => "examine",
            Self::Page(_) => "page",
            Self::FilesStatus(_) => "files_status",
            Self::FilesRenew { .. } => "files_renew",
            Self::FilesReload => "files_reload",
            Self::FilesWait(_) => "files_wait",
            Self::Upgrade(_) => "upgrade",
        }
    }
}

fn account_to_remove(object: &Object) -> Result<String, Failure> {
    const TEXT: &str = "Bad Request: Have to provide shortname of the account config that should be removed.";
    required(object, "account").map_err(|missing| Failure::new(missing.code, TEXT))
}

/// `null` and `(null)` are passwords like any other, so the usual reading of absent texts does not apply.
/// A lock without a password would be none.
fn new_lock_password(object: &Object) -> Result<Password, Failure> {
    let password = Some(lock_password(object)).filter(|password| !password.is_empty());
    password.ok_or_else(|| Failure::missing_field("password"))
}

fn lock_password(object: &Object) -> Password {
    Password::new(verbatim(object, "password").unwrap_or_default())
}

fn state(object: &Object) -> Result<String, Failure> {
    let state = object.string("state").filter(|state| state.len() >= MIN_STATE_LEN);
    state.ok_or_else(Failure::state_malformed)
}

/// The name and what the person asked for; no password, no token, no account config, no `state`.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::AccessToken(request) => write!(f, " {request:?}"),
            Self::IdToken(request) => write!(f, " {request:?}"),
            Self::Mytoken(request) => write!(f, " {request:?}"),
            Self::Refused(request) => write!(f, " {request:?}"),
            Self::Userinfo(request) | Self::Clients(request) => write!(f, " {request:?}"),
            Self::AwsCredentials(request) => write!(f, " {request:?}"),
            Self::Add(request) => write!(f, " {request:?}"),
            Self::Remove { account }
            | Self::Reauthenticate { account }
            | Self::Examine { account }
            | Self::Reminder { account } => {
                write!(f, " {account:?}")
            }
            Self::Gen(request) => write!(f, " {request:?}"),
            Self::Register(request) => write!(f, " {request:?}"),
            Self::Scopes(query) | Self::MytokenSupportedProviders(query) => write!(f, " {query:?}"),
            Self::Provider(request) => write!(f, " {request:?}"),
            Self::IssuerKeys(request) => write!(f, " {request:?}"),
            Self::Introspect(request) => write!(f, " {request:?}"),
            Self::Delete(config) => write!(f, " {:?}", config.name),
            Self::FileRead { filename } | Self::FileRemove { filename } => write!(f, " {filename:?}"),
            Self::Reset(request) => write!(f, " {request:?}"),
            Self::Passwd(request) => write!(f, " {request:?}"),
            Self::Page(request) => write!(f, " {request:?}"),
            Self::FilesStatus(query) => write!(f, " {query:?}"),
            Self::FilesRenew { name } => write!(f, " {name:?}"),
            Self::FilesWait(request) => write!(f, " {request:?}"),
            Self::Upgrade(request) => write!(f, " {request:?}"),
            _ => Ok(()),
        }
    }
}
