//! Temporary files: hidden, with their permissions before anything is in them, synced before they take a file's place, and
//! gone again if they do not.
//!
//! Its writer holds a lock on it (flock(2)), which ends with the writer: so others know what a dead one left.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Write},
    mem,
};

use rustix::{
    fs::{
        AtFlags, FlockOperation, Gid, Mode, OFlags, RenameFlags, fchmod, fchown, flock, fstat, linkat,
        openat, renameat, renameat_with, unlinkat,
    },
    io::Errno,
};

use super::{
    directory::Directory,
    names,
    sync::{Synced, sync},
};

/// How often another name is tried.
const TRIES: usize = 16;

/// A temporary file; removed when dropped.
#[derive(Debug)]
pub(crate) struct Temporary {
    directory: Directory,
    name: String,
    file: File,
}

/// A temporary file that could not take a file's place.
#[derive(Debug)]
pub(crate) struct Refused {
    /// Why.
    pub(crate) error: io::Error,
    /// The file as it was.
    pub(crate) temporary: Temporary,
}

impl Temporary {
    /// An empty one with just these permission bits. `stem` is what its name is made of.
    pub(crate) fn create(directory: &Directory, stem: &str, mode: u32) -> io::Result<Self> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        for _ in 0..TRIES {
            let name = names::temporary(stem);
            let file = match openat(directory, &*name, flags, Mode::from_raw_mode(0o600)) {
                Err(Errno::EXIST) => continue,
                opened => File::from(opened?),
            };
            let temporary = Self { directory: directory.clone(), name, file };
            // Where there are no locks, what a dead writer left goes by its age.
            let _ = flock(&temporary.file, FlockOperation::NonBlockingLockExclusive);
            // The umask has taken its share.
            temporary.set_mode(mode)?;
            return Ok(temporary);
        }
        Err(Errno::EXIST.into())
    }

    /// Gives it to a group, and the permission bits once more, of which a change of the group takes some away.
    pub(super) fn set_group(&self, gid: u32, mode: u32) -> io::Result<()> {
        fchown(&self.file, None, Some(Gid::from_raw(gid)))?;
        self.set_mode(mode)
    }

    fn set_mode(&self, mode: u32) -> io::Result<()> {
        Ok(fchmod(&self.file, Mode::from_raw_mode(mode & 0o777))?)
    }

    /// The file itself.
    pub(crate) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// When it was last written, in seconds, by the clock of its file system.
    pub(super) fn modified(&self) -> Option<i64> {
        Some(fstat(&self.file).ok()?.st_mtime)
    }

    /// Writes the bytes where the file stands, cuts off what is behind them, and syncs.
    pub(crate) fn fill(&mut self, bytes: &[u8]) -> io::Result<Synced> {
        self.file.write_all(bytes)?;
        self.file.set_len(bytes.len() as u64)?;
        sync(&self.file)
    }

    /// Takes the place of a file, or that of none.
    pub(crate) fn persist(self, name: impl AsRef<OsStr>) -> Result<(), Refused> {
        match renameat(&self.directory, &*self.name, &self.directory, name.as_ref()) {
            Ok(()) => {
                self.forget_name();
                Ok(())
            }
            Err(errno) => Err(Refused { error: errno.into(), temporary: self }),
        }
    }

    /// Takes a place where nothing is; `EEXIST` where something is.
    pub(crate) fn persist_new(self, name: impl AsRef<OsStr>) -> Result<(), Refused> {
        let (directory, name) = (&self.directory, name.as_ref());
        let placed = match renameat_with(directory, &*self.name, directory, name, RenameFlags::NOREPLACE) {
            // NFS and others know no such rename, but hard links. Dropping removes the other name.
            Err(Errno::INVAL | Errno::NOSYS | Errno::PERM | Errno::OPNOTSUPP) => {
                match linkat(directory, &*self.name, directory, name, AtFlags::empty()) {
                    Ok(()) => return Ok(()),
                    // FAT and some FUSE know neither: the look before has to do.
                    Err(Errno::PERM | Errno::NOSYS | Errno::OPNOTSUPP | Errno::MLINK) => {
                        return self.persist(name);
                    }
                    Err(errno) => Err(errno),
                }
            }
            renamed => renamed,
        };
        match placed {
            Ok(()) => {
                self.forget_name();
                Ok(())
            }
            Err(errno) => Err(Refused { error: errno.into(), temporary: self }),
        }
    }

    /// Nothing has its name any more.
    fn forget_name(mut self) {
        mem::take(&mut self.name);
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.name.is_empty() {
            let _ = unlinkat(&self.directory, &*self.name, AtFlags::empty());
        }
    }
}
