//! Connections that have not sent a request yet, oldest first: the ones to close when there are too many.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::oneshot, time::Instant};

/// All idle connections of one listener. A cheap handle.
#[derive(Clone, Default)]
pub(super) struct Idle(Arc<Mutex<Connections>>);

#[derive(Default)]
struct Connections {
    next: u64,
    /// By order of arrival, which is order of time.
    waiting: BTreeMap<u64, Waiting>,
}

struct Waiting {
    since: Instant,
    /// Dropped to close the connection.
    _open: oneshot::Sender<()>,
}

/// One idle connection. Leaves the list when dropped.
pub(super) struct Ticket {
    idle: Idle,
    number: u64,
    closed: oneshot::Receiver<()>,
}

impl Idle {
    /// Adds a connection that has just been accepted.
    pub(super) fn enter(&self) -> Ticket {
        let (open, closed) = oneshot::channel();
        let mut connections = self.connections();
        let number = connections.next;
        connections.next += 1;
        connections.waiting.insert(number, Waiting { since: Instant::now(), _open: open });
        Ticket { idle: self.clone(), number, closed }
    }

    /// Closes the oldest one if it has been idle for `patience`. Otherwise says when it will have been, if there is one.
    pub(super) fn evict(&self, patience: Duration) -> Option<Instant> {
        let mut connections = self.connections();
        let oldest = connections.waiting.first_entry()?;
        let due = oldest.get().since + patience;
        if due <= Instant::now() {
            oldest.remove();
        }
        Some(due)
    }

    fn connections(&self) -> MutexGuard<'_, Connections> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// Resolves when the connection was chosen to be closed.
    pub(super) async fn closed(&mut self) {
        let _ = (&mut self.closed).await;
    }

    /// The connection is idle no more. `false` when it was chosen just before.
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

    const PATIENCE: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn the_oldest_goes_first_and_not_before_its_time() {
        let idle = Idle::default();
        let mut first = idle.enter();
        tokio::time::advance(PATIENCE / 2).await;
        let second = idle.enter();
        assert!(idle.evict(PATIENCE).is_some_and(|due| due > Instant::now()));
        tokio::time::advance(PATIENCE / 2).await;
        idle.evict(PATIENCE);
        first.closed().await;
        assert!(!first.leave());
        assert!(second.leave());
        assert_eq!(idle.evict(PATIENCE), None);
    }

    #[tokio::test]
    async fn a_dropped_connection_is_not_idle() {
        let idle = Idle::default();
        drop(idle.enter());
        assert_eq!(idle.evict(Duration::ZERO), None);
    }
}
