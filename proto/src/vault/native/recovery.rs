//! The ways to the data key beside the password, as they go from one data key to the next.

use serde_json::Value;

use super::{
    gpg_slot::{self, GpgSlot},
    phrase_slot::{self, PhraseSlot},
};
use crate::{
    secret::Key,
    vault::{Phrase, VaultError},
};

/// Who can open an account file beside whoever knows its password. No secret is in it: a new data key is made for each of
/// them without them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// The public key that belongs to the phrase.
    phrase: Option<[u8; 32]>,
    gpg: Option<Recipient>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Recipient {
    /// As a person names it.
    Named(String),
    /// The key ids of a message that there is.
    Ids(Vec<String>),
}

impl Recovery {
    /// Those of a file. Nothing is proven by it: see [`FileKey::recovery`](crate::vault::FileKey::recovery).
    pub(super) fn of(slots: &[Value]) -> Result<Self, VaultError> {
        let phrase = there(PhraseSlot::find(slots))?.map(|slot| slot.public());
        let gpg = there(GpgSlot::find(slots))?.map(|slot| Recipient::Ids(slot.recipients()));
        Ok(Self { phrase, gpg })
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }

    /// Whether there is a phrase.
    pub fn has_phrase(&self) -> bool {
        self.phrase.is_some()
    }

    /// Whether there is an OpenPGP key.
    pub fn has_gpg(&self) -> bool {
        self.gpg.is_some()
    }

    /// With this phrase, and no other one.
    #[must_use]
    pub fn with_phrase(self, phrase: &Phrase) -> Self {
        Self { phrase: Some(phrase_slot::public_key(phrase)), ..self }
    }

    /// With this OpenPGP key, as `gpg -r` takes it, and no other one.
    #[must_use]
    pub fn with_gpg(self, recipient: String) -> Self {
        Self { gpg: Some(Recipient::Named(recipient)), ..self }
    }

    /// Without an OpenPGP key.
    #[must_use]
    pub fn without_gpg(self) -> Self {
        Self { gpg: None, ..self }
    }

    /// One slot for each.
    pub(super) fn wrap(&self, key: &Key) -> Result<Vec<Value>, VaultError> {
        let phrase = self.phrase.as_ref().map(|public| Ok(phrase_slot::wrap(key, public)));
        let gpg = self.gpg.as_ref().map(|recipient| match recipient {
            Recipient::Named(name) => gpg_slot::wrap(key, name),
            Recipient::Ids(ids) => gpg_slot::wrap_again(key, ids),
        });
        phrase.into_iter().chain(gpg).collect()
    }
}

/// What was found; that there is none is no error here.
fn there<T>(found: Result<T, VaultError>) -> Result<Option<T>, VaultError> {
    match found {
        Ok(slot) => Ok(Some(slot)),
        Err(VaultError::NoRecovery(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
