//! The managed files of an agent with all that belongs to them, and how that is changed.

use std::{
    collections::HashMap,
    path::PathBuf,
    pin::Pin,
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

use super::{
    hook_state::HookState,
    hooks,
    issued::Issued,
    publish::Seen,
    schedule::{EntryId, Schedule, TokenId},
};
use crate::{
    accounts::{Accounts, Loading},
    clock::Moment,
};

/// Files that are written at the same time: a disk that hangs takes no more of the threads that accounts need.
pub(super) const WRITERS: usize = 4;

/// Whoever carries out what the schedule says.
pub(super) type Driving = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The managed files of an agent; clones share them.
#[derive(Clone)]
pub struct Files(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) accounts: Accounts,
    pub(super) drive: fn(Files) -> Driving,
    pub(super) surroundings: Surroundings,
    pub(super) state: Mutex<State>,
    /// There may be something to do.
    pub(super) wake: Notify,
    /// Something is not as it was.
    pub(super) changed: watch::Sender<()>,
    pub(super) writers: Semaphore,
    pub(super) hooks: Semaphore,
    /// One look at the places at a time.
    pub(super) looking: Arc<tokio::sync::Mutex<()>>,
    /// One reload at a time.
    pub(super) reloading: tokio::sync::Mutex<()>,
    /// What was there at the start has been read.
    pub(super) ready: CancellationToken,
    pub(super) ending: CancellationToken,
}

pub(super) struct State {
    pub(super) schedule: Schedule,
    /// Tokens that are still to be written. None under the agent's lock.
    pub(super) at_hand: HashMap<TokenId, Issued>,
    /// What was at the places when they were looked at last.
    pub(super) seen: HashMap<EntryId, Seen>,
    /// Accounts as they were when they were looked at last.
    pub(super) loadings: HashMap<Shortname, Loading>,
    pub(super) hooks: HashMap<EntryId, HookState>,
    /// The task that drives this is there.
    pub(super) runs: bool,
    pub(super) sources: Vec<PathBuf>,
    pub(super) loaded_at: Option<u64>,
    pub(super) refused: Option<FileProblem>,
    pub(super) remarks: Vec<FileProblem>,
    /// Accounts that could not be loaded with their passwords, and what is wrong with those.
    pub(super) of_accounts: Vec<(Shortname, FileProblem)>,
    pub(super) passwords: Vec<AccountPassword>,
}

impl State {
    /// What is wrong with an account's password: that says more than that the account is not loaded.
    pub(super) fn of_account(&self, account: &Shortname) -> Option<&FileProblem> {
        self.of_accounts.iter().find(|(name, _)| name == account).map(|(_, problem)| problem)
    }
}

impl Files {
    /// None yet. `drive` runs as long as there are entries.
    pub(super) fn new(accounts: Accounts, surroundings: Surroundings, drive: fn(Self) -> Driving) -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let state = State {
            schedule: Schedule::new(host, random),
            at_hand: HashMap::new(),
            seen: HashMap::new(),
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
            drive,
            surroundings,
            state: Mutex::new(state),
            wake: Notify::new(),
            changed: watch::Sender::default(),
            writers: Semaphore::new(WRITERS),
            hooks: Semaphore::new(hooks::MOST_AT_ONCE),
            looking: Arc::default(),
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

    pub(super) fn now(&self) -> Moment {
        self.0.accounts.deps().clock.now()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held; a poisoned state would still be a whole one.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something, has the driver look, and tells who waits for something.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State, Moment) -> T) -> T {
        let changed = {
            let mut state = self.state();
            let changed = change(&mut state, self.now());
            if !state.runs && !state.schedule.is_empty() && !self.0.ending.is_cancelled() {
                state.runs = true;
                tokio::spawn((self.0.drive)(self.clone()));
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
