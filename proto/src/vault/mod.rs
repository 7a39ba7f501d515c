//! The encrypted account file: told apart by its bytes, opened with a password, a kept key or `gpg`, and sealed.
//!
//! No file is touched here; bytes come in and bytes go out. Errors never quote what a file holds and do not name
//! the file: the caller knows it.

pub(crate) mod aead;
mod canonical;
mod error;
mod file_key;
mod gpg;
mod kdf;
mod native;
mod oidc_agent;
mod openpgp;

use zeroize::Zeroizing;

pub use self::{
    error::{GpgError, VaultError},
    file_key::FileKey,
    native::{Cost, PublicHeader},
};
use crate::{account::AccountConfig, json::Object, secret::Password};

/// The largest account file that is read or written, in bytes.
pub const MAX_FILE_LEN: usize = 1 << 20;

/// How an account file is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Ours, `oidc-account/1`.
    Native,
    /// The C suite's since 2.1.0: seven lines, base64.
    OidcAgent,
    /// The C suite's before 2.1.0: one line, hex. Read, never written.
    OidcAgentHex,
    /// An ASCII-armoured OpenPGP message, as the C suite writes since 4.2.0.
    OpenPgp,
}

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
    /// The C suite's format under a password.
    OidcAgent(&'a Password),
    /// OpenPGP for this recipient: a fingerprint, key id or user id, as `gpg -r` takes it.
    Gpg(&'a str),
}

/// The file's format, told by its bytes alone. A recognised format does not promise that the rest of the file is whole.
pub fn format_of(bytes: &[u8]) -> Result<Format, VaultError> {
    if bytes.len() > MAX_FILE_LEN {
        return Err(VaultError::TooLarge);
    }
    if openpgp::is_armoured(bytes) {
        return Ok(Format::OpenPgp);
    }
    if bytes.trim_ascii_start().starts_with(b"{") {
        return native::probe(bytes).map(|()| Format::Native);
    }
    oidc_agent::probe(bytes)
}

/// The file's format, after looking at everything that can be checked without opening it.
pub fn inspect(bytes: &[u8]) -> Result<Format, VaultError> {
    let format = format_of(bytes)?;
    match format {
        Format::Native => native::inspect(bytes)?,
        Format::OidcAgent => oidc_agent::inspect(bytes)?,
        Format::OidcAgentHex => oidc_agent::inspect_hex(bytes)?,
        Format::OpenPgp => openpgp::inspect(bytes)?,
    }
    Ok(format)
}

/// Opens a native or C suite file with its password. Costs one key derivation, up to three for the hex format.
///
/// An OpenPGP file has no password: [`VaultError::NeedsGpg`].
pub fn unlock(bytes: &[u8], password: &Password) -> Result<Unlocked, VaultError> {
    let format = format_of(bytes)?;
    let (text, key) = match format {
        Format::Native => native::unlock(bytes, password)?,
        Format::OidcAgent => oidc_agent::unlock(bytes, password)?,
        Format::OidcAgentHex => oidc_agent::unlock_hex(bytes, password)?,
        Format::OpenPgp => return Err(VaultError::NeedsGpg),
    };
    Ok(Unlocked { account: AccountConfig::from_object(account_object(&text)?), key, format })
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
    let sealed = match protection {
        Protection::Native(password) => native::seal_new(account, password, Cost::DEFAULT, generation)?,
        Protection::OidcAgent(password) => oidc_agent::seal_new(account, password)?,
        Protection::Gpg(recipient) => gpg::seal_new(account, recipient)?,
    };
    if sealed.0.len() > MAX_FILE_LEN { Err(VaultError::TooLarge) } else { Ok(sealed) }
}

/// What a native file tells without a password. Nothing of it is proven until the file is opened. `None` for other
/// formats and for damaged files.
pub fn header(bytes: &[u8]) -> Option<PublicHeader> {
    matches!(format_of(bytes), Ok(Format::Native)).then(|| native::header(bytes).ok()).flatten()
}

/// The decrypted text as an object. The C suite handles it as a C string, so it ends at the first NUL.
fn account_object(text: &[u8]) -> Result<Object, VaultError> {
    let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
    Object::parse(&text[..end]).map_err(|_| VaultError::Damaged("the decrypted text is not a JSON object"))
}

/// The text of a file that is rewritten: `previous` with only those members changed that differ in `account`, so that
/// spellings we would not choose (`""` for absent, `issuer`, `scope`) and unknown members stay.
fn rewritten(mut previous: Object, account: &AccountConfig) -> Zeroizing<String> {
    let before = AccountConfig::from_object(previous.clone()).to_object();
    let after = account.to_object();
    for key in before.members().keys().filter(|key| !after.contains(key)) {
        previous.remove(key);
    }
    for (key, value) in
        after.members().iter().filter(|(key, value)| before.members().get(*key) != Some(value))
    {
        if key == "issuer_url" {
            previous.remove("issuer");
        }
        previous.insert(key.clone(), value.clone());
    }
    previous.to_json()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::RefreshToken;

    #[test]
    fn a_rewrite_keeps_spellings_that_are_not_ours() {
        let text = br#"{"issuer":"https://op/","client_secret":"","oauth":0,"refresh_token":"a","x":{"y":1},"n":null}"#;
        let previous = account_object(text).unwrap();
        let mut account = AccountConfig::from_object(previous.clone());
        account.refresh_token = Some(RefreshToken::from("b"));
        let expected = std::str::from_utf8(text).unwrap().replace("\"a\"", "\"b\"");
        assert_eq!(*rewritten(previous.clone(), &account), expected);

        account.issuer_url = Some("https://new/".into());
        account.other.remove("x");
        let again = AccountConfig::parse(rewritten(previous, &account).as_bytes()).unwrap();
        assert_eq!(again, account);
    }

    #[test]
    fn text_ends_at_the_first_nul() {
        assert!(account_object(b"{}\0garbage").is_ok());
        assert!(matches!(account_object(b"{\0}"), Err(VaultError::Damaged(_))));
    }
}
