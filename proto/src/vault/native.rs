//! The native format, `oidc-account/1`: one JSON document with a public header and the account under a data key.
//!
//! The data key is random, new at each password change, and wrapped once for each way in (a *slot*). Everything but
//! `nonce` and `ciphertext` is the header; its canonical text is the associated data of the ciphertext. A slot's own
//! members are the associated data of its wrapped key. So a password is proven by its slot alone, and a header or
//! account that was changed then shows as damage, not as a wrong password.

mod document;
mod gpg_slot;
mod phrase_slot;
mod recovery;
mod slot;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use ring::digest::{SHA256, digest};
use zeroize::Zeroizing;

pub(super) use self::document::probe;
use self::{document::Document, gpg_slot::GpgSlot, phrase_slot::PhraseSlot, slot::PasswordSlot};
pub use self::{document::PublicHeader, recovery::Recovery, slot::Cost};
use super::{error::VaultError, phrase::Phrase};
use crate::{
    account::AccountConfig,
    secret::{Key, Password},
};

/// The data key of a file, with what tells whether a file is still under it.
#[derive(Clone)]
pub(super) struct DataKey {
    key: Key,
    /// SHA-256 of the canonical slots. A file that does not open and has other slots was encrypted anew; one with the
    /// same slots is damaged.
    slots: [u8; 32],
    /// The highest generation seen. Copies of the key share it.
    newest: Arc<AtomicU64>,
}

impl DataKey {
    fn new(key: Key, document: &Document) -> Self {
        let newest = Arc::new(AtomicU64::new(document.generation()));
        Self { key, slots: fingerprint(document), newest }
    }

    pub(super) fn try_from_parts(key: &[u8], slots: &[u8], generation: u64) -> Option<Self> {
        let newest = Arc::new(AtomicU64::new(generation));
        Some(Self { key: Key::from_slice(key)?, slots: slots.try_into().ok()?, newest })
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    pub(super) fn slots(&self) -> &[u8; 32] {
        &self.slots
    }

    pub(super) fn newest_generation(&self) -> u64 {
        self.newest.load(Ordering::Relaxed)
    }

    pub(super) fn note_generation(&self, generation: u64) {
        self.newest.fetch_max(generation, Ordering::Relaxed);
    }

    /// Decrypts the file this key was taken from, or a later one under the same data key.
    pub(super) fn open(&self, bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let document = Document::parse(bytes)?;
        match document.open(&self.key) {
            Ok(text) => {
                self.note_generation(document.generation());
                Ok(text)
            }
            Err(_) if fingerprint(&document) != self.slots => Err(VaultError::OtherKey),
            Err(error) => Err(error),
        }
    }

    /// The other ways in of a file that this key opens.
    pub(super) fn recovery(&self, bytes: &[u8]) -> Result<Recovery, VaultError> {
        self.open(bytes)?;
        Recovery::of(Document::parse(bytes)?.slots())
    }

    /// The file that replaces `previous`, which [`DataKey::open`] has opened: the same slots, `text` as its contents, and
    /// in the header what of `account` can be told without a password.
    pub(super) fn seal(
        &self,
        account: &AccountConfig,
        text: &str,
        previous: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        let mut document = Document::parse(previous)?;
        if slot::clear_key(document.slots()).is_some() {
            expect_nothing_to_hide(account)?;
        }
        document.describe(account, self.newest_generation().max(document.generation()).saturating_add(1));
        Ok(document.seal(&self.key, text.as_bytes()))
    }
}

/// The decrypted text of a file, and its data key.
pub(super) type Unlocked = (Zeroizing<Vec<u8>>, DataKey);

/// Opens a file that hides nothing. `None`: this one needs a password.
pub(super) fn unlock_clear(bytes: &[u8]) -> Result<Option<Unlocked>, VaultError> {
    let document = Document::parse(bytes)?;
    let Some(key) = slot::clear_key(document.slots()) else { return Ok(None) };
    let text = document.open(&key)?;
    Ok(Some((text, DataKey::new(key, &document))))
}

pub(super) fn unlock(bytes: &[u8], password: &Password) -> Result<Unlocked, VaultError> {
    if let Some(unlocked) = unlock_clear(bytes)? {
        return Ok(unlocked);
    }
    let document = Document::parse(bytes)?;
    let slots = slot::password_slots(document.slots())?;
    for slot in &slots {
        if let Some(key) = slot.unwrap(password)? {
            let text = document.open(&key)?;
            return Ok((text, DataKey::new(key, &document)));
        }
    }
    Err(VaultError::WrongPassword)
}

/// Opens a file with its recovery phrase.
pub(super) fn unlock_with_phrase(bytes: &[u8], phrase: &Phrase) -> Result<Unlocked, VaultError> {
    let document = Document::parse(bytes)?;
    let key = PhraseSlot::find(document.slots())?.unwrap(phrase)?;
    opened(&document, key)
}

/// Opens a file with the OpenPGP key that may recover it.
pub(super) fn unlock_with_gpg(bytes: &[u8]) -> Result<Unlocked, VaultError> {
    let document = Document::parse(bytes)?;
    let key = GpgSlot::find(document.slots())?.unwrap()?;
    opened(&document, key)
}

fn opened(document: &Document, key: Key) -> Result<Unlocked, VaultError> {
    let text = document.open(&key)?;
    Ok((text, DataKey::new(key, document)))
}

pub(super) fn seal_new(
    account: &AccountConfig,
    password: &Password,
    recovery: &Recovery,
    cost: Cost,
    generation: u64,
) -> Result<(Vec<u8>, DataKey), VaultError> {
    let key = Key::random();
    let mut slots = recovery.wrap(&key)?;
    slots.insert(0, PasswordSlot::wrap(&key, password, cost)?.to_value());
    let mut document = Document::with_slots(slots);
    document.describe(account, generation.saturating_add(1));
    let bytes = document.seal(&key, account.to_json().as_bytes());
    Ok((bytes, DataKey::new(key, &document)))
}

/// A file that hides nothing. Refused for an account with something to hide.
pub(super) fn seal_clear(account: &AccountConfig, generation: u64) -> Result<(Vec<u8>, DataKey), VaultError> {
    expect_nothing_to_hide(account)?;
    let key = Key::random();
    let mut document = Document::with_slots(vec![slot::clear(&key)]);
    document.describe(account, generation.saturating_add(1));
    let bytes = document.seal(&key, account.to_json().as_bytes());
    Ok((bytes, DataKey::new(key, &document)))
}

fn expect_nothing_to_hide(account: &AccountConfig) -> Result<(), VaultError> {
    if account.holds_secret() { Err(VaultError::NeedsProtection) } else { Ok(()) }
}

pub(super) fn inspect(bytes: &[u8]) -> Result<(), VaultError> {
    let document = Document::parse(bytes)?;
    if slot::clear_key(document.slots()).is_some() {
        return Ok(());
    }
    Recovery::of(document.slots())?;
    slot::password_slots(document.slots()).map(drop)
}

pub(super) fn header(bytes: &[u8]) -> Result<PublicHeader, VaultError> {
    Document::parse(bytes).map(|document| document.header())
}

fn fingerprint(document: &Document) -> [u8; 32] {
    let digest = digest(&SHA256, document.canonical_slots().as_bytes());
    digest.as_ref().try_into().expect("SHA-256 gives 32 bytes")
}
