//! `add`, and ours: `reset` and `passwd`.

use std::fmt;

use super::{
    Failure,
    field::{optional_object, put, put_flag, required, required_object, seconds, verbatim},
    token::{may_prompt, put_no_prompt},
};
use crate::{
    account::AccountConfig,
    json::Object,
    secret::{Password, SecretText},
};

/// `add`: load a decrypted account.
#[derive(Clone, PartialEq, Default)]
pub struct AddRequest {
    /// The account as decrypted.
    pub config: AccountConfig,
    /// How the agent may get the file's password later.
    pub pw_entry: Option<PasswordEntry>,
    /// Seconds until the account is unloaded; 0 = never; `None` = the agent's default.
    pub lifetime: Option<u64>,
    /// Ask before each access token.
    pub confirm: bool,
    /// `always_allow_id_token` (5.x) or `always_allow_id` (4.x): no question for ID tokens.
    pub always_allow_id_token: bool,
    /// Load without requesting a token.
    pub plain_add: bool,
    /// Ours: take the place of an account of this name that is loaded already. An agent of the C suite leaves that one as
    /// it is, but for its lifetime.
    pub replace: bool,
    /// Ours: lets the agent rewrite the account file without a password
    /// (the text of a `FileKey`, see [`crate::secret::SecretText`]).
    pub file_key: Option<SecretText>,
    /// Ours, `"prompt":"none"`: the client asks the person itself where something is missing, and the agent does not.
    pub asks_itself: bool,
}

/// `pw_entry`: how the C agent may get an account file's password later.
#[derive(Clone, PartialEq)]
pub struct PasswordEntry {
    /// Short name.
    pub account: String,
    /// `type`.
    pub sources: PasswordSources,
    /// With [`PasswordSources::MEMORY`].
    pub password: Option<Password>,
    /// Seconds since the epoch when the password is forgotten; `None` = never.
    pub expires_at: Option<u64>,
    /// Seconds for which a password entered later at a prompt is kept.
    pub expires_after: Option<u64>,
    /// With [`PasswordSources::COMMAND`]: a shell command that prints the password, or has it in its text.
    pub command: Option<SecretText>,
    /// With [`PasswordSources::FILE`]: its first line is the password.
    pub pw_file: Option<String>,
    /// With [`PasswordSources::GPG`]: the key to encrypt the file with.
    pub gpg_key: Option<String>,
}

/// The bits of `pw_entry`'s `type`: what may be tried, in the order memory, keyring, command, file, prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PasswordSources(u32);

/// The two formats a new account file may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// `native`: `oidc-account/1`.
    Native,
    /// `oidc-agent`: the C suite's base64 format, for going back to it.
    OidcAgent,
}

/// `reset` (ours): forget an account whose password is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResetRequest {
    /// Short name.
    pub account: String,
    /// Neither revoke the refresh token nor delete the client at the provider.
    pub keep_remote: bool,
}

/// `passwd` (ours): the password of a loaded account's file changes.
#[derive(Debug, Clone, PartialEq)]
pub struct PasswdRequest {
    /// Short name of a loaded account.
    pub account: String,
    /// What protects the file from now on.
    pub protection: NewProtection,
}

/// Who rewrites the account file in [`PasswdRequest`].
#[derive(Debug, Clone, PartialEq)]
pub enum NewProtection {
    /// The agent, from its unlocked copy.
    Password {
        /// The new password.
        password: Password,
        /// `None`: the file's own format.
        format: Option<FileFormat>,
    },
    /// The client has done it, with the old password; this is the text of the new `FileKey`.
    FileKey(SecretText),
}

impl AddRequest {
    pub(super) fn read(object: &mut Object) -> Result<Self, Failure> {
        let config = AccountConfig::from_object(required_object(object, "config")?);
        Ok(Self {
            config,
            pw_entry: PasswordEntry::read_optional(object)?,
            lifetime: seconds(object, "lifetime"),
            confirm: object.flag("confirm"),
            always_allow_id_token: object.flag("always_allow_id_token") || object.flag("always_allow_id"),
            plain_add: object.flag("plain_add"),
            replace: object.flag("replace"),
            file_key: object.string("file_key").map(SecretText::new),
            asks_itself: !may_prompt(object),
        })
    }

    pub(super) fn write(&self, object: &mut Object) {
        object.insert("config", self.config.to_object().into_value());
        if let Some(entry) = &self.pw_entry {
            object.insert("pw_entry", entry.to_object().into_value());
        }
        if let Some(lifetime) = self.lifetime {
            object.insert("lifetime", lifetime);
        }
        put_flag(object, "confirm", self.confirm);
        put_flag(object, "always_allow_id_token", self.always_allow_id_token);
        put_flag(object, "always_allow_id", self.always_allow_id_token);
        put_flag(object, "plain_add", self.plain_add);
        if self.replace {
            put_flag(object, "replace", true);
        }
        put(object, "file_key", self.file_key.as_ref().map(SecretText::expose));
        put_no_prompt(object, !self.asks_itself);
    }
}

impl PasswordEntry {
    /// The entry of `add` and `gen`. One without `account` or `type` is silently dropped, as in the C agent; one
    /// that is no object is a failure, where the C agent crashes.
    pub(super) fn read_optional(object: &mut Object) -> Result<Option<Self>, Failure> {
        Ok(optional_object(object, "pw_entry")?.and_then(|entry| Self::from_object(&entry)))
    }

    /// Reads an entry; `None` for one without `account` or `type`.
    pub fn from_object(object: &Object) -> Option<Self> {
        let bits = object.integer("type").and_then(|bits| bits.try_into().ok()).filter(|bits| *bits != 0)?;
        Some(Self {
            account: object.string("account")?,
            sources: PasswordSources(bits),
            password: verbatim(object, "password").filter(|text| !text.is_empty()).map(Password::new),
            expires_at: seconds(object, "expires_at"),
            expires_after: seconds(object, "expires_after"),
            command: object.string("command").map(SecretText::new),
            pw_file: object.string("pw_file"),
            gpg_key: object.string("gpg_key"),
        })
    }

    /// The same for a file that is encrypted with an OpenPGP key.
    #[must_use]
    pub fn with_gpg_key(self, key: &str) -> Self {
        let sources = self.sources.with(PasswordSources::GPG);
        Self { sources, gpg_key: Some(key.to_owned()), ..self }
    }

    /// The entry as an object. Holds the password.
    pub fn to_object(&self) -> Object {
        let mut object = Object::default();
        object.insert("account", self.account.as_str());
        object.insert("type", self.sources.0);
        put(&mut object, "password", self.password.as_ref().map(Password::expose));
        if let Some(time) = self.expires_at {
            object.insert("expires_at", time);
        }
        if let Some(seconds) = self.expires_after {
            object.insert("expires_after", seconds);
        }
        put(&mut object, "command", self.command.as_ref().map(SecretText::expose));
        put(&mut object, "pw_file", self.pw_file.as_deref());
        put(&mut object, "gpg_key", self.gpg_key.as_deref());
        object
    }
}

impl PasswordSources {
    /// Kept in memory.
    pub const MEMORY: Self = Self(0x01);
    /// The system's keyring (4.x only).
    pub const KEYRING: Self = Self(0x02);
    /// The output of a command.
    pub const COMMAND: Self = Self(0x04);
    /// Asking the person; C clients always set it.
    pub const PROMPT: Self = Self(0x08);
    /// The first line of a file.
    pub const FILE: Self = Self(0x10);
    /// A GPG key instead of a password.
    pub const GPG: Self = Self(0x20);

    /// Whether all of `sources` are among these.
    pub const fn contains(self, sources: Self) -> bool {
        self.0 & sources.0 == sources.0
    }

    /// These and those.
    #[must_use]
    pub const fn with(self, sources: Self) -> Self {
        Self(self.0 | sources.0)
    }
}

impl FileFormat {
    /// Its name on the wire and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::OidcAgent => "oidc-agent",
        }
    }

    /// The format of a name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Native, Self::OidcAgent].into_iter().find(|format| format.as_str() == name)
    }
}

impl ResetRequest {
    pub(super) fn read(object: &Object) -> Result<Self, Failure> {
        Ok(Self { account: required(object, "account")?, keep_remote: object.flag("keep_remote") })
    }

    pub(super) fn write(&self, object: &mut Object) {
        object.insert("account", self.account.as_str());
        put_flag(object, "keep_remote", self.keep_remote);
    }
}

impl PasswdRequest {
    pub(super) fn read(object: &Object) -> Result<Self, Failure> {
        let account = required(object, "account")?;
        if let Some(key) = object.string("file_key") {
            return Ok(Self { account, protection: NewProtection::FileKey(SecretText::new(key)) });
        }
        let password = verbatim(object, "password").filter(|text| !text.is_empty()).map(Password::new);
        let password = password.ok_or_else(|| Failure::missing_field("password' or 'file_key"))?;
        let format = object.text("format").map(|name| {
            FileFormat::parse(&name).ok_or_else(|| Failure::wrong_field("format", "'native' or 'oidc-agent'"))
        });
        Ok(Self { account, protection: NewProtection::Password { password, format: format.transpose()? } })
    }

    pub(super) fn write(&self, object: &mut Object) {
        object.insert("account", self.account.as_str());
        match &self.protection {
            NewProtection::FileKey(key) => object.insert("file_key", key.expose()),
            NewProtection::Password { password, format } => {
                object.insert("password", password.expose());
                put(object, "format", format.map(FileFormat::as_str));
            }
        }
    }
}

impl fmt::Debug for AddRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AddRequest")
            .field("name", &self.config.name)
            .field("pw_entry", &self.pw_entry)
            .field("lifetime", &self.lifetime)
            .field("confirm", &self.confirm)
            .field("always_allow_id_token", &self.always_allow_id_token)
            .field("plain_add", &self.plain_add)
            .field("replace", &self.replace)
            .field("file_key", &self.file_key)
            .field("asks_itself", &self.asks_itself)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PasswordEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordEntry")
            .field("account", &self.account)
            .field("sources", &self.sources)
            .finish_non_exhaustive()
    }
}
