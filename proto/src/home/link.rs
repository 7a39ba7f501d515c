//! Accounts that are symbolic links: Kubernetes secrets (`NAME` to `..data/NAME`), dotfile managers.
//!
//! A link is followed to a regular file that belongs to this user or to root, as must every link to it that stands in the
//! directory itself. What is written replaces the file behind the link, so that the link stays.

use std::{
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::error::HomeError;

/// The path of the file itself: `path`, or where the links lead that begin there. A path with nothing at it is returned
/// as it is.
pub(crate) fn resolve(path: &Path) -> Result<PathBuf, HomeError> {
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_symlink() => follow(path, &metadata),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(HomeError::at(path, &error)),
        _ => Ok(path.to_owned()),
    }
}

fn follow(path: &Path, link: &std::fs::Metadata) -> Result<PathBuf, HomeError> {
    let not_followed = || HomeError::ForeignLink(path.into());
    if !is_trusted(link.uid()) {
        return Err(not_followed());
    }
    // A dangling link is something other than a missing file: nothing may be made in its place.
    let target = std::fs::canonicalize(path).map_err(|_| HomeError::NotARegularFile(path.into()))?;
    let metadata = target.symlink_metadata().map_err(|error| HomeError::at(&target, &error))?;
    if !metadata.is_file() {
        return Err(HomeError::NotARegularFile(path.into()));
    }
    if is_trusted(metadata.uid()) { Ok(target) } else { Err(not_followed()) }
}

/// Whether a file of that owner is as good as ours.
pub(crate) fn is_trusted(uid: u32) -> bool {
    uid == 0 || uid == rustix::process::geteuid().as_raw()
}
