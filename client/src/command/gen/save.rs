//! The end of a login: the account goes into its file, and the agent learns how to write that file.

use oidc_proto::{
    account::AccountConfig,
    home::{AccountLock, Home, Room},
    issuers,
    message::{PasswordEntry, TokenReply},
    rotation::{self, Rotation},
    secret::RefreshToken,
    shell,
    shortname::Shortname,
    vault::FileKey,
};
use serde_json::json;

use super::{flows, seal::Seal, session::Session};
use crate::{
    account::{
        error::AccountError,
        file::{LOCK_TIMEOUT, Opened, not_kept, with_changes},
        password::keyring,
    },
    context::{error::Error, file_key, load},
    say::dialect::Dialect,
};

/// Where an account is kept.
pub enum Storage {
    /// Not decided yet.
    Undecided,
    /// In a new file.
    New(Seal),
    /// In the file it has.
    Existing {
        /// The file as it was opened.
        opened: Box<Opened>,
        /// What protects it from now on, if something else.
        new_seal: Option<Seal>,
    },
    /// In the agent at most. The account of the file that the login began with, if it did: where the login spends its
    /// refresh token, the file gets the successor all the same.
    Nowhere(Option<Box<Opened>>),
}

/// What is known of the account, with what the login brought.
pub fn merged(account: &AccountConfig, reply: &AccountConfig) -> AccountConfig {
    let mut object = account.to_object();
    for (key, value) in reply.to_object().members() {
        if key != "name" {
            object.insert(key.clone(), value.clone());
        }
    }
    let mut merged = AccountConfig::from_object(object);
    // The person's own credentials are for one login (RFC 6749 section 4.3.2 wants them discarded).
    (merged.username, merged.password) = (None, None);
    merged
}

/// How an agent of the C suite may get the file's password; ours is given the file key afterwards.
pub fn password_entry(session: &Session, name: &Shortname, storage: &Storage) -> PasswordEntry {
    let (password, gpg_key) = match storage {
        Storage::New(seal) | Storage::Existing { new_seal: Some(seal), .. } => match seal {
            Seal::Gpg(key) => (None, Some(key.clone())),
            Seal::Native(..) | Seal::OidcAgent(_) | Seal::Clear => (seal.password().cloned(), None),
        },
        Storage::Existing { opened, .. } => (opened.password.clone(), None),
        Storage::Undecided | Storage::Nowhere(_) => (None, None),
    };
    let entry = load::password_entry(name, password, &session.args.sources(), None);
    match gpg_key {
        Some(key) => entry.with_gpg_key(&key),
        None => entry,
    }
}

/// Writes the account's file and says so.
pub fn save(
    session: &mut Session,
    name: &Shortname,
    account: &AccountConfig,
    storage: &Storage,
) -> Result<(), Error> {
    if let Storage::Nowhere(Some(opened)) = storage {
        keep_successor(session, name, opened, account.refresh_token.as_ref())?;
    }
    if !matches!(storage, Storage::Nowhere(_)) && !session.args.store.no_save {
        let home = session.home()?;
        let key =
            write(&home, name, account, storage).inspect_err(|error| tell_held(session, name, error))?;
        keep_password(session, &home, name, storage);
        give_key(session, name, &key);
        list(session, &home, name, account);
    }
    report(session, name, account, storage)
}

fn write(
    home: &Home,
    name: &Shortname,
    account: &AccountConfig,
    storage: &Storage,
) -> Result<FileKey, Error> {
    let lock = home.lock(name, LOCK_TIMEOUT)?;
    let key = match storage {
        Storage::Existing { opened, new_seal } => rewrite(home, &lock, account, opened, new_seal.as_ref())?,
        Storage::New(seal) => {
            let (bytes, key) = seal.seal(home, name, account, None)?;
            home.create(&lock, &bytes)?;
            key
        }
        Storage::Undecided | Storage::Nowhere(_) => return Err(Error::UnexpectedReply("gen")),
    };
    home.remove_pending(&lock)?;
    Ok(key)
}

fn rewrite(
    home: &Home,
    lock: &AccountLock,
    account: &AccountConfig,
    opened: &Opened,
    new_seal: Option<&Seal>,
) -> Result<FileKey, Error> {
    let name = lock.name();
    let failed = |error| AccountError::Vault { name: name.clone(), file: home.file(name), error };
    opened.rewrite(home, lock, |current| {
        let account = with_changes(&current.account, &opened.account, account);
        if let Some(seal) = new_seal {
            return seal.seal(home, name, &account, Some(current));
        }
        let bytes = current.key.seal(&account, &current.bytes).map_err(failed)?;
        Ok((bytes, current.key.clone()))
    })
}

/// The login is done, and its file is not written: it is not to be thrown away with the agent.
pub fn tell_held(session: &mut Session, name: &Shortname, error: &Error) {
    let has_file = session.context.home().is_ok_and(|home| home.file(name).exists());
    let what_next = match error {
        // Writing it would overwrite what somebody else has done.
        Error::Account(AccountError::Reencrypted { .. }) => return,
        _ if has_file => format!(
            " Once the file can be written, `{}` writes it.",
            shell::command("oidc passwd --from-agent", name.as_str())
        ),
        _ => String::new(),
    };
    session.context.output.hint(&format!(
        "The login itself is done, and the agent holds the account '{name}' until it ends.{what_next}"
    ));
}

/// After a login that is not to be stored: where it spent the refresh token that stands in the account's file, the one
/// that took its place goes there, or beside it. It is the only one that works.
fn keep_successor(
    session: &mut Session,
    name: &Shortname,
    opened: &Opened,
    new: Option<&RefreshToken>,
) -> Result<(), Error> {
    let (Some(used), Some(new)) = (&opened.account.refresh_token, new) else { return Ok(()) };
    if used == new || !flows::spends_stored_token(session.args) {
        return Ok(());
    }
    let home = session.home()?;
    let lock = home.lock(name, LOCK_TIMEOUT)?;
    rotation::store(&home, &lock, Some(&opened.key), &Rotation::of(used, new), &mut Room::default())?;
    Ok(())
}

/// Lets the keyring have the password of a new file, or of one that has another one now.
fn keep_password(session: &mut Session, home: &Home, name: &Shortname, storage: &Storage) {
    let (Storage::New(seal) | Storage::Existing { new_seal: Some(seal), .. }) = storage else { return };
    if session.args.keyring.pw_keyring
        && let Some(password) = seal.password()
        && let Err(error) = keyring::store(name, &home.file(name), password)
    {
        session.context.output.warning(&not_kept(&error));
    }
}

/// Lets the agent write the file when a refresh token is replaced. One of the C suite has the password entry instead.
fn give_key(session: &mut Session, name: &Shortname, key: &FileKey) {
    match file_key::give(session.context, name, key) {
        Err(error) if !error.is_unknown_request() => file_key::warn(session.context, name, &error),
        _ => {}
    }
}

/// Lists the account under its issuer, so that tokens can be asked for by the issuer's URL.
pub fn list(session: &mut Session, home: &Home, name: &Shortname, account: &AccountConfig) {
    let Some(issuer) = &account.issuer_url else { return };
    if let Err(error) = issuers::add_account(home, issuer, name) {
        session.context.output.warning(&format!("issuer.config is left as it was: {error}"));
    }
}

fn report(
    session: &mut Session,
    name: &Shortname,
    account: &AccountConfig,
    storage: &Storage,
) -> Result<(), Error> {
    let is_saved = !matches!(storage, Storage::Nowhere(_));
    let file = session.context.home()?.file(name);
    let output = &mut session.context.output;
    if output.json {
        return Ok(output.json(&json!({
            "status": "success",
            "account": name,
            "issuer": account.issuer_url,
            "client_id": account.client_id,
            "scope": account.granted_scope(),
            "file": is_saved.then_some(&file),
        }))?);
    }
    let is_brief = output.dialect == Dialect::CSuite && session.by_device;
    if !is_brief {
        output.line("success")?;
    }
    if output.dialect == Dialect::CSuite {
        if !is_brief {
            output.line(
                "The generated account config was successfully added to oidc-agent. You don't have to run oidc-add.",
            )?;
        }
        let is_whole_login =
            session.args.instead.code_exchange.is_none() && session.args.instead.state.is_none();
        if is_whole_login {
            output.line("Everything setup correctly!")?;
        }
        return Ok(());
    }
    let place =
        if is_saved { format!("stored in {} and ", file.display()) } else { "not stored, but ".to_owned() };
    output.note(&format!(
        "The account is {place}loaded in the agent; `{}` prints an access token.",
        shell::command("oidc token", name.as_str())
    ));
    Ok(())
}

/// `--only-at`: the token and nothing else. A refresh token that was spent for it and replaced is not lost: the
/// account's file gets the new one, and one that came by the command line goes back to whoever gave it.
pub fn print_token(
    session: &mut Session,
    name: &Shortname,
    token: &TokenReply,
    storage: &Storage,
) -> Result<(), Error> {
    let given = flows::has_refresh_token(session.args);
    match storage {
        Storage::Nowhere(Some(opened)) if !given => {
            keep_successor(session, name, opened, token.refresh_token.as_ref())?;
        }
        _ => {}
    }
    let successor = token.refresh_token.as_ref().filter(|_| given);
    let output = &mut session.context.output;
    for warning in &token.warnings {
        output.warning(warning);
    }
    if output.json {
        return Ok(output.json(&json!({
            "access_token": token.access_token.expose(),
            "issuer": token.issuer,
            "expires_at": token.expires_at,
            "scope": token.scope,
            "refresh_token": successor.map(RefreshToken::expose),
        }))?);
    }
    if let Some(successor) = successor {
        output.warning(&format!(
            "the provider has replaced the refresh token; the one given is spent, the new one is {}",
            successor.expose()
        ));
    }
    Ok(output.line(token.access_token.expose())?)
}
