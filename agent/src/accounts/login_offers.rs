//! New logins that the person is offered, for accounts whose refresh token the provider does not take any more.
//!
//! One offer for an account at a time, whatever number of requests find out that it needs a login. After an offer that led to
//! nothing the account is left alone for [`QUIET`]: a loop of requests does not become a row of windows.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use oidc_proto::{message::Failure, shortname::Shortname};
use tokio::sync::watch;

use super::account::Account;
use crate::{
    clock::BootTime,
    prompt::{Pinentry, Queue},
};

/// How long no other login is offered for an account after a "not now", a login that failed, or no answer.
pub const QUIET: Duration = Duration::from_secs(10 * 60);
/// Most offers that are open at a time.
const MAX_OPEN: usize = 16;
/// Most accounts that are remembered as left alone; the one of the oldest offer is forgotten.
const MAX_QUIET: usize = 64;

/// Whoever has the person log in.
pub trait LogIn: Send + Sync {
    /// A whole login for an account, with the person at `person`. When it ends well the account has gone on with it, and its
    /// file too. Dropping the future gives the login up.
    fn log_in(
        self: Arc<Self>,
        account: Arc<Account>,
        person: Pinentry,
    ) -> Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;
}

/// How an offer ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Ended {
    /// The account has another login.
    LoggedIn,
    /// It was taken back, for this reason: the person has decided nothing.
    TakenBack(Box<Failure>),
    /// It led to nothing: why, for people.
    ToNothing(String),
}

/// What becomes of a wish to offer a login.
pub enum Offered {
    /// It is the caller's to make.
    Ours(Offer),
    /// It is made already.
    Theirs(Outcome),
    /// It is not made now.
    NotNow,
}

/// How an offer ends, when it does.
pub type Outcome = watch::Receiver<Option<Ended>>;

/// The offers of an agent. A cheap handle.
#[derive(Clone, Default)]
pub struct Offers {
    state: Arc<Mutex<State>>,
    /// Where they are shown: not in the queue of what requests wait for, which nobody shall wait in behind an offer.
    pub windows: Queue,
}

#[derive(Default)]
struct State {
    open: Vec<(Shortname, watch::Sender<Option<Ended>>)>,
    /// Until when which account is left alone, the oldest offer first.
    quiet: Vec<(Shortname, BootTime)>,
}

/// An offer that is open until it is ended or dropped.
pub struct Offer {
    offers: Offers,
    name: Shortname,
    outcome: watch::Sender<Option<Ended>>,
}

impl Offers {
    /// What becomes of a wish to offer a login for this account.
    pub fn wish(&self, name: &Shortname, now: BootTime) -> Offered {
        let mut state = self.state();
        if let Some((_, outcome)) = state.open.iter().find(|(other, _)| other == name) {
            return Offered::Theirs(outcome.subscribe());
        }
        state.quiet.retain(|(_, until)| now < *until);
        if state.open.len() >= MAX_OPEN || state.quiet.iter().any(|(other, _)| other == name) {
            return Offered::NotNow;
        }
        let outcome = watch::Sender::new(None);
        state.open.push((name.clone(), outcome.clone()));
        Offered::Ours(Offer { offers: self.clone(), name: name.clone(), outcome })
    }

    /// An account for which one is open.
    pub fn open(&self) -> Option<Shortname> {
        self.state().open.first().map(|(name, _)| name.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Offer {
    /// To wait for its end.
    pub fn subscribe(&self) -> Outcome {
        self.outcome.subscribe()
    }

    /// Waits until nobody waits for its end.
    pub async fn unwanted(&self) {
        self.outcome.closed().await;
    }

    /// It is over.
    pub fn end(self, ended: Ended, now: BootTime) {
        if matches!(ended, Ended::ToNothing(_)) {
            let mut state = self.offers.state();
            if state.quiet.len() >= MAX_QUIET {
                state.quiet.remove(0);
            }
            state.quiet.push((self.name.clone(), now.plus(QUIET)));
        }
        let outcome = self.outcome.clone();
        // Off the list first: who asks from now on is not told of this one.
        drop(self);
        outcome.send_replace(Some(ended));
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        self.offers.state().open.retain(|(_, outcome)| !outcome.same_channel(&self.outcome));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Shortname {
        text.parse().expect("a name")
    }

    fn at(seconds: u64) -> BootTime {
        BootTime::from_millis(seconds * 1000)
    }

    fn ours(offers: &Offers, account: &str, seconds: u64) -> Option<Offer> {
        match offers.wish(&name(account), at(seconds)) {
            Offered::Ours(offer) => Some(offer),
            Offered::Theirs(_) | Offered::NotNow => None,
        }
    }

    /// How an offer ended, and from when on there is another one.
    #[test]
    fn what_led_to_nothing_is_not_offered_again_for_a_while() {
        let minutes = QUIET.as_secs();
        for (ended, again) in [
            (Ended::ToNothing("not now".into()), minutes),
            (Ended::LoggedIn, 0),
            (Ended::TakenBack(Box::new(Failure::agent_locked())), 0),
        ] {
            let offers = Offers::default();
            let offer = ours(&offers, "acc", 100).expect("the first");
            // However long it was open.
            offer.end(ended.clone(), at(400));
            if again > 0 {
                assert!(ours(&offers, "acc", 400).is_none(), "{ended:?}");
                assert!(ours(&offers, "acc", 400 + again - 1).is_none(), "{ended:?}");
            }
            assert!(ours(&offers, "other", 400).is_some(), "another account is not concerned");
            assert!(ours(&offers, "acc", 400 + again).is_some(), "{ended:?}");
        }
    }

    #[test]
    fn there_is_one_offer_for_an_account_and_everybody_hears_its_end() {
        let offers = Offers::default();
        let offer = ours(&offers, "acc", 0).expect("the first");
        let waiting: Vec<_> = (0..100)
            .map(|_| match offers.wish(&name("acc"), at(1)) {
                Offered::Theirs(outcome) => outcome,
                Offered::Ours(_) | Offered::NotNow => panic!("not joined"),
            })
            .collect();
        offer.end(Ended::LoggedIn, at(2));
        for outcome in waiting {
            assert_eq!(*outcome.borrow(), Some(Ended::LoggedIn));
        }
        // One whose maker is gone is no obstacle.
        assert_eq!(offers.open(), None);
        let another = ours(&offers, "acc", 3).expect("another one");
        assert_eq!(offers.open(), Some(name("acc")));
        drop(another);
        assert!(ours(&offers, "acc", 3).is_some());
    }

    #[test]
    fn offers_and_what_is_remembered_of_them_are_bounded() {
        let offers = Offers::default();
        let open: Vec<_> = (0..MAX_OPEN).map(|n| ours(&offers, &format!("a{n}"), 0).expect("room")).collect();
        assert!(ours(&offers, "more", 0).is_none());
        drop(open);
        for n in 0..2 * MAX_QUIET {
            let offer = ours(&offers, &format!("a{n}"), 0).expect("room");
            offer.end(Ended::ToNothing(String::new()), at(0));
        }
        assert_eq!(offers.state().quiet.len(), MAX_QUIET);
        assert!(
            ours(&offers, "a0", 1).is_some()
                && ours(&offers, &format!("a{}", 2 * MAX_QUIET - 1), 1).is_none()
        );
        ours(&offers, "late", QUIET.as_secs()).expect("all are over");
        assert!(offers.state().quiet.is_empty());
    }

    #[tokio::test]
    async fn whoever_makes_it_knows_when_nobody_waits() {
        let offers = Offers::default();
        let offer = ours(&offers, "acc", 0).expect("the first");
        let waiting = offer.subscribe();
        tokio::select! {
            biased;
            () = offer.unwanted() => panic!("somebody waits"),
            () = std::future::ready(()) => {}
        }
        drop(waiting);
        offer.unwanted().await;
    }
}
