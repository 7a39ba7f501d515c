//! `oidc orphans`: the clients that were ever registered for this person, and those that no account uses any more.
//!
//! They are known from the journal of registrations, and from providers that tell which clients a person has; never is a client
//! touched that is not in the journal.

mod accounts;
mod at_provider;
mod delete;
mod show;

use accounts::{Accounts, User};
use clap::Parser;
use oidc_proto::{
    account::same_issuer,
    home::{Home, RegisteredClient},
};
use serde_json::json;
use show::{Listed, ListedBy};

use crate::{
    account::issuer_url,
    cli::options::{Common, PasswordArgs},
    context::{Command, Context, error::Error},
    say::exit::Exit,
};

/// List the clients that you have, and delete those that no account uses
#[derive(Debug, Clone, Parser)]
#[command(after_help = "\
A client that is to be deleted needs its registration access token. That is kept encrypted under the password (or for the gpg \
key) that the account had when the client was registered; whoever has forgotten it, or has changed it since, deletes the \
client at the provider and lets `--forget` take it off the list.

INDIGO IAM tells which clients a person has: with an account that is loaded its own list is shown too. Those that were not \
registered from here may be in use elsewhere, and are deleted there only.")]
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

    /// Do not ask providers which clients they know
    #[arg(long, conflicts_with = "forget")]
    pub local: bool,

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
        let is_of = |own: &str| issuer.as_deref().is_none_or(|issuer| same_issuer(own, issuer));
        let is_meant = |client: &RegisteredClient| is_of(&client.issuer);
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
        let registered = registrations
            .clients
            .into_iter()
            .filter(|client| client.deleted_at.is_none() && is_meant(client));
        let mut listed: Vec<_> = registered
            .map(|client| {
                let used_by = accounts.user_of(&client.issuer, &client.client_id, &client.account);
                Listed { used_by, client, by: ListedBy::Journal }
            })
            .collect();
        if self.delete {
            let orphans = listed.into_iter().filter(|one| one.used_by == User::Nobody);
            return self.delete_orphans(context, &home, orphans.map(|one| one.client).collect());
        }
        let told = if self.local { Vec::new() } else { at_provider::ask(context, is_of) };
        at_provider::merge(&mut listed, told, &accounts);
        show::show(context, &listed)
    }
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
