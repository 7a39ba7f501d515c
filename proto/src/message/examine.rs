//! `examine` (ours): how it stands with one loaded account, for whoever looks for what is wrong.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `info` of `examine`: nothing in it is secret. Members of later versions are ignored when read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountReport {
    /// Issuer URL, as the account spells it.
    pub issuer: String,
    /// RFC 6749 section 2.2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The scopes of the login, separated by blanks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_scope: Option<String>,
    /// The scopes that the provider granted last; absent: it did not tell, or nothing was asked for since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub granted_scope: Option<String>,
    /// RFC 6749 section 3.1.2.
    pub redirect_uris: Vec<String>,
    /// The certificates that are trusted instead of the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert_path: Option<String>,
    /// Whether there is a refresh token.
    pub has_refresh_token: bool,
    /// When it ends, in seconds since the epoch, where it is a JWT that tells (`exp`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token_expires_at: Option<u64>,
    /// For how many seconds such a refresh token is good at this provider, as far as is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token_lifetime: Option<u64>,
    /// The client at the provider.
    pub client: ClientStanding,
}

/// Whether the provider still knows a client, as its registration tells (RFC 7592 section 2.1).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ClientStanding {
    /// It does.
    Registered,
    /// It does not, or not by that registration access token any more.
    Gone,
    /// There is no registration that could be read: the client was not registered dynamically.
    #[default]
    NotManaged,
    /// It was not asked, because that would have changed something.
    NotAsked {
        /// What.
        reason: String,
    },
    /// It could not be asked.
    Unknown {
        /// Why not.
        reason: String,
    },
}

impl AccountReport {
    /// Reads the `info` of a reply; `None` when it is something else.
    pub fn from_info(info: &Value) -> Option<Self> {
        info.is_object().then(|| Self::deserialize(info).ok()).flatten()
    }

    /// The `info` of a reply.
    pub fn to_info(&self) -> Value {
        serde_json::to_value(self).expect("texts and numbers serialise")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_comes_back_as_it_was() {
        for client in [
            ClientStanding::Registered,
            ClientStanding::Gone,
            ClientStanding::NotManaged,
            ClientStanding::NotAsked { reason: "it rotates".into() },
            ClientStanding::Unknown { reason: "no answer".into() },
        ] {
            let report = AccountReport {
                issuer: "https://op".into(),
                granted_scope: Some("openid".into()),
                redirect_uris: vec!["http://localhost:4242".into()],
                refresh_token_expires_at: Some(1),
                client,
                ..AccountReport::default()
            };
            assert_eq!(AccountReport::from_info(&report.to_info()), Some(report));
        }
        assert_eq!(AccountReport::from_info(&serde_json::json!({})), Some(AccountReport::default()));
        assert_eq!(AccountReport::from_info(&serde_json::json!(["https://op"])), None);
    }
}
