//! Where a program is that is named by its name alone.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// The first program of this name in these directories.
pub fn find(directories: impl IntoIterator<Item = PathBuf>, name: &str) -> Option<PathBuf> {
    directories.into_iter().map(|directory| directory.join(name)).find(|path| is_program(path))
}

/// Whether it is a regular file that somebody may run; links are followed.
pub fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}
