//! The encrypted account file: told apart by its bytes, opened with a password, a kept key or `gpg`, and sealed.
//!
//! No file is touched here; bytes come in and bytes go out. Errors never quote what a file holds and do not name
//! the file: the caller knows it.

pub(crate) mod aead;
mod canonical;
mod error;
mod file_key;
mod format;
mod gpg;
pub mod kdf;
mod native;
mod oidc_agent;
mod openpgp;
mod phrase;
mod probe;
mod text;

use self::text::account_object;
pub use self::{
    error::{GpgError, RecoveryKind, VaultError},
    file_key::FileKey,
    format::{Format, MAX_FILE_LEN},
    native::{Cost, PublicHeader, Recovery},
    phrase::{Phrase, PhraseError, WORDS},
    probe::{format_of, inspect},
};
use crate::{account::AccountConfig, secret::Password};

/// An opened account file.
#[derive(Debug)]
pub struct Unlocked {
    /// What the file holds.
    pub account: AccountConfig,
    /// What rewrites the file later, without the password.
    pub key: FileKey,
    /// How the file is encrypted now.
    pub format: Format,
}

/// How a new account file is to be encrypted.
#[derive(Debug, Clone, Copy)]
pub enum Protection<'a> {
    /// The native format under a password.
    Native(&'a Password),
    /// The native format under a password, with other ways to the data key beside it.
    Recoverable(&'a Password, &'a Recovery),
    /// The C suite's format under a password.
    OidcAgent(&'a Password),
    /// OpenPGP for this recipient: a fingerprint, key id or user id, as `gpg -r` takes it.
    Gpg(&'a str),
    /// The native format with its key beside it: for accounts that hold no secret
    /// ([`AccountConfig::holds_secret`]). Others are refused.
    Clear,
}

/// Opens a native or C suite file with its password. Costs one key derivation, up to three for the hex format.
///
/// An OpenPGP file has no password: [`VaultError::NeedsGpg`].
pub fn unlock(bytes: &[u8], password: &Password) -> Result<Unlocked, VaultError> {
    let format = format_of(bytes)?;
    let (text, key) = match format {
        Format::Native => {
            let (text, key) = native::unlock(bytes, password)?;
            (text, FileKey::native(key))
        }
        Format::OidcAgent => {
            let (text, key) = oidc_agent::unlock(bytes, password)?;
            (text, FileKey::oidc_agent(key))
        }
        Format::OidcAgentHex => {
            let (text, key) = oidc_agent::unlock_hex(bytes, password)?;
            (text, FileKey::hex(key))
        }
        Format::OpenPgp => return Err(VaultError::NeedsGpg),
    };
    Ok(Unlocked { account: AccountConfig::from_object(account_object(&text)?), key, format })
}

/// Opens a file that hides nothing ([`Protection::Clear`]). `None`: it needs a password, or `gpg`.
pub fn unlock_clear(bytes: &[u8]) -> Result<Option<Unlocked>, VaultError> {
    let format = format_of(bytes)?;
    if format != Format::Native {
        return Ok(None);
    }
    let Some((text, key)) = native::unlock_clear(bytes)? else { return Ok(None) };
    let account = AccountConfig::from_object(account_object(&text)?);
    Ok(Some(Unlocked { account, key: FileKey::native(key), format }))
}

/// Opens a native file with its recovery phrase. Costs no more than opening it with its key: a phrase cannot be guessed.
///
/// [`VaultError::NoRecovery`] for a file without one, and for other formats, which have none;
/// [`VaultError::WrongPhrase`] for another file's.
pub fn unlock_with_phrase(bytes: &[u8], phrase: &Phrase) -> Result<Unlocked, VaultError> {
    recovered(bytes, RecoveryKind::Phrase, |bytes| native::unlock_with_phrase(bytes, phrase))
}

/// Opens a native file with the OpenPGP key that may recover it, by running `gpg`, whose agent may ask the person for a
/// passphrase. [`VaultError::NoRecovery`] for a file without one, and for other formats.
pub fn unlock_with_recovery_key(bytes: &[u8]) -> Result<Unlocked, VaultError> {
    recovered(bytes, RecoveryKind::Gpg, native::unlock_with_gpg)
}

fn recovered(
    bytes: &[u8],
    kind: RecoveryKind,
    unlock: impl FnOnce(&[u8]) -> Result<native::Unlocked, VaultError>,
) -> Result<Unlocked, VaultError> {
    let format = format_of(bytes)?;
    if format != Format::Native {
        return Err(VaultError::NoRecovery(kind));
    }
    let (text, key) = unlock(bytes)?;
    Ok(Unlocked {
        account: AccountConfig::from_object(account_object(&text)?),
        key: FileKey::native(key),
        format,
    })
}

/// Opens an OpenPGP file by running `gpg`, whose agent may ask the person for a passphrase.
pub fn unlock_with_gpg(bytes: &[u8]) -> Result<Unlocked, VaultError> {
    unlock_openpgp(bytes, gpg::Pinentry::MayAsk)
}

/// [`unlock_with_gpg`], only if no question is needed for it.
pub fn unlock_with_gpg_quietly(bytes: &[u8]) -> Result<Unlocked, VaultError> {
    unlock_openpgp(bytes, gpg::Pinentry::MustNotAsk)
}

fn unlock_openpgp(bytes: &[u8], pinentry: gpg::Pinentry) -> Result<Unlocked, VaultError> {
    match format_of(bytes)? {
        Format::OpenPgp => {}
        _ => return Err(VaultError::Gpg(GpgError::NotAMessage)),
    }
    let text = gpg::decrypt(bytes, pinentry)?;
    let key = FileKey::gpg(openpgp::recipients(bytes)?);
    Ok(Unlocked { account: AccountConfig::from_object(account_object(&text)?), key, format: Format::OpenPgp })
}

/// Seals an account under a new salt, and in the native format under a new data key, with generation 1.
pub fn seal_new(account: &AccountConfig, protection: &Protection) -> Result<(Vec<u8>, FileKey), VaultError> {
    seal_next(account, protection, 0)
}

/// [`seal_new`] for an account that had a file before, of this generation (see [`PublicHeader::generation`]; 0 for
/// files without one): the native format counts on from there.
pub fn seal_next(
    account: &AccountConfig,
    protection: &Protection,
    generation: u64,
) -> Result<(Vec<u8>, FileKey), VaultError> {
    let (bytes, key) = match protection {
        Protection::Native(password) => {
            let none = Recovery::default();
            let (bytes, key) = native::seal_new(account, password, &none, Cost::DEFAULT, generation)?;
            (bytes, FileKey::native(key))
        }
        Protection::Recoverable(password, recovery) => {
            let (bytes, key) = native::seal_new(account, password, recovery, Cost::DEFAULT, generation)?;
            (bytes, FileKey::native(key))
        }
        Protection::OidcAgent(password) => {
            let (bytes, key) = oidc_agent::seal_new(account, password)?;
            (bytes, FileKey::oidc_agent(key))
        }
        Protection::Clear => {
            let (bytes, key) = native::seal_clear(account, generation)?;
            (bytes, FileKey::native(key))
        }
        Protection::Gpg(recipient) => {
            let (bytes, recipients) = gpg::seal_new(account, recipient)?;
            (bytes, FileKey::gpg(recipients))
        }
    };
    if bytes.len() > MAX_FILE_LEN { Err(VaultError::TooLarge) } else { Ok((bytes, key)) }
}

/// What a native file tells without a password. Nothing of it is proven until the file is opened. `None` for other
/// formats and for damaged files.
pub fn header(bytes: &[u8]) -> Option<PublicHeader> {
    matches!(format_of(bytes), Ok(Format::Native)).then(|| native::header(bytes).ok()).flatten()
}
