//! Connections that have not sent a request yet, in order of arrival: closed at their deadline, and the oldest ones
//! earlier when there are too many.
//!
//! One clock for all of them instead of a timer each: most connections are idle for microseconds only.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, sleep},
};
use tracing::debug;

/// All idle connections of one listener. A cheap handle.
#[derive(Clone, Default)]
pub(super) struct Idle(Arc<Shared>);

#[derive(Default)]
struct Shared {
    connections: Mutex<Connections>,
    /// There is a connection where there was none.
    begins: Notify,
}

#[derive(Default)]
struct Connections {
    next: u64,
    waiting: BTreeMap<u64, Waiting>,
}

struct Waiting {
    since: Instant,
    deadline: Instant,
    /// Taken when it is closed.
    close: Option<oneshot::Sender<Reason>>,
}

/// Why a connection is closed before its request is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// Its time is over.
    Deadline,
    /// Another one needs its place.
    Crowded,
    /// The agent ends.
    Ending,
}

/// One idle connection, held by its task. Leaves the list when dropped.
pub(super) struct Ticket {
    idle: Idle,
    number: u64,
}

impl Idle {
    /// Adds a connection. The receiver resolves when it is to be closed, unless it has left by then.
    pub(super) fn enter(&self, deadline: Instant) -> (Ticket, oneshot::Receiver<Reason>) {
        let (close, closed) = oneshot::channel();
        let mut connections = self.connections();
        let number = connections.next;
        connections.next += 1;
        connections.waiting.insert(number, Waiting { since: Instant::now(), deadline, close: Some(close) });
        if connections.waiting.len() == 1 {
            self.0.begins.notify_one();
        }
        (Ticket { idle: self.clone(), number }, closed)
    }

    /// Closes connections whose deadline has passed, looking every `tick`. Never returns.
    pub(super) async fn sweep(&self, tick: Duration) {
        loop {
            if self.connections().waiting.is_empty() {
                self.0.begins.notified().await;
            }
            sleep(tick).await;
            let now = Instant::now();
            self.close(Reason::Deadline, |_, waiting| waiting.deadline <= now);
        }
    }

    /// Closes the oldest one if it has been idle for `patience`. Otherwise says when it will have been, if there is one.
    pub(super) fn evict(&self, patience: Duration) -> Option<Instant> {
        let (oldest, due) = {
            let connections = self.connections();
            let (oldest, waiting) = connections.waiting.first_key_value()?;
            (*oldest, waiting.since + patience)
        };
        if due <= Instant::now() {
            self.close(Reason::Crowded, |number, _| *number == oldest);
        }
        Some(due)
    }

    /// Closes all of them.
    pub(super) fn close_all(&self) {
        self.close(Reason::Ending, |_, _| true);
    }

    fn close(&self, reason: Reason, chosen: impl Fn(&u64, &Waiting) -> bool) {
        let mut closed = Vec::new();
        self.connections().waiting.retain(|number, waiting| {
            let close = chosen(number, waiting);
            if close {
                closed.extend(waiting.close.take());
            }
            !close
        });
        if !closed.is_empty() {
            debug!(connections = closed.len(), ?reason, "silent connections are closed");
        }
        for close in closed {
            // Its task may be ending by itself.
            let _ = close.send(reason);
        }
    }

    fn connections(&self) -> MutexGuard<'_, Connections> {
        self.0.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// Sets a new deadline.
    pub(super) fn set_deadline(&self, deadline: Instant) {
        if let Some(waiting) = self.idle.connections().waiting.get_mut(&self.number) {
            waiting.deadline = deadline;
        }
    }

    /// When it is closed.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.idle.connections().waiting.get(&self.number).map(|waiting| waiting.deadline)
    }

    /// The connection is idle no more, and safe from being closed. `false` when that was decided just before.
    pub(super) fn leave(self) -> bool {
        self.idle.connections().waiting.remove(&self.number).is_some()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.idle.connections().waiting.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn enter(idle: &Idle, deadline: Duration) -> (Ticket, oneshot::Receiver<Reason>) {
        idle.enter(Instant::now() + deadline)
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_goes_first_and_not_before_its_time() {
        let idle = Idle::default();
        let (first, mut first_closed) = enter(&idle, SECOND * 9);
        tokio::time::advance(SECOND / 2).await;
        let (second, mut second_closed) = enter(&idle, SECOND * 9);
        assert!(idle.evict(SECOND).is_some_and(|due| due > Instant::now()));
        assert!(first_closed.try_recv().is_err());
        tokio::time::advance(SECOND / 2).await;
        idle.evict(SECOND);
        assert_eq!(first_closed.await, Ok(Reason::Crowded));
        assert!(!first.leave());
        assert!(second_closed.try_recv().is_err());
        assert!(second.leave());
        assert_eq!(idle.evict(SECOND), None);
    }

    #[tokio::test(start_paused = true)]
    async fn deadlines_are_kept_and_can_be_set_anew() {
        let idle = Idle::default();
        let sweeper = idle.clone();
        tokio::spawn(async move { sweeper.sweep(SECOND).await });
        let (_first, first_closed) = enter(&idle, SECOND);
        let (second, second_closed) = enter(&idle, SECOND);
        second.set_deadline(Instant::now() + SECOND * 5);
        let started = Instant::now();
        assert_eq!(first_closed.await, Ok(Reason::Deadline));
        assert_eq!(second_closed.await, Ok(Reason::Deadline));
        assert_eq!(started.elapsed().as_secs(), 5);
    }

    #[tokio::test]
    async fn a_dropped_connection_is_not_idle() {
        let idle = Idle::default();
        drop(enter(&idle, SECOND));
        assert_eq!(idle.evict(Duration::ZERO), None);
    }

    #[tokio::test]
    async fn all_are_closed_at_the_end() {
        let idle = Idle::default();
        let connections: Vec<_> = (0..3).map(|_| enter(&idle, SECOND)).collect();
        idle.close_all();
        for (ticket, closed) in connections {
            assert_eq!(closed.await, Ok(Reason::Ending));
            assert!(!ticket.leave());
        }
    }
}
