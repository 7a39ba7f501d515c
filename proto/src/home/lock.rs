//! The advisory lock of one account, a hidden file beside the account's.

use std::{
    fs::File,
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::{fs::FlockOperation, io::Errno};

use super::{
    error::HomeError,
    link,
    names::{self, lock_path},
    private_file,
    remark::remark,
};
use crate::shortname::Shortname;

/// How often a held lock is tried again; the operating system has no lock with a deadline.
const RETRY_EVERY: Duration = Duration::from_millis(10);

/// The lock of one account, released when dropped.
#[derive(Debug)]
pub struct AccountLock {
    directory: PathBuf,
    name: Shortname,
    path: PathBuf,
    _file: Option<File>,
}

impl AccountLock {
    /// Takes the lock of an account whose files lie in `directory`.
    pub(super) fn take(directory: &Path, name: &Shortname, timeout: Duration) -> Result<Self, HomeError> {
        let path = lock_path(directory, &names::stem(name));
        let file = match lock_file(&path, timeout) {
            // Nothing can be made in the directory, but the account's file may be written in place: then it is its own
            // lock.
            Err(HomeError::PermissionDenied(_)) if !path.exists() => {
                let account = link::resolve(&directory.join(name.as_str()))?;
                let opened = private_file::open(&account)?;
                take(&opened, &account, timeout)?.then_some(opened)
            }
            taken => taken?,
        };
        Ok(Self { directory: directory.into(), name: name.clone(), path, _file: file })
    }

    /// Whose lock it is.
    pub fn name(&self) -> &Shortname {
        &self.name
    }

    /// What the names of the account's hidden files are made of.
    pub(super) fn stem(&self) -> String {
        names::stem(&self.name)
    }

    /// Removes what writers left that were killed before their rename: under the lock nobody else writes. How many.
    pub(super) fn remove_temporary_files(&self) -> usize {
        let Ok(entries) = fs_err::read_dir(&self.directory) else { return 0 };
        let is_ours = |name: &str| crate::private_file::is_temporary(name, &self.stem());
        entries
            .flatten()
            .filter(|entry| entry.file_name().to_str().is_some_and(is_ours))
            .filter(|entry| private_file::remove(&entry.path()).unwrap_or(false))
            .count()
    }

    /// Removes the lock file. Who waits for it sees that its file is gone and takes a new one.
    pub(super) fn remove(self) {
        // A lock file that stays harms nobody.
        drop(private_file::remove(&self.path));
    }
}

/// Whether flock(2) itself is missing or broken: Lustre, NFS without its lock daemon, some FUSE file systems.
fn is_lacking(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::NOLCK | Errno::NOSYS | Errno::OPNOTSUPP | Errno::IO | Errno::INVAL | Errno::BADF | Errno::PERM
    )
}

/// Takes an exclusive lock on a lock file, made if needed. `None` where the file system knows no locks: a lock that
/// nobody can take must not keep people from their accounts.
pub(crate) fn lock_file(path: &Path, timeout: Duration) -> Result<Option<File>, HomeError> {
    let deadline = Instant::now() + timeout;
    loop {
        let opened = open(path).map_err(|e| HomeError::at(path, &e))?;
        if !take(&opened, path, deadline.saturating_duration_since(Instant::now()))? {
            return Ok(None);
        }
        // Otherwise deleted together with its account while we waited: the lock is on the file that is there now.
        if is_still_at(&opened, path) {
            return Ok(Some(opened));
        }
    }
}

/// Locks an open file. `false` where the file system knows no locks.
fn take(opened: &File, path: &Path, timeout: Duration) -> Result<bool, HomeError> {
    let deadline = Instant::now() + timeout;
    loop {
        match rustix::fs::flock(opened, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(true),
            Err(Errno::WOULDBLOCK | Errno::INTR) => {}
            Err(errno) if is_lacking(errno) => {
                let path = path.display();
                remark(format!(
                    "{path}: its file system has no locks, so nothing keeps other programs out ({errno})"
                ));
                return Ok(false);
            }
            Err(errno) => return Err(HomeError::at(path, &errno.into())),
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(HomeError::Locked(path.into()));
        }
        std::thread::sleep(RETRY_EVERY.min(left));
    }
}

fn open(path: &Path) -> io::Result<File> {
    // Not through a link, and not waiting for a pipe.
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let no_follow = i32::try_from(flags.bits()).unwrap_or_default();
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(no_follow)
        .open(path)
}

fn is_still_at(opened: &File, path: &Path) -> bool {
    match (std::fs::symlink_metadata(path), opened.metadata()) {
        (Ok(there), Ok(ours)) => (there.dev(), there.ino()) == (ours.dev(), ours.ino()),
        _ => false,
    }
}
