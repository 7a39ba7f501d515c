//! The objects in the `info` of `status_json`, `account_info` and `reset`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// `info` of `status_json`. Members of later versions are ignored when read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentStatus {
    /// The agent's version.
    pub version: String,
    /// The options that start the same agent again, separated by blanks.
    pub command_line_options: String,
    /// Short names in load order.
    pub loaded_accounts: Vec<String>,
    /// Ours: what is known about each of them. Empty from the C agent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<AccountStatus>,
    /// Ours: what the agent's process has given up, by the kernel's names: `mdwe`, `seccomp`. Absent from the C agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confined_by: Option<Vec<String>>,
    /// Ours: the person is offered a new login where an account needs one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub offers_logins: bool,
    /// Ours: the file that the agent was started from. Absent from the C agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// Ours: that file is gone or another one by now, as after an upgrade.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub program_replaced: bool,
}

/// What the agent knows about a loaded account. Times are seconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountStatus {
    /// Short name.
    pub name: String,
    /// Issuer URL.
    pub issuer: String,
    /// The person is asked before each access token.
    pub confirm: bool,
    /// The person is not asked before an ID token.
    pub always_allow_id_token: bool,
    /// When the account is unloaded; absent = never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unloaded_at: Option<u64>,
    /// When the cached access token of the account's own scopes expires; absent = none is cached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_expires_at: Option<u64>,
    /// When the refresh token expires, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token_expires_at: Option<u64>,
    /// How that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token_expires_as: Option<KnownBy>,
    /// When the registration of the client ends, as it said (RFC 7591 section 3.2.1); absent = never, or nobody says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_expires_at: Option<u64>,
    /// Set: the refresh token is dead, with the provider's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_needed: Option<String>,
    /// Another program has changed the account's file so that the agent cannot open it: it has to be loaded again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub reload_needed: bool,
    /// Set: the provider refuses the account's client, with its words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_refused: Option<String>,
    /// How tokens are got, where not with the refresh token of a login: see [`crate::account::AccountConfig::grant`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant_type: Option<String>,
    /// Where the token comes from that is exchanged for the account's, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_token: Option<String>,
    /// Where the account's mytoken is used, where it holds one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mytoken_url: Option<String>,
    /// The provider has replaced the refresh token, and the new one could not be saved where it belongs.
    pub unsaved: bool,
}

/// How the end of something is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KnownBy {
    /// By `exp` in the token itself.
    Claim,
    /// By what the provider said when it gave the token (`refresh_expires_in`).
    Provider,
    /// In a way that is not known here.
    #[serde(other)]
    Other,
}

/// `info` of `reminder` (ours): what of an account ends soon, and was not told today. Times are seconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Reminder {
    /// Short name.
    pub account: String,
    /// When the login ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_ends_at: Option<u64>,
    /// When the registration of the client ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_ends_at: Option<u64>,
}

/// `info` of `account_info` (5.x): one entry for each issuer, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IssuerInfos(pub Vec<(String, IssuerInfo)>);

/// What is known about an issuer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IssuerInfo {
    /// A public client is configured for it.
    pub pubclient: bool,
    /// Short names, and whether each is loaded now.
    pub accounts: Vec<(String, bool)>,
}

/// `info` of `reset` (ours): what was done, and what is left at the provider.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ResetReport {
    /// Whether the agent had the account unlocked. If not, nothing could be done at the provider.
    pub was_loaded: bool,
    /// Whether the account file and its leftovers were deleted by the agent.
    pub file_deleted: bool,
    /// Issuer URL, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The client at the provider, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Where the client is managed (RFC 7592 section 3), where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration_client_uri: Option<String>,
    /// Revocation of the refresh token (RFC 7009).
    pub refresh_token: RemoteOutcome,
    /// Deletion of the dynamically registered client (RFC 7592).
    pub client: RemoteOutcome,
}

/// What became of something at the provider.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum RemoteOutcome {
    /// It is gone.
    Done,
    /// Not tried: not wanted, or the account was not unlocked.
    #[default]
    Skipped,
    /// There was nothing to do: no such token, or a client that was not registered dynamically.
    NothingToDo,
    /// The provider did not do it.
    Failed {
        /// Why, for the person.
        reason: String,
    },
}

macro_rules! as_info {
    ($($name:ident),*) => {$(
        impl $name {
            /// Reads the `info` of a reply; `None` when it is something else.
            pub fn from_info(info: &Value) -> Option<Self> {
                // A list would be taken for the members in their order.
                info.is_object().then(|| Self::deserialize(info).ok()).flatten()
            }

            /// The `info` of a reply.
            pub fn to_info(&self) -> Value {
                serde_json::to_value(self).expect("texts and numbers serialise")
            }
        }
    )*};
}

as_info!(AgentStatus, Reminder, ResetReport);

impl IssuerInfos {
    /// Reads the `info` of a reply; `None` when it is no object of objects.
    pub fn from_info(info: &Value) -> Option<Self> {
        let read =
            |(issuer, info): (&String, &Value)| Some((issuer.clone(), IssuerInfo::read(info.as_object()?)));
        info.as_object()?.iter().map(read).collect::<Option<_>>().map(Self)
    }

    /// The `info` of a reply.
    pub fn to_info(&self) -> Value {
        self.0.iter().map(|(issuer, info)| (issuer.clone(), info.write())).collect::<Map<_, _>>().into()
    }
}

impl IssuerInfo {
    fn read(info: &Map<String, Value>) -> Self {
        let is_set = |value: &Value| value.as_bool().unwrap_or(false);
        let accounts = info.get("accounts").and_then(Value::as_object);
        Self {
            pubclient: info.get("pubclient").is_some_and(is_set),
            accounts: accounts
                .into_iter()
                .flatten()
                .map(|(name, loaded)| (name.clone(), is_set(loaded)))
                .collect(),
        }
    }

    /// `accounts` is left out when there are none, as in the C agent.
    fn write(&self) -> Value {
        let mut info = Map::from_iter([("pubclient".to_owned(), self.pubclient.into())]);
        if !self.accounts.is_empty() {
            let accounts = self.accounts.iter().map(|(name, loaded)| (name.clone(), (*loaded).into()));
            info.insert("accounts".to_owned(), accounts.collect::<Map<_, _>>().into());
        }
        info.into()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn status_of_the_c_agent_is_read() {
        let info =
            json!({"version": "5.3.3", "command_line_options": "--console", "loaded_accounts": ["a", "b"]});
        let status = AgentStatus::from_info(&info).expect("a status");
        assert_eq!(status.loaded_accounts, ["a", "b"]);
        assert_eq!(status.to_info(), info);
        assert_eq!(AgentStatus::from_info(&json!(["5.3.3", "--console", ["a"]])), None);
    }

    #[test]
    fn issuers_come_back_in_order() {
        let info = json!({"https://b": {"pubclient": true}, "https://a/": {"pubclient": false, "accounts": {"x": true}}});
        let infos = IssuerInfos::from_info(&info).expect("issuers");
        assert_eq!(infos.0[1].1.accounts, [("x".to_owned(), true)]);
        assert_eq!(infos.to_info().to_string(), info.to_string());
    }

    #[test]
    fn reset_report_comes_back() {
        let report = ResetReport {
            was_loaded: true,
            issuer: Some("https://op".into()),
            client: RemoteOutcome::Failed { reason: "401".into() },
            refresh_token: RemoteOutcome::Done,
            ..ResetReport::default()
        };
        assert_eq!(report.to_info()["client"], json!({"outcome": "failed", "reason": "401"}));
        assert_eq!(ResetReport::from_info(&report.to_info()), Some(report));
    }
}
