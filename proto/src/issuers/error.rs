//! Why issuer data could not be read or edited.

use std::path::PathBuf;

use crate::home::HomeError;

/// A file that could not be read. It is left as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}: {what}", path.display(), line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct Problem {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1; `None`: the whole file, or what is said names it.
    pub line: Option<usize>,
    /// What is wrong with it.
    pub what: String,
}

/// Why the user's `issuer.config` could not be edited. It is left as it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IssuersError {
    /// Reading, locking or writing failed.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The file is in none of the known forms.
    #[error(transparent)]
    Problem(#[from] Problem),
}
