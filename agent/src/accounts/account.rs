//! One loaded account: the unit of concurrency. Its mutex is held for moments and never across an await.

mod succession;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{
    expiry::{self, Told},
    held::{Held, Open, Sealed},
    password_source::PasswordSource,
    pending::{Pending, PendingRequests},
    refused::memory::Memory,
    remembered::Remembered,
    token_cache::{CachedToken, Purpose},
};
use crate::clock::{BootTime, Expiry, Moment};
use crypto_box::{PublicKey, SecretKey};
use oidc_proto::{
    deadlines,
    error_code::ErrorCode,
    message::{AccountStatus, Failure, Reminder},
    shortname::Shortname,
};
use tokio::{sync::OwnedMutexGuard, time::timeout};

/// A loaded account.
pub struct Account {
    /// Its short name.
    pub name: Shortname,
    /// Its issuer as configured; readable while the agent is locked.
    pub issuer: Arc<str>,
    /// Ask before each access token.
    pub confirm: bool,
    /// Do not ask before an ID token.
    pub always_allow_id_token: bool,
    /// Held by whoever asks its source for a token: one at a time, because that may replace the refresh token.
    pub turn: Arc<tokio::sync::Mutex<()>>,
    /// What services refused of its tokens.
    pub refused: Memory,
    state: Mutex<State>,
}

struct State {
    held: Held,
    pending: PendingRequests,
    unload_at: Option<Expiry>,
    /// Why whoever has the turn waits for something else than the provider.
    held_up: Option<Box<Failure>>,
    /// When the person was told last what ends soon.
    told: Told,
    remembered: Remembered,
}

/// How a request for a token can be answered right now.
pub enum Answer {
    /// From the cache; the second value says whether a successor should be fetched ahead of time.
    Cached(Arc<CachedToken>, bool),
    /// Not from the cache.
    Ask,
}

impl Account {
    /// A new account in the open.
    pub fn new(name: Shortname, open: Open, flags: Flags, unload_at: Option<Expiry>) -> Self {
        Self {
            name,
            issuer: open.config.issuer_url.as_deref().unwrap_or_default().into(),
            confirm: flags.confirm,
            always_allow_id_token: flags.always_allow_id_token,
            turn: Arc::default(),
            refused: Memory::default(),
            state: Mutex::new(State {
                held: Held::Open(Box::new(open)),
                pending: PendingRequests::default(),
                unload_at,
                held_up: None,
                told: Told::default(),
                remembered: Remembered::default(),
            }),
        }
    }

    /// What the person said about asking.
    pub fn flags(&self) -> Flags {
        Flags { confirm: self.confirm, always_allow_id_token: self.always_allow_id_token }
    }

    /// When it is to be unloaded.
    pub fn unload_at(&self) -> Option<Expiry> {
        self.state().unload_at
    }

    /// Changes when it is to be unloaded; returns whether that differs from before.
    pub fn set_unload_at(&self, unload_at: Option<Expiry>) -> bool {
        let before = std::mem::replace(&mut self.state().unload_at, unload_at);
        before != unload_at
    }

    /// Whether its lifetime is over.
    pub fn is_over(&self, now: Moment) -> bool {
        self.unload_at().is_some_and(|end| end.is_over(now))
    }

    /// When the password of its file is forgotten; one whose time is over is forgotten now. Under the agent's lock it is
    /// sealed, and waits.
    pub fn password_forgotten(&self, now: Moment) -> Option<Expiry> {
        let forgotten = |open: &mut Open| {
            open.forget_password(now);
            open.password_source.as_deref().and_then(PasswordSource::forgotten)
        };
        self.with_open(forgotten).ok().flatten()
    }

    /// Notes that whoever has the turn waits for something else than the provider, and why, until the guard is dropped.
    pub fn hold_up(&self, why: Failure) -> HeldUp<'_> {
        self.state().held_up = Some(Box::new(why));
        HeldUp(self)
    }

    /// What whoever has the turn waits for, where that is not the provider.
    pub fn held_up(&self) -> Option<Failure> {
        self.state().held_up.as_deref().cloned()
    }

    /// Waits until nothing is asked for; nothing is as long as the guard is held. Fails where whoever has the turn takes
    /// longer than [`deadlines::TOKEN`] over it.
    pub async fn at_rest(&self) -> Result<OwnedMutexGuard<()>, Failure> {
        timeout(deadlines::TOKEN, Arc::clone(&self.turn).lock_owned()).await.map_err(|_| {
            if let Some(why) = self.held_up() {
                return why;
            }
            let error =
                format!("the provider has not answered the last request for account '{}' yet", self.name);
            Failure::new(ErrorCode::ProviderTimeout, error)
                .with_info("Nothing was changed. Try again in a moment.")
        })
    }

    /// Looks at or changes what the person allowed for longer than once; fails while the agent is locked, and nothing of
    /// it outlives that.
    pub fn with_remembered<T>(&self, act: impl FnOnce(&mut Remembered) -> T) -> Result<T, Failure> {
        let mut state = self.state();
        match &state.held {
            Held::Open(_) => Ok(act(&mut state.remembered)),
            Held::Sealed(_) => Err(Failure::agent_locked()),
        }
    }

    /// Looks at or changes what is held; fails while the agent is locked.
    pub fn with_open<T>(&self, act: impl FnOnce(&mut Open) -> T) -> Result<T, Failure> {
        match &mut self.state().held {
            Held::Open(open) => Ok(act(open)),
            Held::Sealed(_) => Err(Failure::agent_locked()),
        }
    }

    /// Looks at or changes what is held, in the open or sealed.
    pub fn with_held<T>(&self, act: impl FnOnce(&mut Held) -> T) -> T {
        act(&mut self.state().held)
    }

    /// The ID token that is kept for a purpose, whatever its age.
    pub fn id_token(&self, purpose: &Purpose) -> Result<Option<Arc<CachedToken>>, Failure> {
        self.with_open(|open| open.id_tokens.find(purpose).filter(|_| !open.tokens.must_be_stored()).cloned())
    }

    /// What the cache has to say, and a provider that is being left alone. `min_valid` in seconds; `None`: a new token in any
    /// case.
    pub fn answer(&self, purpose: &Purpose, min_valid: Option<u64>, now: Moment) -> Result<Answer, Failure> {
        self.with_open(|open| {
            let cached = open.cache.find(purpose).filter(|_| !open.tokens.must_be_stored());
            if let Some(token) =
                min_valid.and_then(|min_valid| cached.filter(|token| token.serves(min_valid, now)))
            {
                let ahead = token.is_near_its_end(now) && open.may_look_ahead(now.boot);
                return Ok(Answer::Cached(Arc::clone(token), ahead));
            }
            match open.paused(now.boot) {
                Some(failure) => Err(failure),
                None => Ok(Answer::Ask),
            }
        })?
    }

    /// Fails where the source would refuse, as far as is known, and while the agent is locked.
    pub fn require_not_refused(&self, purpose: &Purpose, now: BootTime) -> Result<(), Failure> {
        let refused =
            |open: &mut Open| open.standing.refusal().cloned().or_else(|| open.refusals.find(purpose, now));
        self.with_open(refused)?.map_or(Ok(()), Err)
    }

    /// Whether new tokens can be had from it, as far as is known. Fails while the agent is locked.
    pub fn is_usable(&self) -> Result<bool, Failure> {
        self.with_open(|open| open.standing.refusal().is_none())
    }

    /// Whether its refresh token has not reached the disk.
    pub fn is_unsaved(&self) -> bool {
        self.with_held(|held| match held {
            Held::Open(open) => open.tokens.is_unsaved(),
            Held::Sealed(sealed) => sealed.kept().0.is_unsaved(),
        })
    }

    /// What ends within `ahead`, if the person was not told so in the last 24 hours; from now on it counts as told. Nothing
    /// while the agent is locked.
    pub fn reminder(&self, ahead: Duration, now: Moment) -> Option<Reminder> {
        let mut state = self.state();
        let Held::Open(open) = &state.held else { return None };
        let reminder = expiry::soon(&self.name, open, ahead, now)?;
        state.told.again(now.boot).then_some(reminder)
    }

    /// What may be shown of it.
    pub fn status(&self, now: Moment) -> AccountStatus {
        let (grant_type, subject_token, mytoken_url) = self.with_held(|held| match held {
            Held::Open(open) => {
                let subject = open.config.subject_token.as_ref().map(|subject| subject.source.to_string());
                (open.config.grant().map(str::to_owned), subject, open.config.mytoken_url.clone())
            }
            Held::Sealed(_) => (None, None, None),
        });
        let (token_expires_at, login_end, client_expires_at, (login_needed, reload_needed), refused) = self
            .with_held(|held| match held {
                Held::Open(open) => {
                    let token = open.cache.find(&Purpose::default()).and_then(|token| token.expires_at(now));
                    let is_rekeyed = open.standing.is_rekeyed();
                    let login_needed = open.standing.refusal().filter(|_| !is_rekeyed);
                    (
                        token,
                        expiry::of_login(open),
                        expiry::of_client(open),
                        (login_needed.cloned(), is_rekeyed),
                        open.refusals.of_client().cloned(),
                    )
                }
                Held::Sealed(_) => (None, None, None, (None, false), None),
            });
        AccountStatus {
            name: self.name.to_string(),
            issuer: self.issuer.to_string(),
            confirm: self.confirm,
            always_allow_id_token: self.always_allow_id_token,
            unloaded_at: self.unload_at().map(|end| end.at(now)),
            token_expires_at,
            refresh_token_expires_at: login_end.map(|(at, _)| at),
            refresh_token_expires_as: login_end.map(|(_, known_by)| known_by),
            client_expires_at,
            login_needed: login_needed.map(|refused| refused.to_string()),
            reload_needed,
            client_refused: refused.map(|refused| refused.to_string()),
            grant_type,
            subject_token,
            mytoken_url,
            unsaved: self.is_unsaved(),
        }
    }

    /// The request to wait for, and whether the caller has to run it. `min_valid` as in [`Account::answer`].
    pub fn join_or_begin(&self, purpose: &Purpose, min_valid: Option<u64>) -> (Arc<Pending>, bool) {
        self.state().pending.join_or_begin(purpose, min_valid)
    }

    /// A request is over: who wants a token from now on begins another.
    pub fn ended(&self, pending: &Arc<Pending>) {
        self.state().pending.remove(pending);
    }

    /// Seals what is held to the public key of a locked period.
    pub fn seal(&self, key: &PublicKey) {
        let mut state = self.state();
        state.remembered = Remembered::default();
        if let Held::Open(open) = &state.held {
            state.held = Held::Sealed(Box::new(Sealed::new(open, key)));
        }
    }

    /// Opens what is held. `false` when it was not sealed to this key.
    pub fn unseal(&self, key: &SecretKey) -> bool {
        let mut state = self.state();
        let Held::Sealed(sealed) = &state.held else { return true };
        let Some(open) = sealed.open(key) else { return false };
        state.held = Held::Open(Box::new(open));
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held; a poisoned state would still be a whole one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`Account::hold_up`].
pub struct HeldUp<'a>(&'a Account);

impl Drop for HeldUp<'_> {
    fn drop(&mut self) {
        self.0.state().held_up = None;
    }
}

/// What the person said about asking.
#[derive(Debug, Clone, Copy, Default)]
pub struct Flags {
    /// Ask before each access token.
    pub confirm: bool,
    /// Do not ask before an ID token.
    pub always_allow_id_token: bool,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use oidc_proto::account::AccountConfig;

    use super::{
        super::{
            lock::LockKey,
            token_cache::tests::{at, token},
        },
        *,
    };

    const START: u64 = 1_800_000_000;
    const HOUR: u64 = 3600;

    /// With a token that was obtained at the start and lives for an hour.
    fn account() -> Account {
        let mut open = Open::new(AccountConfig::default());
        open.cache.keep(Purpose::default(), token("at-1", at(START), HOUR));
        Account::new("acc".parse().expect("a name"), open, Flags::default(), None)
    }

    fn failure() -> Failure {
        Failure::new(ErrorCode::ProviderTimeout, "no answer")
    }

    fn answer(account: &Account, min_valid: Option<u64>, after: u64) -> &'static str {
        match account.answer(&Purpose::default(), min_valid, at(START + after)) {
            Ok(Answer::Cached(_, false)) => "cached",
            Ok(Answer::Cached(_, true)) => "cached, and a successor",
            Ok(Answer::Ask) => "ask",
            Err(failure) => failure.code.as_str(),
        }
    }

    #[test]
    fn the_cache_answers_while_it_can() {
        for (min_valid, after, expected) in [
            (Some(0), 0, "cached"),
            (Some(600), 0, "cached"),
            (Some(600), 2700, "cached"),
            (Some(600), 2701, "cached, and a successor"),
            (Some(600), 3000, "ask"),
            (Some(0), 3599, "cached, and a successor"),
            (Some(0), 3600, "ask"),
            (Some(HOUR), 0, "ask"),
            (Some(u64::MAX), 0, "ask"),
            (None, 0, "ask"),
        ] {
            assert_eq!(answer(&account(), min_valid, after), expected, "{min_valid:?} after {after} s");
        }
    }

    /// A provider that failed `ago` seconds before the question is asked.
    #[test]
    fn a_provider_that_failed_is_left_alone_for_a_while() {
        for (min_valid, after, ago, expected) in [
            (Some(0), 100, 0, "cached"),
            (None, 100, 0, "provider_timeout"),
            (None, 100, 1, "ask"),
            // No successor is fetched ahead of time for half a minute.
            (Some(0), 3000, 1, "cached"),
            (Some(0), 3000, 30, "cached, and a successor"),
            (Some(HOUR), 100, 0, "provider_timeout"),
        ] {
            let account = account();
            let failed = at(START + after - ago).boot;
            account
                .with_open(|open| {
                    open.pause_after(failure(), None, failed);
                    open.failed_at = Some(failed);
                })
                .expect("not locked");
            assert_eq!(answer(&account, min_valid, after), expected, "{min_valid:?}, failed {ago} s ago");
        }
    }

    #[test]
    fn no_pause_is_too_long_to_count() {
        let account = account();
        let now = at(START).boot;
        account.with_open(|open| open.pause_after(failure(), Some(Duration::MAX), now)).expect("not locked");
        assert_eq!(answer(&account, None, 29), "provider_timeout");
        assert_eq!(answer(&account, None, 30), "ask");
    }

    #[test]
    fn under_the_lock_it_tells_nothing() {
        let (account, lock) = (account(), LockKey::new(&"sesame".into()).expect("memory"));
        account.seal(lock.public());
        assert_eq!(answer(&account, Some(0), 0), "agent_locked");
        assert_eq!(account.status(at(START)).token_expires_at, None);
        account.unseal(&lock.open(&"sesame".into()).expect("the right password"));
        assert_eq!(answer(&account, Some(0), 0), "cached");
        assert_eq!(account.status(at(START)).token_expires_at, Some(START + HOUR));
    }

    #[tokio::test(start_paused = true)]
    async fn a_provider_that_takes_minutes_keeps_nobody_waiting_for_as_long() {
        let account = account();
        let refresh = account.at_rest().await.expect("at rest");
        let refused = account.at_rest().await.expect_err("a refresh is under way");
        assert_eq!(refused.code, ErrorCode::ProviderTimeout);
        drop(refresh);
        account.at_rest().await.expect("at rest again");
    }
}
