//! One load of an account at a time, and one question for its password, whatever number of requests want it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use oidc_proto::{deadlines, error_code::ErrorCode, message::Failure, shortname::Shortname};
use tokio::{
    sync::{OwnedMutexGuard, watch},
    time::timeout,
};

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
    /// Waits until nobody else loads an account of this name.
    pub async fn only_one(&self, name: &Shortname) -> Result<OwnedMutexGuard<()>, Failure> {
        let gate = self.gate(name);
        timeout(deadlines::LOAD, gate.lock_owned()).await.map_err(|_| being_loaded(name))
    }

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

fn being_loaded(name: &Shortname) -> Failure {
    let seconds = deadlines::LOAD.as_secs();
    let error =
        format!("account '{name}' is being loaded by another program, for more than {seconds} seconds now");
    Failure::new(ErrorCode::TooManyRequests, error).with_info("Please try again in a moment.")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Shortname {
        text.parse().expect("a name")
    }

    #[tokio::test(start_paused = true)]
    async fn one_load_of_a_name_at_a_time_and_for_a_time() {
        let loading = Loading::default();
        let first = loading.only_one(&name("a")).await.expect("nobody else");
        loading.only_one(&name("b")).await.expect("another name");
        let refused = loading.only_one(&name("a")).await.expect_err("it is being loaded");
        assert_eq!(refused.code, ErrorCode::TooManyRequests);
        drop(first);
        loading.only_one(&name("a")).await.expect("done");
        assert!(lock(&loading.gates).len() <= 2, "names that nobody loads are forgotten");
    }

    #[test]
    fn one_question_for_a_password_at_a_time() {
        let loading = Loading::default();
        let PasswordQuestion::Ours(asked) = loading.ask(&name("a")) else { panic!("nobody asks") };
        let PasswordQuestion::Theirs(waiting) = loading.ask(&name("a")) else { panic!("somebody asks") };
        assert!(matches!(loading.ask(&name("b")), PasswordQuestion::Ours(_)));
        asked.failed(&Failure::wrong_password());
        assert_eq!(waiting.borrow().clone(), Some(Failure::wrong_password()));
        drop(asked);
        assert!(matches!(loading.ask(&name("a")), PasswordQuestion::Ours(_)));
    }
}
