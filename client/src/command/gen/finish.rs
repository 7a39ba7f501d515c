//! `--codeExchange` and `--state`: finishing a login that another run has begun, such as one by the desktop's custom
//! scheme.

use std::{
    ffi::OsString,
    os::unix::{
        ffi::OsStringExt,
        fs::{FileTypeExt, MetadataExt},
    },
    path::PathBuf,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oidc_proto::{account::AccountConfig, shortname::Shortname};

use super::{
    create::NAMELESS,
    login::{
        code::{self, Exchanged, read_redirect},
        outcome::Outcome,
    },
    pending,
    save::{self, Storage},
    seal::Seal,
    session::{Session, account_name},
};
use crate::{account::file::Sealed, context::error::Error, say::exit::Exit};

/// `--codeExchange`: the address that the browser was sent to.
pub fn exchange(session: &mut Session, uri: &str) -> Result<(), Error> {
    let redirect = read_redirect(uri).map_err(|reason| Error::Other(Exit::Failure, reason))?;
    if let Some(socket) = socket_in(&redirect.state) {
        session.context.agent = session.context.agent.instead_at(&socket);
    }
    let outcome = match code::exchange(session, redirect.uri)? {
        Exchanged::Done(outcome) => outcome,
        Exchanged::Again { uri, state } => code::go_on_elsewhere(session, &uri, &state)?,
    };
    store(session, outcome)
}

/// The socket of the agent that began the login, as the C suite's `state` names it
/// (`<slash>:<at><24 random characters>:<n>:<base64url socket path>`): the desktop that hands an address over has no
/// `OIDC_SOCK`. Only a socket of this user, because the address may come from anywhere.
fn socket_in(state: &str) -> Option<PathBuf> {
    let mut parts = state.splitn(4, ':').skip(2);
    let (length, path) = (parts.next()?.parse::<usize>().ok()?, parts.next()?);
    let path = URL_SAFE_NO_PAD.decode(path).ok().filter(|path| path.len() == length)?;
    let path = PathBuf::from(OsString::from_vec(path));
    let metadata = fs_err::symlink_metadata(&path).ok()?;
    let is_own = metadata.uid() == rustix::process::geteuid().as_raw();
    (metadata.file_type().is_socket() && is_own).then_some(path)
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
        Outcome::Token(token) => {
            let name = account_name(session.args.account.as_deref().unwrap_or(NAMELESS))?;
            return save::print_token(session, &name, &token, &Storage::Nowhere(None));
        }
        Outcome::HandedOver => return session.handed_over(),
    };
    let name = account_name(reply.name.as_deref().unwrap_or_default())?;
    // Whose account it is was not known before, so nobody could be asked for its password before the code was spent.
    let (account, storage) =
        storage(session, &name).inspect_err(|error| save::tell_held(session, &name, error))?;
    save::save(session, &name, &save::merged(&account, &reply), &storage)
}

/// What is known of the account, and where it is kept.
fn storage(session: &mut Session, name: &Shortname) -> Result<(AccountConfig, Storage), Error> {
    let home = session.home()?;
    Ok(if session.args.store.no_save {
        (AccountConfig::default(), Storage::Nowhere(None))
    } else if let Some(pending) = pending::open(session, &home, name)? {
        (pending.account, Storage::New(pending.seal))
    } else if home.file(name).exists() {
        let question = "An account with that shortname already exists. Overwrite?";
        if !session.dialogue.confirm(session.context, question, false)? {
            return Err(Error::Declined);
        }
        let sources = session.args.sources();
        let opened = Sealed::read(&home, name)?.open(&home, &sources, session.context.asker.as_mut())?;
        (opened.account.clone(), Storage::Existing { opened: Box::new(opened), new_seal: None })
    } else {
        let seal = Seal::choose(session, name)?;
        (AccountConfig { name: Some(name.to_string()), ..AccountConfig::default() }, Storage::New(seal))
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_state_names_a_socket_of_this_user_or_none() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("agent.sock");
        let text = path.to_str().expect("a text");
        let state =
            |length: usize| format!("0:0{}:{length}:{}", "r".repeat(24), URL_SAFE_NO_PAD.encode(text));
        assert_eq!(socket_in(&state(text.len())), None, "nothing is there");
        let _listener = UnixListener::bind(&path).expect("a socket");
        assert_eq!(socket_in(&state(text.len())), Some(path.clone()));
        assert_eq!(socket_in(&state(text.len() + 1)), None);
        for state in ["", "0:0s", "0:0r:x:y", "a:b:3:!!!"] {
            assert_eq!(socket_in(state), None, "{state}");
        }
    }
}
