//! All accounts, for the process that takes over from this one; and when that may be: nothing that was sent to a provider is cut
//! off, and nothing that is being written.

use std::sync::{Arc, Weak};

use crypto_box::PublicKey;
use oidc_proto::json::Object;
use serde_json::{Value, json};
use tokio::sync::OwnedMutexGuard;

use super::{
    account::Account,
    loaded::{Accounts, State},
    lock::LockKey,
    off_thread::is_under_way,
    tries::Pace,
};
use crate::handed_on::{self, Unreadable};

/// What [`Accounts::hand_on`] gave, read as a whole.
pub struct HandedOn {
    lock: Option<Arc<LockKey>>,
    pace: Pace,
    loaded: Vec<Arc<Account>>,
    unsaved: Vec<Arc<Account>>,
}

impl HandedOn {
    /// Reads it, or says what makes no sense in it.
    pub fn read(mut object: Object) -> Result<Self, Unreadable> {
        let lock = handed_on::optional_object(&mut object, "lock")?;
        let lock = lock.map(|lock| LockKey::handed_on(&lock)).transpose()?.map(Arc::new);
        let key = lock.as_deref().map(LockKey::public);
        let account = |object| Account::handed_on(object, key).map(Arc::new);
        let loaded = handed_on::objects(&mut object, "loaded")?;
        let loaded = loaded.into_iter().map(account).collect::<Result<Vec<_>, _>>()?;
        let unsaved = |mut object: Object| {
            if let Some(object) = handed_on::optional_object(&mut object, "account")? {
                return account(object);
            }
            let place = usize::try_from(handed_on::number(&object, "loaded")?).unwrap_or(usize::MAX);
            loaded.get(place).cloned().ok_or_else(|| Unreadable::new("unsaved"))
        };
        let others = handed_on::objects(&mut object, "unsaved")?;
        let unsaved = others.into_iter().map(unsaved).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { pace: Pace::handed_on(&mut object, "pace")?, lock, loaded, unsaved })
    }
}

/// As long as it lives no account asks for anything, and none is written.
#[derive(Debug)]
pub struct Still {
    _turns: Vec<OwnedMutexGuard<()>>,
}

impl Accounts {
    /// Sees to it that nothing is under way, and that nothing begins. Otherwise what is.
    pub fn still(&self) -> Result<Still, String> {
        if self.0.ending.is_cancelled() {
            return Err("the agent ends".to_owned());
        }
        let accounts = self.all();
        let taken = |account: &Arc<Account>| {
            let asks = || format!("account '{}' waits for its provider, or for its file", account.name);
            Arc::clone(&account.turn).try_lock_owned().map_err(|_| asks())
        };
        let turns = accounts.iter().map(taken).collect::<Result<_, _>>()?;
        if let Some(name) = self.0.offers.open() {
            return Err(format!("a new login for account '{name}' is offered"));
        }
        if !self.0.tasks.is_empty() {
            return Err("a provider has not answered yet".to_owned());
        }
        if is_under_way() {
            return Err("a file is being read or written".to_owned());
        }
        Ok(Still { _turns: turns })
    }

    /// All that is held, as JSON: in the open what is in the open, sealed what is under the lock.
    pub fn hand_on(&self) -> Object {
        let state = self.state();
        let mut object = Object::default();
        object.insert("lock", state.lock.as_ref().map_or(Value::Null, |lock| lock.to_value()));
        // Nobody tries a password while all is at rest.
        let pace =
            self.0.tries.pace.try_lock().map_or_else(|_| Pace::default().to_value(), |pace| pace.to_value());
        object.insert("pace", pace);
        object.insert(
            "loaded",
            state.loaded.iter().map(|account| account.hand_on().into_value()).collect::<Value>(),
        );
        let place =
            |account: &Arc<Account>| state.loaded.iter().position(|loaded| Arc::ptr_eq(loaded, account));
        let unsaved = |account: &Arc<Account>| match place(account) {
            Some(place) => json!({ "loaded": place }),
            None => json!({ "account": account.hand_on().into_value() }),
        };
        object.insert("unsaved", state.unsaved.iter().map(unsaved).collect::<Value>());
        object
    }

    /// Takes over what another process has held, in the place of everything there is; must be called before anything is asked. What was
    /// still to be saved is tried again from then on.
    pub fn take_over(&self, handed_on: HandedOn) {
        let HandedOn { lock, pace, loaded, unsaved } = handed_on;
        if let Ok(mut own) = self.0.tries.pace.try_lock() {
            *own = pace;
        }
        {
            let mut state = self.state();
            let covered = std::mem::take(&mut state.covered);
            if let Some(lock) = &lock {
                covered.iter().filter_map(Weak::upgrade).for_each(|secrets| secrets.seal(lock.public()));
            }
            *state = State { lock, loaded, unsaved: Vec::new(), covered };
        }
        for account in &unsaved {
            self.keep_saving(account);
        }
        self.0.lifetimes_changed.notify_one();
        self.0.changed.send_replace(());
    }

    /// What is sealed while the agent is locked is sealed to this.
    pub fn lock_key(&self) -> Option<PublicKey> {
        self.state().lock.as_ref().map(|lock| lock.public().clone())
    }

    /// Loaded or still to be saved.
    fn all(&self) -> Vec<Arc<Account>> {
        let state = self.state();
        let mut all = state.loaded.clone();
        for account in &state.unsaved {
            if !all.iter().any(|other| Arc::ptr_eq(other, account)) {
                all.push(Arc::clone(account));
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use oidc_proto::{
        error_code::ErrorCode,
        message::{AddRequest, Failure},
    };

    use super::{
        super::{
            source::played::Played,
            testing::{Bench, add_request, granted},
            token_cache::{
                Purpose,
                tests::{at, token},
            },
        },
        *,
    };

    /// Through the text, as the next process gets it; its clocks go on.
    fn next(bench: &Bench) -> Result<Bench, Unreadable> {
        let text = bench.accounts.hand_on().to_json();
        let next = Bench::after(bench);
        next.accounts.take_over(HandedOn::read(Object::parse(text.as_bytes()).expect("an object"))?);
        Ok(next)
    }

    async fn add(bench: &Bench, name: &str, lifetime: Option<u64>) -> Arc<Account> {
        let request = add_request("https://op.example", name);
        let request = AddRequest { plain_add: true, confirm: name == "asks", lifetime, ..request };
        bench.accounts.add(request).await.expect("loaded");
        bench.accounts.find(&name.parse().expect("a name")).expect("loaded")
    }

    fn found(bench: &Bench, name: &str) -> Arc<Account> {
        bench.accounts.find(&name.parse().expect("a name")).expect("handed on")
    }

    #[tokio::test(start_paused = true)]
    async fn everything_of_an_account_goes_on() {
        let bench = Bench::new();
        let (first, asks) = (add(&bench, "null", Some(3600)).await, add(&bench, "asks", None).await);
        let now = bench.clock.now();
        first
            .with_open(|open| {
                open.cache.keep(Purpose::new(Some(""), Some("aud")), token("at-1", now, 600));
                open.pause_after(
                    Failure::new(ErrorCode::ProviderTimeout, "no answer"),
                    Some(Duration::from_secs(90)),
                    now.boot,
                );
                open.failed_at = Some(now.boot);
                open.tokens.rotated("rt-2".into());
                open.tokens.not_stored(true);
            })
            .expect("not locked");
        bench.accounts.keep_saving(&first);
        asks.with_open(|open| open.standing.refused(Failure::new(ErrorCode::LoginNeeded, "dead")))
            .expect("not locked");

        let next = next(&bench).expect("taken over");
        assert_eq!(next.accounts.names(), bench.accounts.names(), "in their order");
        let (first, asks) = (found(&next, "null"), found(&next, "asks"));
        assert!(asks.confirm && !first.confirm && first.is_unsaved());
        assert!(next.accounts.state().unsaved.iter().any(|account| Arc::ptr_eq(account, &first)));
        first
            .with_open(|open| {
                assert_eq!(open.tokens.current(), Some(&"rt-2".into()));
                assert!(open.tokens.is_spent(&"rt-1".into()));
                let cached = open.cache.find(&Purpose::new(Some(""), Some("aud"))).expect("kept");
                assert_eq!(cached.remaining(now), 600);
                assert_eq!(open.asked_to_wait(now.boot), Some(Duration::from_secs(90)));
                assert!(!open.may_look_ahead(now.boot) && open.paused(now.boot).is_some());
            })
            .expect("not locked");
        assert!(!asks.is_usable().expect("not locked"), "it needs a login as before");
        // The time that was left goes on, and no new one begins.
        tokio::time::advance(Duration::from_secs(1800)).await;
        next.clock.suspend(Duration::from_secs(1800));
        assert_eq!(next.accounts.names(), ["asks".parse().expect("a name")]);
    }

    #[tokio::test]
    async fn what_is_locked_stays_so_and_opens_with_the_password() {
        let bench = Bench::new();
        let account = add(&bench, "acc", None).await;
        account
            .with_open(|open| open.cache.keep(Purpose::default(), token("at-1", at(1_800_000_000), 600)))
            .expect("open");
        bench.accounts.lock("sesame".into()).await.expect("locked");
        let handed_on = bench.accounts.hand_on().to_json();
        assert!(!handed_on.contains("rt-1") && !handed_on.contains("at-1"), "in the open under the lock");
        let next = next(&bench).expect("taken over");
        assert_eq!(
            next.accounts.unlock("guess".into()).await.expect_err("wrong").code,
            ErrorCode::WrongPassword
        );
        next.accounts.unlock("sesame".into()).await.expect("unlocked");
        found(&next, "acc")
            .with_open(|open| {
                assert_eq!(open.tokens.current(), Some(&"rt-1".into()));
                assert!(open.cache.find(&Purpose::default()).is_some());
            })
            .expect("open");
    }

    #[tokio::test]
    async fn what_cannot_be_kept_is_refused_as_a_whole() {
        let bench = Bench::new();
        add(&bench, "acc", None).await;
        let text = bench.accounts.hand_on().to_json();
        for (part, instead, expected) in [
            ("\"confirm\":false", "\"confirm\":\"no\"", "account 'acc': 'confirm' is not as it should be"),
            ("\"open\":", "\"sealed\":", "account 'acc': 'sealed' is not as it should be"),
            (
                "\"standing\":null",
                "\"standing\":{\"worse\":{}}",
                "account 'acc': 'standing' is not as it should be",
            ),
            ("\"tokens\":", "\"tokens_of_later\":", "account 'acc': 'tokens' is not as it should be"),
            ("\"name\":\"acc\",\"issuer\"", "\"name\":\"../x\",\"issuer\"", "'name' is not as it should be"),
        ] {
            assert!(text.contains(part), "{part} in {}", *text);
            let changed = text.replacen(part, instead, 1);
            let refused = HandedOn::read(Object::parse(changed.as_bytes()).expect("an object"));
            assert_eq!(refused.err().map(|error| error.to_string()).as_deref(), Some(expected));
        }
        // What a later version says besides is none of its business.
        let more = text.replacen("\"confirm\":false", "\"confirm\":false,\"later\":{\"x\":[1]}", 1);
        HandedOn::read(Object::parse(more.as_bytes()).expect("an object")).map(drop).expect("read");
    }

    #[tokio::test]
    async fn nothing_is_at_rest_while_a_provider_is_asked() {
        let bench = Bench::new();
        let played = Played::new(true, |_| Ok(granted("at", "")));
        let _file = bench.add_played(&played).await;
        played.hold();
        let accounts = bench.accounts.clone();
        let asking = tokio::spawn(async move {
            let request = super::super::testing::token_request("acc");
            accounts.access_token(request, crate::caller::Caller::unseen()).await
        });
        while played.asked().is_empty() {
            tokio::task::yield_now().await;
        }
        let why = bench.accounts.still().expect_err("it asks");
        assert!(why.contains("'acc'"), "{why}");
        played.release(1);
        asking.await.expect("no panic").expect("a token");
        while bench.accounts.still().is_err() {
            tokio::task::yield_now().await;
        }
        let at_rest = bench.accounts.still().expect("at rest");
        assert!(bench.accounts.still().is_err(), "nothing can begin");
        drop(at_rest);
    }
}
