//! A hidden file that belongs to an account's file, lies beside it and goes with it.

use std::path::Path;

use zeroize::Zeroizing;

use super::{
    error::HomeError,
    lock::AccountLock,
    private_file::{self, PrivateFile},
    temporary::Room,
};

/// What it holds; `None` where there is none.
pub(super) fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, HomeError> {
    match private_file::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(HomeError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes it, new or over an old one, as an account file is written.
pub(super) fn write(path: &Path, lock: &AccountLock, bytes: &[u8]) -> Result<(), HomeError> {
    lock.remove_temporary_files();
    let file = PrivateFile { path, stem: &lock.stem(), journal: None };
    file.replace(bytes, None, &mut Room::default())
}

/// Removes it from `directory`, where it lies. Whether there was one.
pub(super) fn remove(path: &Path, directory: &Path) -> Result<bool, HomeError> {
    let removed = private_file::remove(path)?;
    private_file::sync_directory(directory)?;
    Ok(removed)
}
