//! What was asked of the provider, for assertions: every request in its order of arrival, and breaches of protocol.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde::Serialize;

use super::{endpoint::Endpoint, params::Params};

/// How a request authenticated itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Authorization {
    /// No `Authorization` header.
    None,
    /// HTTP Basic.
    Basic {
        /// The user part: a client id, as sent.
        client_id: String,
        /// Whether the password part is not empty.
        with_secret: bool,
    },
    /// RFC 6750 section 2.1.
    Bearer {
        /// The token.
        token: String,
    },
    /// Anything else.
    Other,
}

/// One request as it arrived. Requests of the admin endpoint are left out.
#[derive(Debug, Clone, Serialize)]
pub struct Recorded {
    /// Where.
    pub endpoint: Endpoint,
    /// `GET`, `POST`, ...
    pub method: String,
    /// Without the query.
    pub path: String,
    /// The query's parameters.
    pub query: Params,
    /// The body's parameters, when it was a form.
    pub form: Params,
    /// The body, when it was JSON.
    pub json: Option<serde_json::Value>,
    /// The `Authorization` header.
    pub authorization: Authorization,
    /// The `User-Agent` header.
    pub user_agent: Option<String>,
    /// Counts connections from 1, so that reuse shows.
    pub connection: u64,
    /// The answer's status; `None` while there is none (hanging, cut).
    pub status: Option<u16>,
}

impl Recorded {
    /// Whether this is a token request with the refresh grant.
    pub fn is_refresh(&self) -> bool {
        self.grant_type() == Some("refresh_token")
    }

    /// The `grant_type` of a token request.
    pub fn grant_type(&self) -> Option<&str> {
        (self.endpoint == Endpoint::Token).then(|| self.form.first("grant_type")).flatten()
    }
}

/// The log: append only, readable at any time.
#[derive(Debug, Default)]
pub struct Log {
    entries: Mutex<Entries>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Entries {
    requests: Vec<Recorded>,
    violations: Vec<String>,
}

impl Log {
    pub(super) fn record(&self, request: Recorded) -> usize {
        let mut entries = self.entries();
        entries.requests.push(request);
        self.changed.notify_all();
        entries.requests.len() - 1
    }

    pub(super) fn answered(&self, index: usize, status: u16) {
        let mut entries = self.entries();
        if let Some(request) = entries.requests.get_mut(index) {
            request.status = Some(status);
        }
        self.changed.notify_all();
    }

    pub(super) fn violated(&self, text: String) {
        self.entries().violations.push(text);
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Recorded> {
        self.entries().requests.clone()
    }

    /// The requests at one endpoint so far.
    pub fn at(&self, endpoint: Endpoint) -> Vec<Recorded> {
        self.requests().into_iter().filter(|request| request.endpoint == endpoint).collect()
    }

    /// How many requests an endpoint has seen.
    pub fn count(&self, endpoint: Endpoint) -> usize {
        self.count_where(|request| request.endpoint == endpoint)
    }

    /// How many refresh grants were asked for.
    pub fn refreshes(&self) -> usize {
        self.count_where(Recorded::is_refresh)
    }

    /// How many requests satisfy `wanted`.
    pub fn count_where(&self, wanted: impl Fn(&Recorded) -> bool) -> usize {
        self.entries().requests.iter().filter(|request| wanted(request)).count()
    }

    /// Waits until `count` requests satisfy `wanted`; `false` when the deadline came first.
    pub fn wait_for(&self, count: usize, deadline: Duration, wanted: impl Fn(&Recorded) -> bool) -> bool {
        let end = Instant::now() + deadline;
        let mut entries = self.entries();
        loop {
            if entries.requests.iter().filter(|request| wanted(request)).count() >= count {
                return true;
            }
            let Some(left) = end.checked_duration_since(Instant::now()) else { return false };
            entries = self.changed.wait_timeout(entries, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Breaches of protocol seen so far, which are taken out: whoever takes them has judged them.
    pub fn take_violations(&self) -> Vec<String> {
        std::mem::take(&mut self.entries().violations)
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
