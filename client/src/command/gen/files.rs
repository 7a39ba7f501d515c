//! Files named on the command line: printed, encrypted anew, or taken for start values.

use std::path::Path;

use oidc_proto::{
    account::AccountConfig,
    home::{Home, HomeError},
    json::Object,
    shortname::Shortname,
    vault::{self, FileKey},
};
use serde_json::json;
use zeroize::Zeroizing;

use super::{
    seal::{Seal, is_recoverable},
    session::Session,
};
use crate::{
    account::{
        error::AccountError,
        file::{LOCK_TIMEOUT, Opened, Sealed},
    },
    context::{error::Error, file_key},
    say::exit::Exit,
};

/// `--print`: the decrypted text as it is stored, byte for byte. Asks no agent.
pub fn print(session: &mut Session, file: &Path) -> Result<(), Error> {
    let (home, name) = locate(session, file)?;
    let bytes = read(&home, &name)?;
    if plain(&bytes).is_some() {
        return Ok(session.context.output.stored_text(&bytes)?);
    }
    let opened = open(session, &home, &name, bytes)?;
    // Opening may have brought the file up to date.
    let bytes = read(&home, &name)?;
    let text = opened.key.open_text(&bytes).map_err(|error| AccountError::Vault {
        name: name.clone(),
        file: home.file(&name),
        error,
    })?;
    // The C suite handles it as a C string, which ends at the first NUL.
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(session.context.output.stored_text(text)?)
}

/// `--update`: the same account, encrypted anew under the same password; a plain one is encrypted.
pub fn update(session: &mut Session, file: &Path) -> Result<(), Error> {
    if session.args.store.no_save {
        return Err(session.wrong_options("Update argument cannot be combined with no-save"));
    }
    let (home, name) = locate(session, file)?;
    let bytes = read(&home, &name)?;
    let key = match plain(&bytes) {
        Some(account) => encrypt(session, &home, &name, &bytes, account)?,
        None => encrypt_anew(session, &home, &name, bytes)?,
    };
    if session.context.home().is_ok_and(|used| used.path() == home.path()) {
        file_key::give_if_loaded(session.context, &name, &key, false);
    }
    if session.context.output.json {
        let object = json!({"status": "success", "account": name, "file": home.file(&name)});
        return Ok(session.context.output.json(&object)?);
    }
    Ok(session.context.output.line("Updated config file format")?)
}

fn encrypt(
    session: &mut Session,
    home: &Home,
    name: &Shortname,
    plain: &[u8],
    account: AccountConfig,
) -> Result<FileKey, Error> {
    let seal = Seal::choose(session, name)?;
    let lock = home.lock(name, LOCK_TIMEOUT)?;
    let (bytes, key) = seal.seal(home, name, &named(account, name), None)?;
    home.replace(&lock, plain, &bytes)?;
    Ok(key)
}

fn encrypt_anew(
    session: &mut Session,
    home: &Home,
    name: &Shortname,
    bytes: Zeroizing<Vec<u8>>,
) -> Result<FileKey, Error> {
    let is_recoverable = is_recoverable(&bytes);
    let opened = open(session, home, name, bytes)?;
    let mut seal = match (&opened.password, &session.args.store.gpg) {
        (Some(password), None) => Seal::with(session, password.clone()),
        (None, None) if opened.is_clear && session.args.store.format.is_none() => Seal::Clear,
        _ => Seal::choose(session, name)?,
    };
    if is_recoverable {
        seal = seal.in_place_of_recoverable(session);
    }
    let lock = home.lock(name, LOCK_TIMEOUT)?;
    opened.rewrite(home, &lock, |current| {
        seal.seal(home, name, &named(current.account.clone(), name), Some(current))
    })
}

/// With a name, if it has none.
fn named(mut account: AccountConfig, name: &Shortname) -> AccountConfig {
    account.name.get_or_insert_with(|| name.to_string());
    account
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
        None => open(session, &place, &name, bytes)?.account,
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
) -> Result<Opened, Error> {
    let path = home.file(name);
    let format = vault::format_of(&bytes).map_err(|error| AccountError::Vault {
        name: name.clone(),
        file: path.clone(),
        error,
    })?;
    let sealed = Sealed { name: name.clone(), path, bytes, format };
    let opened = sealed.open(home, &session.args.sources(), session.context.asker.as_mut())?;
    if let Some(warning) = &opened.warning {
        session.context.output.warning(warning);
    }
    Ok(opened)
}
