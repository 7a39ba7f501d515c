//! The hidden file beside an account's: refresh tokens, each sealed under the one it replaces in the file.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hkdf::{HKDF_SHA256, Salt};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::{
    home::{AccountLock, Home, HomeError, Room, private_file},
    json::Object,
    secret::{Key, RefreshToken},
    shortname::Shortname,
    vault::aead::{self, NONCE_LEN, Sealed},
};

const FORMAT: &str = "oidc-rotated/1";
/// Entries for other tokens are kept: they may belong to a file that another agent has written since. So many.
const MAX_ENTRIES: usize = 8;

/// The sidecar of one account.
#[derive(Default)]
pub(super) struct Sidecar {
    /// Oldest first.
    entries: Vec<Sealed>,
}

impl Sidecar {
    /// Reads what lies beside the file and what lies in the runtime directory. What is missing or damaged is
    /// empty: it can only add to what the file says.
    pub(super) fn read(home: &Home, name: &Shortname) -> Result<Self, HomeError> {
        let at_hand = home.existing_stand_in().and_then(|stand_in| Self::read_at(&stand_in, name).ok());
        let sidecar = match Self::read_at(home, name) {
            // A token at hand is not to be missed for what is wrong with the directory.
            Err(_) if at_hand.as_ref().is_some_and(|at_hand| !at_hand.entries.is_empty()) => Self::default(),
            read => read?,
        };
        // Of two for the same token the one beside the file is newer: what is at hand follows what could be written.
        let entries = at_hand.into_iter().flat_map(|at_hand| at_hand.entries).chain(sidecar.entries);
        Ok(Self { entries: entries.collect() })
    }

    /// Reads the sidecar in one directory.
    pub(super) fn read_at(home: &Home, name: &Shortname) -> Result<Self, HomeError> {
        match private_file::read(&home.rotated_path(name)) {
            Ok(bytes) => Ok(Self::parse(&bytes).unwrap_or_default()),
            Err(HomeError::NotFound(_)) => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let object =
            Object::parse(bytes).ok().filter(|object| object.text("format").as_deref() == Some(FORMAT))?;
        let entry = |entry: &Value| {
            let bytes = |key: &str| URL_SAFE_NO_PAD.decode(entry.get(key)?.as_str()?).ok();
            Some(Sealed {
                nonce: <[u8; NONCE_LEN]>::try_from(bytes("nonce")?).ok()?,
                ciphertext: bytes("ciphertext")?,
            })
        };
        let entries = object.members().get("entries")?.as_array()?;
        Some(Self { entries: entries.iter().filter_map(entry).collect() })
    }

    /// The newest token that is kept for the one that stands in the file, over any number of successors; that one itself
    /// where nothing is kept.
    pub(super) fn newest(&self, name: &Shortname, in_file: &RefreshToken) -> RefreshToken {
        let mut chain = vec![in_file.clone()];
        while let Some(next) = chain.last().and_then(|last| self.open(name, last))
            && !chain.contains(&next)
        {
            chain.push(next);
        }
        chain.pop().unwrap_or_else(|| in_file.clone())
    }

    /// The token that is kept for another one.
    fn open(&self, name: &Shortname, in_file: &RefreshToken) -> Option<RefreshToken> {
        let key = sealing_key(in_file);
        let opened = self.entries.iter().rev().find_map(|entry| unseal(entry, &key, name))?;
        String::from_utf8(opened.to_vec()).ok().map(RefreshToken::new)
    }

    /// Keeps a token for the one that stands in the file, in place of what was kept for it.
    pub(super) fn put(&mut self, name: &Shortname, in_file: &RefreshToken, new: &RefreshToken) {
        let key = sealing_key(in_file);
        self.entries.retain(|entry| unseal(entry, &key, name).is_none());
        self.entries.push(aead::seal(&key, &associated(name), new.expose().as_bytes()));
        self.entries.drain(..self.entries.len().saturating_sub(MAX_ENTRIES));
    }

    pub(super) fn write(&self, home: &Home, lock: &AccountLock, room: &mut Room) -> Result<(), HomeError> {
        let entry = |entry: &Sealed| {
            let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
            json!({ "nonce": text(&entry.nonce), "ciphertext": text(&entry.ciphertext) })
        };
        let entries: Vec<Value> = self.entries.iter().map(entry).collect();
        home.write_rotated(lock, json!({ "format": FORMAT, "entries": entries }).to_string().as_bytes(), room)
    }

    /// Removes the sidecar once the file is newer. One that cannot be removed opens for nobody any more.
    pub(super) fn remove(home: &Home, name: &Shortname) {
        drop(private_file::remove(&home.rotated_path(name)));
        Self::remove_at_hand(home, name);
    }

    /// Removes what lies in the runtime directory, once something newer lies beside the file.
    pub(super) fn remove_at_hand(home: &Home, name: &Shortname) {
        if let Some(stand_in) = home.existing_stand_in() {
            drop(private_file::remove(&stand_in.rotated_path(name)));
        }
    }
}

fn unseal(entry: &Sealed, key: &Key, name: &Shortname) -> Option<Zeroizing<Vec<u8>>> {
    aead::open(key, &entry.nonce, &associated(name), &entry.ciphertext)
}

/// An entry is good for the account of this name only.
fn associated(name: &Shortname) -> Vec<u8> {
    format!("{FORMAT} {name}").into_bytes()
}

/// HKDF-SHA256 (RFC 5869) of a refresh token. Those are long and random (RFC 6749 section 10.10), no passwords.
fn sealing_key(in_file: &RefreshToken) -> Key {
    let mut key = Zeroizing::new([0; 32]);
    Salt::new(HKDF_SHA256, FORMAT.as_bytes())
        .extract(in_file.expose().as_bytes())
        .expand(&[b"sidecar"], HKDF_SHA256)
        .and_then(|okm| okm.fill(key.as_mut()))
        .expect("HKDF gives as many bytes as its hash has");
    Key::new(key)
}
