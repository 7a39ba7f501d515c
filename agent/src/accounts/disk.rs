//! The account's file, as the agent deals with it: looked at before a refresh, rewritten after a rotation, both under
//! the advisory lock of the account. File work happens off the runtime's threads.

use std::{os::unix::fs::MetadataExt, sync::Arc, time::Duration};

use oidc_proto::{
    account::AccountConfig,
    home::{AccountLock, Home, HomeError},
    message::FileFormat,
    rotation::{self, Newest, Rotation, RotationError, Stored},
    secret::{Password, RefreshToken},
    shortname::Shortname,
    vault::{self, FileKey, Format, Protection, VaultError},
};

use super::password_source::PasswordSource;

/// How long another program may hold the lock of an account before we go on without new knowledge of its file.
const LOCK_DEADLINE: Duration = Duration::from_secs(5);

/// Tells one state of a file from the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

/// What the agent knows of an account's file.
#[derive(Clone, Default)]
pub struct Known {
    /// The file as last seen.
    pub stamp: Option<Stamp>,
    /// What opens and rewrites it.
    pub key: Option<FileKey>,
    /// Where its password may be had.
    pub source: Option<PasswordSource>,
}

/// What a look at the file found.
pub enum Found {
    /// There is no file: an account may live in memory only. Or it cannot be looked at.
    Nothing,
    /// As last seen.
    Unchanged,
    /// Seen for the first time, and not readable without its password.
    FirstSeen(Stamp),
    /// New or changed since it was last seen, and read.
    Changed(Box<Changed>),
    /// Changed by another program under a key we do not have. The refresh token we hold may be spent.
    Rekeyed,
}

/// A file that was read.
pub struct Changed {
    /// What it holds now, with the newest refresh token.
    pub config: AccountConfig,
    /// The refresh token that stands in the file itself, where a newer one lies beside it.
    pub token_in_file: Option<RefreshToken>,
    /// What opens it.
    pub key: FileKey,
    /// The file as seen now.
    pub stamp: Stamp,
}

/// The tokens of a rotation; see [`Rotation`].
#[derive(Clone)]
pub struct Rotated {
    /// The token in the file, as far as is known.
    pub in_file: RefreshToken,
    /// The token that was spent.
    pub used: RefreshToken,
    /// The token the provider gave.
    pub new: RefreshToken,
}

/// An account's file under its advisory lock, where the file system has such locks.
#[derive(Clone)]
pub struct AccountFile(Arc<Inner>);

struct Inner {
    home: Home,
    name: Shortname,
    lock: Option<AccountLock>,
}

impl AccountFile {
    /// Waits for the lock, some seconds at most, and looks. A directory without working locks (read-only, some
    /// network file systems) is looked at without.
    pub async fn lock(home: Home, name: Shortname, known: Known) -> (Self, Found) {
        off_thread(move || {
            let lock = home.lock(&name, LOCK_DEADLINE).inspect_err(|error| match error {
                HomeError::NotFound(_) | HomeError::NoDirectory => {}
                error => tracing::warn!(account = %name, %error, "no lock on the account file"),
            });
            let inner = Inner { home, name, lock: lock.ok() };
            let found = inner.look(&known);
            (Self(Arc::new(inner)), found)
        })
        .await
    }

    /// Looks again.
    pub async fn look(&self, known: Known) -> Found {
        let inner = Arc::clone(&self.0);
        off_thread(move || inner.look(&known)).await
    }

    /// Makes a rotated refresh token durable; on success also tells the file's new stamp.
    pub async fn store(
        &self,
        key: Option<FileKey>,
        rotated: Rotated,
    ) -> Result<(Stored, Option<Stamp>), RotationError> {
        let inner = Arc::clone(&self.0);
        off_thread(move || inner.store(key.as_ref(), &rotated)).await
    }

    /// Rewrites the file under a new password, by default in the format it has.
    pub async fn reprotect(
        &self,
        config: AccountConfig,
        password: Password,
        format: Option<FileFormat>,
    ) -> Result<(FileKey, Option<Stamp>), RotationError> {
        let inner = Arc::clone(&self.0);
        off_thread(move || inner.reprotect(&config, &password, format)).await
    }
}

impl Inner {
    fn look(&self, known: &Known) -> Found {
        let Some(stamp) = stamp(&self.home, &self.name) else { return Found::Nothing };
        if known.stamp == Some(stamp) {
            return Found::Unchanged;
        }
        match self.read(known) {
            Some(Ok((mut config, key))) => {
                let newest = rotation::newest(&self.home, &self.name, &mut config);
                let token_in_file = match newest {
                    Ok(Newest::FromSidecar { in_file }) => Some(in_file),
                    Ok(Newest::InFile) => None,
                    Err(error) => {
                        tracing::warn!(account = %self.name, %error, "what lies beside the account file is unreadable");
                        None
                    }
                };
                Found::Changed(Box::new(Changed { config, token_in_file, key, stamp }))
            }
            Some(Err(error)) => {
                tracing::warn!(account = %self.name, %error, "the account file was changed and does not open");
                Found::Rekeyed
            }
            None if known.stamp.is_none() => Found::FirstSeen(stamp),
            None => Found::Rekeyed,
        }
    }

    /// The account in the file; `None` without a key and without a password.
    fn read(&self, known: &Known) -> Option<Result<(AccountConfig, FileKey), VaultError>> {
        let bytes = match self.home.read(&self.name) {
            Ok(bytes) => bytes,
            Err(error) => {
                tracing::warn!(account = %self.name, %error, "the account file cannot be read");
                return None;
            }
        };
        let by_key = known.key.as_ref().map(|key| key.open(&bytes).map(|config| (config, key.clone())));
        if let Some(Ok(opened)) = by_key {
            return Some(Ok(opened));
        }
        let password = known.source.as_ref().and_then(PasswordSource::password);
        let by_password = password.map(|password| {
            let unlocked = match vault::format_of(&bytes)? {
                Format::OpenPgp => vault::unlock_with_gpg(&bytes)?,
                _ => vault::unlock(&bytes, &password)?,
            };
            Ok((unlocked.account, unlocked.key))
        });
        by_password.or(by_key)
    }

    fn store(
        &self,
        key: Option<&FileKey>,
        rotated: &Rotated,
    ) -> Result<(Stored, Option<Stamp>), RotationError> {
        let rotation = Rotation { in_file: &rotated.in_file, used: &rotated.used, new: &rotated.new };
        let stored = self.locked(|lock| rotation::store(&self.home, lock, key, &rotation))?;
        Ok((stored, stamp(&self.home, &self.name)))
    }

    /// Under the lock we have, or after another try to get it: nothing is written without.
    fn locked<T>(
        &self,
        act: impl FnOnce(&AccountLock) -> Result<T, RotationError>,
    ) -> Result<T, RotationError> {
        match &self.lock {
            Some(lock) => act(lock),
            None => act(&self.home.lock(&self.name, LOCK_DEADLINE)?),
        }
    }

    fn reprotect(
        &self,
        config: &AccountConfig,
        password: &Password,
        format: Option<FileFormat>,
    ) -> Result<(FileKey, Option<Stamp>), RotationError> {
        self.locked(|lock| self.reprotect_under(lock, config, password, format))
    }

    fn reprotect_under(
        &self,
        lock: &AccountLock,
        config: &AccountConfig,
        password: &Password,
        format: Option<FileFormat>,
    ) -> Result<(FileKey, Option<Stamp>), RotationError> {
        let previous = self.home.read(&self.name)?;
        let native = match format {
            Some(format) => format == FileFormat::Native,
            None => vault::format_of(&previous).is_ok_and(|format| format == Format::Native),
        };
        let protection = if native { Protection::Native(password) } else { Protection::OidcAgent(password) };
        let generation = vault::header(&previous).map_or(0, |header| header.generation);
        let (bytes, key) = vault::seal_next(config, &protection, generation)?;
        self.home.replace(lock, &previous, &bytes)?;
        Ok((key, stamp(&self.home, &self.name)))
    }
}

/// The file's stamp; `None` when there is no file that could be read.
pub fn stamp(home: &Home, name: &Shortname) -> Option<Stamp> {
    let metadata = fs_err::symlink_metadata(home.file(name)).ok().filter(std::fs::Metadata::is_file)?;
    Some(Stamp {
        device: metadata.dev(),
        inode: metadata.ino(),
        size: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
    })
}

/// The key of an account's file, when the password is the right one.
pub fn key_of(home: &Home, name: &Shortname, password: &Password) -> Option<FileKey> {
    let bytes = home.read(name).ok()?;
    vault::unlock(&bytes, password).ok().map(|unlocked| unlocked.key)
}

/// Runs file work or a key derivation on a thread that may block.
pub async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // The runtime ends only after its tasks, so the work itself panicked: go on panicking in the request's task.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
