//! The account's file, as the agent deals with it: looked at before a refresh, rewritten after a rotation, both under
//! the advisory lock of the account. File work happens off the runtime's threads.

use std::{sync::Arc, time::Duration};

use oidc_proto::{
    account::AccountConfig,
    home::{AccountLock, Home, HomeError, Presence, Room},
    message::FileFormat,
    rotation::{self, Rotation, RotationError, Stored},
    secret::Password,
    shortname::Shortname,
    vault::{self, FileKey, Format, Protection},
};

use tokio::time::{Instant, sleep};

use super::{
    look::{Found, Known, Stamp, look, stamp},
    refresh_tokens::Owed,
};

/// How long another program may hold the lock of an account: longer than a provider may take to answer another agent
/// that is asking it. Going on without the lock would spend a refresh token that the other one is spending.
const LOCK_DEADLINE: Duration = Duration::from_secs(40);
/// How often a held lock is tried again.
const LOCK_AGAIN_AFTER: Duration = Duration::from_millis(20);
/// How long the lock is waited for once more when there was none before.
const SECOND_LOCK_DEADLINE: Duration = Duration::from_secs(5);

/// What a successor may take on the disk, in bytes: an account file with room to spare.
const ROOM: usize = 16 * 1024;

/// An account's file under its advisory lock, where the file system has such locks.
#[derive(Clone)]
pub struct AccountFile(Arc<Inner>);

struct Inner {
    home: Home,
    name: Shortname,
    /// Or why there is none.
    lock: Result<AccountLock, HomeError>,
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

    /// Makes room for a successor before a refresh token is spent; `may_rotate` is false where the provider is known to
    /// leave it as it is. An account without a file needs none.
    pub async fn make_room(&self, may_rotate: bool) -> Result<Room, HomeError> {
        let inner = Arc::clone(&self.0);
        off_thread(move || inner.make_room(if may_rotate { ROOM } else { 0 })).await
    }

    /// Whether a successor could be kept in the runtime directory for now.
    pub async fn has_stand_in(&self) -> bool {
        let inner = Arc::clone(&self.0);
        off_thread(move || inner.home.has_stand_in()).await
    }

    /// Makes a rotated refresh token durable; on success also tells the file's new stamp.
    pub async fn store(
        &self,
        key: Option<FileKey>,
        owed: Owed,
        room: Room,
    ) -> Result<(Stored, Option<Stamp>), RotationError> {
        let inner = Arc::clone(&self.0);
        off_thread(move || inner.store(key.as_ref(), &owed, room)).await
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
            Err(error @ HomeError::Locked(_)) => return Err(error),
            lock => lock,
        };
        let inner = Self { home, name, lock };
        let found = inner.look(known);
        Ok((inner, found))
    }

    fn look(&self, known: &Known) -> Found {
        look(&self.home, &self.name, known)
    }

    fn make_room(&self, size: usize) -> Result<Room, HomeError> {
        if matches!(self.home.presence(&self.name), Presence::Gone) {
            return Ok(Room::default());
        }
        match &self.lock {
            Ok(lock) => self.home.make_room(lock, size),
            Err(_) => self.home.make_room(&self.home.lock(&self.name, Duration::ZERO)?, size),
        }
    }

    fn store(
        &self,
        key: Option<&FileKey>,
        owed: &Owed,
        mut room: Room,
    ) -> Result<(Stored, Option<Stamp>), RotationError> {
        let Owed { in_file, durable, spent, new } = owed;
        let rotation = Rotation { in_file, durable, spent, new };
        let stored = self.locked(|lock| rotation::store(&self.home, lock, key, &rotation, &mut room));
        let stored = match stored {
            // Without a lock nothing is written in the directory.
            Err(error) if matches!(self.home.presence(&self.name), Presence::Gone) => {
                tracing::debug!(account = %self.name, %error, "an account without a file");
                Stored::Gone
            }
            Err(error) => rotation::keep_at_hand(&self.home, &self.name, durable, new)
                .map(|()| Stored::InRuntimeDirectory(error.to_string()))
                .map_err(|_| error)?,
            Ok(stored) => stored,
        };
        Ok((stored, stamp(&self.home, &self.name)))
    }

    /// Under the lock we have, or after another try to get it: nothing is written without.
    fn locked<T>(
        &self,
        act: impl FnOnce(&AccountLock) -> Result<T, RotationError>,
    ) -> Result<T, RotationError> {
        match &self.lock {
            Ok(lock) => act(lock),
            Err(_) => act(&self.home.lock(&self.name, SECOND_LOCK_DEADLINE)?),
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

/// Runs file work or a key derivation on a thread that may block.
pub async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // The runtime ends only after its tasks, so the work itself panicked: go on panicking in the request's task.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
