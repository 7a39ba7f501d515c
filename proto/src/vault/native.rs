//! The native format, `oidc-account/1`: one JSON document with a public header and the account under a data key.
//!
//! The data key is random, new at each password change, and wrapped once for each way in (a *slot*). Everything but
//! `nonce` and `ciphertext` is the header; its canonical text is the associated data of the ciphertext. A slot's own
//! members are the associated data of its wrapped key. So a password is proven by its slot alone, and a header or
//! account that was changed then shows as damage, not as a wrong password.

mod document;
mod slot;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use ring::digest::{SHA256, digest};
use zeroize::Zeroizing;

pub(super) use self::document::probe;
pub use self::slot::Cost;
use self::{document::Document, slot::PasswordSlot};
use super::{FileKey, Format, VaultError, account_object, rewritten};
use crate::{
    account::AccountConfig,
    secret::{Key, Password},
};

/// What a native file tells without a password; no secret is in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PublicHeader {
    /// The account's short name when the file was written.
    pub name: Option<String>,
    /// The issuer.
    pub issuer: Option<String>,
    /// RFC 6749 section 2.2.
    pub client_id: Option<String>,
    /// RFC 7592 section 3: where the client can be deleted.
    pub registration_client_uri: Option<String>,
    /// Counts the writes of the file.
    pub generation: u64,
}

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

    pub(super) fn open(&self, bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        self.open_document(bytes).map(|(_, text)| text)
    }

    pub(super) fn seal(&self, account: &AccountConfig, previous: &[u8]) -> Result<Vec<u8>, VaultError> {
        let (mut document, text) = self.open_document(previous)?;
        let text = rewritten(account_object(&text)?, account);
        document.describe(account, self.newest_generation().max(document.generation()).saturating_add(1));
        Ok(document.seal(&self.key, text.as_bytes()))
    }

    fn open_document(&self, bytes: &[u8]) -> Result<(Document, Zeroizing<Vec<u8>>), VaultError> {
        match super::format_of(bytes)? {
            Format::Native => {}
            _ => return Err(VaultError::OtherKey),
        }
        let document = Document::parse(bytes)?;
        match document.open(&self.key) {
            Ok(text) => {
                self.note_generation(document.generation());
                Ok((document, text))
            }
            Err(_) if fingerprint(&document) != self.slots => Err(VaultError::OtherKey),
            Err(error) => Err(error),
        }
    }
}

pub(super) fn unlock(bytes: &[u8], password: &Password) -> Result<(Zeroizing<Vec<u8>>, FileKey), VaultError> {
    let document = Document::parse(bytes)?;
    let slots = slot::password_slots(document.slots())?;
    for slot in &slots {
        if let Some(key) = slot.unwrap(password)? {
            let text = document.open(&key)?;
            return Ok((text, FileKey::native(DataKey::new(key, &document))));
        }
    }
    Err(VaultError::WrongPassword)
}

pub(super) fn seal_new(
    account: &AccountConfig,
    password: &Password,
    cost: Cost,
    generation: u64,
) -> Result<(Vec<u8>, FileKey), VaultError> {
    let key = Key::random();
    let slot = PasswordSlot::wrap(&key, password, cost)?;
    let mut document = Document::with_slots(vec![slot.to_value()]);
    document.describe(account, generation.saturating_add(1));
    let bytes = document.seal(&key, account.to_json().as_bytes());
    let key = FileKey::native(DataKey::new(key, &document));
    Ok((bytes, key))
}

pub(super) fn inspect(bytes: &[u8]) -> Result<(), VaultError> {
    slot::password_slots(Document::parse(bytes)?.slots()).map(drop)
}

pub(super) fn header(bytes: &[u8]) -> Result<PublicHeader, VaultError> {
    Document::parse(bytes).map(|document| document.header())
}

fn fingerprint(document: &Document) -> [u8; 32] {
    let digest = digest(&SHA256, document.canonical_slots().as_bytes());
    digest.as_ref().try_into().expect("SHA-256 gives 32 bytes")
}
