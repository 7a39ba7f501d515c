//! Why no password could be had.

use super::{asker::AskError, pinentry::PinentryError};

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
    #[error("cannot read the password from {origin}: {reason}")]
    Source {
        /// The option.
        origin: &'static str,
        /// What went wrong; holds nothing of the password.
        reason: String,
    },
}
