//! Why no password could be had.

use super::{asker::AskError, pinentry::PinentryError};

/// Names the recovery phrase's file.
pub const PHRASE_FILE: &str = "--phrase-file";

/// What an option is to give.
fn secret_of(origin: &str) -> &'static str {
    if origin == PHRASE_FILE { "the recovery phrase" } else { "the password" }
}

/// Why no password could be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// The person could not be asked, or did not answer.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// Asking by pinentry failed.
    #[error(transparent)]
    Window(#[from] PinentryError),
    /// The named sources have none, and nobody can be asked instead.
    #[error("no password: {0}, and {1}")]
    Nothing(String, AskError),
    /// A named source cannot be used.
    #[error("cannot read {} from {origin}: {reason}", secret_of(.origin))]
    Source {
        /// The option.
        origin: &'static str,
        /// What went wrong; holds nothing of the password.
        reason: String,
    },
}
