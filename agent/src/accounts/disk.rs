//! The account's file, as the agent deals with it: looked at before a refresh, rewritten after a rotation, both under
//! the advisory lock of the account. File work happens off the runtime's threads.

use std::{sync::Arc, time::Duration};

use oidc_proto::{
    account::AccountConfig,
    home::{AccountLock, Home, HomeError},
    message::FileFormat,
    rotation::{self, Rotation, RotationError, Stored},
    secret::{Password, RefreshToken},
    shortname::Shortname,
    vault::{self, FileKey, Format, Protection},
};

use tokio::time::{Instant, sleep};

use super::look::{Found, Known, Stamp, look, stamp};

/// How long another program may hold the lock of an account: longer than a provider may take to answer another agent
/// that is asking it. Going on without the lock would spend a refresh token that the other one is spending.
const LOCK_DEADLINE: Duration = Duration::from_secs(40);
/// How often a held lock is tried again.
const LOCK_AGAIN_AFTER: Duration = Duration::from_millis(20);
/// How long the lock is waited for once more when there was none before.
const SECOND_LOCK_DEADLINE: Duration = Duration::from_secs(5);

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
    /// Waits for the lock and looks. A directory without working locks (read-only, some network file systems) is
    /// looked at without; where another program does not let go of the lock that is an error.
    pub async fn lock(home: &Home, name: &Shortname, known: &Known) -> Result<(Self, Found), HomeError> {
        let deadline = Instant::now() + LOCK_DEADLINE;
        loop {
            let (home, name, known) = (home.clone(), name.clone(), known.clone());
            match off_thread(move || Inner::lock_and_look(home, name, &known)).await {
                Err(HomeError::Locked(_)) if Instant::now() < deadline => sleep(LOCK_AGAIN_AFTER).await,
                Err(error) => return Err(error),
                Ok((inner, found)) => return Ok((Self(Arc::new(inner)), found)),
            }
        }
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
    /// Fails only when another program holds the lock.
    fn lock_and_look(home: Home, name: Shortname, known: &Known) -> Result<(Self, Found), HomeError> {
        let lock = match home.lock(&name, Duration::ZERO) {
            Ok(lock) => Some(lock),
            Err(error @ HomeError::Locked(_)) => return Err(error),
            Err(HomeError::NotFound(_) | HomeError::NoDirectory) => None,
            Err(error) => {
                tracing::warn!(account = %name, %error, "no lock on the account file");
                None
            }
        };
        let inner = Self { home, name, lock };
        let found = inner.look(known);
        Ok((inner, found))
    }

    fn look(&self, known: &Known) -> Found {
        look(&self.home, &self.name, known)
    }

    fn store(
        &self,
        key: Option<&FileKey>,
        rotated: &Rotated,
    ) -> Result<(Stored, Option<Stamp>), RotationError> {
        if is_gone(&self.home, &self.name) {
            return Ok((Stored::Gone, None));
        }
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
            None => act(&self.home.lock(&self.name, SECOND_LOCK_DEADLINE)?),
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

fn is_gone(home: &Home, name: &Shortname) -> bool {
    fs_err::symlink_metadata(home.file(name)).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

/// Runs file work or a key derivation on a thread that may block.
pub async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // The runtime ends only after its tasks, so the work itself panicked: go on panicking in the request's task.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
