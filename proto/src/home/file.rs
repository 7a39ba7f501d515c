//! One file, read or replaced so that no other program ever sees half of it.

use std::{
    io::{self, Read, Seek, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use rustix::fs::{Mode, OFlags};
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use super::{HomeError, remark::remark};
use crate::{fault_point, secret::random, vault::MAX_FILE_LEN};

/// How many random characters a temporary file's name has.
pub(crate) const RANDOM_LEN: usize = 6;
/// How a temporary file's name ends.
pub(crate) const TEMPORARY_SUFFIX: &str = ".tmp";

/// Reads a regular file of at most 1 MiB. Never waits for a pipe and never follows a link at the end of the path.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, HomeError> {
    let opened = open(path)?;
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

/// Opens what is at a path to be read, at once and whatever it is but a link.
pub(crate) fn open(path: &Path) -> Result<std::fs::File, HomeError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| error(&errno.into(), path))?;
    Ok(fd.into())
}

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
                .map_err(|e| error(&e, directory))?;
        }
        Ok(Self(Some(temporary)))
    }

    /// Whether no temporary file is kept.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// A temporary file to write to, begun anew.
    fn take(&mut self, directory: &Path, stem: &str) -> Result<NamedTempFile, HomeError> {
        match self.0.take_if(|temporary| temporary.path().parent() == Some(directory)) {
            Some(mut temporary) => {
                temporary.rewind().map_err(|e| error(&e, directory))?;
                Ok(temporary)
            }
            None => new_temporary(directory, stem),
        }
    }
}

fn new_temporary(directory: &Path, stem: &str) -> Result<NamedTempFile, HomeError> {
    tempfile::Builder::new()
        .prefix(&format!(".{stem}."))
        .suffix(TEMPORARY_SUFFIX)
        .rand_bytes(RANDOM_LEN)
        .permissions(std::fs::Permissions::from_mode(0o600))
        .tempfile_in(directory)
        .map_err(|e| error(&e, directory))
}

/// Replaces or creates a file: temporary file (0600) beside it, `fsync`, rename, `fsync` of the directory.
///
/// The temporary file is hidden and named after `stem`. With `expected` the file must hold just that until the
/// rename; see [`super::Home::replace`]. Uses the room, if it is in the same directory.
pub(crate) fn write(
    path: &Path,
    stem: &str,
    bytes: &[u8],
    expected: Option<&[u8]>,
    room: &mut Room,
) -> Result<(), HomeError> {
    is_free(path)?;
    let temporary = written_temporary(path, stem, bytes, room)?;
    fault_point::reached("synced");
    if let Some(expected) = expected
        && **read(path)? != *expected
    {
        return Err(HomeError::Changed(path.into()));
    }
    if let Err(refused) = temporary.persist(path) {
        let refused_as = error(&refused.error, path);
        room.0 = Some(refused.file);
        return Err(refused_as);
    }
    fault_point::reached("renamed");
    sync_directory(path.parent().unwrap_or(path))
}

/// [`write()`] where nothing is yet; [`HomeError::Exists`] where something is, even if it was put there meanwhile.
pub(crate) fn create(path: &Path, stem: &str, bytes: &[u8]) -> Result<(), HomeError> {
    let temporary = written_temporary(path, stem, bytes, &mut Room::default())?;
    temporary.persist_noclobber(path).map_err(|e| match e.error.kind() {
        io::ErrorKind::AlreadyExists => HomeError::Exists(path.into()),
        _ => error(&e.error, path),
    })?;
    sync_directory(path.parent().unwrap_or(path))
}

/// The bytes on disk, in a temporary file (0600) beside `path`, named after `stem`.
fn written_temporary(
    path: &Path,
    stem: &str,
    bytes: &[u8],
    room: &mut Room,
) -> Result<NamedTempFile, HomeError> {
    let directory = path.parent().ok_or_else(|| HomeError::NotARegularFile(path.into()))?;
    let mut temporary = room.take(directory, stem).map_err(|error| at(error, path))?;
    let written = temporary
        .write_all(bytes)
        .and_then(|()| temporary.as_file().set_len(bytes.len() as u64))
        .and_then(|()| sync(temporary.as_file(), path));
    written.map_err(|e| error(&e, path))?;
    Ok(temporary)
}

/// Fails where something stands at a path that is no regular file.
pub(crate) fn is_free(path: &Path) -> Result<(), HomeError> {
    match fs_err::symlink_metadata(path) {
        Ok(metadata) if !metadata.is_file() => Err(HomeError::NotARegularFile(path.into())),
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(error(&e, path)),
        _ => Ok(()),
    }
}

/// The error, as one of writing `path` and not of the directory it is in.
fn at(error: HomeError, path: &Path) -> HomeError {
    match error {
        HomeError::PermissionDenied(_) => HomeError::PermissionDenied(path.into()),
        HomeError::NoSpace(_) => HomeError::NoSpace(path.into()),
        other => other,
    }
}

/// `fsync`. Some file systems cannot do it (`EINVAL`, `ENOSYS`, `EOPNOTSUPP`); what was written stands all the same.
pub(crate) fn sync(file: &std::fs::File, path: &Path) -> io::Result<()> {
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

/// Removes a regular file, or a symbolic link itself. Whether it was there.
pub(crate) fn remove(path: &Path) -> Result<bool, HomeError> {
    match fs_err::symlink_metadata(path) {
        Ok(metadata) if !metadata.is_file() && !metadata.is_symlink() => {
            Err(HomeError::NotARegularFile(path.into()))
        }
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
    let opened = fs_err::File::open(directory).map_err(|e| error(&e, directory))?;
    sync(opened.file(), directory).map_err(|e| error(&e, directory))
}

/// An I/O error at a path, typed.
pub(crate) fn error(error: &io::Error, path: &Path) -> HomeError {
    use io::ErrorKind;
    use rustix::io::Errno;
    // A symbolic link, and a socket or a pipe without a partner.
    if let Some(Errno::LOOP | Errno::NXIO) = Errno::from_io_error(error) {
        return HomeError::NotARegularFile(path.into());
    }
    match error.kind() {
        ErrorKind::IsADirectory => HomeError::NotARegularFile(path.into()),
        ErrorKind::NotFound => HomeError::NotFound(path.into()),
        ErrorKind::NotADirectory => HomeError::NotADirectory(path.into()),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            HomeError::PermissionDenied(path.into())
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            HomeError::NoSpace(path.into())
        }
        // A mount point of its own, or bound from another file system.
        ErrorKind::ResourceBusy | ErrorKind::CrossesDevices => HomeError::CannotReplace(path.into()),
        kind => HomeError::Io(io::Error::new(kind, format!("{}: {error}", path.display()))),
    }
}
