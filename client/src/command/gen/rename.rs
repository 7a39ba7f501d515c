//! `--rename`: another short name for an account, with the same password.

use oidc_proto::{
    account::AccountConfig,
    home::Home,
    issuers,
    message::{AddRequest, Request},
    shortname::Shortname,
    vault::FileKey,
};

use super::{Session, account_name, save};
use crate::{
    account_file::{LOCK_TIMEOUT, Opened, Sealed},
    cli::UsageError,
    error::Error,
    exit::Exit,
};

/// Renames the account; a loaded one is loaded under its new name.
pub fn run(session: &mut Session, new: &str) -> Result<(), Error> {
    if session.args.store.no_save {
        return Err(UsageError::Text("Rename argument cannot be combined with no-save".to_owned()).into());
    }
    let old = session.named("You have to specify a shortname to rename it")?;
    let new = account_name(new)?;
    let home = session.context.home()?;
    if home.file(&new).exists() {
        return Err(other(format!("Account configuration '{new}' already exists")));
    }
    let sealed = Sealed::read(&home, &old).map_err(|error| match error {
        Error::NoSuchAccount(_) => other("No account configuration found with that shortname".to_owned()),
        error => error,
    })?;
    let opened = sealed.open(&home, &session.args.password.sources(), session.context.asker.as_mut())?;
    let (account, key) = rename(&home, &old, &new, &opened)?;
    relist(session, &home, &old, &new, &account);
    reload(session, &old, &account, &key)
}

fn rename(
    home: &Home,
    old: &Shortname,
    new: &Shortname,
    opened: &Opened,
) -> Result<(AccountConfig, FileKey), Error> {
    let (old_lock, new_lock) = (home.lock(old, LOCK_TIMEOUT)?, home.lock(new, LOCK_TIMEOUT)?);
    let failed = |error| Error::Vault { name: old.clone(), file: home.file(old), error };
    let previous = home.read(old)?;
    let mut account = opened.key.open(&previous).map_err(failed)?;
    account.name = Some(new.to_string());
    let bytes = opened.key.seal(&account, &previous).map_err(failed)?;
    home.write(&new_lock, &bytes)?;
    home.delete(old_lock)?;
    Ok((account, opened.key.clone()))
}

fn relist(session: &mut Session, home: &Home, old: &Shortname, new: &Shortname, account: &AccountConfig) {
    if let Err(error) = issuers::remove_account(home, old) {
        session.context.output.warning(&format!("issuer.config still lists '{old}': {error}"));
    }
    save::list(session, home, new, account);
}

/// An agent that went on under the old name would write a file that is gone.
fn reload(
    session: &mut Session,
    old: &Shortname,
    account: &AccountConfig,
    key: &FileKey,
) -> Result<(), Error> {
    let is_loaded =
        session.context.loaded_accounts().is_ok_and(|loaded| loaded.iter().any(|name| name == old.as_str()));
    if !is_loaded {
        return Ok(());
    }
    session.context.call(&Request::Remove { account: old.to_string() })?;
    let add = AddRequest {
        config: account.clone(),
        plain_add: true,
        file_key: Some(key.to_text()),
        ..AddRequest::default()
    };
    session.context.call(&Request::Add(Box::new(add)))?;
    Ok(())
}

fn other(text: String) -> Error {
    Error::Other(Exit::UnknownAccount, text)
}
