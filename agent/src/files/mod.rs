//! Managed token files: kept fresh for readers that do not ask the agent.
//!
//! [`schedule`] knows what is to be done and when, and does nothing. [`Files`] holds it with what belongs to it, under a mutex
//! that is held for moments; `driver.rs` carries out what it says, in one task that is there as long as there are entries.
//! Tokens come from [`Accounts`] as for everybody.

mod configure;
mod driver;
mod due;
mod hooks;
mod issued;
mod leases;
mod pause;
mod publish;
mod report;
mod requests;
mod schedule;
mod tell;
mod timers;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use oidc_proto::{
    files::{AccountPassword, Surroundings},
    message::FileProblem,
    shortname::Shortname,
};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;

use self::{
    issued::Issued,
    schedule::{EntryId, Schedule, TokenId},
    tell::HookState,
};
use crate::{
    accounts::{Accounts, Loading},
    clock::Moment,
};

/// Files that are written at the same time: a disk that hangs takes no more of the threads that accounts need.
const WRITERS: usize = 4;

/// The managed files of an agent; clones share them.
#[derive(Clone)]
pub struct Files(Arc<Shared>);

struct Shared {
    accounts: Accounts,
    surroundings: Surroundings,
    state: Mutex<State>,
    /// There may be something to do.
    wake: Notify,
    /// Something is not as it was.
    changed: watch::Sender<()>,
    writers: Semaphore,
    hooks: Semaphore,
    /// One reload at a time.
    reloading: tokio::sync::Mutex<()>,
    /// What was there at the start has been read.
    ready: CancellationToken,
    ending: CancellationToken,
}

struct State {
    schedule: Schedule,
    /// Tokens that are still to be written. None under the agent's lock.
    at_hand: HashMap<TokenId, Issued>,
    /// Accounts as they were when they were looked at last.
    loadings: HashMap<Shortname, Loading>,
    hooks: HashMap<EntryId, HookState>,
    /// The task that drives this is there.
    runs: bool,
    sources: Vec<PathBuf>,
    loaded_at: Option<u64>,
    refused: Option<FileProblem>,
    remarks: Vec<FileProblem>,
    /// Accounts that could not be loaded with their passwords, and what is wrong with those.
    of_accounts: Vec<FileProblem>,
    passwords: Vec<AccountPassword>,
}

impl Files {
    /// Those of the configuration, if there is one: it is read before long. Must be called within a runtime.
    pub fn start(accounts: Accounts) -> Self {
        let files = Self::new(accounts, Surroundings::of_process());
        if files.is_configured() {
            let files = files.clone();
            tokio::spawn(async move { files.read().await });
        } else {
            files.0.ready.cancel();
        }
        files
    }

    fn new(accounts: Accounts, surroundings: Surroundings) -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let state = State {
            schedule: Schedule::new(host, random),
            at_hand: HashMap::new(),
            loadings: HashMap::new(),
            hooks: HashMap::new(),
            runs: false,
            sources: Vec::new(),
            loaded_at: None,
            refused: None,
            remarks: Vec::new(),
            of_accounts: Vec::new(),
            passwords: Vec::new(),
        };
        Self(Arc::new(Shared {
            accounts,
            surroundings,
            state: Mutex::new(state),
            wake: Notify::new(),
            changed: watch::Sender::default(),
            writers: Semaphore::new(WRITERS),
            hooks: Semaphore::new(hooks::MOST_AT_ONCE),
            reloading: tokio::sync::Mutex::default(),
            ready: CancellationToken::new(),
            ending: CancellationToken::new(),
        }))
    }

    /// Waits until the configuration that was there at the start has been read.
    pub async fn ready(&self) {
        tokio::select! {
            () = self.0.ready.cancelled() => {}
            () = self.0.ending.cancelled() => {}
        }
    }

    /// Nothing is begun any more.
    pub fn stop(&self) {
        self.0.ending.cancel();
    }

    fn now(&self) -> Moment {
        self.0.accounts.deps().clock.now()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held; a poisoned state would still be a whole one.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something, has the driver look, and tells who waits for something.
    fn change<T>(&self, change: impl FnOnce(&mut State, Moment) -> T) -> T {
        let changed = {
            let mut state = self.state();
            let changed = change(&mut state, self.now());
            if !state.runs && !state.schedule.is_empty() && !self.0.ending.is_cancelled() {
                state.runs = true;
                tokio::spawn(driver::run(self.clone()));
            }
            changed
        };
        self.0.wake.notify_one();
        self.0.changed.send_replace(());
        changed
    }
}

/// A byte that nobody foresees. It only spreads pauses out, so that none at all does no harm.
fn random() -> u8 {
    let mut byte = [0];
    let _ = SystemRandom::new().fill(&mut byte);
    byte[0]
}
