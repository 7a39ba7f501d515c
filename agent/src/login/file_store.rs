//! `file_write` and its siblings: where `oidc-gen` keeps a registered client until its account file is written.
//!
//! The store is in memory only; it is not the file system. As clients expect, and unlike in the C agent, a second
//! write of a name replaces the first.

use std::collections::HashMap;

use crypto_box::{PublicKey, SecretKey};
use oidc_proto::{
    error_code::ErrorCode,
    json::Object,
    message::{Failure, FileWriteRequest},
    secret::SecretText,
};
use serde_json::{Value, json};

use super::held::{Held, Sealable};
use crate::handed_on::{self, Unreadable};

/// Most texts kept.
const CAPACITY: usize = 64;
/// The longest text, in bytes; a registration has a few kilobytes.
const MAX_DATA: usize = 256 * 1024;
/// The longest name, in bytes.
const MAX_NAME: usize = 4096;

/// Texts by name. Under the agent's lock they are sealed, and none is given or taken.
#[derive(Default)]
pub struct FileStore(Held<Texts>);

#[derive(Default)]
struct Texts(HashMap<String, SecretText>);

impl FileStore {
    /// Keeps a text, in the place of one of the same name.
    pub fn write(&mut self, request: FileWriteRequest) -> Result<(), Failure> {
        let FileWriteRequest { filename, data } = request;
        if filename.len() > MAX_NAME || data.expose().len() > MAX_DATA {
            let error = format!("Bad request. At most {} KiB can be kept under a name.", MAX_DATA / 1024);
            return Err(Failure::new(ErrorCode::BadRequest, error));
        }
        let texts = &mut self.0.open_mut().ok_or_else(Failure::agent_locked)?.0;
        if texts.len() >= CAPACITY && !texts.contains_key(&filename) {
            let error = format!("the agent keeps {CAPACITY} files already");
            return Err(Failure::new(ErrorCode::TooManyRequests, error));
        }
        texts.insert(filename, data);
        Ok(())
    }

    /// The text of a name.
    pub fn read(&self, filename: &str) -> Result<SecretText, Failure> {
        let texts = &self.0.open().ok_or_else(Failure::agent_locked)?.0;
        texts.get(filename).cloned().ok_or_else(Failure::file_not_found)
    }

    /// Forgets a text; it need not be there.
    pub fn remove(&mut self, filename: &str) -> Result<(), Failure> {
        self.0.open_mut().ok_or_else(Failure::agent_locked)?.0.remove(filename);
        Ok(())
    }

    /// For the process that takes over from this one. What is sealed stays so.
    pub fn hand_on(&self) -> Object {
        let mut object = Object::default();
        match (self.0.open(), self.0.sealed_secrets()) {
            (Some(Texts(texts)), _) => {
                let text =
                    |(name, data): (&String, &SecretText)| json!({ "name": name, "data": data.expose() });
                object.insert("open", texts.iter().map(text).collect::<Value>());
            }
            (None, secrets) => object.insert("sealed", handed_on::encoded(secrets.unwrap_or_default())),
        }
        object
    }

    /// What [`FileStore::hand_on`] gave. `key`: that of the lock, if the agent is locked.
    pub fn handed_on(object: &mut Object, key: Option<&PublicKey>) -> Result<Self, Unreadable> {
        if let Some(key) = key {
            let secrets = handed_on::bytes(object, "sealed")?.to_vec();
            return Ok(Self(Held::handed_on(Texts::default(), key.clone(), secrets)));
        }
        let text = |object: Object| {
            let data = SecretText::new(handed_on::text(&object, "data")?);
            Ok((handed_on::text(&object, "name")?, data))
        };
        let texts = handed_on::objects(object, "open")?;
        let texts = texts.into_iter().map(text).collect::<Result<_, Unreadable>>()?;
        Ok(Self(Held::new(Texts(texts))))
    }

    /// Seals the texts to the key of a locked period.
    pub fn seal(&mut self, key: &PublicKey) {
        self.0.seal(key);
    }

    /// Opens them again.
    pub fn unseal(&mut self, key: &SecretKey) {
        self.0.unseal(key);
    }
}

impl Sealable for Texts {
    fn strip(&mut self) -> Object {
        let mut secrets = Object::default();
        for (name, text) in self.0.drain() {
            secrets.insert(name, text.expose());
        }
        secrets
    }

    fn restore(&mut self, mut secrets: Object) {
        let names: Vec<String> = secrets.members().keys().cloned().collect();
        for name in names {
            if let Some(Value::String(text)) = secrets.remove(&name) {
                self.0.insert(name, SecretText::new(text));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::lock::LockKey;

    fn write(store: &mut FileStore, name: &str, data: &str) -> Result<(), Failure> {
        store.write(FileWriteRequest { filename: name.into(), data: data.into() })
    }

    #[test]
    fn a_second_write_replaces_the_first() {
        let mut store = FileStore::default();
        assert_eq!(store.read("a").err(), Some(Failure::file_not_found()));
        write(&mut store, "a", "one").expect("kept");
        write(&mut store, "a", "two").expect("kept");
        assert_eq!(store.read("a").as_ref().map(SecretText::expose), Ok("two"));
        store.remove("a").expect("forgotten");
        store.remove("a").expect("gone already");
        assert_eq!(store.read("a").err(), Some(Failure::file_not_found()));
    }

    #[test]
    fn is_closed_while_the_agent_is_locked() {
        let lock = LockKey::new(&"sesame".into()).expect("memory");
        let mut store = FileStore::default();
        for (name, text) in [("a", "one"), ("b", ""), ("c", "null")] {
            write(&mut store, name, text).expect("kept");
        }
        store.seal(lock.public());
        assert!(store.0.without_secrets().0.is_empty());
        assert_eq!(store.read("a").err(), Some(Failure::agent_locked()));
        assert_eq!(write(&mut store, "d", "x").err(), Some(Failure::agent_locked()));
        assert_eq!(store.remove("a").err(), Some(Failure::agent_locked()));
        store.unseal(&lock.open(&"sesame".into()).expect("the right password"));
        for (name, text) in [("a", "one"), ("b", ""), ("c", "null")] {
            assert_eq!(store.read(name).as_ref().map(SecretText::expose), Ok(text));
        }
    }

    #[test]
    fn is_bounded_in_number_and_size() {
        let mut store = FileStore::default();
        for number in 0..CAPACITY {
            write(&mut store, &number.to_string(), "x").expect("kept");
        }
        let refused = write(&mut store, "one more", "x").expect_err("refused");
        assert_eq!(refused.code, ErrorCode::TooManyRequests);
        write(&mut store, "0", "y").expect("replaced");
        let large = "x".repeat(MAX_DATA + 1);
        assert_eq!(write(&mut store, "0", &large).expect_err("refused").code, ErrorCode::BadRequest);
    }
}
