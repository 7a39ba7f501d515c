//! One file, read or replaced so that no other program ever sees half of it.

use std::{
    io::{self, Read, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use rustix::fs::{Mode, OFlags};
use zeroize::Zeroizing;

use super::HomeError;
use crate::vault::MAX_FILE_LEN;

/// How many random characters a temporary file's name has.
pub(crate) const RANDOM_LEN: usize = 6;
/// How a temporary file's name ends.
pub(crate) const TEMPORARY_SUFFIX: &str = ".tmp";

/// Reads a regular file of at most 1 MiB. Never waits for a pipe and never follows a link at the end of the path.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, HomeError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| open_error(errno, path))?;
    let opened = std::fs::File::from(fd);
    let metadata = opened.metadata().map_err(|e| error(&e, path))?;
    if !metadata.is_file() {
        return Err(HomeError::NotARegularFile(path.into()));
    }
    let len = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
    if len > MAX_FILE_LEN {
        return Err(HomeError::TooLarge(path.into()));
    }
    // One byte more than the file is said to hold, so that the buffer does not move and leave a copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(len + 1));
    opened.take(MAX_FILE_LEN as u64 + 1).read_to_end(&mut bytes).map_err(|e| error(&e, path))?;
    if bytes.len() > MAX_FILE_LEN {
        return Err(HomeError::TooLarge(path.into()));
    }
    Ok(bytes)
}

/// Replaces or creates a file: temporary file (0600) beside it, `fsync`, rename, `fsync` of the directory.
///
/// The temporary file is hidden and named after `stem`. With `expected` the file must hold just that until the
/// rename; see [`super::Home::replace`].
pub(crate) fn write(path: &Path, stem: &str, bytes: &[u8], expected: Option<&[u8]>) -> Result<(), HomeError> {
    let directory = path.parent().ok_or_else(|| HomeError::NotARegularFile(path.into()))?;
    match fs_err::symlink_metadata(path) {
        Ok(metadata) if !metadata.is_file() => return Err(HomeError::NotARegularFile(path.into())),
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(error(&e, path)),
        _ => {}
    }
    let temporary = written_temporary(path, stem, bytes)?;
    if let Some(expected) = expected
        && **read(path)? != *expected
    {
        return Err(HomeError::Changed(path.into()));
    }
    temporary.persist(path).map_err(|e| error(&e.error, path))?;
    sync_directory(directory)
}

/// [`write`] where nothing is yet; [`HomeError::Exists`] where something is, even if it was put there meanwhile.
pub(crate) fn create(path: &Path, stem: &str, bytes: &[u8]) -> Result<(), HomeError> {
    let temporary = written_temporary(path, stem, bytes)?;
    temporary.persist_noclobber(path).map_err(|e| match e.error.kind() {
        io::ErrorKind::AlreadyExists => HomeError::Exists(path.into()),
        _ => error(&e.error, path),
    })?;
    sync_directory(path.parent().unwrap_or(path))
}

/// The bytes on disk, in a temporary file (0600) beside `path`, named after `stem`.
fn written_temporary(path: &Path, stem: &str, bytes: &[u8]) -> Result<tempfile::NamedTempFile, HomeError> {
    let directory = path.parent().ok_or_else(|| HomeError::NotARegularFile(path.into()))?;
    let mut temporary = tempfile::Builder::new()
        .prefix(&format!(".{stem}."))
        .suffix(TEMPORARY_SUFFIX)
        .rand_bytes(RANDOM_LEN)
        .permissions(std::fs::Permissions::from_mode(0o600))
        .tempfile_in(directory)
        .map_err(|e| error(&e, path))?;
    temporary.write_all(bytes).and_then(|()| temporary.as_file().sync_all()).map_err(|e| error(&e, path))?;
    Ok(temporary)
}

/// Removes a regular file. Whether it was there.
pub(crate) fn remove(path: &Path) -> Result<bool, HomeError> {
    match fs_err::symlink_metadata(path) {
        Ok(metadata) if !metadata.is_file() => Err(HomeError::NotARegularFile(path.into())),
        Ok(_) => match fs_err::remove_file(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(error(&e, path)),
            Ok(()) => Ok(true),
        },
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(error(&e, path)),
    }
}

/// Makes renames and removals in a directory durable.
pub(crate) fn sync_directory(directory: &Path) -> Result<(), HomeError> {
    let synced = fs_err::File::open(directory).and_then(|opened| opened.sync_all());
    match synced {
        // Some network file systems cannot do it; the rename stands all the same.
        Err(e) if matches!(e.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        Err(e) => Err(error(&e, directory)),
        Ok(()) => Ok(()),
    }
}

/// An I/O error at a path, typed.
pub(crate) fn error(error: &io::Error, path: &Path) -> HomeError {
    use io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound => HomeError::NotFound(path.into()),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            HomeError::PermissionDenied(path.into())
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            HomeError::NoSpace(path.into())
        }
        kind => HomeError::Io(io::Error::new(kind, format!("{}: {error}", path.display()))),
    }
}

fn open_error(errno: rustix::io::Errno, path: &Path) -> HomeError {
    use rustix::io::Errno;
    match errno {
        // A symbolic link, and a socket or a pipe without a partner.
        Errno::LOOP | Errno::NXIO => HomeError::NotARegularFile(path.into()),
        errno => error(&errno.into(), path),
    }
}
