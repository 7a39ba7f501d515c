//! Temporary files: hidden, readable for their owner only (0600) before anything is in them, and synced before they take a
//! file's place.

use std::{
    io::{self, Seek, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use tempfile::NamedTempFile;

use super::{error::HomeError, names, remark::remark};
use crate::secret::random;

/// Room that was made on a disk before it is needed: a temporary file that has the size already and is synced.
#[derive(Debug, Default)]
pub struct Room(Option<NamedTempFile>);

impl Room {
    /// Makes room for `size` bytes in a directory, and proves that files can be made there.
    pub(crate) fn make(directory: &Path, stem: &str, size: usize) -> Result<Self, HomeError> {
        let mut temporary = new_temporary(directory, stem)?;
        if size > 0 {
            let path = temporary.path().to_owned();
            // What is all zeros takes no room where a file system compresses.
            let mut filling = vec![0; size];
            random(&mut filling);
            temporary
                .write_all(&filling)
                .and_then(|()| sync(temporary.as_file(), &path))
                .map_err(|e| HomeError::at(directory, &e))?;
        }
        Ok(Self(Some(temporary)))
    }

    /// Whether no temporary file is kept.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Takes back a temporary file that could not be put in its place.
    pub(super) fn give_back(&mut self, temporary: NamedTempFile) {
        self.0 = Some(temporary);
    }

    /// A temporary file to write to, begun anew.
    fn take(&mut self, directory: &Path, stem: &str) -> Result<NamedTempFile, HomeError> {
        match self.0.take_if(|temporary| temporary.path().parent() == Some(directory)) {
            Some(mut temporary) => {
                temporary.rewind().map_err(|e| HomeError::at(directory, &e))?;
                Ok(temporary)
            }
            None => new_temporary(directory, stem),
        }
    }
}

fn new_temporary(directory: &Path, stem: &str) -> Result<NamedTempFile, HomeError> {
    tempfile::Builder::new()
        .prefix(&names::temporary_prefix(stem))
        .suffix(names::TEMPORARY_SUFFIX)
        .rand_bytes(names::RANDOM_LEN)
        .permissions(std::fs::Permissions::from_mode(0o600))
        .tempfile_in(directory)
        .map_err(|e| HomeError::at(directory, &e))
}

/// The bytes on disk, in a temporary file beside `path`, named after `stem`; in the room, if it is in that directory.
pub(super) fn written(
    path: &Path,
    stem: &str,
    bytes: &[u8],
    room: &mut Room,
) -> Result<NamedTempFile, HomeError> {
    let directory = path.parent().ok_or_else(|| HomeError::NotARegularFile(path.into()))?;
    let mut temporary = room.take(directory, stem).map_err(|error| of_file(error, path))?;
    let written = temporary
        .write_all(bytes)
        .and_then(|()| temporary.as_file().set_len(bytes.len() as u64))
        .and_then(|()| sync(temporary.as_file(), path));
    written.map_err(|e| HomeError::at(path, &e))?;
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

/// `fsync`. Some file systems cannot do it (`EINVAL`, `ENOSYS`, `EOPNOTSUPP`); what was written stands all the same.
pub(super) fn sync(file: &std::fs::File, path: &Path) -> io::Result<()> {
    match file.sync_all() {
        Err(e) if matches!(e.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
            let path = path.display();
            remark(format!(
                "{path}: its file system cannot sync, so a crash of the machine may undo a write ({e})"
            ));
            Ok(())
        }
        synced => synced,
    }
}
