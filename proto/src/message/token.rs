//! `access_token`, `id_token` and `mytoken`.

use std::fmt;

use super::{
    Failure,
    field::{put, required},
};
use crate::json::Object;

/// Which account is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// By short name; not yet validated as a [`crate::shortname::Shortname`].
    Account(String),
    /// By issuer URL; one trailing slash more or less does not matter.
    Issuer(String),
}

/// How long an access token must still be valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// More than this many seconds; 0 = not expired.
    AtLeast(u64),
    /// A new token in any case: `-1` on the wire.
    ForceNew,
}

/// `access_token`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRequest {
    /// `account` or `issuer`; the account wins.
    pub target: Target,
    /// `min_valid_period`.
    pub validity: Validity,
    /// Separated by blanks; replaces the account's scopes for this token.
    pub scope: Option<String>,
    /// Separated by blanks.
    pub audience: Option<String>,
    /// Name of the program that wants the token, shown in prompts.
    pub application_hint: Option<String>,
    /// Whether the agent may ask the person through its prompt program. Ours: `"prompt":"none"` says no.
    pub prompt: bool,
}

/// `id_token`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdTokenRequest {
    /// `account` or `issuer`; the account wins.
    pub target: Target,
    /// Ours, `min_valid_period` as in [`TokenRequest`]: one that the agent has will do, if it is valid for longer. Without the
    /// field it is a new one in any case, as the C suite gives it.
    pub validity: Validity,
    /// For the refresh request.
    pub scope: Option<String>,
    /// As in [`TokenRequest`].
    pub application_hint: Option<String>,
    /// As in [`TokenRequest`].
    pub prompt: bool,
}

/// `mytoken` (5.x).
#[derive(Debug, Clone, PartialEq)]
pub struct MytokenRequest {
    /// A mytoken account.
    pub account: String,
    /// `None`: the profile `web-default` of the server.
    pub profile: Option<MytokenProfile>,
    /// As in [`TokenRequest`].
    pub application_hint: Option<String>,
    /// As in [`TokenRequest`].
    pub prompt: bool,
}

/// What a new mytoken may do.
#[derive(Clone, PartialEq)]
pub enum MytokenProfile {
    /// The name of a profile that the server knows.
    Name(String),
    /// A profile as an object.
    Object(Object),
}

impl Target {
    pub(super) fn read(object: &Object) -> Result<Self, Failure> {
        let account = object.string("account").map(Self::Account);
        let target = account.or_else(|| object.string("issuer").map(Self::Issuer));
        target.ok_or_else(|| Failure::missing_field("account' or 'issuer"))
    }

    pub(super) fn write(&self, object: &mut Object) {
        match self {
            Self::Account(account) => object.insert("account", account.as_str()),
            Self::Issuer(issuer) => object.insert("issuer", issuer.as_str()),
        }
    }
}

impl Validity {
    fn read(object: &Object) -> Self {
        match object.integer("min_valid_period") {
            Some(-1) => Self::ForceNew,
            seconds => Self::AtLeast(seconds.and_then(|seconds| seconds.try_into().ok()).unwrap_or(0)),
        }
    }

    fn write(self, object: &mut Object) {
        match self {
            Self::AtLeast(seconds) => object.insert("min_valid_period", seconds),
            Self::ForceNew => object.insert("min_valid_period", -1),
        }
    }
}

impl TokenRequest {
    /// A request for a token that has not expired, with the account's own scopes.
    pub fn new(target: Target) -> Self {
        Self {
            target,
            validity: Validity::AtLeast(0),
            scope: None,
            audience: None,
            application_hint: None,
            prompt: true,
        }
    }

    pub(super) fn read(object: &Object) -> Result<Self, Failure> {
        Ok(Self {
            target: Target::read(object)?,
            validity: Validity::read(object),
            scope: object.string("scope"),
            audience: object.string("audience"),
            application_hint: object.string("application_hint"),
            prompt: may_prompt(object),
        })
    }

    pub(super) fn write(&self, object: &mut Object) {
        self.validity.write(object);
        self.target.write(object);
        put(object, "scope", self.scope.as_deref());
        put(object, "application_hint", self.application_hint.as_deref());
        put(object, "audience", self.audience.as_deref());
        put_no_prompt(object, self.prompt);
    }
}

impl IdTokenRequest {
    pub(super) fn read(object: &Object) -> Result<Self, Failure> {
        let validity = match Validity::read(object) {
            Validity::AtLeast(seconds) if object.contains("min_valid_period") => Validity::AtLeast(seconds),
            _ => Validity::ForceNew,
        };
        Ok(Self {
            target: Target::read(object)?,
            validity,
            scope: object.string("scope"),
            application_hint: object.string("application_hint"),
            prompt: may_prompt(object),
        })
    }

    pub(super) fn write(&self, object: &mut Object) {
        self.target.write(object);
        if self.validity != Validity::ForceNew {
            self.validity.write(object);
        }
        put(object, "scope", self.scope.as_deref());
        put(object, "application_hint", self.application_hint.as_deref());
        put_no_prompt(object, self.prompt);
    }
}

impl MytokenRequest {
    pub(super) fn read(object: &Object) -> Result<Self, Failure> {
        let profile = object.object("mytoken_profile").map(MytokenProfile::Object);
        Ok(Self {
            account: required(object, "account")?,
            profile: profile.or_else(|| object.string("mytoken_profile").map(MytokenProfile::Name)),
            application_hint: object.string("application_hint"),
            prompt: may_prompt(object),
        })
    }

    pub(super) fn write(&self, object: &mut Object) {
        object.insert("account", self.account.as_str());
        match &self.profile {
            None => {}
            Some(MytokenProfile::Name(name)) => object.insert("mytoken_profile", name.as_str()),
            Some(MytokenProfile::Object(profile)) => {
                object.insert("mytoken_profile", profile.members().clone());
            }
        }
        put(object, "application_hint", self.application_hint.as_deref());
        put_no_prompt(object, self.prompt);
    }
}

pub(super) fn may_prompt(object: &Object) -> bool {
    object.text("prompt").as_deref() != Some("none")
}

pub(super) fn put_no_prompt(object: &mut Object, prompt: bool) {
    if !prompt {
        object.insert("prompt", "none");
    }
}

impl fmt::Debug for MytokenProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.debug_tuple("Name").field(name).finish(),
            Self::Object(_) => f.write_str("Object(..)"),
        }
    }
}
