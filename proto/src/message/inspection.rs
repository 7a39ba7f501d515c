//! `issuer_keys` and `introspect` (ours): what somebody needs who inspects a token.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Failure,
    field::{put, put_flag, required},
};
use crate::{json::Object, secret::SecretText};

/// Whose keys are wanted. The token stays with whoever asks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IssuerKeysRequest {
    /// The issuer, as the token or the person spells it.
    pub issuer: String,
    /// The key that signed (`kid`): where it is not among those that are known, they are fetched anew.
    pub kid: Option<String>,
    /// Whether the person named the issuer. Otherwise it has to be one of a loaded account or of the issuer data: a token
    /// does not decide whom the agent connects to.
    pub named: bool,
    /// CA bundle to use instead of the system's.
    pub cert_path: Option<String>,
}

/// A token that an account's client asks the provider about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntrospectRequest {
    /// Short name.
    pub account: String,
    /// The token.
    pub token: SecretText,
}

/// `info` of `introspect`. Members of later versions are ignored when read.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Introspection {
    /// Who says it: `introspection` (RFC 7662), `userinfo` (OpenID Connect Core section 5.3) or `agent`.
    pub source: String,
    /// Whether the token is valid there; absent where nobody said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// What is said of it, under the names of that answer.
    pub claims: Map<String, Value>,
    /// Why sources that are asked earlier said nothing, a sentence each.
    pub remarks: Vec<String>,
}

impl IssuerKeysRequest {
    pub(super) fn read(object: &Object) -> Result<Self, Failure> {
        Ok(Self {
            issuer: required(object, "issuer")?,
            kid: object.string("kid"),
            named: object.flag("named"),
            cert_path: object.string("cert_path"),
        })
    }

    pub(super) fn write(&self, object: &mut Object) {
        object.insert("issuer", self.issuer.as_str());
        put(object, "kid", self.kid.as_deref());
        put_flag(object, "named", self.named);
        put(object, "cert_path", self.cert_path.as_deref());
    }
}

impl IntrospectRequest {
    pub(super) fn read(object: &Object) -> Result<Self, Failure> {
        Ok(Self { account: required(object, "account")?, token: SecretText::new(required(object, "token")?) })
    }

    pub(super) fn write(&self, object: &mut Object) {
        object.insert("account", self.account.as_str());
        object.insert("token", self.token.expose());
    }
}

impl Introspection {
    /// Reads the `info` of a reply; `None` when it is something else.
    pub fn from_info(info: &Value) -> Option<Self> {
        info.is_object().then(|| Self::deserialize(info).ok()).flatten()
    }

    /// The `info` of a reply.
    pub fn to_info(&self) -> Value {
        serde_json::to_value(self).expect("texts and JSON serialise")
    }
}
