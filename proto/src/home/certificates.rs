//! The certificates that an account trusts instead of the system's, where they were given as a file of the person's own: a
//! copy beside the account's file, so that the account does not end with a file in some other directory. The account names
//! the copy, which the programs of the C suite read as they read any other file.

use std::path::PathBuf;

use zeroize::Zeroizing;

use super::{Home, companion, error::HomeError, lock::AccountLock, names};
use crate::shortname::Shortname;

impl Home {
    /// Where the certificates of an account are kept, whether there are any or not.
    pub fn certificates_path(&self, name: &Shortname) -> PathBuf {
        names::certificates_path(self.path(), name)
    }

    /// The certificates that are kept, as they were given; `None` when there are none.
    pub fn read_certificates(&self, name: &Shortname) -> Result<Option<Zeroizing<Vec<u8>>>, HomeError> {
        companion::read(&self.certificates_path(name))
    }

    /// Keeps certificates, instead of those that were kept before.
    pub fn write_certificates(&self, lock: &AccountLock, pem: &[u8]) -> Result<(), HomeError> {
        companion::write(&self.certificates_path(lock.name()), lock, pem)
    }

    /// Removes them. Whether there were any.
    pub fn remove_certificates(&self, lock: &AccountLock) -> Result<bool, HomeError> {
        companion::remove(&self.certificates_path(lock.name()), self.path())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn they_are_hidden_and_go_with_the_account() {
        let directory = tempfile::tempdir().expect("a directory");
        let home = Home::at(directory.path());
        let name: Shortname = "acc".parse().expect("a name");
        let kept = || home.read_certificates(&name).expect("readable").map(|pem| pem.to_vec());
        assert_eq!(kept(), None);
        let lock = home.lock(&name, Duration::ZERO).expect("a lock");
        home.write_certificates(&lock, b"one").expect("written");
        home.write_certificates(&lock, b"two").expect("written");
        assert_eq!(kept().as_deref(), Some(&b"two"[..]));
        assert!(home.list().expect("a listing").is_empty());
        assert!(home.remove_certificates(&lock).expect("removed"));
        home.write_certificates(&lock, b"three").expect("written");
        assert_eq!(home.delete(lock).expect("deleted").leftovers, 1);
        assert_eq!(kept(), None);
    }
}
