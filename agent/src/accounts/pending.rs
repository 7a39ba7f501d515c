//! The tokens of one account that are being asked for: who wants the same joins the request there is, while it can still
//! give what is wanted.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use oidc_proto::message::Failure;
use tokio::sync::watch;

use super::token_cache::{CachedToken, Purpose};
use crate::provider::ReceivedIdToken;

/// What a source gave.
#[derive(Debug, Clone)]
pub struct Obtained {
    /// The access token.
    pub token: Arc<CachedToken>,
    /// The ID token, where the provider sent one; not checked yet.
    pub id_token: Option<Arc<ReceivedIdToken>>,
}

/// How a request ended, for everybody who waited for it.
pub type Outcome = Result<Obtained, Failure>;

/// A request to the source of an account that waits for its turn, or runs.
pub struct Pending {
    purpose: Purpose,
    wanted: Mutex<Wanted>,
    outcome: watch::Sender<Option<Outcome>>,
}

struct Wanted {
    /// For how many seconds the token has to be valid; `None`: a new one in any case.
    min_valid: Option<u64>,
    /// The answer may be on its way: no longer one that was asked for after this.
    sent: bool,
}

impl Pending {
    fn new(purpose: Purpose, min_valid: Option<u64>) -> Self {
        let wanted = Mutex::new(Wanted { min_valid, sent: false });
        Self { purpose, wanted, outcome: watch::Sender::new(None) }
    }

    /// What the token is for.
    pub fn purpose(&self) -> &Purpose {
        &self.purpose
    }

    /// Called before the provider is asked: what is wanted by all who have joined, in seconds of validity, `None` for a
    /// new token in any case.
    pub fn send(&self) -> Option<u64> {
        let mut wanted = self.wanted();
        wanted.sent = true;
        wanted.min_valid
    }

    /// To wait for the outcome.
    pub fn subscribe(&self) -> watch::Receiver<Option<Outcome>> {
        self.outcome.subscribe()
    }

    /// Waits until nobody waits for the outcome.
    pub async fn unwanted(&self) {
        self.outcome.closed().await;
    }

    /// Tells everybody who waits.
    pub fn end(&self, outcome: Outcome) {
        self.outcome.send_replace(Some(outcome));
    }

    /// Whether it can give what is wanted now; if so, it will.
    fn join(&self, purpose: &Purpose, min_valid: Option<u64>) -> bool {
        if self.purpose != *purpose {
            return false;
        }
        let mut wanted = self.wanted();
        if wanted.sent {
            // What comes is new to everybody, but to those who want one that nobody had before they asked.
            return min_valid.is_some();
        }
        wanted.min_valid = wanted.min_valid.zip(min_valid).map(|(one, other)| one.max(other));
        true
    }

    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        // Nothing panics while it is held.
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Those of one account: for each purpose at most one that was sent, and one that was not.
#[derive(Default)]
pub struct PendingRequests(Vec<Arc<Pending>>);

impl PendingRequests {
    /// The request to wait for, and whether the caller has to run it.
    pub fn join_or_begin(&mut self, purpose: &Purpose, min_valid: Option<u64>) -> (Arc<Pending>, bool) {
        if let Some(pending) = self.0.iter().find(|pending| pending.join(purpose, min_valid)) {
            return (Arc::clone(pending), false);
        }
        let pending = Arc::new(Pending::new(purpose.clone(), min_valid));
        self.0.push(Arc::clone(&pending));
        (pending, true)
    }

    /// It is over: nobody joins it any more.
    pub fn remove(&mut self, pending: &Arc<Pending>) {
        self.0.retain(|other| !Arc::ptr_eq(other, pending));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: Option<u64> = None;

    /// Who asks one after the other, when the first request is sent, and which of them run another one.
    #[test]
    fn only_what_was_not_sent_can_be_new() {
        enum Step {
            Ask(Option<u64>),
            Send,
        }
        use Step::{Ask, Send};
        for (row, (steps, begun)) in [
            (&[Ask(Some(0)), Ask(Some(60)), Ask(NEW), Ask(NEW)][..], &[true, false, false, false][..]),
            (&[Ask(NEW), Send, Ask(Some(0)), Ask(Some(3600))], &[true, false, false]),
            (&[Ask(NEW), Send, Ask(NEW), Ask(NEW), Ask(Some(0))], &[true, true, false, false]),
            (&[Ask(Some(0)), Send, Ask(NEW), Send, Ask(NEW)], &[true, true, true]),
        ]
        .into_iter()
        .enumerate()
        {
            let mut requests = PendingRequests::default();
            let mut began = Vec::new();
            for step in steps {
                match step {
                    Send => requests.0.iter().for_each(|pending| {
                        pending.send();
                    }),
                    Ask(min_valid) => {
                        began.push(requests.join_or_begin(&Purpose::default(), *min_valid).1);
                    }
                }
            }
            assert_eq!(began, begun, "row {row}");
        }
    }

    #[test]
    fn everybody_gets_what_the_most_demanding_wants() {
        for (wanted, sent) in [
            (&[Some(0), Some(60), Some(30)][..], Some(60)),
            (&[Some(60), NEW, Some(u64::MAX)], NEW),
            (&[NEW, Some(0)], NEW),
        ] {
            let mut requests = PendingRequests::default();
            let mut pending = None;
            for min_valid in wanted {
                pending = Some(requests.join_or_begin(&Purpose::default(), *min_valid).0);
            }
            assert_eq!(pending.expect("one").send(), sent, "{wanted:?}");
        }
    }

    #[test]
    fn another_purpose_is_another_request_and_what_is_over_is_not_joined() {
        let mut requests = PendingRequests::default();
        let (first, _) = requests.join_or_begin(&Purpose::default(), Some(0));
        assert!(requests.join_or_begin(&Purpose::new(Some("a"), None), Some(0)).1);
        requests.remove(&first);
        assert!(requests.join_or_begin(&Purpose::default(), Some(0)).1);
        assert_eq!(requests.0.len(), 2);
    }
}
