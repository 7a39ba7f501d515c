//! Which account on this computer uses a client, as far as that is told without a password.

use oidc_proto::{
    account::same_issuer,
    home::Home,
    issuers::{Issuer, Issuers},
    shortname::Shortname,
    vault,
};

use crate::context::{Context, agent_state, error::Error};

/// Which account uses a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum User {
    /// This one.
    Account(String),
    /// This one may: its file does not tell its client without the password.
    Perhaps(String),
    /// None.
    Nobody,
}

/// What the accounts on this computer tell of their clients without a password.
pub struct Accounts {
    /// Account, issuer and client id of files whose header tells them, pending registrations included.
    told: Vec<(String, String, String)>,
    /// Accounts whose clients are not told, and their issuers as far as those are known.
    silent: Vec<(String, Option<String>)>,
}

impl Accounts {
    /// Looks at the files, and asks the agent what it holds.
    pub fn look(context: &mut Context, home: &Home) -> Result<Self, Error> {
        let mut accounts = Self { told: Vec::new(), silent: Vec::new() };
        let issuers = Issuers::load(Some(home));
        let issuer_of = |name: &str| {
            let lists = |issuer: &Issuer| issuer.accounts.iter().any(|account| account.as_str() == name);
            issuers.iter().find(lists).map(|issuer| issuer.issuer)
        };
        let names = home.list()?;
        for name in &names {
            if !accounts.add(name, home.read(name).ok().as_deref()) {
                accounts.silent.push((name.to_string(), issuer_of(name.as_str())));
            }
        }
        // One without a file whose login is not done, or which the agent alone has.
        for client in home.registrations()?.clients {
            let Ok(name) = client.account.parse::<Shortname>() else { continue };
            if let Some(bytes) = home.read_pending(&name).ok().flatten() {
                accounts.add(&name, Some(&bytes));
            }
        }
        let status = agent_state::ask(context).unwrap_or_default();
        for loaded in context.loaded_accounts().unwrap_or_default() {
            if !names.iter().any(|name| *name.as_str() == loaded) {
                let known = status.accounts.iter().find(|account| account.name == loaded);
                let issuer = known.map(|account| account.issuer.clone()).or_else(|| issuer_of(&loaded));
                accounts.silent.push((loaded, issuer));
            }
        }
        Ok(accounts)
    }

    /// Whether the bytes of a file tell which client it uses.
    fn add(&mut self, name: &Shortname, bytes: Option<&Vec<u8>>) -> bool {
        let Some(header) = bytes.and_then(|bytes| vault::header(bytes)) else { return false };
        let (issuer, client_id) = (header.issuer.unwrap_or_default(), header.client_id.unwrap_or_default());
        self.told.push((name.to_string(), issuer, client_id));
        true
    }

    /// Who uses a client; `registered_for`: the account that it was registered for, where that is known.
    pub fn user_of(&self, issuer: &str, client_id: &str, registered_for: &str) -> User {
        if let Some((name, ..)) =
            self.told.iter().find(|(_, own, id)| id == client_id && same_issuer(own, issuer))
        {
            return User::Account(name.clone());
        }
        let may_use =
            |(_, own): &&(String, Option<String>)| own.as_deref().is_none_or(|own| same_issuer(own, issuer));
        let silent = || self.silent.iter().filter(may_use).map(|(name, _)| name);
        // Most likely the one that it was registered for.
        match silent().find(|name| *name == registered_for).or_else(|| silent().next()) {
            Some(name) => User::Perhaps(name.clone()),
            None => User::Nobody,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_client_that_nobody_can_use_is_an_orphan() {
        let accounts = Accounts {
            told: vec![("a".into(), "https://op/".into(), "c1".into())],
            silent: vec![("b".into(), Some("https://op".into()))],
        };
        let user = |id: &str, account: &str| accounts.user_of("https://op", id, account);
        assert_eq!(user("c1", "gone"), User::Account("a".into()));
        assert_eq!(user("c2", "b"), User::Perhaps("b".into()));
        // Under another name now, for all that is known.
        assert_eq!(user("c2", "a"), User::Perhaps("b".into()));
        assert_eq!(accounts.user_of("https://other", "c1", "gone"), User::Nobody);
        let nowhere = Accounts { told: Vec::new(), silent: vec![("x".into(), None)] };
        assert_eq!(nowhere.user_of("https://other", "c1", "gone"), User::Perhaps("x".into()));
    }
}
