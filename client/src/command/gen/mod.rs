//! `oidc gen` and `oidc-gen`: from nothing to an account, and what else is done with an account's file.

pub mod arguments;
mod certificates;
mod client_key;
mod configured;
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
mod journal;
mod login;
mod mytoken;
mod pending;
mod provider;
mod public_client;
mod reauthenticate;
pub(super) mod redirect;
mod registration;
mod registration_refused;
mod rename;
mod robot;
mod save;
mod scopes;
mod seal;
mod secrets;
mod session;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use desk::{Desk, Machine};
use dialogue::Dialogue;
use oidc_proto::{issuers::Issuers, secret::SecretText, shortname::Shortname};

use arguments::{ClientArgs, GenArgs, ManageArgs};
use session::Session;

use super::list;
use crate::{
    cli::options::Common,
    context::{Command, Context, error::Error},
    say::dialect::Dialect,
};

impl Command for GenArgs {
    fn common(&self) -> &Common {
        &self.common
    }

    fn secrets(&self) -> Vec<&str> {
        let codes = [&self.instead.code_exchange, &self.instead.state];
        let codes = codes.into_iter().flatten().map(SecretText::expose);
        self.secrets_given().map(|given| given.value).chain(codes).collect()
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        run_at(self, context, &mut Machine::default())
    }
}

/// A new login of an account that exists, as a step of another command.
pub fn log_in_anew(name: &Shortname, context: &mut Context) -> Result<(), Error> {
    let instead = ManageArgs { reauthenticate: true, ..ManageArgs::default() };
    as_a_step(&GenArgs { account: Some(name.to_string()), instead, ..GenArgs::default() }, context)
}

/// A new account, as a step of another command; at a mytoken server where the configuration prefers that and the server has the
/// issuer. Without `scope` the person is asked for it.
pub fn make_as_a_step(
    name: &Shortname,
    issuer: &str,
    scope: Option<&str>,
    context: &mut Context,
) -> Result<(), Error> {
    let client = ClientArgs {
        issuer: Some(issuer.to_owned()),
        scope: scope.map(str::to_owned).into_iter().collect(),
        mytoken_url: mytoken::preferred(issuer, context),
        ..ClientArgs::default()
    };
    as_a_step(&GenArgs { account: Some(name.to_string()), client, ..GenArgs::default() }, context)
}

/// What it would print as its result is none: that is for the other command to print.
fn as_a_step(args: &GenArgs, context: &mut Context) -> Result<(), Error> {
    let dialect = std::mem::replace(&mut context.output.dialect, Dialect::Ours);
    context.output.hides_results = true;
    let done = run_at(args, context, &mut Machine::default());
    context.output.hides_results = false;
    context.output.dialect = dialect;
    done
}

fn run_at(args: &GenArgs, context: &mut Context, desk: &mut dyn Desk) -> Result<(), Error> {
    let issuers = Issuers::load(context.home().ok().as_ref());
    let config = context.config(configured::SECTION);
    let args = &secrets::looked_up(&configured::configured(args, &config), context)?;
    let dialogue = Dialogue::new(&args.answers);
    let mut session = Session {
        args,
        context,
        desk,
        dialogue,
        issuers,
        by_device: false,
        needs_slash: false,
        known: None,
        remarks: Vec::new(),
    };
    let result = dispatch(&mut session);
    for remark in std::mem::take(&mut session.remarks) {
        session.context.output.remark(&remark);
    }
    result
}

fn dispatch(session: &mut Session) -> Result<(), Error> {
    let instead = &session.args.instead;
    if instead.accounts {
        return list::names(session.context);
    }
    if let Some(file) = &instead.print {
        return files::print(session, file);
    }
    if let Some(file) = &instead.update {
        return files::update(session, file);
    }
    if instead.print_jwks {
        return client_key::print(session);
    }
    if let Some(new) = &instead.rename {
        return rename::run(session, new);
    }
    if let Some(uri) = &instead.code_exchange {
        return finish::exchange(session, uri.expose());
    }
    session.meet_agent()?;
    if let Some(state) = &instead.state {
        return finish::fetch(session, state.expose());
    }
    if instead.delete {
        return delete::run(session);
    }
    if instead.reauthenticate {
        return reauthenticate::run(session);
    }
    create::run(session)
}
