//! "A rotated refresh token is durable before its access token is handed out", without a password.
//!
//! Whoever holds the file key writes the new token into the account file. Whoever does not (an account loaded by the
//! C suite's `oidc-add`) keeps it in a hidden file beside it, the *sidecar*, sealed under the refresh token that
//! stands in the account file: only who can open that file, or holds its token already, can open the sidecar. Every
//! write happens under the account's lock, and the file is read again first: another agent may have been faster.
//!
//! Where the file cannot be written its token goes beside it as well, and where nothing can be written there, into the
//! runtime directory. Killed at any point, this leaves either the old file, or the new file with a sidecar for the old
//! token, which nothing opens any more and the next write removes. Which of several tokens is newer: [`precedence`].

pub mod precedence;
mod sidecar;
mod spent;

use std::time::{Duration, Instant};

pub use self::spent::Spent;
use self::{
    precedence::{Evidence, Newer},
    sidecar::Sidecar,
};
use crate::{
    account::{AccountConfig, login_end},
    fault_point,
    home::{AccountLock, Home, HomeError, Presence, Room},
    secret::RefreshToken,
    shortname::Shortname,
    vault::{FileKey, VaultError},
};

/// How long a file that looks damaged is read again: the C suite truncates and rewrites in place.
const HALF_WRITTEN_FOR: Duration = Duration::from_millis(200);
/// How often writing is begun again before somebody who keeps changing the file is given up on.
const ATTEMPTS: usize = 8;
const READ_AGAIN_EVERY: Duration = Duration::from_millis(10);
/// How long another program may hold the lock in the runtime directory: one small write.
const RUNTIME_LOCK_DEADLINE: Duration = Duration::from_secs(2);

/// A provider has replaced a refresh token.
#[derive(Debug, Clone, Copy)]
pub struct Rotation<'a> {
    /// The token that stands in the account file as far as is known.
    pub in_file: &'a RefreshToken,
    /// The newest token that lies beside the file as far as is known, or else `in_file`.
    pub durable: &'a RefreshToken,
    /// The tokens that were spent to come to `new`, `in_file` or not.
    pub spent: &'a Spent,
    /// The token the provider gave.
    pub new: &'a RefreshToken,
    /// When that ends, as the provider said beside it; in seconds since the epoch. Kept in the file with the token.
    pub ends_at: Option<u64>,
}

/// What became of a new refresh token.
#[derive(Debug, PartialEq)]
pub enum Stored {
    /// It stands in the account file.
    InFile {
        /// The file was an older one than had been seen before, such as a restored backup: worth a warning.
        rolled_back: bool,
    },
    /// It stands in the sidecar, because there is no key for the file or, as given, for a reason.
    Beside(Option<String>),
    /// It stands in the runtime directory only, for this reason: gone with the next start of the machine.
    InRuntimeDirectory(String),
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

/// Makes a new refresh token durable, under the lock of its account, in room that was made before it was asked for.
pub fn store(
    home: &Home,
    lock: &AccountLock,
    key: Option<&FileKey>,
    rotation: &Rotation,
    room: &mut Room,
) -> Result<Stored, RotationError> {
    let stored = match key {
        Some(key) => store_with(home, lock, key, rotation, room),
        None => store_beside(home, lock, rotation, None, room),
    };
    let error = match stored {
        Ok(stored) => return Ok(stored),
        Err(error) => error,
    };
    // Deleted before or meanwhile: by `reset` under the lock, or by the C suite without one.
    if matches!(home.presence(lock.name()), Presence::Gone) {
        return Ok(Stored::Gone);
    }
    let reason = error.to_string();
    keep_at_hand(home, lock.name(), rotation.durable, rotation.new)
        .map(|()| Stored::InRuntimeDirectory(reason))
        .map_err(|_| error)
}

/// Keeps a refresh token in the runtime directory, sealed under the one that it succeeds on the disk, until it can be put
/// where it belongs. Whoever loads the account next finds it there.
pub fn keep_at_hand(
    home: &Home,
    name: &Shortname,
    durable: &RefreshToken,
    new: &RefreshToken,
) -> Result<(), HomeError> {
    let stand_in = home.stand_in()?;
    let lock = stand_in.lock(name, RUNTIME_LOCK_DEADLINE)?;
    let mut sidecar = Sidecar::read_at(&stand_in, name).unwrap_or_default();
    sidecar.put(name, durable, new);
    sidecar.write(&stand_in, &lock, &mut Room::default())
}

fn store_with(
    home: &Home,
    lock: &AccountLock,
    key: &FileKey,
    rotation: &Rotation,
    room: &mut Room,
) -> Result<Stored, RotationError> {
    let stored = unless_changed(|| {
        let (previous, account) = open(home, lock.name(), key)?;
        match account {
            Ok(account) => store_in_file(home, lock, key, rotation, (&previous, account), room),
            Err(error) => store_beside(home, lock, rotation, Some(error.to_string()), room),
        }
    });
    match stored {
        Err(RotationError::Home(HomeError::NotFound(_))) => stored,
        // The file cannot be written now; beside it there may be room.
        Err(error) => store_beside(home, lock, rotation, Some(error.to_string()), room).map_err(|_| error),
        stored => stored,
    }
}

fn store_in_file(
    home: &Home,
    lock: &AccountLock,
    key: &FileKey,
    rotation: &Rotation,
    (previous, account): (&[u8], AccountConfig),
    room: &mut Room,
) -> Result<Stored, RotationError> {
    let rolled_back = key.is_rollback(previous);
    let sidecar = Sidecar::read(home, lock.name()).unwrap_or_default();
    let in_file = account.refresh_token.clone();
    let newest = in_file.as_ref().map(|token| sidecar.newest(lock.name(), token));
    match (rotation.newer(newest.as_ref(), rolled_back), newest, in_file) {
        (Newer::Disk, Some(token), Some(in_file)) => return Ok(Stored::Adopted { token, in_file }),
        (_, _, Some(in_file)) if in_file == *rotation.new => {}
        _ => {
            let mut account = AccountConfig { refresh_token: Some(rotation.new.clone()), ..account };
            login_end::note(&mut account, rotation.new, rotation.ends_at);
            write(home, lock, key, previous, &account, room)?;
        }
    }
    fault_point::reached("in-file");
    Sidecar::remove(home, lock.name());
    Ok(Stored::InFile { rolled_back })
}

impl<'a> Rotation<'a> {
    /// The token of an account's file was spent, and nothing else is known.
    pub fn of(in_file: &'a RefreshToken, new: &'a RefreshToken) -> Self {
        static NONE: Spent = Spent::new();
        Self { in_file, durable: in_file, spent: &NONE, new, ends_at: None }
    }

    /// The new token against what is on the disk.
    fn newer(&self, on_disk: Option<&RefreshToken>, rolled_back: bool) -> Newer {
        let is_spent = |token: &RefreshToken| {
            token == self.in_file || token == self.durable || self.spent.contains(token)
        };
        let evidence = Evidence {
            held: true,
            on_disk: on_disk.is_some(),
            same: on_disk == Some(self.new),
            same_login: true,
            disk_is_spent: on_disk.is_some_and(is_spent),
            rolled_back,
        };
        evidence.newer()
    }
}

/// Replaces the file, unless it has changed since `previous` was read.
fn write(
    home: &Home,
    lock: &AccountLock,
    key: &FileKey,
    previous: &[u8],
    account: &AccountConfig,
    room: &mut Room,
) -> Result<(), RotationError> {
    let bytes = key.seal(account, previous)?;
    home.replace_in(lock, previous, &bytes, room)?;
    key.note_generation(&bytes);
    Ok(())
}

fn store_beside(
    home: &Home,
    lock: &AccountLock,
    rotation: &Rotation,
    why: Option<String>,
    room: &mut Room,
) -> Result<Stored, RotationError> {
    // Nothing is put beside a file that is gone.
    home.read(lock.name())?;
    // One that cannot be read is replaced: what this agent holds is newer for all it can tell.
    let sidecar = Sidecar::read(home, lock.name()).unwrap_or_default();
    let newest = sidecar.newest(lock.name(), rotation.in_file);
    let beside = Some(&newest).filter(|newest| *newest != rotation.in_file);
    match rotation.newer(beside, false) {
        Newer::Disk => return Ok(Stored::Adopted { token: newest, in_file: rotation.in_file.clone() }),
        Newer::Neither => {}
        Newer::Memory => {
            let mut sidecar = Sidecar::read_at(home, lock.name()).unwrap_or_default();
            sidecar.put(lock.name(), rotation.in_file, rotation.new);
            sidecar.write(home, lock, room)?;
            Sidecar::remove_at_hand(home, lock.name());
        }
    }
    fault_point::reached("beside");
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
    Ok(Some(Sidecar::read(home, name)?.newest(name, in_file)).filter(|newest| newest != in_file))
}

/// Writes the sidecar's token into the account file and removes the sidecar. Whether there was anything to do.
pub fn settle(home: &Home, lock: &AccountLock, key: &FileKey) -> Result<bool, RotationError> {
    unless_changed(|| {
        let (previous, account) = open(home, lock.name(), key)?;
        let mut account = account?;
        if newest(home, lock.name(), &mut account)? == Newest::InFile {
            return Ok(false);
        }
        write(home, lock, key, &previous, &account, &mut Room::default())?;
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
