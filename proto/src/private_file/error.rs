//! Why a file could not be written.

use std::{
    io,
    os::fd::AsFd,
    path::{Path, PathBuf},
};

use rustix::io::Errno;

use super::{
    file_system::{self, NetworkFileSystem},
    mount,
};

/// Why a file could not be written or removed. What was there stands as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The path does not begin at the root, or names no file.
    #[error("'{}' is not the absolute path of a file", .0.display())]
    NotAbsolute(PathBuf),
    /// A directory on the way is missing.
    #[error("the directory {} does not exist: make it, or let it be made (`create_dirs = true`)", .0.display())]
    NoDirectory(PathBuf),
    /// Something on the way is no directory.
    #[error("{} is not a directory", .0.display())]
    NotADirectory(PathBuf),
    /// A symbolic link of somebody else on the way.
    #[error("{} is a symbolic link of another user (uid {uid}), who could lead it anywhere: name the directory itself", path.display())]
    ForeignLink {
        /// The link.
        path: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// A symbolic link where the file is to be.
    #[error("{} is a symbolic link, which is not followed: name the file that it leads to, or remove it", .0.display())]
    Link(PathBuf),
    /// A directory, pipe, socket or device where the file is to be.
    #[error("{} is there and is not a regular file: choose another path", .0.display())]
    NotAFile(PathBuf),
    /// The file that is there is somebody else's.
    #[error("{} belongs to another user (uid {uid}): choose another path, or have it removed", path.display())]
    ForeignOwner {
        /// The file.
        path: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// It would be in the oidc-agent directory, by its name or by links.
    #[error("{} is in the oidc-agent directory {}, where it could replace an account: choose another path", path.display(), directory.display())]
    InAgentDirectory {
        /// The file.
        path: PathBuf,
        /// The oidc-agent directory.
        directory: PathBuf,
    },
    /// A mount point of its own.
    #[error("{} cannot be replaced, because it is mounted by itself{}: mount its directory instead, or say `write = \"in-place\"`", path.display(), .mount.as_deref().map(|mount| format!(" ({mount})")).unwrap_or_default())]
    Mounted {
        /// The file.
        path: PathBuf,
        /// What is mounted there, if the kernel tells.
        mount: Option<String>,
    },
    /// The agent's user may not write there.
    #[error("permission denied: {}{}", path.display(), .network.map(NetworkFileSystem::denial).unwrap_or_default())]
    PermissionDenied {
        /// The file.
        path: PathBuf,
        /// The kind of network file system it is on, if it is on one.
        network: Option<NetworkFileSystem>,
    },
    /// The group may not be given: this user is no member.
    #[error("{} cannot be given the group {gid}, of which this user is not a member", path.display())]
    Group {
        /// The file.
        path: PathBuf,
        /// The group.
        gid: u32,
    },
    /// The permission bits of a file that is written in place cannot be set.
    #[error("the permissions of {} cannot be set to {mode:o}, so it is not written in place", path.display())]
    Mode {
        /// The file.
        path: PathBuf,
        /// The permission bits.
        mode: u32,
    },
    /// The file system is read-only.
    #[error("{} is on a file system that is read-only: choose another path", .0.display())]
    ReadOnly(PathBuf),
    /// The disk is full.
    #[error("no space left on the disk to write {}", .0.display())]
    NoSpace(PathBuf),
    /// The user's quota is used up.
    #[error("the disk quota is used up, so {} cannot be written", .0.display())]
    Quota(PathBuf),
    /// A network file system has lost the directory.
    #[error("{} is on a network file system that no longer knows its directory (ESTALE)", .0.display())]
    Stale(PathBuf),
    /// Anything else that the operating system says.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
}

impl WriteError {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAbsolute(_) => "not_absolute",
            Self::NoDirectory(_) => "no_directory",
            Self::NotADirectory(_) => "not_a_directory",
            Self::ForeignLink { .. } => "foreign_link",
            Self::Link(_) => "link",
            Self::NotAFile(_) => "not_a_file",
            Self::ForeignOwner { .. } => "foreign_owner",
            Self::InAgentDirectory { .. } => "in_agent_directory",
            Self::Mounted { .. } => "mounted",
            Self::PermissionDenied { .. } => "permission_denied",
            Self::Group { .. } => "group",
            Self::Mode { .. } => "mode",
            Self::ReadOnly(_) => "read_only",
            Self::NoSpace(_) => "no_space",
            Self::Quota(_) => "quota",
            Self::Stale(_) => "stale",
            Self::Io { .. } => "io",
        }
    }

    /// What the operating system says of a file in an open directory.
    pub(super) fn at(path: &Path, error: &io::Error, directory: impl AsFd) -> Self {
        Self::of(path, error, || file_system::network(directory.as_fd()))
    }

    /// What it says of a directory on the way.
    pub(super) fn on_the_way(path: &Path, errno: Errno) -> Self {
        match errno {
            Errno::NOENT => Self::NoDirectory(path.into()),
            Errno::NOTDIR => Self::NotADirectory(path.into()),
            errno => Self::of(path, &errno.into(), || file_system::network_of(path)),
        }
    }

    fn of(path: &Path, error: &io::Error, network: impl Fn() -> Option<NetworkFileSystem>) -> Self {
        let path = PathBuf::from(path);
        match Errno::from_io_error(error) {
            Some(Errno::BUSY | Errno::XDEV) => Self::Mounted { mount: mount::at(&path), path },
            Some(Errno::ACCESS | Errno::PERM) => Self::PermissionDenied { path, network: network() },
            Some(Errno::ROFS) => Self::ReadOnly(path),
            Some(Errno::NOSPC) => Self::NoSpace(path),
            Some(Errno::DQUOT) => Self::Quota(path),
            Some(Errno::STALE) => Self::Stale(path),
            Some(Errno::LOOP) => Self::Link(path),
            Some(Errno::ISDIR) => Self::NotAFile(path),
            _ => Self::Io { source: io::Error::new(error.kind(), error.to_string()), path },
        }
    }
}
