//! Files named on the command line: printed, encrypted anew, or taken for start values.

use std::path::Path;

use oidc_proto::{
    account::AccountConfig,
    home::{Home, HomeError},
    json::Object,
    secret::Password,
    shortname::Shortname,
    vault,
};
use zeroize::Zeroizing;

use super::{Session, seal::Seal};
use crate::{
    account_file::{LOCK_TIMEOUT, Sealed},
    cli::UsageError,
    error::Error,
    exit::Exit,
};

/// `--print`: the decrypted text. Asks no agent.
pub fn print(session: &mut Session, file: &Path) -> Result<(), Error> {
    let (home, name) = locate(session, file)?;
    let bytes = read(&home, &name)?;
    let account = match plain(&bytes) {
        Some(account) => account,
        None => open(session, &home, &name, bytes)?.0,
    };
    Ok(session.context.output.account(&account)?)
}

/// `--update`: the same account, encrypted anew under the same password; a plain one is encrypted.
pub fn update(session: &mut Session, file: &Path) -> Result<(), Error> {
    if session.args.store.no_save {
        return Err(UsageError::Text("Update argument cannot be combined with no-save".to_owned()).into());
    }
    let (home, name) = locate(session, file)?;
    let previous = read(&home, &name)?;
    let (mut account, seal) = if let Some(account) = plain(&previous) {
        (account, Seal::choose(session, &name)?)
    } else {
        let (account, password) = open(session, &home, &name, previous.clone())?;
        let seal = match (password, &session.args.store.gpg) {
            (Some(password), None) => Seal::with(session, password),
            _ => Seal::choose(session, &name)?,
        };
        (account, seal)
    };
    account.name.get_or_insert_with(|| name.to_string());
    let lock = home.lock(&name, LOCK_TIMEOUT)?;
    let generation = vault::header(&previous).map_or(0, |header| header.generation);
    let (bytes, key) = seal.seal(&home, &name, &account, generation)?;
    home.replace(&lock, &previous, &bytes)?;
    drop(lock);
    let is_in_use = session.context.home().is_ok_and(|used| used.path() == home.path());
    if is_in_use && session.context.loaded_accounts().is_ok_and(|names| names.contains(&name.to_string())) {
        super::save::give_key(session, &name, &key);
    }
    Ok(session.context.output.line("Updated config file format")?)
}

/// `--file`: what another account or client file holds.
pub fn start_values(session: &mut Session, home: &Home, file: &Path) -> Result<AccountConfig, Error> {
    let (place, name) = if file.is_file() || file.components().count() > 1 {
        split(file)?
    } else {
        (home.clone(), shortname(file)?)
    };
    let bytes = read(&place, &name)?;
    let mut account = match plain(&bytes) {
        Some(account) => account,
        None => open(session, &place, &name, bytes)?.0,
    };
    // A new login is what follows, and it belongs to another account.
    (account.name, account.client_name, account.refresh_token) = (None, None, None);
    Ok(account)
}

/// An account's name, or a path that begins with `/` or `~`: the C suite's rule.
fn locate(session: &mut Session, file: &Path) -> Result<(Home, Shortname), Error> {
    let bytes = file.as_os_str().as_encoded_bytes();
    match bytes.first() {
        Some(b'/' | b'~') => split(file),
        _ if file.components().count() > 1 => split(file),
        _ => Ok((session.context.home()?, shortname(file)?)),
    }
}

fn split(file: &Path) -> Result<(Home, Shortname), Error> {
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((Home::at(directory), shortname(Path::new(file.file_name().unwrap_or_default()))?))
}

fn shortname(file: &Path) -> Result<Shortname, Error> {
    Ok(file.to_string_lossy().parse::<Shortname>()?)
}

fn read(home: &Home, name: &Shortname) -> Result<Zeroizing<Vec<u8>>, Error> {
    home.read(name).map_err(|error| match error {
        HomeError::NotFound(path) => not_there(&path),
        error => error.into(),
    })
}

fn not_there(path: &Path) -> Error {
    let text = format!("could not open file - file does not exist: {}", path.display());
    Error::Other(Exit::File, text)
}

/// The account in a file that is not encrypted at all.
fn plain(bytes: &[u8]) -> Option<AccountConfig> {
    if vault::format_of(bytes).is_ok() {
        return None;
    }
    Object::parse(bytes).ok().map(AccountConfig::from_object)
}

/// Opens an encrypted file, wherever it is.
fn open(
    session: &mut Session,
    home: &Home,
    name: &Shortname,
    bytes: Zeroizing<Vec<u8>>,
) -> Result<(AccountConfig, Option<Password>), Error> {
    let path = home.file(name);
    let format = vault::format_of(&bytes).map_err(|error| Error::Vault {
        name: name.clone(),
        file: path.clone(),
        error,
    })?;
    let sealed = Sealed { name: name.clone(), path, bytes, format };
    let opened = sealed.open(home, &session.args.password.sources(), session.context.asker.as_mut())?;
    if let Some(warning) = &opened.warning {
        session.context.output.warning(warning);
    }
    Ok((opened.account, opened.password))
}
