//! A file that only those may read who are meant to, written so that no other program ever sees half of it or follows a link
//! into it: account files, rotated refresh tokens, managed token files and those of `oidc exec`.
//!
//! The directory is opened first, without following a link of somebody else, and everything else is done at that
//! descriptor: a temporary file with its permission bits and its group before anything is in it, `fsync`, rename, `fsync` of the
//! directory. The umask has no say. Whatever goes wrong, the old file stands as it was and no temporary file stays.

mod directory;
mod error;
mod file_system;
mod leftovers;
mod location;
mod mount;
mod names;
mod overwrite;
mod sync;
mod target;
mod temporary;

use std::{
    ffi::OsStr,
    io,
    os::fd::AsFd,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{Access, AtFlags, FileType, Stat, accessat, fstat, statat, unlinkat},
    process::geteuid,
};

pub(crate) use self::{
    directory::Directory,
    overwrite::put,
    sync::{Synced, sync},
    temporary::Temporary,
};
pub use self::{
    error::WriteError,
    file_system::NetworkFileSystem,
    leftovers::{remove_leftovers, remove_leftovers_beginning},
    location::Location,
    names::{is_temporary, stem},
    target::Target,
};
use crate::fault_point;

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Whether nothing was there before.
    pub created: bool,
    /// What readers may run into.
    pub warnings: Vec<Warning>,
}

/// What readers of a file may run into that was written all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// Other machines see the file.
    #[error(
        "it is on a network file system ({0}): a reader that has the old file open may get ESTALE when it is replaced, and other machines may see the new one late"
    )]
    Network(NetworkFileSystem),
    /// Everybody may write in the directory, which is not sticky.
    #[error(
        "everybody may put another file in its place, because its directory is open to all and not sticky"
    )]
    OpenDirectory,
    /// It was rewritten as it is.
    #[error("it was written in place: a reader may see half of it")]
    NotAtomic,
    /// It may be gone after a crash of the machine.
    #[error("its file system cannot sync, so a crash of the machine may undo the write")]
    NotSynced,
}

impl Warning {
    /// A stable name for programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::Network(_) => "network_file_system",
            Self::OpenDirectory => "open_directory",
            Self::NotAtomic => "not_atomic",
            Self::NotSynced => "not_synced",
        }
    }
}

/// Writes a file, new or over the old one, which must be a regular file of this user. On any error the old one stands as it
/// was.
pub fn write(target: &Target<'_>, bytes: &[u8]) -> Result<Written, WriteError> {
    let (directory, name) = open_directory(target, target.create_directories)?;
    let at = |error: &io::Error| WriteError::at(target.path, error, &directory);
    let old = look(&directory, name, target.path)?;
    let mut warnings = Vec::new();
    warnings.extend(file_system::network(directory.as_fd()).map(Warning::Network));
    let synced = if old.is_some() && target.in_place {
        warnings.push(Warning::NotAtomic);
        overwrite::overwrite(&directory, name, target, bytes)?
    } else {
        replace(&directory, name, target, old.is_none(), bytes).map_err(|failed| match failed {
            Failed::Group(gid) => WriteError::Group { path: target.path.into(), gid },
            Failed::Io(error) => at(&error),
            Failed::Other(error) => error,
        })?
    };
    if synced == Synced::Unsupported {
        warnings.push(Warning::NotSynced);
    }
    Ok(Written { created: old.is_none(), warnings })
}

/// What stands in the way of writing a file, and what readers may run into, as far as looking tells; nothing is changed. A
/// directory that is to be made is no obstacle.
pub fn examine(target: &Target<'_>) -> Result<Vec<Warning>, WriteError> {
    let (directory, name) = match open_directory(target, false) {
        Err(WriteError::NoDirectory(_)) if target.create_directories => return Ok(Vec::new()),
        opened => opened?,
    };
    let old = look(&directory, name, target.path)?;
    let mut warnings = Vec::new();
    warnings.extend(file_system::network(directory.as_fd()).map(Warning::Network));
    if old.is_some() && target.in_place {
        warnings.push(Warning::NotAtomic);
        return Ok(warnings);
    }
    let at = |errno: rustix::io::Errno| WriteError::at(target.path, &errno.into(), &directory);
    accessat(&directory, ".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS).map_err(at)?;
    if old.is_some()
        && let Some(mount) = mount::at(target.path)
    {
        return Err(WriteError::Mounted { path: target.path.into(), mount: Some(mount) });
    }
    let found = fstat(&directory).map_err(at)?;
    if found.st_mode & 0o1002 == 0o002 {
        warnings.push(Warning::OpenDirectory);
    }
    Ok(warnings)
}

/// Removes a regular file of this user. Whether it was there.
pub fn remove(path: &Path) -> Result<bool, WriteError> {
    remove_target(&Target::private(path))
}

/// Removes what [`write()`] wrote, by the same rules. Whether it was there.
pub fn remove_target(target: &Target<'_>) -> Result<bool, WriteError> {
    let path = target.path;
    let (directory, name) = match open_directory(target, false) {
        Err(WriteError::NoDirectory(_)) => return Ok(false),
        opened => opened?,
    };
    if look(&directory, name, path)?.is_none() {
        return Ok(false);
    }
    let at = |error: io::Error| WriteError::at(path, &error, &directory);
    match unlinkat(&directory, name, AtFlags::empty()) {
        Err(rustix::io::Errno::NOENT) => return Ok(false),
        removed => removed.map_err(|errno| at(errno.into()))?,
    }
    directory.sync().map_err(at)?;
    Ok(true)
}

enum Failed {
    Group(u32),
    Io(io::Error),
    Other(WriteError),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn replace(
    directory: &Directory,
    name: &OsStr,
    target: &Target<'_>,
    is_new: bool,
    bytes: &[u8],
) -> Result<Synced, Failed> {
    let mut temporary = Temporary::create(directory, &stem(name), target.mode)?;
    if let Some(gid) = target.group {
        temporary.set_group(gid, target.mode).map_err(|_| Failed::Group(gid))?;
    }
    fault_point::reached("temporary-made");
    let synced = temporary.fill(bytes)?;
    fault_point::reached("synced");
    let placed = if is_new { temporary.persist_new(name) } else { temporary.persist(name) };
    match placed {
        // Another writer was quicker. What it put there is replaced like anything else, if it is a file of this user.
        Err(refused) if is_new && refused.error.kind() == io::ErrorKind::AlreadyExists => {
            look(directory, name, target.path).map_err(Failed::Other)?;
            refused.temporary.persist(name)
        }
        placed => placed,
    }
    .map_err(|refused| refused.error)?;
    fault_point::reached("renamed");
    Ok(synced.and(directory.sync()?))
}

/// The directory of a file, if it may be there, and the file's name in it.
fn open_directory<'a>(target: &Target<'a>, create: bool) -> Result<(Directory, &'a OsStr), WriteError> {
    let path = target.path;
    let (Some(parent), Some(name)) = (path.parent().filter(|_| path.is_absolute()), path.file_name()) else {
        return Err(WriteError::NotAbsolute(path.into()));
    };
    let directory = Directory::open_trusted(parent, create)?;
    if let Some(forbidden) = target.outside
        && directory.is_within(forbidden).map_err(|error| WriteError::at(path, &error, &directory))?
    {
        return Err(WriteError::InAgentDirectory { path: path.into(), directory: forbidden.into() });
    }
    Ok((directory, name))
}

/// What is at a name: nothing, or a regular file of this user.
fn look(directory: &Directory, name: &OsStr, path: &Path) -> Result<Option<Stat>, WriteError> {
    let found = match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        found => found.map_err(|errno| WriteError::at(path, &errno.into(), directory))?,
    };
    let path = || PathBuf::from(path);
    match FileType::from_raw_mode(found.st_mode) {
        FileType::Symlink => Err(WriteError::Link(path())),
        FileType::RegularFile if found.st_uid != geteuid().as_raw() => {
            Err(WriteError::ForeignOwner { path: path(), uid: found.st_uid })
        }
        FileType::RegularFile => Ok(Some(found)),
        _ => Err(WriteError::NotAFile(path())),
    }
}

#[cfg(test)]
mod tests;
