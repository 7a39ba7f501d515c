//! Rewriting a file that cannot be replaced: one that is a mount point of its own (`docker run -v FILE:FILE`), or in a
//! directory that may not be written.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Read},
    os::unix::fs::{FileExt, MetadataExt},
};

use rustix::{
    fs::{FallocateFlags, Gid, Mode, OFlags, fallocate, fchmod, fchown, openat},
    io::Errno,
};
use zeroize::Zeroizing;

use super::{
    directory::Directory,
    error::WriteError,
    sync::{Synced, sync},
    target::Target,
};

/// The most that is kept of an old file to put it back, in bytes.
const MAX_OLD: u64 = 1024 * 1024;

/// The bytes at the beginning of a file, in one write, and nothing behind them.
pub(crate) fn put(opened: &File, bytes: &[u8]) -> io::Result<Synced> {
    opened.write_all_at(bytes, 0)?;
    opened.set_len(bytes.len() as u64)?;
    sync(opened)
}

/// Rewrites a regular file of this user. On an error it holds what it held.
pub(super) fn overwrite(
    directory: &Directory,
    name: &OsStr,
    target: &Target<'_>,
    bytes: &[u8],
) -> Result<Synced, WriteError> {
    let at = |error: io::Error| WriteError::at(target.path, &error, directory);
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let opened = openat(directory, name, flags, Mode::empty()).map_err(|errno| at(errno.into()))?;
    let opened = File::from(opened);
    let found = opened.metadata().map_err(at)?;
    if !found.is_file() {
        return Err(WriteError::NotAFile(target.path.into()));
    }
    if let Some(gid) = target.group.filter(|gid| *gid != found.gid()) {
        fchown(&opened, None, Some(Gid::from_raw(gid)))
            .map_err(|_| WriteError::Group { path: target.path.into(), gid })?;
    }
    if found.mode() & 0o777 != target.mode {
        fchmod(&opened, Mode::from_raw_mode(target.mode))
            .map_err(|_| WriteError::Mode { path: target.path.into(), mode: target.mode })?;
    }
    let mut old = Zeroizing::new(Vec::new());
    (&opened).take(MAX_OLD).read_to_end(&mut old).map_err(at)?;
    // So that a full disk refuses before anything is changed.
    let room = fallocate(&opened, FallocateFlags::KEEP_SIZE, 0, bytes.len() as u64);
    if let Err(errno @ (Errno::NOSPC | Errno::DQUOT | Errno::ROFS)) = room {
        return Err(at(errno.into()));
    }
    put(&opened, bytes).inspect_err(|_| drop(put(&opened, &old))).map_err(at)
}
