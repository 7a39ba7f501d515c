//! Loading an account with a password that nobody types: for services, whose password is in a file or comes from a program.

use oidc_proto::{
    message::Failure,
    secret::Password,
    shortname::Shortname,
    vault::{self, VaultError},
};

use super::{account::Flags, autoload::unopened, loaded::Accounts, off_thread::off_thread};

impl Accounts {
    /// Loads an account from its file unless it is loaded, with the password that `read` gives on a thread that may block. It
    /// stays until it is removed. No token is asked for.
    pub async fn load_unattended<E: Send + 'static>(
        &self,
        name: &Shortname,
        read: impl FnOnce() -> Result<Password, E> + Send + 'static,
    ) -> Result<(), Unloaded<E>> {
        let _only_one = self.loading(name).await?;
        self.require_unlocked()?;
        if self.find(name).is_some() {
            return Ok(());
        }
        let bytes = self.read_file(name).await?;
        let unlocked = off_thread(move || {
            let password = read().map_err(Unloaded::NoPassword)?;
            vault::unlock(&bytes, &password).map_err(Unloaded::NotOpened)
        });
        let unlocked = unlocked.await.map_err(|error| match error {
            Unloaded::NotOpened(error) => Unloaded::Failed(unopened(name, &error)),
            other => other,
        })?;
        let open = self.opened(name, unlocked).await;
        self.load(name.clone(), open, Flags::default(), None, true).await?;
        Ok(())
    }
}

/// Why an account was not loaded.
#[derive(Debug)]
pub enum Unloaded<E> {
    /// There is no password.
    NoPassword(E),
    /// The file does not open by it.
    NotOpened(VaultError),
    /// Anything else.
    Failed(Failure),
}

impl<E> From<Failure> for Unloaded<E> {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}
