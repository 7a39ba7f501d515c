//! `--codeExchange` and `--state`: finishing a login that another run has begun, such as one by the desktop's custom
//! scheme.

use oidc_proto::account::AccountConfig;

use super::{
    Session, account_name,
    login::{
        Outcome,
        code::{self, RedirectError, read_redirect},
    },
    pending,
    save::{self, Storage},
    seal::Seal,
};
use crate::{account_file::Sealed, error::Error, exit::Exit};

/// `--codeExchange`: the address that the browser was sent to.
pub fn exchange(session: &mut Session, uri: &str) -> Result<(), Error> {
    let redirect = read_redirect(uri).map_err(|error| match error {
        RedirectError::Malformed(reason) => Error::Other(Exit::Failure, reason.to_owned()),
        RedirectError::Refused(reason) => Error::Other(Exit::ProviderRefused, reason),
    })?;
    let outcome = code::exchange(session, redirect.uri)?;
    store(session, outcome)
}

/// `--state`: a login that is done.
pub fn fetch(session: &mut Session, state: &str) -> Result<(), Error> {
    match code::look_up(session, state)? {
        Some(outcome) => store(session, outcome),
        None => Err(Error::Other(Exit::Failure, format!("No loaded account info found for state={state}"))),
    }
}

fn store(session: &mut Session, outcome: Outcome) -> Result<(), Error> {
    let reply = match outcome {
        Outcome::Account(reply) => reply,
        Outcome::Token(token) => return save::print_token(session, &token),
        Outcome::HandedOver => return Ok(()),
    };
    let name = account_name(reply.name.as_deref().unwrap_or_default())?;
    let home = session.home()?;
    let (account, storage) = if session.args.store.no_save {
        (AccountConfig::default(), Storage::Nowhere)
    } else if let Some(pending) = pending::open(session, &home, &name)? {
        (pending.account, Storage::New(pending.seal))
    } else if home.file(&name).exists() {
        let question = "An account with that shortname already exists. Overwrite?";
        if !session.dialogue.confirm(session.context, question, false)? {
            return Err(Error::Declined);
        }
        let sources = session.args.password.sources();
        let opened = Sealed::read(&home, &name)?.open(&home, &sources, session.context.asker.as_mut())?;
        let storage = Storage::Existing { key: opened.key, password: opened.password, new_seal: None };
        (opened.account, storage)
    } else {
        let seal = Seal::choose(session, &name)?;
        (AccountConfig { name: Some(name.to_string()), ..AccountConfig::default() }, Storage::New(seal))
    };
    save::save(session, &name, &save::merged(&account, &reply), &storage)
}
