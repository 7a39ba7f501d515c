//! A place of its own for every test: home, temporary and runtime directories, and nothing inherited.

use std::{
    collections::HashMap,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use oidc_proto::{
    account::AccountConfig,
    home::Home,
    secret::Password,
    shortname::Shortname,
    vault::{self, FileKey, Protection, Unlocked},
};
use tempfile::TempDir;

use crate::programs::program;

/// The password of every account file that [`Environment::add_account`] writes.
pub const PASSWORD: &str = "correct horse, battery";
/// The variable that holds it for `--pw-env`, which is the C suite's default one.
const PASSWORD_VARIABLE: &str = "OIDC_ENCRYPTION_PW";
/// For locks of account files.
const LOCK: Duration = Duration::from_secs(10);

/// The format of an account file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// Ours.
    Native,
    /// The C suite's.
    OidcAgent,
}

/// A person's surroundings, empty at first; deleted when dropped.
#[derive(Debug)]
pub struct Environment {
    root: TempDir,
    variables: Vec<(String, String)>,
    /// Key derivations are slow on purpose; these files' keys are known.
    keys: Mutex<HashMap<String, FileKey>>,
}

impl Environment {
    /// Fresh directories below the system's temporary one, so that socket paths stay short.
    ///
    /// # Panics
    /// When they cannot be made.
    pub fn new() -> Self {
        let root = tempfile::Builder::new().prefix("oidc-").tempdir().expect("a temporary directory");
        let environment = Self { root, variables: Vec::new(), keys: Mutex::default() };
        for directory in
            [environment.home(), environment.tmp(), environment.runtime(), environment.accounts()]
        {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory).expect("a directory");
        }
        environment
    }

    /// `HOME`.
    pub fn home(&self) -> PathBuf {
        self.path("home")
    }

    /// `TMPDIR`.
    pub fn tmp(&self) -> PathBuf {
        self.path("tmp")
    }

    /// `XDG_RUNTIME_DIR`.
    pub fn runtime(&self) -> PathBuf {
        self.path("run")
    }

    /// `OIDC_CONFIG_DIR`: the oidc-agent directory.
    pub fn accounts(&self) -> PathBuf {
        self.path("home/.config/oidc-agent")
    }

    /// The file of an account.
    pub fn account_file(&self, name: &str) -> PathBuf {
        self.accounts().join(name)
    }

    /// Anything else below this environment's root.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.root.path().join(relative)
    }

    /// Writes an account's file, sealed with [`PASSWORD`].
    ///
    /// # Panics
    /// When that fails.
    pub fn add_account(&self, account: &AccountConfig, format: FileFormat) {
        let password = Password::from(PASSWORD);
        let protection = match format {
            FileFormat::Native => Protection::Native(&password),
            FileFormat::OidcAgent => Protection::OidcAgent(&password),
        };
        let (bytes, key) = vault::seal_new(account, &protection).expect("an account that can be sealed");
        let name: Shortname = account.name.as_deref().unwrap_or_default().parse().expect("a short name");
        let home = Home::at(self.accounts());
        let lock = home.lock(&name, LOCK).expect("a lock");
        home.write(&lock, &bytes).expect("a written file");
        self.keys().insert(name.as_str().into(), key);
    }

    /// Reads an account's file back.
    ///
    /// # Panics
    /// When that fails.
    pub fn read_account(&self, name: &str) -> AccountConfig {
        self.unlock_account(name).0
    }

    /// Decrypts an account's file as clients do, without a key derivation where its key is known already.
    ///
    /// # Panics
    /// When that fails.
    pub fn unlock_account(&self, name: &str) -> (AccountConfig, FileKey) {
        let bytes = fs_err::read(self.account_file(name)).expect("an account file");
        if let Some(key) = self.keys().get(name).cloned()
            && let Ok(account) = key.open(&bytes)
        {
            return (account, key);
        }
        let unlocked = vault::unlock(&bytes, &Password::from(PASSWORD));
        let Unlocked { account, key, .. } = unlocked.expect("an account sealed with the usual password");
        self.keys().insert(name.into(), key.clone());
        (account, key)
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<String, FileKey>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A variable for every command from now on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.into(), value.into()));
    }

    /// A command of this workspace (`oidc`, `oidc-agent`, ...) in these surroundings.
    pub fn command(&self, name: &str) -> Command {
        self.command_at(&program(name))
    }

    /// Any program in these surroundings, without a variable of the test's own.
    pub fn command_at(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("LANG", "C.UTF-8")
            .env("NO_COLOR", "1")
            .env("HOME", self.home())
            .env("TMPDIR", self.tmp())
            .env("XDG_RUNTIME_DIR", self.runtime())
            .env("OIDC_CONFIG_DIR", self.accounts())
            .env(PASSWORD_VARIABLE, PASSWORD)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(self.home());
        command
    }
}

impl Default for Environment {
    fn default() -> Self {
        Self::new()
    }
}
