//! `provider` (ours): what is known of a provider, and on request what it answers before anybody logs in.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    Failure, ProviderQuery,
    field::{put, put_flag},
};
use crate::json::Object;

/// Which provider, and whether to ask it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProviderRequest {
    /// The provider.
    pub query: ProviderQuery,
    /// Walk through its endpoints and judge what they answer. Otherwise its metadata are all that is asked for, and what
    /// is known is told without them where they cannot be had.
    pub probe: bool,
    /// Ask nobody: tell what is known with the metadata that are at hand, if any are. For whoever must not wait. An agent
    /// that does not know this asks.
    pub at_hand: bool,
    /// With `probe`: leave the registration endpoint alone, for an account that has its client.
    pub spare_registration: bool,
    /// As this loaded account reaches it: with the certificates that it trusts.
    pub account: Option<String>,
}

/// `info` of `provider`. Members of later versions are ignored when read.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ProviderReport {
    /// The issuer, as the provider spells it where it answers.
    pub issuer: String,
    /// Set: its metadata could not be had, for this reason; facts that depend on them are missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub without_metadata: Option<String>,
    /// What the provider data say, in the order in which it applies: of the same key the last one counts, but for lists,
    /// which are added up.
    pub facts: Vec<ProviderFact>,
    /// What comes of them: every key of `quirks` with the value that counts.
    pub effective: Map<String, Value>,
    /// Files of provider data that are left out, each with the reason and the place.
    pub problems: Vec<String>,
    /// What the probe found, in the order of a login. Empty without a probe.
    pub findings: Vec<Finding>,
    /// What the probe foresees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prediction: Option<Prediction>,
}

/// What `gen` will do at a provider, so that it can be compared with what it did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Prediction {
    /// The flows by which a person can log in: `code`, `device`. Empty: none is possible.
    pub flows: Vec<String>,
    /// Where the client comes from.
    pub client: ClientSource,
    /// The scopes of a login for which nobody names others, separated by blanks.
    pub scope: String,
    /// `code_challenge_method` (RFC 7636).
    pub pkce: String,
    /// The provider's `id_token_signing_alg_values_supported` that are checked here.
    pub id_token_algorithms: Vec<String>,
    /// A login can be ended (RFC 7009).
    pub revocation: bool,
    /// How many seconds this computer's clock is ahead of the provider's, or if negative behind; absent: the provider does
    /// not tell the time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_ahead: Option<i64>,
}

/// Where the client of a new account comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientSource {
    /// It is registered, by anybody.
    Registration,
    /// It is registered by who has an initial access token (RFC 7591 section 3).
    RegistrationWithToken,
    /// It has to be there already.
    #[default]
    Given,
}

/// One thing that the provider data say.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ProviderFact {
    /// A key of `quirks` in `providers.toml`.
    pub key: String,
    /// Its value.
    pub value: Value,
    /// Which file says it, and which row of it: for `--why`.
    pub source: String,
}

/// One thing that a probe found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Finding {
    /// What it is about: `metadata`, `tls`, `clock`, `endpoints`, `flows`, `grants`, `pkce`, `scopes`, `keys`, `registration`, `gen`.
    pub topic: String,
    /// What was found, a sentence for the person.
    pub text: String,
    /// Whether it stands in the way of a login.
    pub is_problem: bool,
}

impl ProviderRequest {
    pub(super) fn read(object: &Object) -> Result<Self, Failure> {
        Ok(Self {
            query: ProviderQuery::read(object, "issuer")?,
            probe: object.flag("probe"),
            at_hand: object.flag("at_hand"),
            spare_registration: object.flag("spare_registration"),
            account: object.string("account"),
        })
    }

    pub(super) fn write(&self, object: &mut Object) {
        self.query.write(object);
        put_flag(object, "probe", self.probe);
        put_flag(object, "at_hand", self.at_hand);
        if self.spare_registration {
            put_flag(object, "spare_registration", true);
        }
        put(object, "account", self.account.as_deref());
    }
}

impl ProviderReport {
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
    use super::*;

    #[test]
    fn a_report_comes_back_as_it_was() {
        let report = ProviderReport {
            issuer: "https://op".into(),
            without_metadata: Some("no answer".into()),
            facts: vec![ProviderFact {
                key: "audience".into(),
                value: "none".into(),
                source: "built in: x".into(),
            }],
            effective: [("audience".to_owned(), "none".into())].into_iter().collect(),
            problems: vec!["/etc/x: line 3".into()],
            findings: vec![Finding { topic: "tls".into(), text: "fine".into(), is_problem: false }],
            prediction: Some(Prediction {
                flows: vec!["code".into()],
                client: ClientSource::RegistrationWithToken,
                clock_ahead: Some(-3),
                ..Prediction::default()
            }),
        };
        assert_eq!(ProviderReport::from_info(&report.to_info()), Some(report));
        assert_eq!(ProviderReport::from_info(&serde_json::json!({})), Some(ProviderReport::default()));
        assert_eq!(ProviderReport::from_info(&serde_json::json!([])), None);
    }
}
