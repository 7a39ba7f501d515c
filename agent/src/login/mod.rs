//! Getting an account's first refresh token, and giving back what was got: the requests of `oidc-gen`.
//!
//! [`Login`] is a cheap handle. Each login under way is one entity ([`code_login::CodeLogin`],
//! [`device_login::DeviceLogin`]) in a bounded [`table::Table`], with an expiry of its own; nothing waits for another one's provider or
//! browser. While the agent is locked dispatch answers none of these requests, a browser that comes back is told to
//! come again, and the secrets of logins and kept texts are sealed as those of accounts are.

mod begin;
mod browser;
mod code;
mod code_login;
mod delete;
mod device;
mod device_login;
mod direct;
mod failure;
mod file_store;
mod generate;
mod go_on;
mod held;
mod login_request;
mod lookup;
mod loopback;
mod metadata;
mod mytoken;
mod page;
mod phase;
mod provider_report;
mod purpose;
mod reauthenticate;
pub mod redirected;
mod register;
mod renew;
mod robot;
mod state;
mod succession;
mod table;
mod web;

use std::{
    path::PathBuf,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use crypto_box::{PublicKey, SecretKey};
use oidc_proto::{
    account::AccountConfig,
    deadlines,
    message::{Failure, FileWriteRequest, Reply},
    shortname::Shortname,
};
use tokio::time::Instant;

use self::{code_login::CodeLogin, device_login::DeviceLogin, file_store::FileStore, table::Table};
use crate::{
    accounts::{Accounts, Covered, LogIn, account::Account},
    clock::{BootTime, Clock},
    prompt::Pinentry,
};

/// Everything that makes, mends and ends logins; clones share it.
#[derive(Clone)]
pub struct Login(Arc<Shared>);

struct Shared {
    accounts: Accounts,
    /// Where this agent listens; part of each `state`.
    socket: PathBuf,
    under_way: Mutex<UnderWay>,
    files: Mutex<FileStore>,
}

/// The logins that wait for a person.
#[derive(Default)]
struct UnderWay {
    codes: Table<CodeLogin>,
    devices: Table<DeviceLogin>,
    is_locked: bool,
}

impl UnderWay {
    /// Fails while the agent is locked: what began before must not be put here in the open.
    fn unlocked(&mut self) -> Result<&mut Self, Failure> {
        if self.is_locked { Err(Failure::agent_locked()) } else { Ok(self) }
    }
}

impl Covered for Shared {
    fn seal(&self, key: &PublicKey) {
        let mut under_way = lock(&self.under_way);
        under_way.is_locked = true;
        under_way.codes.iter().for_each(|login| login.phase.seal(key));
        under_way.devices.iter().for_each(|login| login.phase.seal(key));
        lock(&self.files).seal(key);
    }

    fn unseal(&self, key: &SecretKey) {
        let mut under_way = lock(&self.under_way);
        under_way.is_locked = false;
        under_way.codes.iter().for_each(|login| login.phase.unseal(key));
        under_way.devices.iter().for_each(|login| login.phase.unseal(key));
        lock(&self.files).unseal(key);
    }
}

impl LogIn for Shared {
    fn log_in(
        self: Arc<Self>,
        account: Arc<Account>,
        person: Pinentry,
    ) -> Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>> {
        Box::pin(async move { Box::pin(Login(self).renew(account, &person)).await })
    }
}

impl Login {
    /// No login under way. `socket` is the path at which this agent serves.
    pub fn new(accounts: Accounts, socket: PathBuf) -> Self {
        let (under_way, files) = Default::default();
        let shared = Arc::new(Shared { accounts, socket, under_way, files });
        let covered: Weak<Shared> = Arc::downgrade(&shared);
        shared.accounts.cover(covered);
        let login: Weak<Shared> = Arc::downgrade(&shared);
        shared.accounts.log_in_by(login);
        Self(shared)
    }

    /// `file_write`.
    pub fn file_write(&self, request: FileWriteRequest) -> Result<Reply, Failure> {
        self.files().write(request)?;
        Ok(Reply::success())
    }

    /// `file_read`.
    pub fn file_read(&self, filename: &str) -> Result<Reply, Failure> {
        self.files().read(filename).map(Reply::FileData)
    }

    /// `file_remove`.
    pub fn file_remove(&self, filename: &str) -> Result<Reply, Failure> {
        self.files().remove(filename)?;
        Ok(Reply::success())
    }

    fn files(&self) -> MutexGuard<'_, FileStore> {
        lock(&self.0.files)
    }

    fn under_way(&self) -> MutexGuard<'_, UnderWay> {
        lock(&self.0.under_way)
    }

    /// Sees to it that a login is dropped when its time is over.
    fn sweep_at(&self, expires_at: BootTime) {
        let (shared, clock) = (Arc::downgrade(&self.0), self.clock().clone());
        tokio::spawn(async move {
            clock.sleep_until(expires_at).await;
            if let Some(shared) = shared.upgrade() {
                let (login, now) = (Self(shared), clock.boot());
                let mut under_way = login.under_way();
                under_way.codes.sweep(now);
                under_way.devices.sweep(now);
            }
        });
    }

    fn clock(&self) -> &Clock {
        &self.0.accounts.deps().clock
    }
}

/// The name of the account that a request is about.
fn account_name(config: &AccountConfig) -> Result<Shortname, Failure> {
    let name = config.name.as_deref().ok_or_else(|| Failure::missing_field("name"))?;
    name.parse().map_err(|error| {
        Failure::new(oidc_proto::error_code::ErrorCode::BadRequest, format!("Bad request. {error}."))
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while one of these is held; a poisoned table would still be a whole one.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn provider_deadline() -> Instant {
    Instant::now() + deadlines::PROVIDER
}
