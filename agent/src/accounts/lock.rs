//! The agent's lock: what the accounts hold is sealed to a public key, and the secret key is sealed under the lock
//! password. One key derivation locks or unlocks any number of accounts, and a refresh that was under way when the
//! agent was locked can still put its result away without the password.

use chacha20poly1305::{KeyInit, XChaCha20Poly1305, aead::Aead};
use crypto_box::{PublicKey, SecretKey, aead::OsRng};
use oidc_proto::{
    json::Object,
    secret::{Password, random},
    vault::{
        VaultError,
        kdf::{self, Algorithm, Work},
    },
};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::handed_on::{self, Unreadable};

/// Secrets beside the accounts that the agent's lock covers.
pub trait Covered: Send + Sync {
    /// Seals them to the key of a locked period. Called while the accounts are held: must not ask for them.
    fn seal(&self, key: &PublicKey);

    /// Opens them again.
    fn unseal(&self, key: &SecretKey);
}

/// The key pair of one locked period.
pub struct LockKey {
    public: PublicKey,
    salt: [u8; 16],
    nonce: [u8; 24],
    sealed_secret: Vec<u8>,
}

impl LockKey {
    /// A new key pair under `password`. Takes a tenth of a second and 64 MiB; [`VaultError::OutOfMemory`] where the
    /// system has not got them.
    pub fn new(password: &Password) -> Result<Self, VaultError> {
        let (mut salt, mut nonce) = ([0; 16], [0; 24]);
        random(&mut salt);
        random(&mut nonce);
        let secret = SecretKey::generate(&mut OsRng);
        let bytes = Zeroizing::new(secret.to_bytes());
        let sealed_secret = cipher(password, &salt)?
            .encrypt(&nonce.into(), bytes.as_slice())
            .expect("32 bytes are within the cipher's bounds");
        Ok(Self { public: secret.public_key(), salt, nonce, sealed_secret })
    }

    /// For a process of the agent that goes on under the same lock. Holds nothing that opens anything without the password.
    pub fn to_value(&self) -> Value {
        json!({
            "public": handed_on::encoded(self.public.as_bytes()),
            "salt": handed_on::encoded(&self.salt),
            "nonce": handed_on::encoded(&self.nonce),
            "sealed_secret": handed_on::encoded(&self.sealed_secret),
        })
    }

    /// What [`LockKey::to_value`] gave.
    pub fn handed_on(object: &Object) -> Result<Self, Unreadable> {
        Ok(Self {
            public: PublicKey::from(*handed_on::array(object, "public")?),
            salt: *handed_on::array(object, "salt")?,
            nonce: *handed_on::array(object, "nonce")?,
            sealed_secret: handed_on::bytes(object, "sealed_secret")?.to_vec(),
        })
    }

    /// What accounts are sealed to.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The key that opens them; [`VaultError::WrongPassword`] with another password. Costs as much as [`LockKey::new`].
    pub fn open(&self, password: &Password) -> Result<SecretKey, VaultError> {
        let cipher = cipher(password, &self.salt)?;
        let opened = cipher.decrypt(&self.nonce.into(), self.sealed_secret.as_slice());
        let bytes = Zeroizing::new(opened.map_err(|_| VaultError::WrongPassword)?);
        SecretKey::from_slice(&bytes).map_err(|_| VaultError::WrongPassword)
    }
}

/// Seals bytes to the key of a locked period.
pub fn seal(key: &PublicKey, bytes: &[u8]) -> Vec<u8> {
    key.seal(&mut OsRng, bytes).expect("sealing to a public key does not fail")
}

/// Opens what [`seal`] made.
pub fn open(key: &SecretKey, bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    key.unseal(bytes).ok().map(Zeroizing::new)
}

fn cipher(password: &Password, salt: &[u8; 16]) -> Result<XChaCha20Poly1305, VaultError> {
    let mut key = Zeroizing::new([0; 32]);
    kdf::derive(Algorithm::Argon2id, Work::RECOMMENDED, password, salt, key.as_mut())?;
    Ok(XChaCha20Poly1305::new((&*key).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_with_the_right_password_only() {
        let lock = LockKey::new(&"s3cret".into()).expect("memory");
        let sealed = seal(lock.public(), b"held");
        assert_eq!(lock.open(&"wrong".into()).err(), Some(VaultError::WrongPassword));
        let lock = Object::from_value(lock.to_value()).expect("an object");
        let lock = LockKey::handed_on(&lock).expect("its own words");
        let key = lock.open(&"s3cret".into()).expect("the right password");
        assert_eq!(open(&key, &sealed).expect("sealed to this key").as_slice(), b"held");
    }
}
