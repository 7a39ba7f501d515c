//! Opening a file that others have named: nothing but a regular one, which has an end and holds up nobody.

use std::{io, path::Path};

use fs_err::os::unix::fs::OpenOptionsExt;
use rustix::fs::OFlags;

/// Opens a regular file of at most `longest` bytes; files of `/proc` and `/sys` say that they are empty. The error names
/// the path. Blocks where the file system hangs.
pub fn open(path: &Path, longest: u64) -> io::Result<fs_err::File> {
    let no_file = || unfit(path, "is no regular file");
    // Opening some devices does something, so they are not opened to be looked at.
    if !fs_err::metadata(path)?.is_file() {
        return Err(no_file());
    }
    let mut options = fs_err::OpenOptions::new();
    // Another thing may stand there by now; opening a FIFO then returns at once.
    options.read(true).custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed());
    let file = options.open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(no_file());
    }
    if found.len() > longest { Err(too_large(path, longest)) } else { Ok(file) }
}

/// The error for a file that turns out to be larger than it said.
pub fn too_large(path: &Path, longest: u64) -> io::Error {
    unfit(path, &format!("is larger than {longest} bytes"))
}

fn unfit(path: &Path, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{} {why}", path.display()))
}
