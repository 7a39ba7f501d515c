//! What of a configuration cannot be used.

use std::{fmt, path::PathBuf};

/// What cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub path: PathBuf,
    /// The section; `None`: the whole file.
    pub section: Option<String>,
    /// The key; `None`: the whole section.
    pub key: Option<String>,
    /// What is wrong, and what is done instead.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path.display())?;
        match (&self.section, &self.key) {
            (Some(section), Some(key)) => write!(f, "{section}.{key}: ")?,
            (Some(section), None) => write!(f, "section {section}: ")?,
            _ => {}
        }
        f.write_str(&self.what)
    }
}
