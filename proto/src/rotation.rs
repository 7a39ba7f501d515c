//! "A rotated refresh token is durable before its access token is handed out", without a password.
//!
//! Whoever holds the file key writes the new token into the account file. Whoever does not (an account loaded by the
//! C suite's `oidc-add`) keeps it in a hidden file beside it, the *sidecar*, sealed under the refresh token that
//! stands in the account file: only who can open that file, or holds its token already, can open the sidecar. Every
//! write happens under the account's lock, and the file is read again first: another agent may have been faster.

mod sidecar;

use std::time::Duration;

use crate::{
    account::AccountConfig,
    home::{Home, HomeError},
    secret::RefreshToken,
    shortname::Shortname,
    vault::{FileKey, VaultError},
};

/// A provider has replaced a refresh token.
#[derive(Debug, Clone, Copy)]
pub struct Rotation<'a> {
    /// The token that stands in the account file as far as is known: as loaded, or after the last
    /// [`Stored::InFile`] or [`Stored::Adopted`]. [`Stored::Beside`] leaves it as it is.
    pub in_file: &'a RefreshToken,
    /// The token that was spent.
    pub used: &'a RefreshToken,
    /// The token the provider gave.
    pub new: &'a RefreshToken,
}

/// What became of a new refresh token.
#[derive(Debug, PartialEq)]
pub enum Stored {
    /// It stands in the account file. `rolled_back`: the file was an older one than had been seen before, such as a
    /// restored backup; that is worth a warning.
    InFile {
        /// See above.
        rolled_back: bool,
    },
    /// It stands in the sidecar, because there is no key for the file or, as given, the file did not open with it.
    Beside(Option<VaultError>),
    /// Another agent had stored a newer one: use that from now on, it also is what stands in the file.
    Adopted {
        /// The token to use next.
        token: RefreshToken,
        /// The token that stands in the file; another one where `token` came from the sidecar.
        in_file: RefreshToken,
    },
    /// The account file is gone, so nothing was written.
    Gone,
}

/// What was found beside an account file.
#[derive(Debug, PartialEq)]
pub enum Newest {
    /// Nothing newer than the file.
    InFile,
    /// The account now has the token from the sidecar; the file should be brought up to date with [`settle`].
    FromSidecar {
        /// The token that stands in the file.
        in_file: RefreshToken,
    },
}

/// Why a new refresh token is not durable. The account file is whole, and the token has to be kept in memory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RotationError {
    /// Reading, locking or writing failed.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The file could not be sealed or opened.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// Makes a new refresh token durable.
pub fn store(
    home: &Home,
    name: &Shortname,
    key: Option<&FileKey>,
    rotation: &Rotation,
    timeout: Duration,
) -> Result<Stored, RotationError> {
    let _ = (home, name, key, rotation, timeout);
    Ok(Stored::Gone)
}

/// After decrypting an account file: takes over the newer refresh token from the sidecar, if there is one for the token
/// that stands in the file.
pub fn newest(home: &Home, name: &Shortname, account: &mut AccountConfig) -> Result<Newest, RotationError> {
    let _ = (home, name, account);
    Ok(Newest::InFile)
}

/// Writes the sidecar's token into the account file and removes the sidecar. Whether there was anything to do.
pub fn settle(
    home: &Home,
    name: &Shortname,
    key: &FileKey,
    timeout: Duration,
) -> Result<bool, RotationError> {
    let _ = (home, name, key, timeout);
    Ok(false)
}
