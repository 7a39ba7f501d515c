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
    sync::Notify,
    task::AbortHandle,
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
    task: AbortHandle,
}

/// One idle connection, held by its task. Leaves the list when dropped.
pub(super) struct Ticket {
    idle: Idle,
    number: u64,
}

impl Idle {
    /// Adds a connection whose task `start` begins. The task ends at the deadline, unless it has left by then.
    pub(super) fn enter(&self, deadline: Instant, start: impl FnOnce(Ticket) -> AbortHandle) {
        // Held while the task is started, so that it cannot leave before it is in the list.
        let mut connections = self.connections();
        let number = connections.next;
        connections.next += 1;
        let task = start(Ticket { idle: self.clone(), number });
        connections.waiting.insert(number, Waiting { since: Instant::now(), deadline, task });
        if connections.waiting.len() == 1 {
            self.0.begins.notify_one();
        }
    }

    /// Closes connections whose deadline has passed, looking every `tick`. Never returns.
    pub(super) async fn sweep(&self, tick: Duration) {
        loop {
            if self.connections().waiting.is_empty() {
                self.0.begins.notified().await;
            }
            sleep(tick).await;
            let now = Instant::now();
            self.close(|_, waiting| waiting.deadline <= now);
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
            self.close(|number, _| *number == oldest);
        }
        Some(due)
    }

    /// Closes all of them.
    pub(super) fn close_all(&self) {
        self.close(|_, _| true);
    }

    fn close(&self, chosen: impl Fn(&u64, &Waiting) -> bool) {
        let mut closed = Vec::new();
        self.connections().waiting.retain(|number, waiting| {
            let close = chosen(number, waiting);
            if close {
                closed.push(waiting.task.clone());
            }
            !close
        });
        for task in &closed {
            task.abort();
        }
        if !closed.is_empty() {
            debug!(connections = closed.len(), "silent connections are closed");
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
    use tokio::{sync::oneshot, task::JoinHandle};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Enters and hands out the ticket; the task lives until it is closed.
    async fn enter(idle: &Idle, deadline: Duration) -> (Ticket, JoinHandle<()>) {
        let (sender, receiver) = oneshot::channel();
        let mut task = None;
        idle.enter(Instant::now() + deadline, |ticket| {
            let _ = sender.send(ticket);
            task.insert(tokio::spawn(std::future::pending())).abort_handle()
        });
        (receiver.await.expect("a ticket"), task.expect("a task"))
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_goes_first_and_not_before_its_time() {
        let idle = Idle::default();
        let (first, first_task) = enter(&idle, SECOND * 9).await;
        tokio::time::advance(SECOND / 2).await;
        let (second, second_task) = enter(&idle, SECOND * 9).await;
        assert!(idle.evict(SECOND).is_some_and(|due| due > Instant::now()));
        assert!(!first_task.is_finished());
        tokio::time::advance(SECOND / 2).await;
        idle.evict(SECOND);
        assert!(first_task.await.is_err_and(|end| end.is_cancelled()));
        assert!(!first.leave());
        assert!(second.leave());
        assert_eq!(idle.evict(SECOND), None);
        assert!(!second_task.is_finished());
    }

    #[tokio::test(start_paused = true)]
    async fn deadlines_are_kept_and_can_be_set_anew() {
        let idle = Idle::default();
        let sweeper = idle.clone();
        tokio::spawn(async move { sweeper.sweep(SECOND).await });
        let (_first, first_task) = enter(&idle, SECOND).await;
        let (second, second_task) = enter(&idle, SECOND).await;
        second.set_deadline(Instant::now() + SECOND * 5);
        let started = Instant::now();
        assert!(first_task.await.is_err());
        assert!(second_task.await.is_err());
        assert_eq!(started.elapsed().as_secs(), 5);
    }

    #[tokio::test]
    async fn a_dropped_connection_is_not_idle() {
        let idle = Idle::default();
        drop(enter(&idle, SECOND).await);
        assert_eq!(idle.evict(Duration::ZERO), None);
    }
}
