//! The C suite's formats: seven lines of base64 since 2.1.0, one line of hex before.
//!
//! The reader is stricter than the C suite's where that one reads undefined memory or compares half a key: the sizes
//! of nonce, salt and key must be what every release writes, base64 must be whole, the verification key is compared
//! in full, and the version line must be there. All of these are [`VaultError::Damaged`].

mod derived_key;
mod hex;
mod layout;
mod secretbox;

use zeroize::Zeroizing;

use self::layout::{Layout, SALT_LEN, decimal, is_version_line, lines};
pub(super) use self::{
    derived_key::DerivedKey,
    hex::{HexKey, inspect as inspect_hex, unlock as unlock_hex},
};
use super::{error::VaultError, format::Format, text::new_text};
use crate::{
    account::AccountConfig,
    secret::{Password, random},
};

/// Which of the C suite's formats this is.
pub(super) fn probe(bytes: &[u8]) -> Result<Format, VaultError> {
    let mut all = lines(bytes);
    let Some(first) = all.next() else {
        return Err(VaultError::NotAnAccountFile("it is empty"));
    };
    if all.last().is_some_and(is_version_line) {
        return Ok(Format::OidcAgent);
    }
    if hex::looks_like(first) {
        return Ok(Format::OidcAgentHex);
    }
    if decimal(first.trim_ascii()).is_some() {
        return Err(VaultError::Damaged("its last line, the version, is missing or broken"));
    }
    Err(VaultError::NotAnAccountFile("its format is unknown"))
}

pub(super) fn inspect(bytes: &[u8]) -> Result<(), VaultError> {
    Layout::parse(bytes).map(drop)
}

pub(super) fn unlock(
    bytes: &[u8],
    password: &Password,
) -> Result<(Zeroizing<Vec<u8>>, DerivedKey), VaultError> {
    let layout = Layout::parse(bytes)?;
    let key = DerivedKey::derive(password, layout.salt)?;
    if !key.verifies(&layout) {
        return Err(VaultError::WrongPassword);
    }
    let text = key.decrypt(&layout)?;
    Ok((text, key))
}

pub(super) fn seal_new(
    account: &AccountConfig,
    password: &Password,
) -> Result<(Vec<u8>, DerivedKey), VaultError> {
    let mut salt = [0; SALT_LEN];
    random(&mut salt);
    let key = DerivedKey::derive(password, salt)?;
    let bytes = key.seal(new_text(account).as_bytes());
    Ok((bytes, key))
}
