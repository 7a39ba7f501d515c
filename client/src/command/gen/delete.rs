//! `--delete`: the login is revoked, a client that was registered is deleted, then the account is.

use oidc_proto::{
    account::AccountConfig,
    home::Home,
    issuers,
    message::{RemoteOutcome, Reply, Request, ResetReport, ResetRequest},
    shell,
    shortname::Shortname,
};
use serde_json::json;

use super::{
    pending::{self, Deletion, Pending},
    session::{Session, account_name},
};
use crate::{
    account::{
        file::{LOCK_TIMEOUT, Sealed},
        password::keyring,
    },
    cli::usage::UsageError,
    context::error::Error,
    say::{dialect::Dialect, exit::Exit},
};

/// Deletes an account, or what an unfinished login has left of one.
pub fn run(session: &mut Session) -> Result<(), Error> {
    let Some(name) = &session.args.account else {
        return Err(UsageError::new("You have to specify a shortname to delete it").into());
    };
    let name = account_name(name)?;
    let home = session.context.home()?;
    let has_file = home.file(&name).symlink_metadata().is_ok();
    let has_pending = home.read_pending(&name)?.is_some();
    let is_loaded = session.context.loaded_accounts()?.iter().any(|loaded| loaded == name.as_str());
    if !has_file && !has_pending && !is_loaded {
        let text = "No account with that shortname configured".to_owned();
        return Err(Error::Other(Exit::UnknownAccount, text));
    }
    let question = "Do you really want to delete this configuration?";
    match session.dialogue.confirm(session.context, question, false) {
        Ok(true) => {}
        // `quit` is no failure there.
        Err(Error::Declined) if session.context.output.dialect == Dialect::CSuite => return Ok(()),
        Ok(false) if session.context.output.json => return Err(Error::Declined),
        Ok(false) => return Ok(()),
        Err(error) => return Err(nothing_deleted(session, error)),
    }
    let is_done = is_loaded && reset_by_agent(session, &name)?;
    if !is_done && !has_file && is_loaded {
        return Err(not_by_this_agent(&name));
    }
    let opened = opened(session, &home, &name, !is_done && has_file, has_pending);
    let (account, unfinished) = opened.map_err(|error| nothing_deleted(session, error))?;
    if let Some(account) = account {
        delete_at_provider(session, &name, &account)?;
    }
    if let Some(unfinished) = unfinished {
        pending::discard(session, &home, &name, &unfinished.account)?;
    }
    forget(session, &home, &name)
}

/// What has to be opened before anything is deleted.
fn opened(
    session: &mut Session,
    home: &Home,
    name: &Shortname,
    has_file: bool,
    has_pending: bool,
) -> Result<(Option<AccountConfig>, Option<Pending>), Error> {
    let account = if has_file {
        let sealed = Sealed::read(home, name)?;
        let sources = session.args.sources();
        Some(sealed.open(home, &sources, session.context.asker.as_mut())?.account)
    } else {
        None
    };
    let unfinished = if has_pending { pending::open(session, home, name)? } else { None };
    Ok((account, unfinished))
}

fn nothing_deleted(session: &mut Session, error: Error) -> Error {
    if error.is_by_the_person() {
        session.context.output.hint("Nothing was deleted, neither here nor at the provider.");
    }
    error
}

/// Lets an agent of ours, which holds the account unlocked, do it: that needs no password. Whether it could.
fn reset_by_agent(session: &mut Session, name: &Shortname) -> Result<bool, Error> {
    let request = Request::Reset(ResetRequest { account: name.to_string(), keep_remote: false });
    let report = match session.context.call(&request) {
        Ok(Reply::Success { info }) => info.as_ref().and_then(ResetReport::from_info).unwrap_or_default(),
        Ok(_) => return Err(Error::UnexpectedReply("reset")),
        Err(error) if error.is_unknown_request() => return Ok(false),
        Err(error) => return Err(error),
    };
    if !report.was_loaded {
        return Ok(false);
    }
    tell(session, &report);
    Ok(true)
}

/// An account that was never written, in an agent of the C suite: nobody can say what to revoke.
fn not_by_this_agent(name: &Shortname) -> Error {
    let text = format!(
        "'{name}' has no account file, and this agent cannot revoke it; `{}` unloads it",
        shell::command("oidc remove", name.as_str())
    );
    Error::Other(Exit::Failure, text)
}

fn tell(session: &mut Session, report: &ResetReport) {
    let output = &mut session.context.output;
    if report.client == RemoteOutcome::Done {
        output.note("Deleted oidc client.");
    }
    if let RemoteOutcome::Failed { reason } = &report.refresh_token
        && report.client != RemoteOutcome::Done
    {
        output.warning(&format!(
            "Could not revoke token: {}; the login stays good until it expires or is ended at the provider, \
             a mytoken until it is revoked at its server",
            reason.trim_end_matches('.')
        ));
    }
    if let RemoteOutcome::Failed { reason } = &report.client {
        let client = report.client_id.as_deref().unwrap_or("of this account");
        let issuer = report.issuer.as_deref().unwrap_or("the provider");
        let uri = report.registration_client_uri.as_deref();
        let place = uri.map(|uri| format!("; it is managed at {uri}")).unwrap_or_default();
        output.warning(&format!("the client {client} stays registered at {issuer} ({reason}){place}"));
    }
}

/// With the decrypted account: revokes, deletes the client, unloads.
fn delete_at_provider(session: &mut Session, name: &Shortname, account: &AccountConfig) -> Result<(), Error> {
    let mut account = session.for_agent(account);
    account.name = Some(name.to_string());
    (account.username, account.password) = (None, None);
    let deletes_client = wants_client_deleted(session, &account);
    let deletes_client = deletes_client.map_err(|error| nothing_deleted(session, error))?;
    let revoked = match account.refresh_token {
        Some(_) => session.context.call(&Request::Delete(Box::new(account.clone()))).map(drop),
        None => Ok(()),
    };
    let client_is_gone = deletes_client && delete_client(session, &account);
    if let Err(error) = revoked
        && !client_is_gone
    {
        session.context.output.warning(&error.to_string());
        let question =
            "Do you want to unload and delete anyway. You then have to revoke the refresh token manually.";
        match session.dialogue.confirm(session.context, question, false) {
            Ok(true) => {}
            Ok(false) => return Err(error),
            Err(error) => return Err(nothing_deleted(session, error)),
        }
    }
    // Revoking has unloaded it where that worked; an account that is not loaded is as it should be.
    drop(session.context.call(&Request::Remove { account: name.to_string() }));
    Ok(())
}

/// Asked before anything is revoked, so that whoever ends it here has lost nothing.
fn wants_client_deleted(session: &mut Session, account: &AccountConfig) -> Result<bool, Error> {
    if account.registration_client_uri.is_none() || account.registration_access_token.is_none() {
        return Ok(false);
    }
    let question = "The used OIDC client was dynamically registered by oidc-agent. Should this client be automatically deleted?";
    // The account is to go: without anybody to ask, so does its client.
    Ok(!session.dialogue.can_ask(session.context)
        || session.dialogue.confirm(session.context, question, true)?)
}

/// Whether the client is gone.
fn delete_client(session: &mut Session, account: &AccountConfig) -> bool {
    match pending::delete_client(session, account) {
        Ok(Deletion::Done(said)) => {
            session.context.output.note(&said);
            true
        }
        Ok(Deletion::NotManaged) => false,
        Err(error) => {
            let uri = account.registration_client_uri.as_deref().unwrap_or_default();
            session.context.output.warning(&format!("{error}; the client is managed at {uri}"));
            false
        }
    }
}

/// Deletes what is here.
fn forget(session: &mut Session, home: &Home, name: &Shortname) -> Result<(), Error> {
    let lock = home.lock(name, LOCK_TIMEOUT)?;
    home.delete(lock)?;
    if let Err(error) = issuers::remove_account(home, name) {
        session.context.output.warning(&format!("issuer.config still lists '{name}': {error}"));
    }
    match keyring::clear(name, &home.file(name)) {
        Ok(true) => session.context.output.note("Removed the password from the keyring."),
        Ok(false) => {}
        Err(error) => {
            session.context.output.warning(&format!("the keyring may still have the old password: {error}"));
        }
    }
    if session.context.output.json {
        return Ok(session.context.output.json(&json!({"status": "success", "account": name}))?);
    }
    if session.context.output.dialect == Dialect::CSuite {
        session.progress(
            "The generated account was successfully removed from oidc-agent. You don't have to run oidc-add.",
        )?;
    }
    Ok(session.context.output.line("Successfully deleted account configuration.")?)
}
