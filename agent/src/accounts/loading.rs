//! One load of an account at a time, and one question for its password, whatever number of requests want it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use oidc_proto::{error_code::ErrorCode, message::Failure, shortname::Shortname};
use tokio::{
    sync::{OwnedMutexGuard, watch},
    time::timeout,
};

use super::{Accounts, account::Account};

/// How long a request waits for another one that loads the same account: about as long as that may take. No load waits
/// for a person.
const DEADLINE: Duration = Duration::from_secs(60);

/// What is going on for which account.
#[derive(Default)]
pub struct Loading {
    gates: Mutex<HashMap<Shortname, Weak<tokio::sync::Mutex<()>>>>,
    asking: Mutex<HashMap<Shortname, Weak<Asked>>>,
}

/// A question for the password of an account's file. Who asked it drops it when the account is loaded; `Some` is why
/// it is not.
pub struct Asked(watch::Sender<Option<Failure>>);

impl Asked {
    /// Tells everybody who waits for the same.
    pub fn failed(&self, failure: &Failure) {
        self.0.send_replace(Some(failure.clone()));
    }
}

/// Who asks.
pub enum PasswordQuestion {
    /// The caller; others wait for it until it drops this.
    Ours(Arc<Asked>),
    /// Another request.
    Theirs(watch::Receiver<Option<Failure>>),
}

impl Loading {
    fn gate(&self, name: &Shortname) -> Arc<tokio::sync::Mutex<()>> {
        let mut gates = lock(&self.gates);
        gates.retain(|_, gate| gate.strong_count() > 0);
        let gate = gates.get(name).and_then(Weak::upgrade).unwrap_or_default();
        gates.insert(name.clone(), Arc::downgrade(&gate));
        gate
    }

    /// Asks for the password of an account's file, unless somebody does already.
    pub fn ask(&self, name: &Shortname) -> PasswordQuestion {
        let mut asking = lock(&self.asking);
        asking.retain(|_, asked| asked.strong_count() > 0);
        if let Some(asked) = asking.get(name).and_then(Weak::upgrade) {
            return PasswordQuestion::Theirs(asked.0.subscribe());
        }
        let asked = Arc::new(Asked(watch::Sender::new(None)));
        asking.insert(name.clone(), Arc::downgrade(&asked));
        PasswordQuestion::Ours(asked)
    }
}

impl Accounts {
    /// Waits until nobody else loads an account of this name.
    pub(super) async fn loading(&self, name: &Shortname) -> Result<OwnedMutexGuard<()>, Failure> {
        let gate = self.0.loading.gate(name);
        timeout(DEADLINE, gate.lock_owned()).await.map_err(|_| being_loaded(name))
    }

    /// Waits until an account of this name is on the list, for whatever reason.
    pub(super) async fn loaded_meanwhile(&self, name: &Shortname) -> Arc<Account> {
        loop {
            let mut changed = std::pin::pin!(self.0.inserted.notified());
            // From here on nothing is missed.
            changed.as_mut().enable();
            if let Some(account) = self.find(name) {
                return account;
            }
            changed.await;
        }
    }
}

fn being_loaded(name: &Shortname) -> Failure {
    let seconds = DEADLINE.as_secs();
    let error =
        format!("account '{name}' is being loaded by another program, for more than {seconds} seconds now");
    Failure::new(ErrorCode::TooManyRequests, error).with_info("Please try again in a moment.")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
