//! A registration whose login is not done yet: kept encrypted, gone on with, or taken back at the provider.

use oidc_proto::{
    account::AccountConfig,
    home::Home,
    message::{DeleteClientRequest, Reply, Request},
    shell,
    shortname::Shortname,
    vault,
};

use super::{journal, save::Storage, seal::Seal, session::Session};
use crate::{
    account::{
        error::AccountError,
        file::{LOCK_TIMEOUT, Sealed},
    },
    context::error::Error,
};

/// A pending registration, opened.
pub struct Pending {
    /// The account, with its client and without a login.
    pub account: AccountConfig,
    /// What protects it, and will protect the account file.
    pub seal: Seal,
}

/// Reads and opens the pending registration, if there is one.
pub fn open(session: &mut Session, home: &Home, name: &Shortname) -> Result<Option<Pending>, Error> {
    let Some(sealed) = read(home, name)? else { return Ok(None) };
    let sources = session.args.sources();
    let opened = sealed.open(home, &sources, session.context.asker.as_mut())?;
    let seal = match (opened.password, &session.args.store.gpg) {
        (_, Some(key)) => Seal::Gpg(key.clone()),
        (Some(password), None) => {
            let recovery = opened.key.recovery(&sealed.bytes).map_err(|error| sealed.error(error))?;
            Seal::again(session, password, recovery)
        }
        // Encrypted for a gpg key that is not named now: a new choice is needed.
        (None, None) => Seal::choose(session, name)?,
    };
    Ok(Some(Pending { account: opened.account, seal }))
}

fn read(home: &Home, name: &Shortname) -> Result<Option<Sealed>, Error> {
    let Some(bytes) = home.read_pending(name)? else { return Ok(None) };
    let path = home.pending_path(name);
    let format = vault::format_of(&bytes).map_err(|error| AccountError::Vault {
        name: name.clone(),
        file: path.clone(),
        error,
    })?;
    Ok(Some(Sealed { name: name.clone(), path, bytes, format }))
}

/// Whether the person wants to go on with what is pending. `no` deletes its client at the provider.
pub fn resume(session: &mut Session, home: &Home, name: &Shortname) -> Result<Option<Pending>, Error> {
    let Some(about) = describe(home, name)? else { return Ok(None) };
    let goes_on = if session.dialogue.can_ask(session.context) {
        session.context.asker.tell(&format!(
            "{about}. After a no, that client is deleted at the provider, and another one registered."
        ))?;
        let question = "Found temporary file for this shortname. Do you want to use it?";
        session.dialogue.confirm(session.context, question, true)?
    } else {
        session.context.output.note(&format!("{about}."));
        true
    };
    let Some(pending) = open(session, home, name)? else { return Ok(None) };
    if goes_on {
        return Ok(Some(pending));
    }
    discard(session, home, name, &pending.account)?;
    Ok(None)
}

/// What is known of it without a password.
fn describe(home: &Home, name: &Shortname) -> Result<Option<String>, Error> {
    let Some(bytes) = home.read_pending(name)? else { return Ok(None) };
    let about = vault::header(&bytes).map_or_else(String::new, |header| {
        format!(" (client {} at {})", header.client_id.unwrap_or_default(), header.issuer.unwrap_or_default())
    });
    Ok(Some(format!("An earlier login for '{name}' was not finished{about}")))
}

/// Deletes the client of a pending registration at the provider, then the registration here.
pub fn discard(
    session: &mut Session,
    home: &Home,
    name: &Shortname,
    account: &AccountConfig,
) -> Result<(), Error> {
    match delete_client(session, account) {
        Ok(Deletion::Done(said)) => session.context.output.note(&said),
        Ok(Deletion::NotManaged) => tell_left(session, account, None),
        Err(error) => {
            let reset = shell::command("oidc reset", name.as_str());
            let hint = format!("`{reset}` forgets the client here without asking the provider.");
            session.context.output.hint(&hint);
            return Err(error);
        }
    }
    let lock = home.lock(name, LOCK_TIMEOUT)?;
    home.remove_pending(&lock)?;
    Ok(())
}

/// Keeps a client that was just registered, where it can be kept.
pub fn keep(
    session: &mut Session,
    home: &Home,
    name: &Shortname,
    account: &AccountConfig,
    storage: &Storage,
) -> Result<(), Error> {
    let Storage::New(seal) = storage else { return Ok(()) };
    let kept = seal.seal_pending(home, name, account).and_then(|bytes| {
        let lock = home.lock(name, LOCK_TIMEOUT)?;
        home.write_pending(&lock, &bytes)?;
        Ok(bytes)
    });
    let kept = kept.map(|bytes| journal::note(session, home, account, seal, &bytes));
    if kept.is_err() {
        take_back(session, account);
    }
    kept
}

/// After a login that failed: what became of the client.
pub fn after_failure(session: &mut Session, name: &Shortname, account: &AccountConfig, storage: &Storage) {
    if !matches!(storage, Storage::New(_)) {
        take_back(session, account);
        return;
    }
    let client = account.client_id.as_deref().unwrap_or_default();
    let issuer = account.issuer_url.as_deref().unwrap_or("the provider");
    if is_registered_by_hand(account) {
        session.context.output.hint(&format!(
            "The key of the client {client} is kept. Once its public part is registered at {issuer}, `{}` goes on with it; \
             `{}` prints it once more.",
            shell::command("oidc gen", name.as_str()),
            shell::command("oidc gen --print-jwks", name.as_str())
        ));
        return;
    }
    tell_kept(session, name, client, issuer);
}

/// Whether a person registers the client's public key; until then the provider takes it from nobody.
pub fn is_registered_by_hand(account: &AccountConfig) -> bool {
    account.client_key.is_some() && account.registration_client_uri.is_none()
}

fn tell_kept(session: &mut Session, name: &Shortname, client: &str, issuer: &str) {
    session.context.output.hint(&format!(
        "The client {client} stays registered at {issuer}. `{}` goes on with it, `{}` removes it.",
        shell::command("oidc gen", name.as_str()),
        shell::command("oidc gen --delete", name.as_str())
    ));
}

/// Before the login has begun, the person wants no more: what there is at the provider.
pub fn after_break(session: &mut Session, name: Option<&Shortname>) {
    let home = session.context.home().ok();
    let kept = name.zip(home).and_then(|(name, home)| home.read_pending(name).ok().flatten());
    match (name, kept.as_deref().and_then(|bytes| vault::header(bytes))) {
        (Some(name), Some(header)) => tell_kept(
            session,
            name,
            &header.client_id.unwrap_or_default(),
            header.issuer.as_deref().unwrap_or("the provider"),
        ),
        _ => session.context.output.hint("Nothing was made at the provider, and nothing was stored."),
    }
}

/// The client of an earlier login is not known at the provider any more, and nobody here says to register another one.
pub fn tell_unknown(session: &mut Session, name: &Shortname, account: &AccountConfig) {
    session.context.output.hint(&format!(
        "The client {} was registered for an earlier login. `{}` forgets it, then `{}` registers another one.",
        account.client_id.as_deref().unwrap_or_default(),
        shell::command("oidc reset", name.as_str()),
        shell::command("oidc gen", name.as_str())
    ));
}

/// After a login whose account is not stored: its client stays, because a provider may end its tokens with it.
pub fn after_success(session: &mut Session, name: &Shortname, account: &AccountConfig, storage: &Storage) {
    if !matches!(storage, Storage::Nowhere(_)) {
        return;
    }
    tell_left(session, account, None);
    if !session.args.login.only_at {
        let delete = shell::command("oidc gen --delete", name.as_str());
        let hint = format!("While the agent holds the account, `{delete}` removes the client too.");
        session.context.output.hint(&hint);
    }
}

/// Deletes a client that nothing here will remember; if that fails, the person is told what is left.
pub fn take_back(session: &mut Session, account: &AccountConfig) {
    match delete_client(session, account) {
        Ok(Deletion::Done(_)) => {
            session.context.output.note("The client that was registered for this is deleted again.");
        }
        Ok(Deletion::NotManaged) => tell_left(session, account, None),
        Err(error) => tell_left(session, account, Some(&error)),
    }
}

fn tell_left(session: &mut Session, account: &AccountConfig, error: Option<&Error>) {
    let client = account.client_id.as_deref().unwrap_or_default();
    let issuer = account.issuer_url.as_deref().unwrap_or("the provider");
    let reason = error.map(|error| format!(" ({error})")).unwrap_or_default();
    let uri = account.registration_client_uri.as_deref();
    let place = uri.map(|uri| format!("; it is managed at {uri}")).unwrap_or_default();
    session
        .context
        .output
        .warning(&format!("the client {client} stays registered at {issuer}{reason}{place}"));
}

/// What became of a client that is to be deleted at the provider.
pub enum Deletion {
    /// It is gone, and what is to be said of that.
    Done(String),
    /// It cannot be deleted from here: it was not registered dynamically, or not for us to manage.
    NotManaged,
}

/// Deletes a dynamically registered client (RFC 7592 section 2.3).
pub fn delete_client(session: &mut Session, account: &AccountConfig) -> Result<Deletion, Error> {
    let (Some(uri), Some(token)) = (&account.registration_client_uri, &account.registration_access_token)
    else {
        return Ok(Deletion::NotManaged);
    };
    let reply = session.context.call(&Request::DeleteClient(DeleteClientRequest {
        registration_client_uri: uri.clone(),
        registration_access_token: token.clone(),
        cert_path: account.cert_path.clone(),
    }))?;
    let info = match reply {
        Reply::Success { info } => info,
        _ => None,
    };
    let client = account.client_id.as_deref().unwrap_or_default();
    Ok(Deletion::Done(match info.as_ref().and_then(|info| info.as_str()) {
        Some(info) => format!("Client {client}: {info}."),
        None => "Deleted oidc client.".to_owned(),
    }))
}
