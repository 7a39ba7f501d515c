//! What somebody wants of an account, in the words in which the person is asked for it. The person agrees to what is shown,
//! so all of it is shown: each scope, audience and clause once, on a line of its own. What a window cannot hold is not asked
//! about.

use std::fmt::Write;

use super::{account::Account, mytoken_profile::Described};
use crate::prompt::{bounded, line_bytes};

/// Longest description, in bytes of a line of the pinentry protocol; what is left of the line says who asks.
pub(super) const MAX_BYTES: usize = 520;
/// Most values of which there is one a line: a window with more does not fit a screen.
const MAX_VALUES: usize = 24;
/// It names nothing that the name of the account does not.
pub(super) const MAX_URL: usize = 80;

/// What is wanted. Two that differ in anything are two questions.
#[derive(Debug, Default)]
pub(super) struct Wanted<'a> {
    /// In the agent's words.
    pub what: &'static str,
    /// Separated by blanks; blanks alone are the provider's default.
    pub scope: Option<&'a str>,
    /// Separated by blanks.
    pub audience: Option<&'a str>,
    /// What a mytoken shall be allowed, where one is wanted.
    pub profile: Option<&'a Described>,
}

/// Why the person cannot be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "what is asked for cannot be shown whole: it has {values} scopes, audiences and other values, where a window shows \
     {MAX_VALUES}, and takes {bytes} bytes of {MAX_BYTES}. Nobody was asked; ask for less at a time"
)]
pub(super) struct TooLong {
    values: usize,
    bytes: usize,
}

impl Wanted<'_> {
    /// Whether an answer counts for this request alone: whoever has a mytoken gets tokens as long as it lives, so each one is
    /// agreed to by itself.
    pub fn is_asked_each_time(&self) -> bool {
        self.profile.is_some()
    }

    /// What the person decides on, to stand behind "Allow ".
    pub fn described(&self, account: &Account) -> Result<String, TooLong> {
        let name = bounded(account.name.as_str(), usize::MAX);
        let mut text =
            format!("{} of the account '{name}' ({})?", self.what, bounded(&account.issuer, MAX_URL));
        let mut values = 0;
        let mut list = |label: &str, list: &[&str]| {
            if !list.is_empty() {
                let _ = write!(text, "\n{label}:");
            }
            values += list.len();
            for value in list {
                let _ = write!(text, "\n  {}", bounded(value, usize::MAX));
            }
        };
        match self.scope.map(once_each) {
            Some(scopes) if scopes.is_empty() => list("Scopes", &["what the provider gives by default"]),
            scopes => list("Scopes", &scopes.unwrap_or_default()),
        }
        list("For the audiences", &self.audience.map(once_each).unwrap_or_default());
        for (label, lines) in self.profile.into_iter().flat_map(Described::sections) {
            list(label, &lines.iter().map(String::as_str).collect::<Vec<_>>());
        }
        let bytes = line_bytes(&text);
        if bytes > MAX_BYTES || values > MAX_VALUES {
            return Err(TooLong { values, bytes });
        }
        Ok(text)
    }
}

/// The words of a list, each where it stands first: the agent asks the provider for each of them once, too.
fn once_each(list: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for word in list.split_ascii_whitespace() {
        // Beyond what is shown nothing needs to be looked for.
        if words.len() > MAX_VALUES || !words.contains(&word) {
            words.push(word);
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use oidc_proto::account::AccountConfig;
    use serde_json::json;

    use super::*;
    use crate::accounts::{account::Flags, held::Open, mytoken_profile::described};

    fn account() -> Account {
        let config =
            AccountConfig { issuer_url: Some("https://op.example/".to_owned()), ..AccountConfig::default() };
        Account::new("demo".parse().expect("a name"), Open::new(config), Flags::default(), None)
    }

    fn asked(scope: &str, audience: &str) -> Result<String, TooLong> {
        let wanted = Wanted {
            what: "an access token",
            scope: Some(scope),
            audience: Some(audience),
            ..Wanted::default()
        };
        wanted.described(&account())
    }

    #[test]
    fn repetitions_hide_nothing() {
        for times in [1, 10, 10_000] {
            let scope = format!("{}storage.modify:/", "openid\tprofile ".repeat(times));
            assert_eq!(
                asked(&scope, &"https://se.example ".repeat(times)).as_deref(),
                Ok(
                    "an access token of the account 'demo' (https://op.example/)?\nScopes:\n  openid\n  profile\n  \
                    storage.modify:/\nFor the audiences:\n  https://se.example"
                )
            );
        }
    }

    #[test]
    fn what_is_shown_is_all_or_nothing() {
        let all = |count: usize| (0..count).map(|at| format!("scope{at}")).collect::<Vec<_>>().join(" ");
        let shown = asked(&all(MAX_VALUES), "").expect("it fits");
        assert!(shown.ends_with(&format!("\n  scope{}", MAX_VALUES - 1)) && !shown.contains('…'), "{shown}");
        assert!(asked(&all(MAX_VALUES + 1), "").is_err());
        assert!(asked(&all(100_000), "").is_err());
        for long in ["x".repeat(MAX_BYTES), "%".repeat(MAX_BYTES / 3), "\u{202e}".repeat(MAX_BYTES / 8)] {
            assert!(asked(&format!("{long} storage.modify:/"), "").is_err(), "{long}");
            assert!(asked("openid", &format!("{long} https://se.example")).is_err(), "{long}");
        }
        let error = asked("x", &"y".repeat(1000)).expect_err("too long").to_string();
        assert!(error.contains("2 scopes, audiences") && error.contains(" bytes of 520"), "{error}");
    }

    #[test]
    fn the_whole_list_of_a_grid_job_fits() {
        let scope = "openid profile offline_access eduperson_entitlement wlcg.groups storage.read:/store/user \
                     storage.modify:/store/user/someone storage.create:/store/user/someone compute.read compute.modify \
                     compute.create compute.cancel";
        let shown = asked(scope, "https://wlcg.cern.ch/jwt/v1/any").expect("it fits");
        for word in scope.split_whitespace() {
            assert!(shown.contains(&format!("\n  {word}")), "{shown}");
        }
    }

    #[test]
    fn a_default_is_said_to_be_one() {
        assert!(asked(" ", " ").expect("it fits").ends_with("Scopes:\n  what the provider gives by default"));
        let plain = Wanted { what: "an access token", ..Wanted::default() };
        assert!(plain.described(&account()).expect("it fits").ends_with("/)?"));
    }

    #[test]
    fn clauses_cannot_push_others_out() {
        let profile = |count: usize| {
            let restrictions: Vec<_> = (0..count).map(|at| json!({"exp": at})).collect();
            described(&json!({"capabilities": ["AT", "create_mytoken"], "restrictions": restrictions}))
        };
        let asked = |profile: &Described| {
            Wanted { what: "a further mytoken", profile: Some(profile), ..Wanted::default() }
                .described(&account())
        };
        assert!(asked(&profile(3)).expect("it fits").ends_with("\n  exp=0\n  exp=1\n  exp=2"));
        assert!(asked(&profile(100)).is_err());
    }
}
