//! What counts for a key.

use std::path::PathBuf;

use super::key::Value;

/// A key's value, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// What counts.
    pub value: Value,
    /// The file; `None`: built in.
    pub source: Option<PathBuf>,
    /// It counts because the file says something of the key that cannot be read.
    pub is_guess: bool,
}
