//! A registration whose login is not done yet: a hidden file beside the account's, encrypted like an account file.
//!
//! It exists from the moment a provider has registered a client until the account file is written. So a client that
//! was registered for a login that failed can be used again or be deleted, and is never forgotten.

use std::path::PathBuf;

use zeroize::Zeroizing;

use super::{Home, companion, error::HomeError, lock::AccountLock, names};
use crate::shortname::Shortname;

impl Home {
    /// Where the pending registration for an account is, whether there is one or not.
    pub fn pending_path(&self, name: &Shortname) -> PathBuf {
        names::pending_path(self.path(), name)
    }

    /// The pending registration; `None` when there is none. Read as [`Home::read`] reads an account file.
    pub fn read_pending(&self, name: &Shortname) -> Result<Option<Zeroizing<Vec<u8>>>, HomeError> {
        companion::read(&self.pending_path(name))
    }

    /// Writes the pending registration, new or over an old one, as [`Home::write`] writes an account file.
    pub fn write_pending(&self, lock: &AccountLock, bytes: &[u8]) -> Result<(), HomeError> {
        companion::write(&self.pending_path(lock.name()), lock, bytes)
    }

    /// Removes the pending registration. Whether there was one.
    pub fn remove_pending(&self, lock: &AccountLock) -> Result<bool, HomeError> {
        companion::remove(&self.pending_path(lock.name()), self.path())
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt, time::Duration};

    use super::*;

    #[test]
    fn a_pending_registration_is_hidden_and_goes_with_the_account() {
        let directory = tempfile::tempdir().expect("a directory");
        let home = Home::at(directory.path());
        let name: Shortname = "acc".parse().expect("a name");
        assert_eq!(home.read_pending(&name).expect("readable"), None);

        let lock = home.lock(&name, Duration::ZERO).expect("a lock");
        home.write_pending(&lock, b"sealed").expect("written");
        assert_eq!(
            home.read_pending(&name).expect("readable").as_deref().map(Vec::as_slice),
            Some(&b"sealed"[..])
        );
        assert!(home.list().expect("a listing").is_empty());
        let mode = std::fs::metadata(home.pending_path(&name)).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        assert!(home.remove_pending(&lock).expect("removed"));
        assert!(!home.remove_pending(&lock).expect("nothing there"));
        home.write_pending(&lock, b"sealed").expect("written");
        let deleted = home.delete(lock).expect("deleted");
        assert_eq!((deleted.file, deleted.leftovers), (false, 1));
        assert_eq!(home.read_pending(&name).expect("readable"), None);
    }
}
