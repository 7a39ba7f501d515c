//! Which file is to be written, and how.

use std::path::Path;

/// A file that is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    /// Where; absolute.
    pub path: &'a Path,
    /// Its permission bits, at most `0o777`.
    pub mode: u32,
    /// Its group, if it is to be another than that of new files.
    pub group: Option<u32>,
    /// Whether directories that are missing are made (`0700`).
    pub create_directories: bool,
    /// Whether a file that is there is rewritten as it is, rather than replaced: for one that is a mount point of its own. A
    /// reader may then see half of it.
    pub in_place: bool,
    /// A directory in which the file must not be, nor deeper, whatever links lead there: the oidc-agent directory, where a
    /// token could replace an account.
    pub outside: Option<&'a Path>,
}

impl<'a> Target<'a> {
    /// A file for its owner alone, in a directory that is there.
    pub fn private(path: &'a Path) -> Self {
        Self { path, mode: 0o600, group: None, create_directories: false, in_place: false, outside: None }
    }

    /// The same one, refused where it is in the oidc-agent directory.
    #[must_use]
    pub fn outside(self, directory: &'a Path) -> Self {
        Self { outside: Some(directory), ..self }
    }
}
