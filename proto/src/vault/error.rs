//! Why an account file could not be opened or written.

/// Why an account file could not be opened or written. The messages name neither the file nor anything in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The file is whole as far as can be told, but this password does not open it.
    ///
    /// Damage to the salt or to the password check of a file looks the same.
    #[error("wrong password")]
    WrongPassword,
    /// An account file that was changed or cut off.
    #[error("the account file is damaged: {0}")]
    Damaged(&'static str),
    /// Something else.
    #[error("not an encrypted account file: {0}")]
    NotAnAccountFile(&'static str),
    /// Written by a later version.
    #[error("the account file has a format of a later version")]
    NewerFormat,
    /// The key derivation asked for would take more memory or time than is allowed.
    #[error("the account file asks for a key derivation beyond the allowed cost")]
    TooExpensive,
    /// There is not enough memory for the key derivation.
    #[error("not enough memory for the key derivation")]
    OutOfMemory,
    /// Longer than [`MAX_FILE_LEN`](super::MAX_FILE_LEN).
    #[error("the account file is larger than 1 MiB")]
    TooLarge,
    /// The file has been encrypted anew since the key was taken.
    #[error("the account file has been encrypted anew")]
    OtherKey,
    /// The file has no password: it is encrypted with OpenPGP.
    #[error("the account file is encrypted with OpenPGP")]
    NeedsGpg,
    /// The account holds a secret, and the file hides nothing.
    #[error("the account holds a secret, and its file has no password: `oidc passwd` gives it one")]
    NeedsProtection,
    /// There is no such way to the data key in the file.
    #[error("the account file has no recovery {0}")]
    NoRecovery(RecoveryKind),
    /// A recovery phrase, but not this file's.
    #[error("this is not the recovery phrase of the account file")]
    WrongPhrase,
    /// The OpenPGP key that the file can be recovered with cannot be encrypted for.
    #[error("the data key cannot be encrypted for the recovery key {recipient}: {error}")]
    RecoveryKey {
        /// As a person named it, or by its key id.
        recipient: String,
        /// What `gpg` said.
        error: GpgError,
    },
    /// Running `gpg` failed.
    #[error(transparent)]
    Gpg(#[from] GpgError),
}

/// A way to the data key beside the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecoveryKind {
    /// Words written down.
    Phrase,
    /// An OpenPGP key.
    Gpg,
}

impl std::fmt::Display for RecoveryKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Phrase => "phrase",
            Self::Gpg => "key",
        })
    }
}

/// Why `gpg` did not do its work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GpgError {
    /// The program is not on `PATH`.
    #[error("the program gpg was not found")]
    NotInstalled,
    /// The program could not be started or talked to.
    #[error("gpg could not be run: {0}")]
    NotRun(std::io::ErrorKind),
    /// It did not end within its deadline and was killed.
    #[error("gpg did not answer in time")]
    Timeout,
    /// The secret key of no recipient is here.
    #[error("gpg has no secret key for this file")]
    NoSecretKey,
    /// The passphrase was wrong, not given, or could not be asked for.
    #[error("gpg could not unlock the secret key")]
    Locked,
    /// The recipient's key is unknown or not trusted.
    #[error("gpg has no usable public key for the recipient")]
    NoPublicKey,
    /// The recipients of a message are hidden, so it cannot be encrypted for them again.
    #[error("the OpenPGP message does not tell its recipients")]
    NoRecipients,
    /// Not an OpenPGP message.
    #[error("the account file is not an OpenPGP message")]
    NotAMessage,
    /// Any other failure.
    #[error("gpg failed")]
    Failed,
}
