//! The oidc-agent directory: which one it is, what is listed, and how account files are read, locked and replaced.
//!
//! Unlike the C suite, which truncates and rewrites in place, a file here is always either the old or the new one.

pub(crate) mod file;
mod lock;
mod pending;

use std::{
    ffi::OsString,
    fs::DirBuilder,
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::Duration,
};

use zeroize::Zeroizing;

pub use self::lock::AccountLock;
pub(crate) use self::lock::lock_file;
use crate::shortname::Shortname;

/// The oidc-agent directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    path: PathBuf,
}

/// Why something in the oidc-agent directory could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HomeError {
    /// None of the candidate directories exists.
    #[error("there is no oidc-agent directory")]
    NoDirectory,
    /// `HOME` is needed to find the directory.
    #[error("the environment variable HOME is not set")]
    NoHomeVariable,
    /// The name belongs to configuration files and the like, never to an account.
    #[error("'{0}' is not a name for an account")]
    Reserved(Shortname),
    /// No such file.
    #[error("{0} does not exist")]
    NotFound(PathBuf),
    /// A directory, symbolic link, pipe or the like.
    #[error("{0} is not a regular file")]
    NotARegularFile(PathBuf),
    /// Larger than an account file may be.
    #[error("{0} is larger than 1 MiB")]
    TooLarge(PathBuf),
    /// Not readable or not writable for this user, or on a read-only file system.
    #[error("permission denied: {0}")]
    PermissionDenied(PathBuf),
    /// Somebody else held the account's lock until the deadline.
    #[error("{0} is locked by another program")]
    Locked(PathBuf),
    /// The disk or the quota is full. The old file stands as it was.
    #[error("no space left to write {0}")]
    NoSpace(PathBuf),
    /// The file was changed by another program between reading and writing.
    #[error("{0} was changed by another program")]
    Changed(PathBuf),
    /// The file that was to be made is there already.
    #[error("{0} exists already")]
    Exists(PathBuf),
    /// Anything else the operating system says; names the path.
    #[error(transparent)]
    Io(#[from] io::Error),
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
    /// The directory in use: the first that exists of `$OIDC_CONFIG_DIR`, `$HOME/.config/oidc-agent` and
    /// `$HOME/.oidc-agent`. A candidate that may not be read is passed over, as in the C suite.
    pub fn find() -> Result<Self, HomeError> {
        Self::find_with(|variable| std::env::var_os(variable))
    }

    /// [`Home::find`], or a new directory (0700) at the first of these places whose parent exists.
    pub fn find_or_create() -> Result<Self, HomeError> {
        Self::find_or_create_with(|variable| std::env::var_os(variable))
    }

    /// This directory, whether it exists or not.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    fn find_with(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, HomeError> {
        for candidate in candidates(variable)? {
            match fs_err::read_dir(&candidate) {
                Ok(_) => return Ok(Self { path: candidate }),
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(HomeError::NoDirectory)
    }

    fn find_or_create_with(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, HomeError> {
        match Self::find_with(&variable) {
            Err(HomeError::NoDirectory) => {}
            found => return found,
        }
        let mut refused = HomeError::NoDirectory;
        for path in candidates(variable)? {
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self { path }),
                // Somebody was faster.
                Err(_) if std::fs::read_dir(&path).is_ok() => return Ok(Self { path }),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => refused = file::error(&error, &path),
            }
        }
        Err(refused)
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the account's file is, whether it exists or not.
    pub fn file(&self, name: &Shortname) -> PathBuf {
        self.path.join(name.as_str())
    }

    /// The names of the account files, in byte order: regular files whose name [`Shortname::is_listed`]. Nothing is opened.
    pub fn list(&self) -> Result<Vec<Shortname>, HomeError> {
        let mut names = Vec::new();
        for entry in fs_err::read_dir(&self.path).map_err(|error| file::error(&error, &self.path))? {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().and_then(|name| name.parse::<Shortname>().ok())
            else {
                continue;
            };
            // An entry that vanishes meanwhile is no account.
            if name.is_listed() && entry.file_type().is_ok_and(|kind| kind.is_file()) {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// The account file's bytes. Only a regular file of at most 1 MiB is read; symbolic links are not followed.
    pub fn read(&self, name: &Shortname) -> Result<Zeroizing<Vec<u8>>, HomeError> {
        file::read(&self.file(name))
    }

    /// Takes the account's advisory lock, which every program of this suite holds while it changes the account's
    /// files. Waits at most `timeout`. Names that no listing shows have no lock: [`HomeError::Reserved`].
    pub fn lock(&self, name: &Shortname, timeout: Duration) -> Result<AccountLock, HomeError> {
        if !name.is_listed() {
            return Err(HomeError::Reserved(name.clone()));
        }
        AccountLock::take(self, name, timeout)
    }

    /// Writes the account's file, new or over the old one: temporary file (0600), `fsync`, rename, `fsync` of the
    /// directory. On any error the old file stands as it was.
    pub fn write(&self, lock: &AccountLock, bytes: &[u8]) -> Result<(), HomeError> {
        lock.remove_temporary_files();
        file::write(&self.file(lock.name()), &lock.stem(), bytes, None)
    }

    /// [`Home::write`], but only where no file is: [`HomeError::Exists`].
    pub fn create(&self, lock: &AccountLock, bytes: &[u8]) -> Result<(), HomeError> {
        lock.remove_temporary_files();
        file::create(&self.file(lock.name()), &lock.stem(), bytes)
    }

    /// [`Home::write`], but only over a file that still holds `previous`; the last look is right before the rename.
    /// A file that is gone is not made again: [`HomeError::NotFound`]; another content is [`HomeError::Changed`].
    ///
    /// Programs that ignore the lock (the C suite has none) lose no write but within that last instant.
    pub fn replace(&self, lock: &AccountLock, previous: &[u8], bytes: &[u8]) -> Result<(), HomeError> {
        lock.remove_temporary_files();
        file::write(&self.file(lock.name()), &lock.stem(), bytes, Some(previous))
    }

    /// Where a rotation is kept that could not be written into the account's file.
    pub(crate) fn rotated_path(&self, name: &Shortname) -> PathBuf {
        lock::rotated_path(&self.path, name)
    }

    /// [`Home::write`] for [`Home::rotated_path`].
    pub(crate) fn write_rotated(&self, lock: &AccountLock, bytes: &[u8]) -> Result<(), HomeError> {
        file::write(&self.rotated_path(lock.name()), &lock.stem(), bytes, None)
    }

    /// Deletes the account's file and everything kept beside it, and the lock itself last.
    pub fn delete(&self, lock: AccountLock) -> Result<Deleted, HomeError> {
        let file = file::remove(&self.file(lock.name()))?;
        let hidden = [self.rotated_path(lock.name()), self.pending_path(lock.name())];
        let mut leftovers = lock.remove_temporary_files();
        for path in hidden {
            leftovers += usize::from(file::remove(&path)?);
        }
        lock.remove();
        file::sync_directory(&self.path)?;
        Ok(Deleted { file, leftovers })
    }
}

/// Where the directory may be, best first.
fn candidates(variable: impl Fn(&str) -> Option<OsString>) -> Result<Vec<PathBuf>, HomeError> {
    let explicit = variable("OIDC_CONFIG_DIR").filter(|path| !path.is_empty()).map(PathBuf::from);
    let home = variable("HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    if explicit.is_none() && home.is_none() {
        return Err(HomeError::NoHomeVariable);
    }
    let below_home =
        home.into_iter().flat_map(|home| [home.join(".config/oidc-agent"), home.join(".oidc-agent")]);
    Ok(explicit.into_iter().chain(below_home).collect())
}

#[cfg(test)]
mod tests;
