//! Temporary files of account files, in room that was made before it is needed.

use std::{
    io::{self, Seek, Write},
    path::{Path, PathBuf},
};

use super::{error::HomeError, remark::remark};
use crate::{
    private_file::{Directory, Synced, Temporary, sync},
    secret::random,
};

/// Only for the owner.
const MODE: u32 = 0o600;

/// Room that was made on a disk before it is needed: a temporary file that has the size already and is synced.
#[derive(Debug, Default)]
pub struct Room(Option<(PathBuf, Temporary)>);

impl Room {
    /// Makes room for `size` bytes in a directory, and proves that files can be made there.
    pub(crate) fn make(directory: &Path, stem: &str, size: usize) -> Result<Self, HomeError> {
        let mut temporary = new_temporary(directory, stem)?;
        if size > 0 {
            // What is all zeros takes no room where a file system compresses.
            let mut filling = vec![0; size];
            random(&mut filling);
            let file = temporary.file();
            let synced = file.write_all(&filling).and_then(|()| sync(file));
            note(synced.map_err(|e| HomeError::at(directory, &e))?, directory);
        }
        Ok(Self(Some((directory.into(), temporary))))
    }

    /// Whether no temporary file is kept.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Takes back a temporary file that could not be put in its place.
    pub(super) fn give_back(&mut self, directory: &Path, temporary: Temporary) {
        self.0 = Some((directory.into(), temporary));
    }

    /// A temporary file to write to, begun anew.
    fn take(&mut self, directory: &Path, stem: &str) -> Result<Temporary, HomeError> {
        match self.0.take_if(|(made_in, _)| *made_in == directory) {
            Some((_, mut temporary)) => {
                temporary.file().rewind().map_err(|e| HomeError::at(directory, &e))?;
                Ok(temporary)
            }
            None => new_temporary(directory, stem),
        }
    }
}

fn new_temporary(directory: &Path, stem: &str) -> Result<Temporary, HomeError> {
    let made = Directory::open(directory).and_then(|opened| Temporary::create(&opened, stem, MODE));
    made.map_err(|e| HomeError::at(directory, &e))
}

/// The bytes on disk, in a temporary file beside `path`, named after `stem`; in the room, if it is in that directory.
pub(super) fn written(
    path: &Path,
    stem: &str,
    bytes: &[u8],
    room: &mut Room,
) -> Result<Temporary, HomeError> {
    let directory = path.parent().ok_or_else(|| HomeError::NotARegularFile(path.into()))?;
    let mut temporary = room.take(directory, stem).map_err(|error| of_file(error, path))?;
    note(temporary.fill(bytes).map_err(|e| HomeError::at(path, &e))?, path);
    Ok(temporary)
}

/// The error, as one of writing `path` and not of the directory it is in.
fn of_file(error: HomeError, path: &Path) -> HomeError {
    match error {
        HomeError::PermissionDenied(_) => HomeError::PermissionDenied(path.into()),
        HomeError::NoSpace(_) => HomeError::NoSpace(path.into()),
        other => other,
    }
}

/// `fsync` of a directory.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    note(Directory::open(path)?.sync()?, path);
    Ok(())
}

/// Says so where the file system cannot sync.
pub(super) fn note(synced: Synced, path: &Path) {
    if synced == Synced::Unsupported {
        let path = path.display();
        remark(format!("{path}: its file system cannot sync, so a crash of the machine may undo a write"));
    }
}
