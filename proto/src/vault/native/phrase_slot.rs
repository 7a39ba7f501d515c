//! The slot that a recovery phrase opens: the data key in a sealed box for a key pair that is made of the phrase.
//!
//! The public key stands in the slot, so a new data key goes under the same phrase without anybody typing it. That a
//! public key is the owner's is vouched for by the file as a whole: it is opened before anything is wrapped anew.

use crypto_box::{PublicKey, SecretKey, aead::OsRng};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::document::{bytes_of, text_of};
use crate::{
    secret::Key,
    vault::{Phrase, RecoveryKind, VaultError},
};

/// The slot's `type`.
pub(super) const TYPE: &str = "phrase";
const KDF: &str = "hkdf-sha256";
const PUBLIC_LEN: usize = 32;
/// A sealed box of a key: the public key it was made with, the tag, and the key.
const WRAPPED_LEN: usize = 32 + 16 + 32;

/// A slot that a phrase opens.
pub(super) struct PhraseSlot {
    public: [u8; PUBLIC_LEN],
    wrapped_key: Vec<u8>,
}

/// The public key that belongs to a phrase.
pub(super) fn public_key(phrase: &Phrase) -> [u8; PUBLIC_LEN] {
    *secret_key(phrase).public_key().as_bytes()
}

/// A slot for whoever has the phrase of this public key.
pub(super) fn wrap(key: &Key, public: &[u8; PUBLIC_LEN]) -> Value {
    let sealed =
        PublicKey::from(*public).seal(&mut OsRng, key.expose()).expect("32 bytes fit into a sealed box");
    json!({"type": TYPE, "kdf": KDF, "public_key": text_of(public), "wrapped_key": text_of(&sealed)})
}

impl PhraseSlot {
    /// The one of a file.
    pub(super) fn find(slots: &[Value]) -> Result<Self, VaultError> {
        let known = slots.iter().filter_map(Value::as_object).find(|slot| is_known(slot));
        known.map_or(Err(VaultError::NoRecovery(RecoveryKind::Phrase)), Self::parse)
    }

    fn parse(slot: &Map<String, Value>) -> Result<Self, VaultError> {
        let wrong_length = || VaultError::Damaged("a key of its recovery phrase has a wrong length");
        let public = bytes_of(slot.get("public_key").cloned())?.try_into().map_err(|_| wrong_length())?;
        let wrapped_key = bytes_of(slot.get("wrapped_key").cloned())?;
        if wrapped_key.len() != WRAPPED_LEN {
            return Err(wrong_length());
        }
        Ok(Self { public, wrapped_key })
    }

    pub(super) fn public(&self) -> [u8; PUBLIC_LEN] {
        self.public
    }

    /// The data key, if this is the phrase.
    pub(super) fn unwrap(&self, phrase: &Phrase) -> Result<Key, VaultError> {
        let secret = secret_key(phrase);
        if *secret.public_key().as_bytes() != self.public {
            return Err(VaultError::WrongPhrase);
        }
        let damaged = VaultError::Damaged("what its recovery phrase opens was changed");
        let Ok(key) = secret.unseal(&self.wrapped_key).map(Zeroizing::new) else { return Err(damaged) };
        Key::from_slice(&key).ok_or(damaged)
    }
}

fn is_known(slot: &Map<String, Value>) -> bool {
    let is = |key: &str, text: &str| slot.get(key).and_then(Value::as_str) == Some(text);
    is("type", TYPE) && is("kdf", KDF)
}

fn secret_key(phrase: &Phrase) -> SecretKey {
    SecretKey::from_bytes(*phrase.key().expose())
}
