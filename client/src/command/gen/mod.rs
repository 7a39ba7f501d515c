//! `oidc gen` and `oidc-gen`: from nothing to an account, and what else is done with an account's file.

mod create;
mod delete;
mod desk;
mod dialogue;
mod draft;
mod files;
mod finish;
mod flows;
mod interrupts;
mod issuer;
mod login;
#[cfg(test)]
mod others_tests;
mod pending;
mod public_client;
mod reauthenticate;
mod redirect;
mod registration;
mod rename;
mod save;
mod scopes;
mod seal;
mod secrets;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use desk::{Desk, Machine};
use dialogue::Dialogue;
use oidc_proto::{
    account::AccountConfig,
    home::{Home, HomeError},
    issuers::Issuers,
    message::{AgentStatus, Reply, Request},
    shortname::Shortname,
};

use serde_json::json;

use super::{Context, expect_usable, list};
use crate::{
    cli::{Dialect, UsageError, r#gen::GenArgs},
    error::Error,
    exit::Exit,
};

/// What all steps work with.
struct Session<'a> {
    args: &'a GenArgs,
    context: &'a mut Context,
    desk: &'a mut dyn Desk,
    dialogue: Dialogue,
    issuers: Issuers,
    /// The login was by device: the C suite then says less at its end.
    by_device: bool,
    /// The agent is of release 4 of the C suite: it finds a provider only by an issuer with a slash at its end.
    needs_slash: bool,
}

/// Does the first of what is asked for, in the C suite's order.
pub fn run(args: &GenArgs, context: &mut Context) -> Result<(), Error> {
    run_at(args, context, &mut Machine::default())
}

fn run_at(args: &GenArgs, context: &mut Context, desk: &mut dyn Desk) -> Result<(), Error> {
    let issuers = Issuers::load(context.home().ok().as_ref());
    let args = &secrets::looked_up(args, context)?;
    let dialogue = Dialogue::new(&args.answers);
    let mut session =
        Session { args, context, desk, dialogue, issuers, by_device: false, needs_slash: false };
    session.dispatch()
}

impl Session<'_> {
    fn dispatch(&mut self) -> Result<(), Error> {
        let instead = &self.args.instead;
        if instead.accounts {
            return list::names(self.context);
        }
        if let Some(file) = &instead.print {
            return files::print(self, file);
        }
        if let Some(file) = &instead.update {
            return files::update(self, file);
        }
        if let Some(new) = &instead.rename {
            return rename::run(self, new);
        }
        if let Some(uri) = &instead.code_exchange {
            return finish::exchange(self, uri.expose());
        }
        self.meet_agent()?;
        if let Some(state) = &instead.state {
            return finish::fetch(self, state.expose());
        }
        if instead.delete {
            return delete::run(self);
        }
        if instead.reauthenticate {
            return reauthenticate::run(self);
        }
        create::run(self)
    }

    /// Makes sure that an agent runs and is not locked, before anybody is asked anything.
    fn meet_agent(&mut self) -> Result<(), Error> {
        if let Reply::Success { info: Some(info) } = self.context.call_or_start(&Request::StatusJson)? {
            let version = AgentStatus::from_info(&info).map(|status| status.version).unwrap_or_default();
            self.needs_slash = version.starts_with("4.");
        }
        Ok(())
    }

    /// The oidc-agent directory, made if there is none.
    fn home(&mut self) -> Result<Home, Error> {
        if self.context.home.is_none() {
            self.context.home = Some(Home::find_or_create()?);
        }
        self.context.home()
    }

    /// The account named on the command line; `missing` is the error without one.
    fn named(&self, missing: &str) -> Result<&str, Error> {
        self.args.account.as_deref().ok_or_else(|| self.wrong_options(missing))
    }

    /// Options that contradict each other: exit code 64, and 1 under the C suite's name.
    fn wrong_options(&self, text: &str) -> Error {
        match self.context.output.dialect {
            Dialect::Ours => UsageError::new(format!("oidc gen: {text}")).into(),
            Dialect::CSuite => Error::Other(Exit::Failure, text.to_owned()),
        }
    }

    /// How far things are, for the person: on standard output only where scripts of the C suite's users expect it.
    fn progress(&mut self, text: &str) -> Result<(), Error> {
        let output = &mut self.context.output;
        if output.dialect == Dialect::CSuite && !self.args.login.only_at && !output.json {
            return Ok(output.line(text)?);
        }
        output.note(text);
        Ok(())
    }

    /// The agent waits for the person: `oidc-gen` says so.
    fn accepted(&mut self) -> Result<(), Error> {
        if self.context.output.dialect == Dialect::CSuite { self.progress("accepted") } else { Ok(()) }
    }

    /// Another program will finish the login.
    fn handed_over(&mut self) -> Result<(), Error> {
        let output = &mut self.context.output;
        if output.json { Ok(output.json(&json!({"status": "accepted"}))?) } else { Ok(()) }
    }

    /// The account as every agent understands it: 4.x looks for the scopes under their old name.
    fn for_agent(&self, account: &AccountConfig) -> AccountConfig {
        let mut account = account.clone();
        account.issuer_url = self.issuer_for_agent(&account);
        if account.scope.is_none() {
            account.scope.clone_from(&account.auth_scope);
        }
        account
    }

    fn issuer_for_agent(&self, account: &AccountConfig) -> Option<String> {
        let mut issuer = account.issuer_url.clone()?;
        if self.needs_slash && !issuer.ends_with('/') {
            issuer.push('/');
        }
        Some(issuer)
    }
}

/// A name that an account can have.
fn account_name(text: &str) -> Result<Shortname, Error> {
    let name: Shortname = text.parse()?;
    expect_usable(&name)?;
    if name.is_listed() { Ok(name) } else { Err(HomeError::Reserved(name).into()) }
}
