//! Work that may hang: a network file system whose server is gone, a resolver, an agent that never answers. It is done on a
//! thread of its own and given up on, not waited for.

use std::{
    sync::mpsc::{Receiver, sync_channel},
    thread,
    time::{Duration, Instant},
};

/// Something that is being found out.
pub struct Awaited<T>(Receiver<T>);

/// Begins to find it out.
pub fn begin<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Awaited<T> {
    let (sender, receiver) = sync_channel(1);
    // A thread that cannot be started drops the sender: then nobody knows, as after a panic.
    let _ = thread::Builder::new().spawn(move || {
        // Nobody may be waiting any more.
        let _ = sender.send(work());
    });
    Awaited(receiver)
}

impl<T> Awaited<T> {
    /// What came out by then; `None`: it takes longer. The thread is left to itself then, and ends with this process.
    pub fn by(self, deadline: Instant) -> Option<T> {
        self.0.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()
    }
}

/// Finds it out, if that takes no longer.
pub fn within<T: Send + 'static>(time: Duration, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    begin(work).by(Instant::now() + time)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn what_hangs_is_given_up_on() {
        assert_eq!(within(Duration::from_secs(60), || 1), Some(1));
        let (held, hangs) = channel::<()>();
        let started = Instant::now();
        assert_eq!(within(Duration::from_millis(20), move || hangs.recv()), None);
        assert!(started.elapsed() < Duration::from_secs(30));
        drop(held);
    }
}
