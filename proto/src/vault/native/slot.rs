//! Ways to the data key. Slots of other types and derivations belong to later versions and are left alone.

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::document::{bytes_of, text_of};
use crate::{
    secret::{Key, Password, random},
    vault::{
        VaultError,
        aead::{self, NONCE_LEN, TAG_LEN},
        canonical,
        kdf::{self, Algorithm, Work},
    },
};

const SALT_LEN: usize = 16;
const WRAPPED_LEN: usize = 32 + TAG_LEN;
/// More slots than any file has; each costs a key derivation when a password is tried.
const MAX_PASSWORD_SLOTS: usize = 4;

/// The cost of Argon2id (RFC 9106) for a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB, at most [`Cost::MAX`]'s.
    pub m_kib: u32,
    /// Passes.
    pub t: u32,
    /// Lanes.
    pub p: u32,
}

impl Cost {
    /// RFC 9106 section 4, second recommended option.
    pub const DEFAULT: Self = Self::of(Work::RECOMMENDED);
    /// What a file may ask for.
    pub const MAX: Self = Self { m_kib: 1024 * 1024, t: 16, p: 16 };

    const fn of(work: Work) -> Self {
        Self { m_kib: work.m_kib, t: work.t, p: work.p }
    }

    fn checked(self) -> Result<Work, VaultError> {
        let Self { m_kib, t, p } = self;
        if m_kib > Self::MAX.m_kib || t > Self::MAX.t || p > Self::MAX.p {
            return Err(VaultError::TooExpensive);
        }
        if t == 0 || p == 0 || m_kib < 8 * p {
            return Err(VaultError::Damaged("the cost of its key derivation makes no sense"));
        }
        Ok(Work { m_kib, t, p })
    }
}

/// A slot that a password opens.
pub(super) struct PasswordSlot {
    /// All members but `wrapped_key`; as text the associated data of that key.
    members: Map<String, Value>,
    work: Work,
    salt: [u8; SALT_LEN],
    nonce: [u8; NONCE_LEN],
    wrapped_key: Vec<u8>,
}

/// The slots that a password may open.
pub(super) fn password_slots(slots: &[Value]) -> Result<Vec<PasswordSlot>, VaultError> {
    let known: Vec<&Map<String, Value>> =
        slots.iter().filter_map(Value::as_object).filter(|slot| is_known(slot)).collect();
    match known.len() {
        0 => Err(VaultError::NewerFormat),
        1..=MAX_PASSWORD_SLOTS => known.into_iter().map(PasswordSlot::parse).collect(),
        _ => Err(VaultError::TooExpensive),
    }
}

/// The slot of a file that hides nothing: the data key as it is.
pub(super) fn clear(key: &Key) -> Value {
    serde_json::json!({"type": "clear", "key": text_of(key.expose())})
}

/// The data key, where it stands in a slot as it is.
pub(super) fn clear_key(slots: &[Value]) -> Option<Key> {
    let is_clear = |slot: &&Value| slot.get("type").and_then(Value::as_str) == Some("clear");
    let bytes = Zeroizing::new(bytes_of(slots.iter().find(is_clear)?.get("key").cloned()).ok()?);
    Key::from_slice(&bytes)
}

fn is_known(slot: &Map<String, Value>) -> bool {
    let is = |key: &str, text: &str| slot.get(key).and_then(Value::as_str) == Some(text);
    is("type", "password") && is("kdf", "argon2id")
}

impl PasswordSlot {
    /// Wraps `key` under a password and a new salt.
    pub(super) fn wrap(key: &Key, password: &Password, cost: Cost) -> Result<Self, VaultError> {
        let work = cost.checked()?;
        let mut salt = [0; SALT_LEN];
        random(&mut salt);
        let nonce = aead::fresh_nonce();
        let mut members = Map::new();
        for (name, value) in [
            ("type", "password".into()),
            ("kdf", "argon2id".into()),
            ("m_kib", cost.m_kib.into()),
            ("t", cost.t.into()),
            ("p", cost.p.into()),
            ("salt", text_of(&salt)),
            ("nonce", text_of(&nonce)),
        ] {
            members.insert(name.into(), value);
        }
        let mut slot = Self { members, work, salt, nonce, wrapped_key: Vec::new() };
        let wrapping = slot.wrapping_key(password)?;
        slot.wrapped_key =
            aead::seal_with(&wrapping, &slot.nonce, slot.associated().as_bytes(), key.expose());
        Ok(slot)
    }

    fn parse(slot: &Map<String, Value>) -> Result<Self, VaultError> {
        let mut members = slot.clone();
        let wrapped_key = bytes_of(members.shift_remove("wrapped_key"))?;
        let number = |name: &str| {
            let number = members.get(name).and_then(Value::as_u64);
            let number = number.ok_or(VaultError::Damaged("the cost of its key derivation is missing"))?;
            u32::try_from(number).map_err(|_| VaultError::TooExpensive)
        };
        let work = Cost { m_kib: number("m_kib")?, t: number("t")?, p: number("p")? }.checked()?;
        let wrong_length = |_| VaultError::Damaged("a salt or nonce has a wrong length");
        let salt = bytes_of(members.get("salt").cloned())?.try_into().map_err(wrong_length)?;
        let nonce = bytes_of(members.get("nonce").cloned())?.try_into().map_err(wrong_length)?;
        if wrapped_key.len() != WRAPPED_LEN {
            return Err(VaultError::Damaged("its wrapped key has a wrong length"));
        }
        Ok(Self { members, work, salt, nonce, wrapped_key })
    }

    /// The data key, if this is the password.
    pub(super) fn unwrap(&self, password: &Password) -> Result<Option<Key>, VaultError> {
        let wrapping = self.wrapping_key(password)?;
        let key = aead::open(&wrapping, &self.nonce, self.associated().as_bytes(), &self.wrapped_key);
        Ok(key.and_then(|key| Key::from_slice(&key)))
    }

    pub(super) fn to_value(&self) -> Value {
        let mut members = self.members.clone();
        members.insert("wrapped_key".into(), text_of(&self.wrapped_key));
        Value::Object(members)
    }

    fn wrapping_key(&self, password: &Password) -> Result<Key, VaultError> {
        let mut derived = Zeroizing::new([0; 32]);
        kdf::derive(Algorithm::Argon2id, self.work, password, &self.salt, derived.as_mut())?;
        Ok(Key::new(derived))
    }

    fn associated(&self) -> String {
        canonical::object(&self.members)
    }
}
