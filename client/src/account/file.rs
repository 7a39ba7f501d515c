//! Opening an account file: its password from wherever it comes, three tries, and the newest refresh token. And
//! rewriting it: what another program has written since it was opened is never lost.

use std::{path::PathBuf, time::Duration};

use oidc_proto::{
    account::AccountConfig,
    home::{AccountLock, Home, HomeError},
    rotation::{self, Newest, RotationError},
    secret::Password,
    shortname::Shortname,
    vault::{self, FileKey, Format, Unlocked, VaultError},
};
use zeroize::Zeroizing;

use super::{
    error::AccountError,
    password::{TRIES, asker::Asker, error::PasswordError, keyring, sources::Sources},
};

/// How long to wait for another program that is changing the account's files.
pub const LOCK_TIMEOUT: Duration = Duration::from_secs(10);
/// How often writing is begun again before a program that takes no lock and keeps changing the file is given up on.
const ATTEMPTS: usize = 8;

/// An account file, read but not opened.
pub struct Sealed {
    /// The account.
    pub name: Shortname,
    /// Where the file is.
    pub path: PathBuf,
    /// What it holds.
    pub bytes: Zeroizing<Vec<u8>>,
    /// How it is encrypted.
    pub format: Format,
}

/// An opened account file.
pub struct Opened {
    /// The account, with the newest refresh token that is stored.
    pub account: AccountConfig,
    /// What rewrites the file without the password.
    pub key: FileKey,
    /// What opened it; an OpenPGP file has none, nor has one that hides nothing.
    pub password: Option<Password>,
    /// It hides nothing.
    pub is_clear: bool,
    /// Why the file could not be brought up to date, if it could not.
    pub warning: Option<String>,
}

/// An account file as it is under its lock, which may be another one than was opened before.
pub struct Current {
    /// What it holds.
    pub bytes: Zeroizing<Vec<u8>>,
    /// The account, with the newest refresh token that is stored.
    pub account: AccountConfig,
    /// What rewrites it.
    pub key: FileKey,
}

impl Sealed {
    /// Reads the account's file and tells its format. A file that no password could open fails here, before anybody
    /// is asked for one.
    pub fn read(home: &Home, name: &Shortname) -> Result<Self, AccountError> {
        let path = home.file(name);
        if !name.is_listed() {
            return Err(HomeError::Reserved(name.clone()).into());
        }
        let bytes = home.read(name).map_err(|error| match error {
            HomeError::NotFound(_) => AccountError::NoSuchAccount(name.clone()),
            other => other.into(),
        })?;
        match vault::format_of(&bytes) {
            Ok(format) => Ok(Self { name: name.clone(), path, bytes, format }),
            Err(error) => Err(AccountError::Vault { name: name.clone(), file: path, error }),
        }
    }

    /// Opens the file and takes over a newer refresh token that is kept beside it.
    pub fn open(
        &self,
        home: &Home,
        sources: &Sources,
        asker: &mut dyn Asker,
    ) -> Result<Opened, AccountError> {
        let clear = vault::unlock_clear(&self.bytes).map_err(|error| self.error(error))?;
        let is_clear = clear.is_some();
        let (unlocked, password, not_kept) = match clear {
            Some(unlocked) => (unlocked, None, None),
            None if self.format == Format::OpenPgp => {
                (vault::unlock_with_gpg(&self.bytes).map_err(|error| self.error(error))?, None, None)
            }
            None => self.unlock(sources, asker)?,
        };
        let opened = self.opened(home, unlocked);
        let warning = opened.warning.clone().or(not_kept);
        Ok(Opened { password, is_clear, warning, ..opened })
    }

    /// Takes over a newer refresh token that is kept beside a file that was opened without its password.
    pub fn opened(&self, home: &Home, unlocked: Unlocked) -> Opened {
        let Unlocked { mut account, key, .. } = unlocked;
        let warning = bring_up_to_date(home, &self.name, &mut account, &key);
        Opened { account, key, password: None, is_clear: false, warning }
    }

    /// A password from a source counts as one try; then the person is asked.
    fn unlock(
        &self,
        sources: &Sources,
        asker: &mut dyn Asker,
    ) -> Result<(Unlocked, Option<Password>, Option<String>), AccountError> {
        let mut trouble = None;
        if sources.keyring {
            match keyring::look_up(&self.name, &self.path) {
                Ok(None) => {}
                Ok(Some(password)) => match vault::unlock(&self.bytes, &password) {
                    Ok(unlocked) => return Ok((unlocked, Some(password), None)),
                    Err(VaultError::WrongPassword) => trouble = Some(keyring::wrong()),
                    Err(error) => return Err(self.error(error)),
                },
                Err(error @ PasswordError::Ask(_)) => return Err(error.into()),
                Err(error) => trouble = Some(error),
            }
        }
        let mut given = sources.read()?;
        let mut reason = match trouble {
            Some(error) if given.is_none() && !sources.can_ask(asker) => return Err(error.into()),
            trouble => trouble.map(|error| format!("{error}.")),
        };
        for _ in 0..TRIES {
            let was_given = given.is_some();
            let password = match given.take() {
                Some(password) => password,
                None => sources.ask_again(asker, &self.prompt(), reason.as_deref())?,
            };
            match vault::unlock(&self.bytes, &password) {
                Ok(unlocked) => {
                    let kept = sources.keyring.then(|| keyring::store(&self.name, &self.path, &password));
                    let warning = kept.and_then(Result::err).map(|error| not_kept(&error));
                    return Ok((unlocked, Some(password), warning));
                }
                Err(VaultError::WrongPassword) if was_given && !sources.can_ask(asker) => break,
                Err(VaultError::WrongPassword) => reason = Some("Wrong password.".to_owned()),
                Err(error) => return Err(self.error(error)),
            }
        }
        let header = vault::header(&self.bytes).unwrap_or_default();
        let is_recoverable = header.has_recovery_phrase || header.has_recovery_key;
        Err(AccountError::WrongPassword { name: self.name.clone(), file: self.path.clone(), is_recoverable })
    }

    fn prompt(&self) -> String {
        format!("Enter decryption password for account config '{}'", self.name)
    }

    /// That the file cannot be opened or written.
    pub fn error(&self, error: VaultError) -> AccountError {
        AccountError::Vault { name: self.name.clone(), file: self.path.clone(), error }
    }
}

impl Opened {
    /// Replaces the file under its lock by what `change` makes of it as it is then: an agent may have stored a newer
    /// refresh token, and a program of the C suite may have encrypted it anew, since it was opened. Begins again
    /// where a program that takes no lock writes meanwhile. Returns what `change` gave besides the bytes.
    pub fn rewrite<T, E: From<AccountError>>(
        &self,
        home: &Home,
        lock: &AccountLock,
        mut change: impl FnMut(&Current) -> Result<(Vec<u8>, T), E>,
    ) -> Result<T, E> {
        let mut attempts = 1..=ATTEMPTS;
        loop {
            attempts.next();
            let current = self.read_again(home, lock)?;
            let (bytes, result) = change(&current)?;
            match home.replace(lock, &current.bytes, &bytes) {
                Err(HomeError::Changed(_)) if !attempts.is_empty() => {}
                Err(error) => return Err(AccountError::from(error).into()),
                Ok(()) => return Ok(result),
            }
        }
    }

    /// The file as it is now. With the key, or where it was encrypted anew with the password or by `gpg`;
    /// [`AccountError::Reencrypted`] where neither opens it any more.
    pub fn read_again(&self, home: &Home, lock: &AccountLock) -> Result<Current, AccountError> {
        let name = lock.name();
        let file = || home.file(name);
        // What is kept beside the file must not be left behind by its next version.
        drop(rotation::settle(home, lock, &self.key));
        let (bytes, opened) = rotation::open(home, name, &self.key)?;
        let opened = match (opened, &self.password) {
            (Ok(account), _) => Ok((account, self.key.clone())),
            (Err(_), Some(password)) => vault::unlock(&bytes, password).map(into_parts),
            (Err(_), None) => match vault::unlock_clear(&bytes) {
                Ok(None) if self.is_clear || is_not_openpgp(&bytes) => Err(VaultError::OtherKey),
                Ok(None) => vault::unlock_with_gpg(&bytes).map(into_parts),
                Ok(Some(unlocked)) => Ok(into_parts(unlocked)),
                Err(error) => Err(error),
            },
        };
        let (mut account, key) = match opened {
            Ok(opened) => opened,
            Err(VaultError::WrongPassword | VaultError::OtherKey) => {
                return Err(AccountError::Reencrypted { name: name.clone(), file: file() });
            }
            Err(error) => return Err(AccountError::Vault { name: name.clone(), file: file(), error }),
        };
        rotation::newest(home, name, &mut account)?;
        Ok(Current { bytes, account, key })
    }
}

/// That the keyring does not keep a password.
pub fn not_kept(error: &PasswordError) -> String {
    format!("the password is not kept: {error}")
}

/// Opened by a recovery phrase, or by nothing, and encrypted anew since.
fn is_not_openpgp(bytes: &[u8]) -> bool {
    vault::format_of(bytes).is_ok_and(|format| format != Format::OpenPgp)
}

fn into_parts(Unlocked { account, key, .. }: Unlocked) -> (AccountConfig, FileKey) {
    (account, key)
}

/// The members that differ between `from` and `to`, changed in `account`.
pub fn with_changes(account: &AccountConfig, from: &AccountConfig, to: &AccountConfig) -> AccountConfig {
    let (from, to) = (from.to_object(), to.to_object());
    let mut changed = account.to_object();
    for (key, value) in to.members() {
        if from.members().get(key) != Some(value) {
            changed.insert(key.clone(), value.clone());
        }
    }
    let is_dropped = |key: &&String| !to.contains(key);
    from.members().keys().filter(is_dropped).for_each(|key| drop(changed.remove(key)));
    AccountConfig::from_object(changed)
}

fn settle(home: &Home, name: &Shortname, key: &FileKey) -> Result<(), RotationError> {
    let lock = home.lock(name, LOCK_TIMEOUT)?;
    rotation::settle(home, &lock, key).map(drop)
}

/// Takes the newest refresh token over and writes it into the file. Failing to write is no reason not to go on: the
/// token stays where it was found.
fn bring_up_to_date(
    home: &Home,
    name: &Shortname,
    account: &mut AccountConfig,
    key: &FileKey,
) -> Option<String> {
    let settled = match rotation::newest(home, name, account) {
        Ok(Newest::InFile) => return None,
        Ok(Newest::FromSidecar { .. }) => settle(home, name, key),
        Err(error) => Err(error),
    };
    settled.err().map(|error| format!("the account file could not be brought up to date: {error}"))
}

/// Whether a file in the oidc-agent directory is somebody else's: readable, and in none of our formats.
pub fn is_foreign(home: &Home, name: &Shortname) -> bool {
    home.read(name).is_ok_and(|bytes| vault::format_of(&bytes).is_err())
}

/// A format's name in JSON results.
pub fn format_name(format: Format) -> &'static str {
    match format {
        Format::Native => "native",
        Format::OidcAgent => "oidc-agent",
        Format::OidcAgentHex => "oidc-agent-hex",
        Format::OpenPgp => "openpgp",
    }
}
