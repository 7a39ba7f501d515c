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
    vault::{self, FileKey, Format, Protection, VaultError},
};

use tokio::time::{Instant, sleep};

use super::{
    look::{Found, Known, Stamp, look, stamp},
    off_thread::off_thread,
    refresh_tokens::Owed,
};

/// How long another program may hold the lock of an account: longer than a provider may take to answer another agent
/// that is asking it. Going on without the lock would spend a refresh token that the other one is spending.
const LOCK_DEADLINE: Duration = Duration::from_secs(40);
/// How soon a held lock is tried again at first, and at last: each pause is twice the one before.
///
/// A thread that waits in flock(2) would know at once, but can neither be given a deadline nor be called back: one that
/// nobody waits for any more would take the lock later, and on a network file system whose server is gone it would stay
/// for ever, one for each try. The lock is held for as long as a provider takes to answer another agent, seldom and not
/// for nothing.
const LOCK_AGAIN_AFTER: Duration = Duration::from_millis(5);
const LONGEST_LOCK_PAUSE: Duration = Duration::from_millis(160);
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
    /// looked at without; where another program does not let go of the lock that is an error. What `waiting` gives is kept
    /// for as long as another program has the lock.
    pub async fn lock<T>(
        home: &Home,
        name: &Shortname,
        known: &Known,
        waiting: impl Fn() -> T,
    ) -> Result<(Self, Found), HomeError> {
        let (deadline, mut pause) = (Instant::now() + LOCK_DEADLINE, LOCK_AGAIN_AFTER);
        let mut held_by_another = None;
        loop {
            let (home, name, known) = (home.clone(), name.clone(), known.clone());
            match off_thread(move || Inner::lock_and_look(home, name, &known)).await {
                Err(HomeError::Locked(_)) if Instant::now() < deadline => {
                    held_by_another.get_or_insert_with(&waiting);
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_LOCK_PAUSE);
                }
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

    /// Rewrites the file under a new password, by default in the format it has. Its recovery phrase and key go along if
    /// `key` opens it.
    pub async fn reprotect(
        &self,
        config: AccountConfig,
        key: Option<FileKey>,
        password: Password,
        format: Option<FileFormat>,
    ) -> Result<(FileKey, Option<Stamp>), RotationError> {
        let inner = Arc::clone(&self.0);
        off_thread(move || inner.reprotect(&config, key.as_ref(), &password, format)).await
    }

    /// Changes what is in the file, as it stands there now, under the key it has.
    pub async fn change(
        &self,
        key: FileKey,
        change: impl FnOnce(&mut AccountConfig) + Send + 'static,
    ) -> Result<Option<Stamp>, RotationError> {
        let inner = Arc::clone(&self.0);
        off_thread(move || inner.locked(|lock| inner.change_under(lock, &key, change))).await
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
        let Owed { in_file, durable, spent, new, ends_at } = owed;
        let rotation = Rotation { in_file, durable, spent, new, ends_at: *ends_at };
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

    fn change_under(
        &self,
        lock: &AccountLock,
        key: &FileKey,
        change: impl FnOnce(&mut AccountConfig),
    ) -> Result<Option<Stamp>, RotationError> {
        let previous = self.home.read(&self.name)?;
        let mut config = key.open(&previous)?;
        change(&mut config);
        self.home.replace(lock, &previous, &key.seal(&config, &previous)?)?;
        Ok(stamp(&self.home, &self.name))
    }

    fn reprotect(
        &self,
        config: &AccountConfig,
        key: Option<&FileKey>,
        password: &Password,
        format: Option<FileFormat>,
    ) -> Result<(FileKey, Option<Stamp>), RotationError> {
        self.locked(|lock| self.reprotect_under(lock, config, key, password, format))
    }

    fn reprotect_under(
        &self,
        lock: &AccountLock,
        config: &AccountConfig,
        key: Option<&FileKey>,
        password: &Password,
        format: Option<FileFormat>,
    ) -> Result<(FileKey, Option<Stamp>), RotationError> {
        let previous = self.home.read(&self.name)?;
        let native = match format {
            Some(format) => format == FileFormat::Native,
            None => vault::format_of(&previous).is_ok_and(|format| format == Format::Native),
        };
        // A file that the key does not open proves nothing: somebody may have put a phrase of his own there.
        let recovery = key.and_then(|key| key.recovery(&previous).ok()).unwrap_or_default();
        let protection = if native {
            Protection::Recoverable(password, &recovery)
        } else {
            Protection::OidcAgent(password)
        };
        let generation = vault::header(&previous).map_or(0, |header| header.generation);
        let (bytes, key) = match vault::seal_next(config, &protection, generation) {
            // Whoever is here may have forgotten the password, which is what takes such a key away. The client tells.
            Err(VaultError::RecoveryKey { .. }) => {
                let without = recovery.clone().without_gpg();
                vault::seal_next(config, &Protection::Recoverable(password, &without), generation)?
            }
            sealed => sealed?,
        };
        self.home.replace(lock, &previous, &bytes)?;
        Ok((key, stamp(&self.home, &self.name)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        refresh_tokens::RefreshTokens,
        source::played::Played,
        testing::{Bench, File, granted},
    };
    use super::*;
    use oidc_proto::vault::{Phrase, Recovery};

    /// `rt-1` was replaced by `rt-2`. What happened to the file before, whether its key is known, and what becomes of the
    /// new token.
    #[tokio::test(start_paused = true)]
    async fn where_a_successor_goes() {
        type Row = (&'static str, fn(&File), bool, &'static str, &'static str);
        let rows: &[Row] = &[
            ("nothing", |_| {}, true, "in the file", "rt-2"),
            ("nothing, and no key", |_| {}, false, "beside it", "rt-1"),
            ("another one's token", |file| file.set_token("rt-9"), true, "adopted", "rt-9"),
            ("the same, and no key", |file| file.set_token("rt-9"), false, "beside it", "rt-9"),
            ("another one's beside it", |file| file.put_beside("rt-9"), true, "adopted", "rt-1"),
            ("the same, and no key", |file| file.put_beside("rt-9"), false, "adopted", "rt-1"),
            ("deleted", |file| file.delete(), true, "gone", ""),
            ("deleted, and no key", |file| file.delete(), false, "gone", ""),
            ("no room beside it", |file| file.block_successors(), true, "in the file", "rt-2"),
        ];
        for (what, happens, has_key, becomes, in_file) in rows {
            let bench = Bench::new();
            let file = bench.write_file(&Played::new(true, |_| Ok(granted("at", ""))));
            happens(&file);
            let name: Shortname = "acc".parse().expect("a name");
            let (account_file, _) =
                AccountFile::lock(&bench.accounts.deps().home, &name, &Known::default(), || ())
                    .await
                    .unwrap_or_else(|error| panic!("{what}: {error}"));
            let mut tokens = RefreshTokens::new(Some("rt-1".into()));
            tokens.rotated("rt-2".into());
            let owed = tokens.owed().expect("not stored yet");
            let key = has_key.then(|| file.key().clone());
            let (stored, stamp) = account_file.store(key, owed, Room::default()).await.expect("stored");
            let shown = match stored {
                Stored::InFile { .. } => "in the file",
                Stored::Beside(_) => "beside it",
                Stored::InRuntimeDirectory(_) => "in the runtime directory",
                Stored::Adopted { .. } => "adopted",
                Stored::Gone => "gone",
            };
            assert_eq!((shown, file.token().as_str()), (*becomes, *in_file), "{what}");
            assert_eq!(stamp.is_some(), *becomes != "gone", "{what}");
        }
    }

    /// Two agents of one directory: the second one waits for the lock, and for no longer than a provider may take.
    #[tokio::test(start_paused = true)]
    async fn a_held_lock_is_waited_for() {
        for (held_for, is_got) in
            [(Duration::ZERO, true), (LOCK_DEADLINE / 2, true), (LOCK_DEADLINE * 2, false)]
        {
            let bench = Bench::new();
            let file = bench.write_file(&Played::new(true, |_| Ok(granted("at", ""))));
            let lock = file.lock();
            let release = tokio::spawn(async move {
                sleep(held_for).await;
                drop(lock);
            });
            let (began, name) = (Instant::now(), "acc".parse().expect("a name"));
            let got = AccountFile::lock(&bench.accounts.deps().home, &name, &Known::default(), || ()).await;
            assert_eq!(got.is_ok(), is_got, "{held_for:?}");
            let waited = began.elapsed();
            assert!(waited >= held_for.min(LOCK_DEADLINE), "{held_for:?}: {waited:?}");
            assert!(
                waited <= held_for.min(LOCK_DEADLINE) + 2 * LONGEST_LOCK_PAUSE,
                "{held_for:?}: {waited:?}"
            );
            release.abort();
        }
    }

    /// The format a file has, the one that is asked for, and the one that it has afterwards.
    #[tokio::test]
    async fn a_new_password_keeps_the_format_unless_told_otherwise() {
        for (asked, expected) in [
            (None, Format::Native),
            (Some(FileFormat::OidcAgent), Format::OidcAgent),
            (Some(FileFormat::Native), Format::Native),
        ] {
            let bench = Bench::new();
            let file = bench.write_file(&Played::new(true, |_| Ok(granted("at", ""))));
            let name = "acc".parse().expect("a name");
            let locked =
                AccountFile::lock(&bench.accounts.deps().home, &name, &Known::default(), || ()).await;
            let (account_file, _) = locked.unwrap_or_else(|error| panic!("{error}"));
            let (_, stamp) =
                account_file.reprotect(file.account(), None, "new".into(), asked).await.expect("rewritten");
            assert!(stamp.is_some());
            let unlocked = vault::unlock(&file.bytes(), &"new".into()).expect("it opens");
            assert_eq!((unlocked.format, vault::format_of(&file.bytes()).ok()), (expected, Some(expected)));
        }
    }
    /// A phrase goes along only where the key proves that it is the owner's.
    #[tokio::test]
    async fn a_new_password_keeps_the_recovery_phrase_of_a_file_that_opens() {
        let bench = Bench::new();
        let file = bench.write_file(&Played::new(true, |_| Ok(granted("at", ""))));
        let (home, phrase) = (&bench.accounts.deps().home, Phrase::random());
        let (password, recovery) = ("p".into(), Recovery::default().with_phrase(&phrase));
        let (bytes, key) =
            vault::seal_new(&file.account(), &Protection::Recoverable(&password, &recovery)).expect("sealed");
        let (account, name) = (file.account(), "acc".parse().expect("a name"));
        let locked = AccountFile::lock(home, &name, &Known::default(), || ()).await;
        let (account_file, _) = locked.unwrap_or_else(|error| panic!("{error}"));
        fs_err::write(home.file(&name), bytes).expect("written");
        let (key, _) =
            account_file.reprotect(account.clone(), Some(key), "new".into(), None).await.expect("rewritten");
        let opened = vault::unlock_with_phrase(&file.bytes(), &phrase).expect("the phrase goes on");
        assert_eq!(opened.account.refresh_token, account.refresh_token);
        drop(key);
        let old = Some(file.key().clone());
        account_file.reprotect(account, old, "newer".into(), None).await.expect("rewritten");
        assert!(vault::unlock_with_phrase(&file.bytes(), &phrase).is_err());
    }
}
