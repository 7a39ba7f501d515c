//! Which accounts are loaded: a cheap handle over a short mutex. What is done with them is in the files beside this one.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use oidc_proto::{
    error_code::ErrorCode,
    issuers::Issuers,
    message::{AccountStatus, Failure, Reminder},
    shortname::Shortname,
};
use tokio::sync::{Notify, OwnedMutexGuard, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    account::Account,
    aws_under_way::AwsUnderWay,
    deps::Deps,
    loading::Loading,
    lock::{Covered, LockKey},
    login_offers::{LogIn, Offers},
    off_thread::off_thread,
    tries::Tries,
};
use crate::clock::Moment;

/// The loaded accounts; clones share them.
#[derive(Clone)]
pub struct Accounts(pub(super) Arc<Shared>);

pub(super) struct Shared {
    deps: Deps,
    state: Mutex<State>,
    pub(super) loading: Loading,
    /// An account was put on the list.
    inserted: Notify,
    pub(super) tries: Tries,
    pub(super) aws: AwsUnderWay,
    pub(super) offers: Offers,
    /// Whoever has the person log in, once it is there.
    login: OnceLock<Weak<dyn LogIn>>,
    pub(super) lifetimes_changed: Notify,
    /// Which accounts can be used is not as it was.
    pub(super) changed: watch::Sender<()>,
    pub(super) tasks: TaskTracker,
    /// Refresh tokens that could not be saved are tried again now and then: see [`super::save`].
    pub(super) saving: TaskTracker,
    /// No refresh is begun any more.
    pub(super) ending: CancellationToken,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) lock: Option<Arc<LockKey>>,
    /// In load order; a reloaded account goes to the end.
    pub(super) loaded: Vec<Arc<Account>>,
    /// Accounts whose refresh token has not reached the disk, loaded or not: see [`super::save`].
    pub(super) unsaved: Vec<Arc<Account>>,
    /// What else the lock covers.
    pub(super) covered: Vec<Weak<dyn Covered>>,
}

impl Accounts {
    /// No account loaded, not locked.
    pub(super) fn new(deps: Deps) -> Self {
        Self(Arc::new(Shared {
            deps,
            state: Mutex::default(),
            loading: Loading::default(),
            inserted: Notify::new(),
            tries: Tries::default(),
            aws: AwsUnderWay::default(),
            offers: Offers::default(),
            login: OnceLock::new(),
            lifetimes_changed: Notify::new(),
            changed: watch::Sender::default(),
            tasks: TaskTracker::new(),
            saving: TaskTracker::new(),
            ending: CancellationToken::new(),
        }))
    }

    /// What accounts need from the outside.
    pub fn deps(&self) -> &Deps {
        &self.0.deps
    }

    /// Logins that are offered are made by this, as long as it is there.
    pub fn log_in_by(&self, login: Weak<dyn LogIn>) {
        // A second one would be a defect, and the first one stays.
        let _ = self.0.login.set(login);
    }

    /// Whoever has the person log in.
    pub(super) fn login(&self) -> Option<Arc<dyn LogIn>> {
        self.0.login.get()?.upgrade()
    }

    /// What time it is.
    pub(super) fn now(&self) -> Moment {
        self.deps().clock.now()
    }

    /// The issuer data as they are on disk now.
    pub async fn issuers(&self) -> Arc<Issuers> {
        let (home, issuers) = (self.deps().home.clone(), self.deps().issuers.clone());
        off_thread(move || {
            issuers.reload(&home);
            issuers.issuers()
        })
        .await
    }

    /// Whether the agent is locked.
    pub fn is_locked(&self) -> bool {
        self.state().lock.is_some()
    }

    /// Fails while the agent is locked.
    pub fn require_unlocked(&self) -> Result<(), Failure> {
        if self.is_locked() { Err(Failure::agent_locked()) } else { Ok(()) }
    }

    /// Names of the loaded accounts, in load order; also while locked.
    pub fn names(&self) -> Vec<Shortname> {
        self.loaded().iter().map(|account| account.name.clone()).collect()
    }

    /// What is known about each loaded account, without its secrets.
    pub fn status(&self) -> Vec<AccountStatus> {
        let now = self.now();
        self.loaded().iter().map(|account| account.status(now)).collect()
    }

    /// What of a loaded account ends soon, if the person was not told so today; from now on it counts as told.
    pub fn reminder(&self, name: &str) -> Option<Reminder> {
        let ahead = self.deps().options.warn_before?;
        self.find(&name.parse().ok()?)?.reminder(ahead, self.now())
    }

    /// Unloads an account. Whether it was loaded.
    pub fn remove(&self, name: &Shortname) -> bool {
        let mut state = self.state();
        let before = state.loaded.len();
        state.loaded.retain(|account| account.name != *name);
        let removed = state.loaded.len() != before;
        drop(state);
        self.0.changed.send_replace(());
        removed
    }

    /// Unloads an account that is given up: what of it did not reach the disk is given up as well.
    pub fn forget(&self, name: &Shortname) {
        self.remove(name);
        self.state().unsaved.retain(|account| account.name != *name);
    }

    /// Unloads all accounts.
    pub fn remove_all(&self) {
        self.state().loaded.clear();
        self.0.changed.send_replace(());
    }

    /// Does something that is not to be cut off once it has begun, such as spending a refresh token: it runs to its end
    /// whoever waits for it, also while the agent ends, and is not begun when that ends already.
    pub async fn complete<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) -> Result<T, Failure> {
        if self.0.ending.is_cancelled() {
            return Err(Failure::new(ErrorCode::Internal, "nothing is begun any more: the agent ends"));
        }
        match self.0.tasks.spawn(work).await {
            Ok(done) => done,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// Waits until no refresh is under way: a rotated refresh token must reach the disk before the agent ends. None is
    /// begun any more, and what could not be saved so far is tried once more.
    pub async fn settle(&self) {
        self.0.ending.cancel();
        self.0.tasks.close();
        self.0.saving.close();
        if !self.0.tasks.is_empty() {
            tracing::info!("waiting for what was sent to providers; another signal ends at once");
        }
        self.0.tasks.wait().await;
        self.0.saving.wait().await;
    }

    /// Puts an account at the end of the list, in the place of one of the same name.
    pub(super) fn insert(&self, account: Arc<Account>) -> Result<(), Failure> {
        {
            let mut state = self.state();
            if state.lock.is_some() {
                return Err(Failure::agent_locked());
            }
            state.loaded.retain(|other| other.name != account.name);
            state.loaded.push(account);
        }
        self.0.lifetimes_changed.notify_one();
        self.0.inserted.notify_waiters();
        self.0.changed.send_replace(());
        Ok(())
    }

    /// The accounts whose lifetime is not over.
    pub(super) fn loaded(&self) -> Vec<Arc<Account>> {
        let now = self.now();
        let mut state = self.state();
        state.loaded.retain(|account| !account.is_over(now));
        state.loaded.clone()
    }

    pub(super) fn find(&self, name: &Shortname) -> Option<Arc<Account>> {
        let now = self.now();
        let state = self.state();
        state.loaded.iter().find(|account| account.name == *name && !account.is_over(now)).cloned()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held; a poisoned state would still be a whole one.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nobody else loads an account of this name.
    pub(super) async fn loading(&self, name: &Shortname) -> Result<OwnedMutexGuard<()>, Failure> {
        self.0.loading.only_one(name).await
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use oidc_proto::account::AccountConfig;

    use super::{
        super::{account::Flags, held::Open, testing::Bench},
        *,
    };

    fn account(name: &str) -> Arc<Account> {
        let open = Open::new(AccountConfig::default());
        Arc::new(Account::new(name.parse().expect("a name"), open, Flags::default(), None))
    }

    fn names(bench: &Bench) -> Vec<String> {
        bench.accounts.names().iter().map(ToString::to_string).collect()
    }

    #[tokio::test]
    async fn each_name_is_there_once_and_the_last_load_is_last() {
        let bench = Bench::new();
        for (loaded, expected) in
            [("a", &["a"][..]), ("b", &["a", "b"]), ("a", &["b", "a"]), ("c", &["b", "a", "c"])]
        {
            let account = account(loaded);
            bench.accounts.insert(Arc::clone(&account)).expect("not locked");
            assert_eq!(names(&bench), expected);
            let found = bench.accounts.find(&account.name).expect("loaded");
            assert!(Arc::ptr_eq(&found, &account), "{loaded}: the one before is gone");
        }
        let name = "a".parse().expect("a name");
        assert_eq!([bench.accounts.remove(&name), bench.accounts.remove(&name)], [true, false]);
        assert_eq!(names(&bench), ["b", "c"]);
        bench.accounts.remove_all();
        assert!(names(&bench).is_empty());
    }

    #[tokio::test]
    async fn under_the_lock_names_are_told_and_nothing_is_loaded() {
        let bench = Bench::new();
        bench.accounts.insert(account("a")).expect("not locked");
        bench.accounts.lock("sesame".into()).await.expect("locked");
        let refused = bench.accounts.insert(account("b")).expect_err("locked");
        assert_eq!(refused.code, ErrorCode::AgentLocked);
        assert_eq!(names(&bench), ["a"]);
        assert!(bench.accounts.remove(&"a".parse().expect("a name")), "unloading is always possible");
    }

    #[tokio::test]
    async fn whoever_waits_for_an_account_gets_it_whoever_loads_it() {
        let bench = Bench::new();
        let (accounts, name) = (bench.accounts.clone(), "b".parse().expect("a name"));
        let waiting = tokio::spawn(async move { accounts.loaded_meanwhile(&name).await });
        tokio::task::yield_now().await;
        bench.accounts.insert(account("a")).expect("not locked");
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished(), "that was another one");
        bench.accounts.insert(account("b")).expect("not locked");
        assert_eq!(waiting.await.expect("no panic").name.as_str(), "b");
    }

    /// Somebody begins what must not be cut off, and goes away; then the agent ends.
    #[tokio::test]
    async fn what_has_begun_is_completed_and_nothing_begins_at_the_end() {
        let bench = Bench::new();
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        let done = Arc::new(AtomicBool::new(false));
        let work = {
            let done = Arc::clone(&done);
            async move {
                gone.await.expect("told to go on");
                done.store(true, Ordering::SeqCst);
                Ok(())
            }
        };
        let accounts = bench.accounts.clone();
        let waiting = tokio::spawn(async move { accounts.complete(work).await });
        tokio::task::yield_now().await;
        waiting.abort();
        assert!(waiting.await.expect_err("went away").is_cancelled());

        let accounts = bench.accounts.clone();
        let settling = tokio::spawn(async move { accounts.settle().await });
        tokio::task::yield_now().await;
        assert!(!settling.is_finished(), "something is under way");
        let late = bench.accounts.complete(async { Ok(()) }).await;
        assert_eq!(late.expect_err("the agent ends").code, ErrorCode::Internal);
        go.send(()).expect("it still runs");
        settling.await.expect("no panic");
        assert!(done.load(Ordering::SeqCst));
    }
}
