//! `file_write` and its siblings: where `oidc-gen` keeps a registered client until its account file is written.
//!
//! The store is in memory only; it is not the file system. As clients expect, and unlike in the C agent, a second
//! write of a name replaces the first.

use std::collections::HashMap;

use oidc_proto::{
    error_code::ErrorCode,
    message::{Failure, FileWriteRequest},
    secret::SecretText,
};

/// Most texts kept.
const CAPACITY: usize = 64;
/// The longest text, in bytes; a registration has a few kilobytes.
const MAX_DATA: usize = 256 * 1024;
/// The longest name, in bytes.
const MAX_NAME: usize = 4096;

/// Texts by name.
#[derive(Default)]
pub struct FileStore(HashMap<String, SecretText>);

impl FileStore {
    /// Keeps a text, in the place of one of the same name.
    pub fn write(&mut self, request: FileWriteRequest) -> Result<(), Failure> {
        let FileWriteRequest { filename, data } = request;
        if filename.len() > MAX_NAME || data.expose().len() > MAX_DATA {
            let error = format!("Bad request. At most {} KiB can be kept under a name.", MAX_DATA / 1024);
            return Err(Failure::new(ErrorCode::BadRequest, error));
        }
        if self.0.len() >= CAPACITY && !self.0.contains_key(&filename) {
            let error = format!("the agent keeps {CAPACITY} files already");
            return Err(Failure::new(ErrorCode::TooManyRequests, error));
        }
        self.0.insert(filename, data);
        Ok(())
    }

    /// The text of a name.
    pub fn read(&self, filename: &str) -> Result<SecretText, Failure> {
        self.0.get(filename).cloned().ok_or_else(Failure::file_not_found)
    }

    /// Forgets a text; it need not be there.
    pub fn remove(&mut self, filename: &str) {
        self.0.remove(filename);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        store.remove("a");
        store.remove("a");
        assert_eq!(store.read("a").err(), Some(Failure::file_not_found()));
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
