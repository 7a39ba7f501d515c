//! Why an account's file could not be opened, read or written.

use std::path::PathBuf;

use oidc_proto::{
    home::HomeError,
    rotation::RotationError,
    shortname::Shortname,
    vault::{PhraseError, VaultError},
};

use super::password::{asker::AskError, error::PasswordError};

/// Why an account's file could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// There is no account file of that name.
    #[error("No account configured with that short name")]
    NoSuchAccount(Shortname),
    /// Something in the oidc-agent directory.
    #[error("{}", home_text(.0))]
    Home(#[from] HomeError),
    /// Three wrong passwords, or one from a source that cannot be asked again.
    #[error("reached maximum number of tries: wrong password for {}", .file.display())]
    WrongPassword {
        /// The account.
        name: Shortname,
        /// Its file.
        file: PathBuf,
        /// Something else opens it.
        is_recoverable: bool,
    },
    /// What was given is no recovery phrase.
    #[error("{0}")]
    Phrase(PhraseError),
    /// There is nowhere to show a new recovery phrase.
    #[error("a new recovery phrase is shown on a terminal only: {0}")]
    PhraseNotShown(AskError),
    /// A file in a format that no recovery phrase or key can open.
    #[error("{} has no place for a recovery phrase or key: it is a file of the C suite, or of OpenPGP", .file.display())]
    NoPlaceForRecovery {
        /// The account.
        name: Shortname,
        /// Its file.
        file: PathBuf,
    },
    /// A new recovery phrase was shown, and its words could not be said.
    #[error("the recovery phrase seems not to be written down; nothing was changed")]
    PhraseNotWritten,
    /// An account file that another program encrypted anew under another password while it was being worked on.
    #[error(
        "{} was encrypted anew by another program meanwhile, and what opened it before does not open it any more; \
         the file is left as it is", .file.display()
    )]
    Reencrypted {
        /// The account.
        name: Shortname,
        /// Its file.
        file: PathBuf,
    },
    /// An account file that cannot be opened with any password.
    #[error("{}: {error}", .file.display())]
    Vault {
        /// The account.
        name: Shortname,
        /// Its file.
        file: PathBuf,
        /// What is the matter.
        error: VaultError,
    },
    /// Nobody gave a password.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// A rotated refresh token could not be written back.
    #[error(transparent)]
    Rotation(#[from] RotationError),
}

fn home_text(error: &HomeError) -> String {
    match error {
        HomeError::NoDirectory => "oidc-dir does not exist. Run oidc-gen to create it.".to_owned(),
        other => other.to_string(),
    }
}
