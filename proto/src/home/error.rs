//! Why something in the oidc-agent directory could not be done.

use std::{
    io,
    path::{Path, PathBuf},
};

use rustix::io::Errno;

use crate::shortname::Shortname;

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
    /// There is no directory, and none could be made.
    #[error("cannot make the oidc-agent directory {}: {reason}; set HOME or OIDC_CONFIG_DIR to a place that can be written", path.display())]
    CannotMake {
        /// The first place that was tried.
        path: PathBuf,
        /// What the operating system said.
        reason: String,
    },
    /// The name belongs to configuration files and the like, never to an account.
    #[error("'{0}' is not a name for an account")]
    Reserved(Shortname),
    /// No such file.
    #[error("{0} does not exist")]
    NotFound(PathBuf),
    /// A directory, symbolic link, pipe or the like.
    #[error("{0} is not a regular file")]
    NotARegularFile(PathBuf),
    /// Something on the way is no directory.
    #[error("{0} cannot exist: something on the way to it is not a directory")]
    NotADirectory(PathBuf),
    /// A symbolic link of somebody else, or to a file of somebody else.
    #[error("{0} is a symbolic link that does not belong to you, or leads to a file that does not")]
    ForeignLink(PathBuf),
    /// A mount point of its own: it can be rewritten, but neither be replaced nor deleted.
    #[error("{0} cannot be replaced or deleted, because it is mounted by itself")]
    CannotReplace(PathBuf),
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

impl HomeError {
    /// What the operating system says of a path.
    pub(crate) fn at(path: &Path, error: &io::Error) -> Self {
        use io::ErrorKind;
        // A symbolic link, and a socket or a pipe without a partner.
        if let Some(Errno::LOOP | Errno::NXIO) = Errno::from_io_error(error) {
            return Self::NotARegularFile(path.into());
        }
        match error.kind() {
            ErrorKind::IsADirectory => Self::NotARegularFile(path.into()),
            ErrorKind::NotFound => Self::NotFound(path.into()),
            ErrorKind::NotADirectory => Self::NotADirectory(path.into()),
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                Self::PermissionDenied(path.into())
            }
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                Self::NoSpace(path.into())
            }
            // A mount point of its own, or bound from another file system.
            ErrorKind::ResourceBusy | ErrorKind::CrossesDevices => Self::CannotReplace(path.into()),
            kind => Self::Io(io::Error::new(kind, format!("{}: {error}", path.display()))),
        }
    }
}
