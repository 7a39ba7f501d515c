//! `userinfo` and `clients` (ours): what a provider says of the person of an account.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Failure,
    field::{put, required},
    token::{may_prompt, put_no_prompt},
};
use crate::{error_code::ErrorCode, json::Object};

/// `userinfo` and `clients`: of which account. The agent asks the provider with an access token of that account, and the
/// person before that where it would ask before handing such a token out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonRequest {
    /// Short name.
    pub account: String,
    /// As in [`super::TokenRequest`].
    pub application_hint: Option<String>,
    /// As in [`super::TokenRequest`].
    pub prompt: bool,
}

/// `info` of `userinfo`. Members of later versions are ignored when read.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PersonReport {
    /// The account's issuer.
    pub issuer: String,
    /// Who it is at that issuer: `sub` of the access token or of an answer, which are the same where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The scopes that the account logs in with, separated by blanks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_scope: Option<String>,
    /// The claims of the userinfo endpoint (OpenID Connect Core section 5.3.2), verified where they were signed. Absent: see
    /// `problems`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub userinfo: Option<Map<String, Value>>,
    /// The person's SCIM resource (RFC 7644 section 3.11, `/Me`) at providers that name a `scim_endpoint`, as INDIGO IAM does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scim: Option<Map<String, Value>>,
    /// What could not be had, one for each source at most.
    pub problems: Vec<PersonProblem>,
}

/// Why one of the sources of a [`PersonReport`] tells nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PersonProblem {
    /// `userinfo` or `scim`.
    pub source: String,
    /// The name of an [`ErrorCode`].
    pub error_code: String,
    /// What happened, for the person.
    pub error: String,
    /// The scope that the access token lacks, where that is most likely the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needed_scope: Option<String>,
}

/// `info` of `clients`: the clients that the provider says the person has. Members of later versions are ignored when read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientList {
    /// The account's issuer.
    pub issuer: String,
    /// In the provider's order.
    pub clients: Vec<ListedClient>,
    /// There are more than were read.
    pub is_cut: bool,
}

/// A client of a [`ClientList`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ListedClient {
    /// RFC 6749 section 2.2.
    pub client_id: String,
    /// RFC 7591 section 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_name: Option<String>,
}

impl PersonRequest {
    /// About this account; the agent may ask the person.
    pub fn new(account: impl Into<String>) -> Self {
        Self { account: account.into(), application_hint: None, prompt: true }
    }

    pub(super) fn read(object: &Object) -> Result<Self, Failure> {
        Ok(Self {
            account: required(object, "account")?,
            application_hint: object.string("application_hint"),
            prompt: may_prompt(object),
        })
    }

    pub(super) fn write(&self, object: &mut Object) {
        object.insert("account", self.account.as_str());
        put(object, "application_hint", self.application_hint.as_deref());
        put_no_prompt(object, self.prompt);
    }
}

impl PersonProblem {
    /// What kind of failure it is.
    pub fn code(&self) -> ErrorCode {
        ErrorCode::parse(&self.error_code)
    }
}

impl PersonReport {
    /// Reads the `info` of a reply; `None` when it is something else.
    pub fn from_info(info: &Value) -> Option<Self> {
        info.is_object().then(|| Self::deserialize(info).ok()).flatten()
    }

    /// The `info` of a reply.
    pub fn to_info(&self) -> Value {
        serde_json::to_value(self).expect("texts and JSON serialise")
    }
}

impl ClientList {
    /// Reads the `info` of a reply; `None` when it is something else.
    pub fn from_info(info: &Value) -> Option<Self> {
        info.is_object().then(|| Self::deserialize(info).ok()).flatten()
    }

    /// The `info` of a reply.
    pub fn to_info(&self) -> Value {
        serde_json::to_value(self).expect("texts and JSON serialise")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_told_comes_back_as_it_was() {
        let claims = json!({"sub": "s", "groups": ["a", {"name": "b"}], "n": 1.5});
        let report = PersonReport {
            issuer: "https://op".into(),
            subject: Some("s".into()),
            login_scope: Some("openid".into()),
            userinfo: claims.as_object().cloned(),
            scim: None,
            problems: vec![PersonProblem {
                source: "scim".into(),
                error_code: ErrorCode::ProviderRefused.as_str().into(),
                error: "no".into(),
                needed_scope: Some("scim:read".into()),
            }],
        };
        assert_eq!(PersonReport::from_info(&report.to_info()), Some(report.clone()));
        assert_eq!(report.problems[0].code(), ErrorCode::ProviderRefused);
        let client = ListedClient { client_id: "c".into(), client_name: None };
        let list = ClientList { issuer: "https://op".into(), clients: vec![client], is_cut: true };
        assert_eq!(ClientList::from_info(&list.to_info()), Some(list));
        for odd in [json!([]), json!("x"), json!({"clients": 7, "problems": 7})] {
            assert_eq!((PersonReport::from_info(&odd), ClientList::from_info(&odd)), (None, None));
        }
        assert_eq!(PersonReport::from_info(&json!({})), Some(PersonReport::default()));
    }
}
