//! `--rename`: another short name for an account, with the same password. Everything that is kept of the account goes
//! with it, and so does the way in which an agent of ours holds it.

use std::path::Path;

use oidc_proto::{
    account::AccountConfig,
    home::{AccountLock, Home, HomeError},
    issuers,
    message::{AccountStatus, AddRequest, AgentStatus, Reply, Request},
    shell,
    shortname::Shortname,
    vault::FileKey,
};
use serde_json::json;

use super::{
    save,
    session::{Session, account_name},
};
use crate::{
    account::{
        error::AccountError,
        file::{LOCK_TIMEOUT, Opened, Sealed},
        password::keyring,
    },
    context::{error::Error, file_key},
    process::clock,
    say::exit::Exit,
};

/// How an agent holds an account.
enum Held {
    /// By an agent of ours, which tells how.
    So(Box<AccountStatus>),
    /// By one that does not tell whether the person is to be asked before a token is given out.
    Unknown,
}

/// Renames the account; a loaded one is loaded under its new name.
pub fn run(session: &mut Session, new: &str) -> Result<(), Error> {
    if session.args.store.no_save {
        return Err(session.wrong_options("Rename argument cannot be combined with no-save"));
    }
    // Not only names that an account can have: this is the way to give it one.
    let old: Shortname = session.named("You have to specify a shortname to rename it")?.parse()?;
    let new = account_name(new)?;
    let home = session.context.home()?;
    if home.file(&new).symlink_metadata().is_ok() {
        return Err(exists(&new));
    }
    let sealed = Sealed::read(&home, &old).map_err(|error| match error {
        AccountError::NoSuchAccount(_) => {
            other("No account configuration found with that shortname".to_owned())
        }
        error => error.into(),
    })?;
    let opened = sealed.open(&home, &session.args.sources(), session.context.asker.as_mut())?;
    if let Some(warning) = &opened.warning {
        session.context.output.warning(warning);
    }
    let held = unload(session, &old, &opened.key)?;
    let renamed = rename(&home, &old, &new, &opened);
    if let Ok((account, _)) = &renamed {
        relist(session, &home, &old, &new, account);
        if let Err(error) = keyring::rename((&old, &home.file(&old)), (&new, &home.file(&new))) {
            session
                .context
                .output
                .warning(&format!("the keyring may still have the password under '{old}': {error}"));
        }
    }
    if let Some(held) = held {
        // Where it could not be renamed, the agent holds it as before.
        let (account, key) = match &renamed {
            Ok((account, key)) => (account.clone(), key),
            Err(_) => (AccountConfig { name: Some(old.to_string()), ..opened.account.clone() }, &opened.key),
        };
        load(session, account, key, held)?;
    }
    renamed?;
    // Silent, as in the C suite.
    if session.context.output.json {
        session
            .context
            .output
            .json(&json!({"status": "success", "account": new, "file": home.file(&new)}))?;
    }
    Ok(())
}

/// Takes the account out of the agent: one that went on under the old name would write a refresh token to a file that
/// is gone.
fn unload(session: &mut Session, name: &Shortname, key: &FileKey) -> Result<Option<Held>, Error> {
    let status = match session.context.call(&Request::StatusJson) {
        Ok(Reply::Success { info: Some(info) }) => AgentStatus::from_info(&info).unwrap_or_default(),
        Err(error) if !error.is_no_agent() => return Err(error),
        _ => return Ok(None),
    };
    if !status.loaded_accounts.iter().any(|loaded| loaded == name.as_str()) {
        return Ok(None);
    }
    // Also waits for a refresh under way, whose token has to reach the file first. Not all agents know the request.
    drop(file_key::give(session.context, name, key));
    session.context.call(&Request::Remove { account: name.to_string() })?;
    let known = status.accounts.into_iter().find(|account| account.name == name.as_str());
    Ok(Some(known.map_or(Held::Unknown, |known| Held::So(Box::new(known)))))
}

fn rename(
    home: &Home,
    old: &Shortname,
    new: &Shortname,
    opened: &Opened,
) -> Result<(AccountConfig, FileKey), Error> {
    let (old_lock, new_lock) = lock_both(home, old, new)?;
    let failed = |error| AccountError::Vault { name: old.clone(), file: home.file(old), error };
    let current = opened.read_again(home, &old_lock)?;
    let mut account = current.account;
    account.name = Some(new.to_string());
    if let Some(certificates) = home.read_certificates(old)? {
        home.write_certificates(&new_lock, &certificates)?;
        let is_copy = account.cert_path.as_deref().map(Path::new) == Some(&home.certificates_path(old));
        if is_copy {
            account.cert_path = home.certificates_path(new).to_str().map(str::to_owned);
        }
    }
    let bytes = current.key.seal(&account, &current.bytes).map_err(failed)?;
    home.create(&new_lock, &bytes).map_err(|error| match error {
        HomeError::Exists(_) => exists(new),
        error => error.into(),
    })?;
    if let Some(pending) = home.read_pending(old)? {
        home.write_pending(&new_lock, &pending)?;
    }
    home.delete(old_lock)?;
    Ok((account, current.key))
}

/// In the same order for everybody, so that no two programs wait for each other.
fn lock_both(home: &Home, old: &Shortname, new: &Shortname) -> Result<(AccountLock, AccountLock), Error> {
    if old < new {
        let old_lock = home.lock(old, LOCK_TIMEOUT)?;
        return Ok((old_lock, home.lock(new, LOCK_TIMEOUT)?));
    }
    let new_lock = home.lock(new, LOCK_TIMEOUT)?;
    Ok((home.lock(old, LOCK_TIMEOUT)?, new_lock))
}

fn relist(session: &mut Session, home: &Home, old: &Shortname, new: &Shortname, account: &AccountConfig) {
    if let Err(error) = issuers::remove_account(home, old) {
        session.context.output.warning(&format!("issuer.config still lists '{old}': {error}"));
    }
    save::list(session, home, new, account);
}

/// Loads the account as it was loaded before.
fn load(session: &mut Session, config: AccountConfig, key: &FileKey, held: Held) -> Result<(), Error> {
    let Held::So(held) = held else {
        let name = config.name.unwrap_or_default();
        session.context.output.hint(&format!(
            "The agent does not tell how it held the account, and has unloaded it; `{}` loads it.",
            shell::command("oidc add", &name)
        ));
        return Ok(());
    };
    let left = held.unloaded_at.map(|end| end.saturating_sub(clock::now()).max(1));
    let add = AddRequest {
        config,
        // 0: not the agent's default either.
        lifetime: Some(left.unwrap_or(0)),
        confirm: held.confirm,
        always_allow_id_token: held.always_allow_id_token,
        plain_add: true,
        file_key: Some(key.to_text()),
        ..AddRequest::default()
    };
    session.context.call(&Request::Add(Box::new(add))).map(drop)
}

fn exists(name: &Shortname) -> Error {
    other(format!("Account configuration '{name}' already exists"))
}

fn other(text: String) -> Error {
    Error::Other(Exit::UnknownAccount, text)
}
