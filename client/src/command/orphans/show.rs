//! A client as it is listed: who knows it, and who uses it.

use jiff::{Timestamp, tz::TimeZone};
use oidc_proto::{account::same_issuer, home::RegisteredClient};
use serde_json::{Value, json};

use super::accounts::User;
use crate::context::{Context, error::Error};

/// A client and who uses it.
pub struct Listed {
    /// Of one that is not in the journal: issuer, client id and name only.
    pub client: RegisteredClient,
    /// An account here.
    pub used_by: User,
    /// Who knows it.
    pub by: ListedBy,
}

/// Who knows a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListedBy {
    /// The journal of registrations.
    Journal,
    /// The provider.
    Provider,
    /// Both.
    Both,
}

impl Listed {
    fn is_registered_here(&self) -> bool {
        self.by != ListedBy::Provider
    }

    fn is_orphan(&self) -> bool {
        self.used_by == User::Nobody && self.is_registered_here()
    }

    fn to_line(&self) -> String {
        let used = match &self.used_by {
            User::Account(name) => format!("used by {name}"),
            User::Perhaps(name) => {
                format!("perhaps used by {name}, whose file does not tell without its password")
            }
            User::Nobody if self.is_registered_here() => {
                format!("no account uses it; it was registered for {}", self.client.account)
            }
            User::Nobody => "no account here uses it, nor was it registered from here".to_owned(),
        };
        let since = if self.is_registered_here() {
            day(self.client.registered_at)
        } else {
            self.client.client_name.clone().unwrap_or_else(|| "without a name".to_owned())
        };
        format!("  {}  {since}  {used}", self.client.client_id)
    }

    fn to_json(&self) -> Value {
        let (state, account) = match &self.used_by {
            User::Account(name) => ("used", Some(name)),
            User::Perhaps(name) => ("perhaps_used", Some(name)),
            User::Nobody if self.is_registered_here() => ("orphan", None),
            User::Nobody => ("elsewhere", None),
        };
        let here = |value: Value| if self.is_registered_here() { value } else { Value::Null };
        json!({
            "issuer": self.client.issuer,
            "client_id": self.client.client_id,
            "client_name": self.client.client_name,
            "registered_for": here(self.client.account.as_str().into()),
            "registered_at": here(self.client.registered_at.into()),
            "registration_client_uri": self.client.registration_client_uri,
            "state": state,
            "account": account,
            "can_be_deleted": self.client.sealed.is_some(),
            "listed_by": match self.by {
                ListedBy::Journal => "journal",
                ListedBy::Provider => "provider",
                ListedBy::Both => "both",
            },
        })
    }
}

/// A day, for people.
pub fn day(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.map_or_else(
        || "at an unknown time".to_owned(),
        |time| time.to_zoned_datetime(TimeZone::system()).strftime("%Y-%m-%d").to_string(),
    )
}

/// Shows them by issuer.
pub fn show(context: &mut Context, listed: &[Listed]) -> Result<(), Error> {
    if context.output.json {
        return Ok(context.output.json(&listed.iter().map(Listed::to_json).collect())?);
    }
    if listed.is_empty() && context.output.to_terminal {
        context.output.hint("No client is known to be registered for you.");
    }
    let mut issuers: Vec<&str> = Vec::new();
    for one in listed {
        if !issuers.iter().any(|issuer| same_issuer(issuer, &one.client.issuer)) {
            issuers.push(&one.client.issuer);
        }
    }
    for issuer in issuers {
        context.output.line(issuer)?;
        for one in listed.iter().filter(|one| same_issuer(issuer, &one.client.issuer)) {
            context.output.line(&one.to_line())?;
        }
    }
    if !context.output.to_terminal {
        return Ok(());
    }
    if listed.iter().any(Listed::is_orphan) {
        context
            .output
            .hint("`oidc orphans --delete` deletes those that were registered here and no account uses.");
    }
    for one in listed.iter().filter(|one| !one.is_registered_here() && one.used_by == User::Nobody).take(1) {
        context.output.hint(&format!(
            "What was not registered from here may be in use elsewhere. Who knows better deletes it at {}, under \"My clients\".",
            one.client.issuer
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(used_by: User, by: ListedBy) -> Listed {
        let client = RegisteredClient {
            client_id: "c".into(),
            client_name: Some("oidc-agent:x".into()),
            account: "a".into(),
            ..RegisteredClient::default()
        };
        Listed { client, used_by, by }
    }

    #[test]
    fn a_line_says_who_uses_it() {
        let line = |used_by, by| listed(used_by, by).to_line();
        let journal = ListedBy::Journal;
        assert!(line(User::Nobody, journal).ends_with("no account uses it; it was registered for a"));
        assert!(line(User::Perhaps("a".into()), journal).contains("perhaps used by a"));
        assert_eq!(listed(User::Account("a".into()), journal).to_json()["state"], "used");
    }

    #[test]
    fn what_was_not_registered_here_is_no_orphan() {
        let other = listed(User::Nobody, ListedBy::Provider);
        assert!(!other.is_orphan() && listed(User::Nobody, ListedBy::Both).is_orphan());
        assert!(other.to_line().contains("oidc-agent:x  no account here uses it"), "{}", other.to_line());
        let told = other.to_json();
        assert_eq!((&told["state"], &told["registered_for"]), (&"elsewhere".into(), &Value::Null));
        assert_eq!((&told["listed_by"], &told["can_be_deleted"]), (&"provider".into(), &false.into()));
    }
}
