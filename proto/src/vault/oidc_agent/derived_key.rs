//! What a password comes to under a file's salt.

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{
    layout::{Layout, SALT_LEN},
    secretbox::{self, NONCE_LEN},
};
use crate::{
    secret::{Key, Password, random},
    vault::{
        VaultError,
        kdf::{self, Algorithm, Work},
    },
};

/// `crypto_pwhash` of libsodium, "interactive". The file's own record of them is ignored, as by the C suite.
const WORK: Work = Work { m_kib: 64 * 1024, t: 2, p: 1 };

/// What the password of a file comes to under the file's salt.
#[derive(Clone)]
pub(in crate::vault) struct DerivedKey {
    salt: [u8; SALT_LEN],
    cipher: Key,
    /// Stored readable in the file, to tell a wrong password.
    verification: Key,
}

impl DerivedKey {
    pub(super) fn derive(password: &Password, salt: [u8; SALT_LEN]) -> Result<Self, VaultError> {
        let mut derived = Zeroizing::new([0; 64]);
        kdf::derive(Algorithm::Argon2id, WORK, password, &salt, derived.as_mut())?;
        Ok(Self::from_parts(salt, &derived))
    }

    fn from_parts(salt: [u8; SALT_LEN], derived: &[u8; 64]) -> Self {
        let half = |from: usize| Key::from_slice(&derived[from..from + 32]).expect("half of 64 bytes");
        Self { salt, cipher: half(0), verification: half(32) }
    }

    pub(in crate::vault) fn to_parts(&self) -> ([u8; SALT_LEN], Zeroizing<[u8; 64]>) {
        let mut derived = Zeroizing::new([0; 64]);
        derived[..32].copy_from_slice(self.cipher.expose());
        derived[32..].copy_from_slice(self.verification.expose());
        (self.salt, derived)
    }

    pub(in crate::vault) fn try_from_parts(salt: &[u8], derived: &[u8]) -> Option<Self> {
        let derived: &[u8; 64] = derived.try_into().ok()?;
        Some(Self::from_parts(salt.try_into().ok()?, derived))
    }

    /// Decrypts the file this key was taken from, or a later one under the same salt.
    pub(in crate::vault) fn open(&self, bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let layout = Layout::parse(bytes)?;
        if layout.salt != self.salt || !self.verifies(&layout) {
            return Err(VaultError::OtherKey);
        }
        self.decrypt(&layout)
    }

    /// A file with this text, under the same salt and a new nonce.
    pub(in crate::vault) fn seal(&self, text: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        random(&mut nonce);
        let ciphertext = secretbox::seal(&self.cipher, &nonce, text);
        Layout { nonce, salt: self.salt, ciphertext, verification: *self.verification.expose() }.to_bytes()
    }

    pub(super) fn verifies(&self, layout: &Layout) -> bool {
        self.verification.expose().ct_eq(&layout.verification).into()
    }

    pub(super) fn decrypt(&self, layout: &Layout) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        secretbox::open(&self.cipher, &layout.nonce, &layout.ciphertext)
            .ok_or(VaultError::Damaged("the encrypted text was changed"))
    }
}
