//! `oidc orphans`: the clients that were ever registered for this person, and those that no account uses any more.
//!
//! They are known from the journal of registrations; never is a client touched that is not in it.

use clap::Parser;
use jiff::{Timestamp, tz::TimeZone};
use oidc_proto::{
    account::{AccountConfig, same_issuer},
    home::{Home, RegisteredClient},
    issuers::{Issuer, Issuers},
    message::{DeleteClientRequest, Request},
    secret::Password,
    shell,
    shortname::Shortname,
    vault,
};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::{
    account::{file::Sealed, issuer_url},
    cli::options::{Common, PasswordArgs},
    context::{Command, Context, account_name, agent_state, error::Error},
    say::exit::Exit,
};

/// List the clients that were registered for you, and delete those that no account uses
#[derive(Debug, Clone, Parser)]
#[command(after_help = "\
A client that is to be deleted needs its registration access token. That is kept encrypted under the password (or for the gpg \
key) that the account had when the client was registered; whoever has forgotten it, or has changed it since, deletes the \
client at the provider and lets `--forget` take it off the list.")]
pub struct OrphansArgs {
    /// Only those of this issuer
    #[arg(value_name = "ISSUER")]
    pub issuer: Option<String>,

    /// Delete those that no account uses at their providers, each after a question
    #[arg(short, long)]
    pub delete: bool,

    /// Do not ask for confirmation
    #[arg(short, long, requires = "delete")]
    pub force: bool,

    /// Take a client off the list that is gone at the provider, or shall stay
    #[arg(long, value_name = "CLIENT_ID", conflicts_with = "delete")]
    pub forget: Option<String>,

    #[command(flatten)]
    pub password: PasswordArgs,

    #[command(flatten)]
    pub common: Common,
}

impl Command for OrphansArgs {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        let home = context.home()?;
        let issuer = self
            .issuer
            .as_deref()
            .map(|text| issuer_url::read(text).map_err(|reason| Error::NoIssuer(text.to_owned(), reason)));
        let issuer = issuer.transpose()?;
        let is_meant = |client: &RegisteredClient| {
            issuer.as_deref().is_none_or(|issuer| same_issuer(&client.issuer, issuer))
        };
        if let Some(client_id) = &self.forget {
            return forget(context, &home, client_id, is_meant);
        }
        let registrations = home.registrations()?;
        if registrations.damaged > 0 {
            let path = home.registrations_path();
            context.output.warning(&format!(
                "{} lines of {} are not understood and left alone",
                registrations.damaged,
                path.display()
            ));
        }
        let accounts = Accounts::look(context, &home)?;
        let listed: Vec<_> = registrations
            .clients
            .into_iter()
            .filter(|client| client.deleted_at.is_none() && is_meant(client))
            .map(|client| Listed { used_by: accounts.user_of(&client), client })
            .collect();
        if self.delete { self.delete_orphans(context, &home, listed) } else { show(context, &listed) }
    }
}

/// A client and who uses it.
struct Listed {
    client: RegisteredClient,
    used_by: User,
}

/// Which account uses a client.
#[derive(Debug, Clone, PartialEq, Eq)]
enum User {
    /// This one.
    Account(String),
    /// This one may: its file does not tell its client without the password.
    Perhaps(String),
    /// None.
    Nobody,
}

/// What the accounts on this computer tell of their clients without a password.
struct Accounts {
    /// Account, issuer and client id of files whose header tells them, pending registrations included.
    told: Vec<(String, String, String)>,
    /// Accounts whose clients are not told, and their issuers as far as those are known.
    silent: Vec<(String, Option<String>)>,
}

impl Accounts {
    fn look(context: &mut Context, home: &Home) -> Result<Self, Error> {
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

    fn user_of(&self, client: &RegisteredClient) -> User {
        if let Some((name, ..)) = self.told.iter().find(|(_, issuer, client_id)| client.is(issuer, client_id))
        {
            return User::Account(name.clone());
        }
        let may_use = |(_, issuer): &&(String, Option<String>)| {
            issuer.as_deref().is_none_or(|issuer| same_issuer(issuer, &client.issuer))
        };
        let silent = || self.silent.iter().filter(may_use).map(|(name, _)| name);
        // Most likely the one that it was registered for.
        match silent().find(|name| **name == client.account).or_else(|| silent().next()) {
            Some(name) => User::Perhaps(name.clone()),
            None => User::Nobody,
        }
    }
}

impl Listed {
    fn is_orphan(&self) -> bool {
        self.used_by == User::Nobody
    }

    fn to_line(&self) -> String {
        let day = day(self.client.registered_at);
        let used = match &self.used_by {
            User::Account(name) => format!("used by {name}"),
            User::Perhaps(name) => {
                format!("perhaps used by {name}, whose file does not tell without its password")
            }
            User::Nobody => format!("no account uses it; it was registered for {}", self.client.account),
        };
        format!("  {}  {day}  {used}", self.client.client_id)
    }

    fn to_json(&self) -> Value {
        let (state, account) = match &self.used_by {
            User::Account(name) => ("used", Some(name)),
            User::Perhaps(name) => ("perhaps_used", Some(name)),
            User::Nobody => ("orphan", None),
        };
        json!({
            "issuer": self.client.issuer,
            "client_id": self.client.client_id,
            "client_name": self.client.client_name,
            "registered_for": self.client.account,
            "registered_at": self.client.registered_at,
            "registration_client_uri": self.client.registration_client_uri,
            "state": state,
            "account": account,
            "can_be_deleted": self.client.sealed.is_some(),
        })
    }
}

fn day(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.map_or_else(
        || "at an unknown time".to_owned(),
        |time| time.to_zoned_datetime(TimeZone::system()).strftime("%Y-%m-%d").to_string(),
    )
}

fn show(context: &mut Context, listed: &[Listed]) -> Result<(), Error> {
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
    if context.output.to_terminal && listed.iter().any(Listed::is_orphan) {
        context.output.hint("`oidc orphans --delete` deletes those that no account uses.");
    }
    Ok(())
}

fn forget(
    context: &mut Context,
    home: &Home,
    client_id: &str,
    is_meant: impl Fn(&RegisteredClient) -> bool,
) -> Result<(), Error> {
    let forgotten =
        home.change_registrations(|client| !(client.client_id == client_id && is_meant(client)))?;
    if !forgotten {
        let text = format!("no client {client_id} is on the list; `oidc orphans` shows it");
        return Err(Error::Other(Exit::Failure, text));
    }
    if context.output.json {
        return Ok(context.output.json(&json!({"status": "success", "forgotten": client_id}))?);
    }
    Ok(context.output.line(&format!("{client_id} is not on the list any more."))?)
}

impl OrphansArgs {
    fn delete_orphans(&self, context: &mut Context, home: &Home, listed: Vec<Listed>) -> Result<(), Error> {
        let mut passwords = Vec::new();
        let (mut deleted, mut left) = (Vec::new(), Vec::new());
        for Listed { client, .. } in listed.into_iter().filter(Listed::is_orphan) {
            let question = format!(
                "Delete the client {} at {}, registered on {} for '{}'?",
                client.client_id,
                client.issuer,
                day(client.registered_at),
                client.account
            );
            if !self.force && !context.confirm(&question, "deleting clients")? {
                continue;
            }
            match self.delete(context, home, &client, &mut passwords) {
                Ok(()) => {
                    if !context.output.json {
                        context.output.line(&format!("Deleted the client {}", client.client_id))?;
                    }
                    deleted.push(client.client_id);
                }
                Err(error) if error.is_no_agent() => return Err(error),
                Err(error) => left.push((client, error)),
            }
        }
        for (client, error) in &left {
            context.output.warning(&left_text(client, error));
        }
        if context.output.json {
            let left: Vec<_> = left
                .iter()
                .map(|(client, error)| json!({"client_id": client.client_id, "error": error.to_string()}))
                .collect();
            let status = if left.is_empty() { "success" } else { "failure" };
            context.output.json(&json!({"status": status, "deleted": deleted, "left": left}))?;
        } else if deleted.is_empty() && left.is_empty() {
            context.output.line("Nothing was deleted.")?;
        }
        if left.is_empty() {
            return Ok(());
        }
        let text = format!("{} of the clients could not be deleted", left.len());
        Err(Error::Other(Exit::Failure, text))
    }

    /// Deletes a client at its provider. The agent marks it in the journal.
    fn delete(
        &self,
        context: &mut Context,
        home: &Home,
        client: &RegisteredClient,
        passwords: &mut Vec<Password>,
    ) -> Result<(), Error> {
        let account = self.open(context, home, client, passwords)?;
        let (Some(uri), Some(token)) = (account.registration_client_uri, account.registration_access_token)
        else {
            return Err(cannot_delete());
        };
        let request = Request::DeleteClient(DeleteClientRequest {
            registration_client_uri: uri,
            registration_access_token: token,
            cert_path: account.cert_path,
        });
        context.call_or_start(&request).map(drop)?;
        // For an agent that keeps no journal.
        let now = u64::try_from(Timestamp::now().as_second()).unwrap_or_default();
        home.change_registrations(|own| {
            if own.is(&client.issuer, &client.client_id) {
                own.mark_deleted(now);
            }
            true
        })?;
        Ok(())
    }

    /// What is sealed of a registration: one of the passwords that opened another one may open it as well.
    fn open(
        &self,
        context: &mut Context,
        home: &Home,
        client: &RegisteredClient,
        passwords: &mut Vec<Password>,
    ) -> Result<AccountConfig, Error> {
        let Some(bytes) = client.sealed().map(Zeroizing::new) else {
            return Err(cannot_delete());
        };
        let known = passwords.iter().find_map(|password| vault::unlock(&bytes, password).ok());
        let account = if let Some(unlocked) = known {
            unlocked.account
        } else {
            let format = vault::format_of(&bytes).map_err(|_| cannot_delete())?;
            let name = account_name(&client.account)?;
            let sealed = Sealed { name, path: home.registrations_path(), bytes, format };
            if context.asker.is_there() {
                context.asker.tell(&format!(
                    "The client {} was registered for '{}': the password is the one that this account had then.",
                    client.client_id, client.account
                ))?;
            }
            let opened = sealed.open(home, &self.password.sources(), context.asker.as_mut())?;
            passwords.extend(opened.password);
            opened.account
        };
        // The journal itself is not proven; what is sealed is.
        let is_it = account.client_id.as_deref() == Some(client.client_id.as_str())
            && account.has_issuer(&client.issuer);
        if is_it { Ok(account) } else { Err(cannot_delete()) }
    }
}

fn cannot_delete() -> Error {
    let text = "its registration access token is not kept here, or cannot be read";
    Error::Other(Exit::Failure, text.to_owned())
}

fn left_text(client: &RegisteredClient, error: &Error) -> String {
    let place = match &client.registration_client_uri {
        Some(uri) => format!("it is managed at {uri}"),
        None => "the provider's account page or its administrators can".to_owned(),
    };
    let forget = shell::command("oidc orphans --forget", &client.client_id);
    format!(
        "the client {} stays registered at {}: {error}; {place}. `{forget}` takes it off the list",
        client.client_id, client.issuer
    )
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
        let client = |id: &str, account: &str| RegisteredClient {
            issuer: "https://op".into(),
            client_id: id.into(),
            account: account.into(),
            ..RegisteredClient::default()
        };
        assert_eq!(accounts.user_of(&client("c1", "gone")), User::Account("a".into()));
        assert_eq!(accounts.user_of(&client("c2", "b")), User::Perhaps("b".into()));
        // Under another name now, for all that is known.
        assert_eq!(accounts.user_of(&client("c2", "a")), User::Perhaps("b".into()));
        let elsewhere = RegisteredClient { issuer: "https://other".into(), ..client("c1", "gone") };
        assert_eq!(accounts.user_of(&elsewhere), User::Nobody);
        let nowhere = Accounts { told: Vec::new(), silent: vec![("x".into(), None)] };
        assert_eq!(nowhere.user_of(&elsewhere), User::Perhaps("x".into()));
    }

    #[test]
    fn a_line_says_who_uses_it() {
        let listed = |used_by| Listed {
            client: RegisteredClient {
                client_id: "c".into(),
                account: "a".into(),
                ..RegisteredClient::default()
            },
            used_by,
        };
        assert!(listed(User::Nobody).to_line().ends_with("no account uses it; it was registered for a"));
        assert!(listed(User::Perhaps("a".into())).to_line().contains("perhaps used by a"));
        assert_eq!(listed(User::Account("a".into())).to_json()["state"], "used");
    }
}
