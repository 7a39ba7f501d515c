//! What can go wrong at an endpoint, on demand: queued for the next requests or standing until cleared.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::endpoint::Endpoint;

/// A fault that an endpoint shows instead of, or on top of, its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fault {
    /// Answers properly, `milliseconds` late. The request is processed after the delay.
    Delay {
        /// How late.
        milliseconds: u64,
    },
    /// Processes the request, and answers `milliseconds` late: a rotation happens that the client sees late.
    Late {
        /// How late.
        milliseconds: u64,
    },
    /// Never answers and keeps the connection open, until the faults are cleared; the request is not processed.
    Hang,
    /// Processes the request, announces the whole answer, sends half of it and cuts the connection.
    HalfReply,
    /// Does not process the request and answers with this status.
    Status {
        /// The HTTP status.
        status: u16,
        /// `Retry-After` in seconds.
        #[serde(default)]
        retry_after: Option<u64>,
        /// The body; a line of plain text when absent.
        #[serde(default)]
        body: Option<String>,
    },
    /// Does not process the request and answers with these bytes.
    Bytes {
        /// The HTTP status.
        status: u16,
        /// The header `Content-Type`.
        content_type: String,
        /// The body.
        body: Vec<u8>,
    },
    /// Processes the request, and answers with this status all the same: what it grants never arrives.
    StatusAfter {
        /// The HTTP status.
        status: u16,
    },
    /// Does not process the request and answers with an OAuth error (RFC 6749 section 5.2).
    OAuthError {
        /// The HTTP status.
        status: u16,
        /// The code.
        error: String,
        /// The description; hostile text is welcome.
        #[serde(default)]
        description: Option<String>,
    },
    /// 200 with `application/json` and bytes that are none.
    Garbage,
    /// 200 with a JSON document of this many bytes that never closes its string.
    HugeBody {
        /// Its length.
        bytes: u64,
    },
    /// 200 with a body that trickles in byte by byte and does not end.
    Drip,
    /// 307 to another place: a client that follows repeats its credentials there.
    Redirect {
        /// The absolute URL.
        to: String,
    },
    /// Cuts the connection without having processed the request.
    DropBefore,
    /// Processes the request, then cuts the connection: a rotation happens that the client does not see.
    DropAfter,
}

/// The faults in force, per endpoint. A queued fault is used up by one request and goes before the standing one.
#[derive(Debug)]
pub struct Faults {
    plans: Mutex<HashMap<Endpoint, Plan>>,
    released: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Plan {
    queued: VecDeque<Fault>,
    standing: Option<Fault>,
}

impl Default for Faults {
    fn default() -> Self {
        Self { plans: Mutex::default(), released: watch::Sender::new(0) }
    }
}

impl Faults {
    /// The next request at `endpoint` that finds no earlier fault in the queue gets this one.
    pub fn queue(&self, endpoint: Endpoint, fault: Fault) {
        self.with(|plans| plans.entry(endpoint).or_default().queued.push_back(fault));
    }

    /// Every request at `endpoint` gets this fault until it is cleared or replaced.
    pub fn set(&self, endpoint: Endpoint, fault: Fault) {
        self.with(|plans| plans.entry(endpoint).or_default().standing = Some(fault));
    }

    /// Ends all faults at `endpoint`.
    pub fn clear(&self, endpoint: Endpoint) {
        self.with(|plans| plans.remove(&endpoint));
        self.release();
    }

    /// Ends all faults everywhere and cuts the connections that hang.
    pub fn clear_all(&self) {
        self.with(HashMap::clear);
        self.release();
    }

    /// What the request that just arrived at `endpoint` shall suffer.
    pub(super) fn take(&self, endpoint: Endpoint) -> Option<Fault> {
        self.with(|plans| {
            let plan = plans.get_mut(&endpoint)?;
            plan.queued.pop_front().or_else(|| plan.standing.clone())
        })
    }

    /// Waits until faults are cleared next.
    pub(super) async fn released(&self) {
        let mut released = self.released.subscribe();
        // The sender lives as long as `self`, so the only way out is a change.
        let _ = released.changed().await;
    }

    fn release(&self) {
        self.released.send_modify(|times| *times += 1);
    }

    fn with<T>(&self, change: impl FnOnce(&mut HashMap<Endpoint, Plan>) -> T) -> T {
        change(&mut self.plans.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
