//! A directory that is open: whatever becomes of its path meanwhile, what is made or renamed there is in it.

use std::{
    collections::VecDeque,
    ffi::OsString,
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStringExt,
    },
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use rustix::{
    fs::{
        CWD, FileType, Mode, OFlags, ResolveFlags, Stat, fchmod, fstat, mkdirat, openat, openat2, readlinkat,
        stat,
    },
    io::Errno,
    process::geteuid,
};

use super::{
    error::WriteError,
    sync::{Synced, sync},
};
use crate::trust::is_unmapped;

/// The most directories on the way up from one to the root. A path has 4096 bytes at most (`PATH_MAX`).
const MAX_DEPTH: usize = 2048;
/// Links on the way; as many as the kernel follows (`path_resolution(7)`).
const MAX_LINKS: usize = 40;

/// An open directory.
#[derive(Debug, Clone)]
pub(crate) struct Directory(Arc<OwnedFd>);

impl Directory {
    /// Opens a directory as the kernel finds it, whosever links are on the way.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self::of(openat(CWD, path, flags(), Mode::empty())?))
    }

    /// Opens a directory following no link but those of this user and root. With `create` what is missing is made, for
    /// this user alone.
    pub(super) fn open_trusted(path: &Path, create: bool) -> Result<Self, WriteError> {
        let without_links = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        // Linux 5.6. Where it fails, for whatever reason, the walk finds the same and can say where.
        match openat2(CWD, path, flags(), Mode::empty(), without_links) {
            Ok(opened) => Ok(Self::of(opened)),
            Err(_) => walk(path, create).map(Self::of),
        }
    }

    /// Makes renames and removals durable. A directory that this user may write but not read cannot be synced.
    pub(crate) fn sync(&self) -> io::Result<Synced> {
        match self.readable() {
            Err(Errno::ACCESS) => Ok(Synced::Unsupported),
            opened => sync(&opened?.into()),
        }
    }

    /// Whether it is another directory or somewhere below it, whatever their paths say.
    pub(super) fn is_within(&self, other: &Path) -> io::Result<bool> {
        let other = match stat(other) {
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(false),
            found => identity(&found?),
        };
        let mut at = openat(self, ".", flags(), Mode::empty())?;
        let mut below = None;
        for _ in 0..MAX_DEPTH {
            let here = identity(&fstat(&at)?);
            if here == other {
                return Ok(true);
            }
            // The root is its own parent.
            if below == Some(here) {
                return Ok(false);
            }
            below = Some(here);
            at = openat(&at, "..", flags(), Mode::empty())?;
        }
        Err(Errno::NAMETOOLONG.into())
    }

    /// The same directory, open to be read.
    pub(super) fn readable(&self) -> rustix::io::Result<OwnedFd> {
        openat(self, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
    }

    fn of(opened: OwnedFd) -> Self {
        Self(Arc::new(opened))
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The device and the inode, which no other file has.
pub(super) fn identity(found: &Stat) -> (u64, u64) {
    (found.st_dev, found.st_ino)
}

/// A directory that need not be readable.
fn flags() -> OFlags {
    OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC
}

/// Opens one component after the other, links included, and looks whose the links are.
fn walk(path: &Path, create: bool) -> Result<OwnedFd, WriteError> {
    let mut left: VecDeque<OsString> = steps(path).collect();
    let mut links = 0;
    let mut passed = PathBuf::from("/");
    let mut at =
        openat(CWD, "/", flags(), Mode::empty()).map_err(|errno| WriteError::on_the_way(&passed, errno))?;
    while let Some(step) = left.pop_front() {
        let here = passed.join(&step);
        let failed = |errno| WriteError::on_the_way(&here, errno);
        let as_it_is = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let next = match openat(&at, &*step, as_it_is, Mode::empty()) {
            Err(Errno::NOENT) if create => make(&at, &step),
            opened => opened,
        };
        let next = next.map_err(failed)?;
        let found = fstat(&next).map_err(failed)?;
        match FileType::from_raw_mode(found.st_mode) {
            FileType::Directory => {
                at = next;
                passed = if step == ".." { parent(&passed) } else { here };
            }
            FileType::Symlink => {
                links += 1;
                if links > MAX_LINKS {
                    return Err(WriteError::Io { path: here, source: Errno::LOOP.into() });
                }
                if !is_trusted(found.st_uid) {
                    return Err(WriteError::ForeignLink { path: here, uid: found.st_uid });
                }
                let target = readlinkat(&next, "", Vec::new()).map_err(failed)?;
                let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
                if target.is_absolute() {
                    passed = PathBuf::from("/");
                    at = openat(CWD, "/", flags(), Mode::empty()).map_err(failed)?;
                }
                let rest = std::mem::take(&mut left);
                left = steps(&target).chain(rest).collect();
            }
            _ => return Err(WriteError::NotADirectory(here)),
        }
    }
    Ok(at)
}

fn make(at: &OwnedFd, step: &OsString) -> rustix::io::Result<OwnedFd> {
    let private = Mode::from_raw_mode(0o700);
    match mkdirat(at, &**step, private) {
        // Somebody else was quicker: it is looked at like anything else.
        Err(Errno::EXIST) => return openat(at, &**step, flags() | OFlags::NOFOLLOW, Mode::empty()),
        made => made?,
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = openat(at, &**step, flags, Mode::empty())?;
    fchmod(&opened, private)?;
    Ok(opened)
}

/// Whether only this user and root can lead a link elsewhere. Root's look like those of nobody where this user namespace does
/// not know root.
fn is_trusted(uid: u32) -> bool {
    uid == 0 || uid == geteuid().as_raw() || is_unmapped(uid)
}

fn parent(path: &Path) -> PathBuf {
    path.parent().unwrap_or(path).to_owned()
}

/// The names in a path, and `..`, which must wait for its turn: before it there may be a link.
fn steps(path: &Path) -> impl Iterator<Item = OsString> + '_ {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    })
}
