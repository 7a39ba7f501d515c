//! "A rotated refresh token is durable before its access token is handed out", without a password.
//!
//! Whoever holds the file key writes the new token into the account file. Whoever does not (an account loaded by the
//! C suite's `oidc-add`) keeps it in a hidden file beside it, the *sidecar*, sealed under the refresh token that
//! stands in the account file: only who can open that file, or holds its token already, can open the sidecar. Every
//! write happens under the account's lock, and the file is read again first: another agent may have been faster.
//!
//! Killed at any point, this leaves either the old file, or the new file with a sidecar for the old token, which
//! nothing opens any more and the next write removes.

mod sidecar;

use std::time::{Duration, Instant};

use self::sidecar::Sidecar;
use crate::{
    account::AccountConfig,
    home::{AccountLock, Home, HomeError},
    secret::RefreshToken,
    shortname::Shortname,
    vault::{FileKey, VaultError},
};

/// How long a file that looks damaged is read again: the C suite truncates and rewrites in place.
const HALF_WRITTEN_FOR: Duration = Duration::from_millis(200);
/// How often writing is begun again before somebody who keeps changing the file is given up on.
const ATTEMPTS: usize = 8;
const READ_AGAIN_EVERY: Duration = Duration::from_millis(10);

/// A provider has replaced a refresh token.
#[derive(Debug, Clone, Copy)]
pub struct Rotation<'a> {
    /// The token that stands in the account file as far as is known: as loaded, or after the last
    /// [`Stored::InFile`] or [`Stored::Adopted`]. [`Stored::Beside`] leaves it as it is.
    pub in_file: &'a RefreshToken,
    /// The token that was spent.
    pub used: &'a RefreshToken,
    /// The token the provider gave.
    pub new: &'a RefreshToken,
}

/// What became of a new refresh token.
#[derive(Debug, PartialEq)]
pub enum Stored {
    /// It stands in the account file.
    InFile {
        /// The file was an older one than had been seen before, such as a restored backup: worth a warning.
        rolled_back: bool,
    },
    /// It stands in the sidecar, because there is no key for the file or, as given, the file did not open with it.
    Beside(Option<VaultError>),
    /// Another agent had stored a newer one, which is to be used from now on. Nothing was written. Where that came of
    /// a new login, more than the token may have changed in the file.
    Adopted {
        /// The token to use next.
        token: RefreshToken,
        /// The token that stands in the file; another one where `token` came from the sidecar.
        in_file: RefreshToken,
    },
    /// The account file is gone, so nothing was written.
    Gone,
}

/// What was found beside an account file.
#[derive(Debug, PartialEq)]
pub enum Newest {
    /// Nothing newer than the file.
    InFile,
    /// The account now has the token from the sidecar; the file should be brought up to date with [`settle`].
    FromSidecar {
        /// The token that stands in the file.
        in_file: RefreshToken,
    },
}

/// Why a new refresh token is not durable. The account file is whole, and the token has to be kept in memory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RotationError {
    /// Reading, locking or writing failed.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The file could not be opened or sealed.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// Makes a new refresh token durable, under the lock of its account.
pub fn store(
    home: &Home,
    lock: &AccountLock,
    key: Option<&FileKey>,
    rotation: &Rotation,
) -> Result<Stored, RotationError> {
    let stored = match key {
        Some(key) => store_with(home, lock, key, rotation),
        None => store_without(home, lock, rotation),
    };
    match stored {
        // Deleted before or meanwhile: by `reset` under the lock, or by the C suite without one.
        Err(RotationError::Home(HomeError::NotFound(_))) => Ok(Stored::Gone),
        stored => stored,
    }
}

fn store_without(home: &Home, lock: &AccountLock, rotation: &Rotation) -> Result<Stored, RotationError> {
    home.read(lock.name())?;
    store_beside(home, lock, rotation, None)
}

fn store_with(
    home: &Home,
    lock: &AccountLock,
    key: &FileKey,
    rotation: &Rotation,
) -> Result<Stored, RotationError> {
    unless_changed(|| {
        let (previous, account) = open(home, lock.name(), key)?;
        match account {
            Ok(account) => store_in_file(home, lock, key, rotation, &previous, account),
            Err(error) => store_beside(home, lock, rotation, Some(error)),
        }
    })
}

fn store_in_file(
    home: &Home,
    lock: &AccountLock,
    key: &FileKey,
    rotation: &Rotation,
    previous: &[u8],
    account: AccountConfig,
) -> Result<Stored, RotationError> {
    let rolled_back = key.is_rollback(previous);
    let sidecar = Sidecar::read(home, lock.name()).unwrap_or_default();
    let in_file = account.refresh_token.clone();
    let newest =
        in_file.as_ref().map(|token| sidecar.open(lock.name(), token).unwrap_or_else(|| token.clone()));
    let is_ours = |token: &RefreshToken| [rotation.in_file, rotation.used, rotation.new].contains(&token);
    match (newest, in_file) {
        (Some(token), Some(in_file)) if !rolled_back && !is_ours(&token) => {
            return Ok(Stored::Adopted { token, in_file });
        }
        (_, Some(in_file)) if in_file == *rotation.new => {}
        _ => {
            let account = AccountConfig { refresh_token: Some(rotation.new.clone()), ..account };
            write(home, lock, key, previous, &account)?;
        }
    }
    Sidecar::remove(home, lock.name());
    Ok(Stored::InFile { rolled_back })
}

/// Replaces the file, unless it has changed since `previous` was read.
fn write(
    home: &Home,
    lock: &AccountLock,
    key: &FileKey,
    previous: &[u8],
    account: &AccountConfig,
) -> Result<(), RotationError> {
    let bytes = key.seal(account, previous)?;
    home.replace(lock, previous, &bytes)?;
    key.note_generation(&bytes);
    Ok(())
}

fn store_beside(
    home: &Home,
    lock: &AccountLock,
    rotation: &Rotation,
    why: Option<VaultError>,
) -> Result<Stored, RotationError> {
    // One that cannot be read is replaced: what this agent holds is newer for all it can tell.
    let mut sidecar = Sidecar::read(home, lock.name()).unwrap_or_default();
    match sidecar.open(lock.name(), rotation.in_file) {
        Some(token) if token != *rotation.used && token != *rotation.new => {
            return Ok(Stored::Adopted { token, in_file: rotation.in_file.clone() });
        }
        _ => sidecar.put(lock.name(), rotation.in_file, rotation.new),
    }
    sidecar.write(home, lock)?;
    Ok(Stored::Beside(why))
}

/// After decrypting an account file: takes over the newer refresh token from the sidecar, if there is one for the token
/// that stands in the file. Needs no lock.
pub fn newest(home: &Home, name: &Shortname, account: &mut AccountConfig) -> Result<Newest, RotationError> {
    let Some(in_file) = account.refresh_token.clone() else { return Ok(Newest::InFile) };
    let Some(token) = beside(home, name, &in_file)? else { return Ok(Newest::InFile) };
    account.refresh_token = Some(token);
    Ok(Newest::FromSidecar { in_file })
}

/// The token that is kept beside the file for the one that stands in it. Needs no lock.
pub fn beside(
    home: &Home,
    name: &Shortname,
    in_file: &RefreshToken,
) -> Result<Option<RefreshToken>, RotationError> {
    Ok(Sidecar::read(home, name)?.open(name, in_file))
}

/// Writes the sidecar's token into the account file and removes the sidecar. Whether there was anything to do.
pub fn settle(home: &Home, lock: &AccountLock, key: &FileKey) -> Result<bool, RotationError> {
    unless_changed(|| {
        let (previous, account) = open(home, lock.name(), key)?;
        let mut account = account?;
        if newest(home, lock.name(), &mut account)? == Newest::InFile {
            return Ok(false);
        }
        write(home, lock, key, &previous, &account)?;
        Sidecar::remove(home, lock.name());
        Ok(true)
    })
}

/// Begins again where a program that takes no lock has written meanwhile: what it wrote may be newer.
fn unless_changed<T>(mut attempt: impl FnMut() -> Result<T, RotationError>) -> Result<T, RotationError> {
    for _ in 1..ATTEMPTS {
        match attempt() {
            Err(RotationError::Home(HomeError::Changed(_))) => {}
            done => return done,
        }
    }
    attempt()
}

/// The bytes of an account file, and what opening them gave.
pub type Opened = (zeroize::Zeroizing<Vec<u8>>, Result<AccountConfig, VaultError>);

/// Reads and opens the file; again for a short while if it looks half-written. Blocks.
pub fn open(home: &Home, name: &Shortname, key: &FileKey) -> Result<Opened, HomeError> {
    let until = Instant::now() + HALF_WRITTEN_FOR;
    loop {
        let bytes = home.read(name)?;
        let opened = key.open(&bytes);
        let half_written = matches!(opened, Err(VaultError::Damaged(_) | VaultError::NotAnAccountFile(_)));
        if !half_written || Instant::now() >= until {
            return Ok((bytes, opened));
        }
        std::thread::sleep(READ_AGAIN_EVERY);
    }
}

#[cfg(test)]
mod tests;
