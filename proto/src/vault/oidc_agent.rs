//! The C suite's formats: seven lines of base64 since 2.1.0, one line of hex before.
//!
//! The reader is stricter than the C suite's where that one reads undefined memory or compares half a key: the sizes
//! of nonce, salt and key must be what every release writes, base64 must be whole, the verification key is compared
//! in full, and the version line must be there. All of these are [`VaultError::Damaged`].

use argon2::Algorithm;
use base64::{Engine, engine::general_purpose::STANDARD};
use crypto_secretbox::{AeadInPlace, KeyInit, XSalsa20Poly1305};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{
    FileKey, Format, VaultError, account_object,
    kdf::{self, Work},
    rewritten,
};
use crate::{
    account::AccountConfig,
    secret::{Key, Password, random},
};

mod hex;
mod layout;

use self::layout::{Layout, NONCE_LEN, SALT_LEN, TAG_LEN};
pub(super) use self::{
    hex::{HexKey, inspect as inspect_hex, unlock as unlock_hex},
    layout::probe,
};

/// `crypto_pwhash` of libsodium, "interactive". The file's own record of them is ignored, as by the C suite.
const WORK: Work = Work { m_kib: 64 * 1024, t: 2, p: 1 };

/// What the password of a file comes to under the file's salt.
#[derive(Clone)]
pub(super) struct DerivedKey {
    salt: [u8; SALT_LEN],
    cipher: Key,
    /// Stored readable in the file, to tell a wrong password.
    verification: Key,
}

impl DerivedKey {
    fn derive(password: &Password, salt: [u8; SALT_LEN]) -> Result<Self, VaultError> {
        let mut derived = Zeroizing::new([0; 64]);
        kdf::derive(Algorithm::Argon2id, WORK, password, &salt, derived.as_mut())?;
        Ok(Self::from_parts(salt, &derived))
    }

    fn from_parts(salt: [u8; SALT_LEN], derived: &[u8; 64]) -> Self {
        let half = |from: usize| Key::from_slice(&derived[from..from + 32]).expect("half of 64 bytes");
        Self { salt, cipher: half(0), verification: half(32) }
    }

    pub(super) fn to_parts(&self) -> ([u8; SALT_LEN], Zeroizing<[u8; 64]>) {
        let mut derived = Zeroizing::new([0; 64]);
        derived[..32].copy_from_slice(self.cipher.expose());
        derived[32..].copy_from_slice(self.verification.expose());
        (self.salt, derived)
    }

    pub(super) fn try_from_parts(salt: &[u8], derived: &[u8]) -> Option<Self> {
        let derived: &[u8; 64] = derived.try_into().ok()?;
        Some(Self::from_parts(salt.try_into().ok()?, derived))
    }

    /// Decrypts the file this key was taken from, or a later one under the same salt.
    pub(super) fn open(&self, bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        match super::format_of(bytes)? {
            Format::OidcAgent => {}
            _ => return Err(VaultError::OtherKey),
        }
        let layout = Layout::parse(bytes)?;
        if layout.salt != self.salt || !self.verifies(&layout) {
            return Err(VaultError::OtherKey);
        }
        self.decrypt(&layout)
    }

    pub(super) fn seal(&self, account: &AccountConfig, previous: &[u8]) -> Result<Vec<u8>, VaultError> {
        let previous = account_object(&self.open(previous)?)?;
        Ok(self.encrypt(rewritten(previous, account).as_bytes()))
    }

    fn verifies(&self, layout: &Layout) -> bool {
        self.verification.expose().ct_eq(&layout.verification).into()
    }

    fn decrypt(&self, layout: &Layout) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        open_secretbox(&self.cipher, &layout.nonce, &layout.ciphertext)
            .ok_or(VaultError::Damaged("the encrypted text was changed"))
    }

    fn encrypt(&self, text: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        random(&mut nonce);
        let ciphertext = seal_secretbox(&self.cipher, &nonce, text);
        Layout { nonce, salt: self.salt, ciphertext, verification: *self.verification.expose() }.to_bytes()
    }
}

pub(super) fn inspect(bytes: &[u8]) -> Result<(), VaultError> {
    Layout::parse(bytes).map(drop)
}

pub(super) fn unlock(bytes: &[u8], password: &Password) -> Result<(Zeroizing<Vec<u8>>, FileKey), VaultError> {
    let layout = Layout::parse(bytes)?;
    let key = DerivedKey::derive(password, layout.salt)?;
    if !key.verifies(&layout) {
        return Err(VaultError::WrongPassword);
    }
    let text = key.decrypt(&layout)?;
    Ok((text, FileKey::oidc_agent(key)))
}

pub(super) fn seal_new(
    account: &AccountConfig,
    password: &Password,
) -> Result<(Vec<u8>, FileKey), VaultError> {
    let mut salt = [0; SALT_LEN];
    random(&mut salt);
    let key = DerivedKey::derive(password, salt)?;
    let bytes = key.encrypt(new_text(account).as_bytes());
    Ok((bytes, FileKey::oidc_agent(key)))
}

/// The text of a new file that the C suite is to read. 4.x reads its scopes from `scope` only, 5.x writes `auth_scope`
/// only: it gets both.
pub(super) fn new_text(account: &AccountConfig) -> Zeroizing<String> {
    let mut account = account.clone();
    account.scope = account.scope.take().or_else(|| account.auth_scope.clone());
    account.to_json()
}

/// `crypto_secretbox_easy`: the tag first, then the encrypted text.
fn seal_secretbox(key: &Key, nonce: &[u8; NONCE_LEN], text: &[u8]) -> Vec<u8> {
    let mut sealed = Zeroizing::new(vec![0; TAG_LEN + text.len()]);
    sealed[TAG_LEN..].copy_from_slice(text);
    let tag = XSalsa20Poly1305::new(key.expose().into())
        .encrypt_in_place_detached(nonce.into(), b"", &mut sealed[TAG_LEN..])
        .expect("the text is far below the cipher's limit");
    sealed[..TAG_LEN].copy_from_slice(&tag);
    std::mem::take(&mut sealed)
}

fn open_secretbox(key: &Key, nonce: &[u8; NONCE_LEN], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (tag, encrypted) = sealed.split_at_checked(TAG_LEN)?;
    let mut text = Zeroizing::new(encrypted.to_vec());
    XSalsa20Poly1305::new(key.expose().into())
        .decrypt_in_place_detached(nonce.into(), b"", &mut text, tag.into())
        .ok()
        .map(|()| text)
}
