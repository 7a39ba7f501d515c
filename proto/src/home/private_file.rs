//! A file of the oidc-agent directory, written as every private file is, in room that was made before, over the content that
//! was expected. Where it cannot be replaced it is rewritten in place, under a journal.

use std::{
    ffi::OsStr,
    io::{self, Read},
    path::Path,
};

use rustix::fs::{Mode, OFlags};
use zeroize::Zeroizing;

use super::{
    error::HomeError,
    in_place::{self, InPlace},
    temporary::{self, Room},
};
use crate::{fault_point, vault::MAX_FILE_LEN};

/// Where a file is written, and what else that needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PrivateFile<'a> {
    /// The file itself, behind any links.
    pub(crate) path: &'a Path,
    /// What the names of its temporary files are made of.
    pub(crate) stem: &'a str,
    /// Where a journal may lie while the file is rewritten in place, if there is a place for one.
    pub(crate) journal: Option<&'a Path>,
}

impl PrivateFile<'_> {
    /// The file's bytes, as [`read`] gives them; where rewriting it in place was cut off, the new ones.
    pub(crate) fn read(&self) -> Result<Zeroizing<Vec<u8>>, HomeError> {
        let found = read(self.path)?;
        let journal = self.journal.and_then(|journal| read(journal).ok());
        Ok(match journal {
            Some(journal) => in_place::recover(&journal, found),
            None => found,
        })
    }

    /// Writes the file, new or over the old one; in room that was made before, if it is in the same directory. On any error
    /// the old file stands as it was.
    ///
    /// With `expected` it must hold just that until right before the rename, or else [`HomeError::NotFound`] or
    /// [`HomeError::Changed`].
    pub(crate) fn write(
        &self,
        bytes: &[u8],
        expected: Option<&[u8]>,
        room: &mut Room,
    ) -> Result<(), HomeError> {
        // What a rewriting left that was cut off is taken over first.
        if expected.is_some() && self.journal.is_some_and(Path::exists) {
            self.complete()?;
        }
        let why = match self.replace(bytes, expected, room) {
            Err(why @ (HomeError::CannotReplace(_) | HomeError::PermissionDenied(_))) => why,
            written => {
                written?;
                self.journal.map(remove);
                return Ok(());
            }
        };
        let Ok(old) = read(self.path) else { return Err(why) };
        if expected.is_some_and(|expected| **old != *expected) {
            return Err(HomeError::Changed(self.path.into()));
        }
        self.rewrite(&old, bytes, room).map_err(|error| match error {
            HomeError::PermissionDenied(_) => why,
            other => other,
        })
    }

    /// [`PrivateFile::write`], but never in place.
    pub(crate) fn replace(
        &self,
        bytes: &[u8],
        expected: Option<&[u8]>,
        room: &mut Room,
    ) -> Result<(), HomeError> {
        is_free(self.path)?;
        let temporary = temporary::written(self.path, self.stem, bytes, room)?;
        fault_point::reached("synced");
        if let Some(expected) = expected
            && **read(self.path)? != *expected
        {
            return Err(HomeError::Changed(self.path.into()));
        }
        if let Err(refused) = temporary.persist(self.name()) {
            let refused_as = HomeError::at(self.path, &refused.error);
            room.give_back(self.directory(), refused.temporary);
            return Err(refused_as);
        }
        fault_point::reached("renamed");
        sync_directory(self.directory())
    }

    /// [`PrivateFile::replace`] where nothing is yet; [`HomeError::Exists`] where something is, even if it was put there
    /// meanwhile.
    pub(crate) fn create(&self, bytes: &[u8]) -> Result<(), HomeError> {
        let temporary = temporary::written(self.path, self.stem, bytes, &mut Room::default())?;
        temporary.persist_new(self.name()).map_err(|e| match e.error.kind() {
            io::ErrorKind::AlreadyExists => HomeError::Exists(self.path.into()),
            _ => HomeError::at(self.path, &e.error),
        })?;
        sync_directory(self.directory())
    }

    fn name(&self) -> &OsStr {
        self.path.file_name().unwrap_or(self.path.as_os_str())
    }

    fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(self.path)
    }

    /// Completes a rewriting in place that was cut off.
    fn complete(&self) -> Result<(), HomeError> {
        let (found, meant) = (read(self.path)?, self.read()?);
        if meant != found {
            Self { journal: None, ..*self }.rewrite(&found, &meant, &mut Room::default())?;
        }
        self.journal.map(remove);
        Ok(())
    }

    /// Rewrites the file in place. On an error it holds what it held.
    fn rewrite(&self, old: &[u8], new: &[u8], room: &mut Room) -> Result<(), HomeError> {
        let change = InPlace { old, new };
        // Without a journal only a crash of the machine within this one write does harm.
        let journal = self.journal.filter(|journal| {
            let file = PrivateFile { path: journal, stem: self.stem, journal: None };
            file.replace(change.journal().as_bytes(), None, room).is_ok()
        });
        fault_point::reached("journal-written");
        let written = change.overwrite(self.path);
        fault_point::reached("rewritten");
        journal.map(remove);
        temporary::note(written.map_err(|error| HomeError::at(self.path, &error))?, self.path);
        Ok(())
    }
}

/// Reads a regular file of at most 1 MiB. Never waits for a pipe and never follows a link at the end of the path.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, HomeError> {
    let opened = open(path)?;
    let metadata = opened.metadata().map_err(|e| HomeError::at(path, &e))?;
    if !metadata.is_file() {
        return Err(HomeError::NotARegularFile(path.into()));
    }
    let len = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
    if len > MAX_FILE_LEN {
        return Err(HomeError::TooLarge(path.into()));
    }
    // One byte more than the file is said to hold, so that the buffer does not move and leave a copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(len + 1));
    opened.take(MAX_FILE_LEN as u64 + 1).read_to_end(&mut bytes).map_err(|e| HomeError::at(path, &e))?;
    if bytes.len() > MAX_FILE_LEN {
        return Err(HomeError::TooLarge(path.into()));
    }
    Ok(bytes)
}

/// Opens what is at a path to be read, at once and whatever it is but a link.
pub(crate) fn open(path: &Path) -> Result<std::fs::File, HomeError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let fd =
        rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| HomeError::at(path, &errno.into()))?;
    Ok(fd.into())
}

/// Fails where something stands at a path that is no regular file.
pub(crate) fn is_free(path: &Path) -> Result<(), HomeError> {
    match fs_err::symlink_metadata(path) {
        Ok(metadata) if !metadata.is_file() => Err(HomeError::NotARegularFile(path.into())),
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(HomeError::at(path, &e)),
        _ => Ok(()),
    }
}

/// Removes a regular file, or a symbolic link itself. Whether it was there.
pub(crate) fn remove(path: &Path) -> Result<bool, HomeError> {
    match fs_err::symlink_metadata(path) {
        Ok(metadata) if !metadata.is_file() && !metadata.is_symlink() => {
            Err(HomeError::NotARegularFile(path.into()))
        }
        Ok(_) => match fs_err::remove_file(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(HomeError::at(path, &e)),
            Ok(()) => Ok(true),
        },
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(HomeError::at(path, &e)),
    }
}

/// Makes renames and removals in a directory durable.
pub(crate) fn sync_directory(directory: &Path) -> Result<(), HomeError> {
    temporary::sync_directory(directory).map_err(|e| HomeError::at(directory, &e))
}
