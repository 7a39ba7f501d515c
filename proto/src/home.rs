//! The oidc-agent directory: which one it is, what is listed, and how account files are read, locked and replaced.
//!
//! Unlike the C suite, which truncates and rewrites in place, a file here is always either the old or the new one. Where
//! it cannot be replaced it is rewritten in place, under a journal.

mod certificates;
mod companion;
mod error;
mod hidden;
mod in_place;
mod link;
mod lock;
mod modes;
pub(crate) mod names;
mod pending;
mod place;
pub(crate) mod private_file;
mod registrations;
mod remark;
mod temporary;

use std::{
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use zeroize::Zeroizing;

pub(crate) use self::lock::lock_file;
use self::private_file::PrivateFile;
pub use self::{
    error::HomeError,
    hidden::{HiddenFile, HiddenKind},
    lock::AccountLock,
    registrations::{RegisteredClient, Registrations},
    remark::on_remark,
    temporary::Room,
};
use crate::shortname::Shortname;

/// What the configuration of managed token files is called in the oidc-agent directory.
pub const FILES_TOML: &str = "files.toml";

/// The oidc-agent directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    path: PathBuf,
    /// What stands in for it while it cannot be written: see [`Home::stand_in`].
    runtime: Option<PathBuf>,
}

/// Whether an account has a file.
#[derive(Debug)]
pub enum Presence {
    /// Something is there.
    There,
    /// The directory was read, and no such name is in it.
    Gone,
    /// The directory is missing or cannot be read: nobody knows.
    Unknown(HomeError),
}

/// What [`Home::delete`] removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Deleted {
    /// The account file was there.
    pub file: bool,
    /// How many leftovers were there: a kept rotation, a pending registration, temporary files. The lock file is not
    /// counted.
    pub leftovers: usize,
}

impl Home {
    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the account's file is, whether it exists or not.
    pub fn file(&self, name: &Shortname) -> PathBuf {
        self.path.join(name.as_str())
    }

    /// The names of the account files, in byte order: regular files, and links to regular files that [`Home::read`]
    /// follows, whose name [`Shortname::is_listed`]. Nothing is opened.
    pub fn list(&self) -> Result<Vec<Shortname>, HomeError> {
        let mut names = Vec::new();
        for entry in fs_err::read_dir(&self.path).map_err(|error| HomeError::at(&self.path, &error))? {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().and_then(|name| name.parse::<Shortname>().ok())
            else {
                continue;
            };
            // An entry that vanishes meanwhile is no account.
            let is_account = entry.file_type().is_ok_and(|kind| {
                kind.is_file() || (kind.is_symlink() && link::resolve(&entry.path()).is_ok())
            });
            if name.is_listed() && is_account {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// The account file's bytes. Only a regular file of at most 1 MiB is read. A symbolic link is followed where it and
    /// the file it leads to belong to this user or to root.
    pub fn read(&self, name: &Shortname) -> Result<Zeroizing<Vec<u8>>, HomeError> {
        let path = link::resolve(&self.file(name))?;
        let journal = names::journal_path(&self.path, name);
        let bytes = PrivateFile { path: &path, stem: &names::stem(name), journal: Some(&journal) }.read()?;
        modes::look_at(&self.path);
        modes::look_at(&path);
        Ok(bytes)
    }

    /// Whether the account has a file. Only a directory that could be read says that it has none: one that is not there,
    /// such as a home directory that is not mounted, says nothing.
    pub fn presence(&self, name: &Shortname) -> Presence {
        // Opening asks a network file system anew, looking may not.
        match private_file::open(&self.file(name)) {
            Err(HomeError::NotFound(_)) => {}
            Err(error @ (HomeError::NotADirectory(_) | HomeError::Io(_))) => return Presence::Unknown(error),
            _ => return Presence::There,
        }
        let entries = fs_err::read_dir(&self.path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        match entries {
            Ok(entries) if entries.iter().any(|entry| entry.file_name() == name.as_str()) => Presence::There,
            Ok(_) => Presence::Gone,
            Err(error) => Presence::Unknown(HomeError::at(&self.path, &error)),
        }
    }

    /// Takes the account's advisory lock, which every program of this suite holds while it changes the account's
    /// files. Waits at most `timeout`. Names that no listing shows have no lock: [`HomeError::Reserved`].
    pub fn lock(&self, name: &Shortname, timeout: Duration) -> Result<AccountLock, HomeError> {
        if !name.is_listed() {
            return Err(HomeError::Reserved(name.clone()));
        }
        AccountLock::take(&self.path, name, timeout)
    }

    /// Keeps other programs of this suite from changing the configuration of managed files (`files.toml` and `files.d`), until
    /// the value is dropped. Waits at most `timeout`: [`HomeError::Locked`]. Holds nothing where the file system has no locks.
    pub fn lock_configuration(&self, timeout: Duration) -> Result<ConfigurationLock, HomeError> {
        let path = names::lock_path(&self.path, FILES_TOML);
        Ok(ConfigurationLock { _file: lock_file(&path, timeout)? })
    }

    /// Writes the account's file, new or over the old one: temporary file (0600), `fsync`, rename, `fsync` of the
    /// directory. Where the file cannot be replaced it is rewritten in place, under a journal. On any error the old file
    /// stands as it was.
    pub fn write(&self, lock: &AccountLock, bytes: &[u8]) -> Result<(), HomeError> {
        lock.remove_temporary_files();
        self.write_file(lock, None, bytes, &mut Room::default())
    }

    /// [`Home::write`], but only where no file is: [`HomeError::Exists`].
    pub fn create(&self, lock: &AccountLock, bytes: &[u8]) -> Result<(), HomeError> {
        lock.remove_temporary_files();
        PrivateFile { path: &self.file(lock.name()), stem: &lock.stem(), journal: None }.create(bytes)
    }

    /// [`Home::write`], but only over a file that still holds `previous`; the last look is right before the rename.
    /// A file that is gone is not made again: [`HomeError::NotFound`]; another content is [`HomeError::Changed`].
    ///
    /// Programs that ignore the lock (the C suite has none) lose no write but within that last instant.
    pub fn replace(&self, lock: &AccountLock, previous: &[u8], bytes: &[u8]) -> Result<(), HomeError> {
        self.replace_in(lock, previous, bytes, &mut Room::default())
    }

    /// [`Home::replace`] in room that was made before.
    pub(crate) fn replace_in(
        &self,
        lock: &AccountLock,
        previous: &[u8],
        bytes: &[u8],
        room: &mut Room,
    ) -> Result<(), HomeError> {
        if room.is_empty() {
            lock.remove_temporary_files();
        }
        self.write_file(lock, Some(previous), bytes, room)
    }

    fn write_file(
        &self,
        lock: &AccountLock,
        expected: Option<&[u8]>,
        bytes: &[u8],
        room: &mut Room,
    ) -> Result<(), HomeError> {
        let path = link::resolve(&self.file(lock.name()))?;
        let journal = names::journal_path(&self.path, lock.name());
        let file = PrivateFile { path: &path, stem: &lock.stem(), journal: Some(&journal) };
        file.write(bytes, expected, room)
    }

    /// Makes room for the account's next refresh token before it is asked for, and finds out whether it can be stored:
    /// in the directory of its file or in this one, or else in the file as it is. `size` in bytes; 0 only finds out.
    /// What stands in the way is in the error.
    pub fn make_room(&self, lock: &AccountLock, size: usize) -> Result<Room, HomeError> {
        lock.remove_temporary_files();
        private_file::is_free(&self.rotated_path(lock.name()))?;
        let (path, stem) = (link::resolve(&self.file(lock.name()))?, lock.stem());
        let directory = path.parent().unwrap_or(&self.path);
        let made = Room::make(directory, &stem, size);
        let made =
            if directory == self.path { made } else { made.or_else(|_| Room::make(&self.path, &stem, size)) };
        match made {
            Err(HomeError::PermissionDenied(_)) if is_writable(&path) => Ok(Room::default()),
            made => made,
        }
    }

    /// Where a rotation is kept that could not be written into the account's file.
    pub fn rotated_path(&self, name: &Shortname) -> PathBuf {
        names::rotated_path(&self.path, name)
    }

    /// [`Home::write`] for [`Home::rotated_path`].
    pub(crate) fn write_rotated(
        &self,
        lock: &AccountLock,
        bytes: &[u8],
        room: &mut Room,
    ) -> Result<(), HomeError> {
        let path = self.rotated_path(lock.name());
        PrivateFile { path: &path, stem: &lock.stem(), journal: None }.replace(bytes, None, room)
    }

    /// Deletes the account's file (a symbolic link itself, not where it leads), everything kept beside it, and the lock
    /// itself last.
    pub fn delete(&self, lock: AccountLock) -> Result<Deleted, HomeError> {
        let file = private_file::remove(&self.file(lock.name()))?;
        let hidden = [
            names::rotated_path(&self.path, lock.name()),
            names::pending_path(&self.path, lock.name()),
            names::journal_path(&self.path, lock.name()),
            names::certificates_path(&self.path, lock.name()),
        ];
        let mut leftovers = lock.remove_temporary_files();
        for path in hidden {
            leftovers += usize::from(private_file::remove(&path)?);
        }
        if let Some(stand_in) = self.existing_stand_in() {
            leftovers += usize::from(private_file::remove(&stand_in.rotated_path(lock.name()))?);
        }
        lock.remove();
        private_file::sync_directory(&self.path)?;
        Ok(Deleted { file, leftovers })
    }
}

/// Whoever has it is the only program of this suite that changes the configuration of managed files.
#[derive(Debug)]
pub struct ConfigurationLock {
    _file: Option<std::fs::File>,
}

/// Whether a regular file that is there can be written as it is.
fn is_writable(path: &Path) -> bool {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let opened = std::fs::OpenOptions::new().write(true).custom_flags(flags).open(path);
    opened.and_then(|opened| opened.metadata()).is_ok_and(|metadata| metadata.is_file())
}

#[cfg(test)]
mod tests;
