//! What is remembered of one account's tokens that services refused: a few entries, for a few minutes, and no token.

use std::{sync::Mutex, time::Duration};

use oidc_proto::{json::Object, token::TokenDigest};
use serde_json::Value;

use super::{
    super::token_cache::Purpose,
    reasons::{Reasons, Which},
};
use crate::{
    clock::{BootTime, Moment},
    handed_on::{self, Unreadable},
};

/// In this time a purpose gets one new token because of refusals: another one would be refused as well.
pub const WINDOW: Duration = Duration::from_secs(300);
/// Most renewals that are remembered of one account; the oldest makes room.
const RENEWALS: usize = 32;
/// Most processes that are remembered of one account; the oldest makes room.
const HANDED: usize = 64;

/// Of one account.
#[derive(Default)]
pub struct Memory {
    /// Held by whoever deals with a refusal, so that refusals of one token lead to one new token.
    pub turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    renewals: Vec<Renewal>,
    handed: Vec<Handed>,
}

/// A token that was replaced because a service had refused it.
#[derive(Debug, Clone)]
pub struct Renewal {
    /// Which one.
    pub which: Which,
    /// When.
    pub at: Moment,
    /// What was found out since of the token that replaced it.
    pub reasons: Option<(TokenDigest, Reasons)>,
}

/// What a process was given.
struct Handed {
    which: Which,
    destination: String,
    process: String,
    token: TokenDigest,
}

impl Memory {
    /// The renewal that was the one of this time.
    pub fn renewal(&self, which: &Which, now: BootTime) -> Option<Renewal> {
        let state = self.state();
        let renewal = state.renewals.iter().find(|renewal| renewal.which == *which)?;
        (now.since(renewal.at.boot) < WINDOW).then(|| renewal.clone())
    }

    /// A token was replaced.
    pub fn renewed(&self, which: &Which, at: Moment) {
        let mut state = self.state();
        state.renewals.retain(|renewal| renewal.which != *which);
        make_room(&mut state.renewals, RENEWALS);
        state.renewals.push(Renewal { which: which.clone(), at, reasons: None });
    }

    /// Why its successor is refused.
    pub fn found(&self, which: &Which, token: &TokenDigest, reasons: &Reasons) {
        if let Some(renewal) = self.state().renewals.iter_mut().find(|renewal| renewal.which == *which) {
            renewal.reasons = Some((token.clone(), reasons.clone()));
        }
    }

    /// What a process was given last for a destination.
    pub fn handed(&self, which: &Which, destination: &str, process: &str) -> Option<TokenDigest> {
        let state = self.state();
        let handed = state.handed.iter().find(|handed| handed.is(which, destination, process));
        handed.map(|handed| handed.token.clone())
    }

    /// A process is given a token.
    pub fn hand(&self, which: &Which, destination: &str, process: &str, token: TokenDigest) {
        let mut state = self.state();
        state.handed.retain(|handed| !handed.is(which, destination, process));
        make_room(&mut state.handed, HANDED);
        state.handed.push(Handed {
            which: which.clone(),
            destination: destination.to_owned(),
            process: process.to_owned(),
            token,
        });
    }

    /// When tokens were replaced because they were refused, for a process of the agent that goes on with the account. Why, and
    /// who was given what, is found out anew.
    pub fn to_value(&self) -> Value {
        let renewal = |renewal: &Renewal| {
            let mut object = Object::default();
            renewal.which.purpose.write(&mut object);
            object.insert("is_id", renewal.which.is_id);
            object.insert("at", handed_on::moment_to_value(renewal.at));
            object.into_value()
        };
        self.state().renewals.iter().map(renewal).collect()
    }

    /// What [`Memory::to_value`] gave.
    pub fn handed_on(within: &mut Object, member: &str) -> Result<Self, Unreadable> {
        let renewal = |mut object: Object| {
            let which = Which { purpose: Purpose::read(&object), is_id: handed_on::flag(&object, "is_id")? };
            Ok(Renewal { which, at: handed_on::moment(&mut object, "at")?, reasons: None })
        };
        let renewals = handed_on::objects(within, member)?.into_iter().take(RENEWALS);
        let renewals = renewals.map(renewal).collect::<Result<_, Unreadable>>()?;
        Ok(Self {
            turn: tokio::sync::Mutex::default(),
            state: Mutex::new(State { renewals, handed: Vec::new() }),
        })
    }

    /// The person says that it was mended.
    pub fn clear(&self) {
        *self.state() = State::default();
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Handed {
    fn is(&self, which: &Which, destination: &str, process: &str) -> bool {
        self.which == *which && self.destination == destination && self.process == process
    }
}

/// Entries come in the order of time.
fn make_room<T>(entries: &mut Vec<T>, capacity: usize) {
    if entries.len() >= capacity {
        entries.remove(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{accounts::token_cache::Purpose, clock::Clock};

    fn which(scope: usize) -> Which {
        Which { purpose: Purpose::new(Some(&scope.to_string()), None), is_id: false }
    }

    #[tokio::test(start_paused = true)]
    async fn the_memory_is_bounded_and_ends() {
        let (memory, clock) = (Memory::default(), Clock::simulated(1_800_000_000));
        for number in 0..1000 {
            memory.renewed(&which(number), clock.now());
            memory.hand(&which(0), "d", &number.to_string(), TokenDigest::of("t"));
        }
        assert_eq!(memory.state().renewals.len(), RENEWALS);
        assert_eq!(memory.state().handed.len(), HANDED);
        assert!(memory.renewal(&which(999), clock.boot()).is_some());
        assert!(memory.renewal(&which(0), clock.boot()).is_none());
        assert_eq!(memory.handed(&which(0), "d", "999"), Some(TokenDigest::of("t")));
        for (destination, process) in [("e", "999"), ("d", "1")] {
            assert_eq!(memory.handed(&which(0), destination, process), None);
        }
        // A clock that is set ends nothing.
        clock.set_wall(24 * 3600);
        assert!(memory.renewal(&which(999), clock.boot()).is_some());
        clock.suspend(WINDOW);
        assert!(memory.renewal(&which(999), clock.boot()).is_none());
    }
}
