//! The advisory lock of one account, a hidden file beside the account's.

use std::{
    fs::File,
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use rustix::{fs::FlockOperation, io::Errno};

use super::{Home, HomeError, file, link, remark::remark};
use crate::shortname::Shortname;

/// How often a held lock is tried again; the operating system has no lock with a deadline.
const RETRY_EVERY: Duration = Duration::from_millis(10);
/// The longest name that still fits into the names of the files beside it.
const LONGEST_STEM: usize = 200;

/// The lock of one account, released when dropped.
#[derive(Debug)]
pub struct AccountLock {
    directory: PathBuf,
    name: Shortname,
    path: PathBuf,
    _file: Option<File>,
}

impl AccountLock {
    pub(super) fn take(home: &Home, name: &Shortname, timeout: Duration) -> Result<Self, HomeError> {
        let path = home.path().join(format!(".{}.lock", stem(name)));
        let file = match lock_file(&path, timeout) {
            // Nothing can be made in the directory, but the account's file may be written in place: then it is its own
            // lock.
            Err(HomeError::PermissionDenied(_)) if !path.exists() => {
                let account = link::resolve(&home.file(name))?;
                let opened = file::open(&account)?;
                take(&opened, &account, timeout)?.then_some(opened)
            }
            taken => taken?,
        };
        Ok(Self { directory: home.path().into(), name: name.clone(), path, _file: file })
    }

    /// Whose lock it is.
    pub fn name(&self) -> &Shortname {
        &self.name
    }

    /// What the names of the account's hidden files are made of.
    pub(super) fn stem(&self) -> String {
        stem(&self.name)
    }

    /// Removes what writers left that were killed before their rename: under the lock nobody else writes. How many.
    pub(super) fn remove_temporary_files(&self) -> usize {
        let Ok(entries) = fs_err::read_dir(&self.directory) else { return 0 };
        let is_ours = |name: &str| is_temporary(name, &self.stem());
        entries
            .flatten()
            .filter(|entry| entry.file_name().to_str().is_some_and(is_ours))
            .filter(|entry| file::remove(&entry.path()).unwrap_or(false))
            .count()
    }

    /// Removes the lock file. Who waits for it sees that its file is gone and takes a new one.
    pub(super) fn remove(self) {
        // A lock file that stays harms nobody.
        drop(file::remove(&self.path));
    }
}

/// Where a rotation is kept that could not be written into the account's file.
pub(super) fn rotated_path(directory: &Path, name: &Shortname) -> PathBuf {
    directory.join(format!(".{}.rotated", stem(name)))
}

/// Where the journal lies while an account's file is rewritten in place.
pub(super) fn journal_path(directory: &Path, name: &Shortname) -> PathBuf {
    directory.join(format!(".{}.journal", stem(name)))
}

/// Where a registration is kept until its login is done.
pub(super) fn pending_path(directory: &Path, name: &Shortname) -> PathBuf {
    directory.join(format!(".{}.pending", stem(name)))
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
        let opened = open(path).map_err(|e| file::error(&e, path))?;
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
            Err(errno) => return Err(file::error(&errno.into(), path)),
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

/// The account's name, or a digest of it where the name is too long to be part of a longer one.
fn stem(name: &Shortname) -> String {
    if name.as_str().len() <= LONGEST_STEM {
        return name.to_string();
    }
    URL_SAFE_NO_PAD.encode(digest(&SHA256, name.as_str().as_bytes()))
}

/// Whether a file name is `.<stem>.<6 characters>.tmp`, so that account `a` leaves those of account `a.b` alone.
fn is_temporary(file_name: &str, stem: &str) -> bool {
    let random = file_name
        .strip_prefix('.')
        .and_then(|rest| rest.strip_prefix(stem))
        .and_then(|rest| rest.strip_prefix('.'))
        .and_then(|rest| rest.strip_suffix(file::TEMPORARY_SUFFIX));
    random.is_some_and(|random| {
        random.len() == file::RANDOM_LEN && random.bytes().all(|b| b.is_ascii_alphanumeric())
    })
}
