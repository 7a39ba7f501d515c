//! When the serving thread's stack is overwritten. A busy agent comes to rest thousands of times a second, and overwriting takes
//! as long as everything else for a token from the cache, so it is done now and then, and whenever it stays at rest.

use std::sync::{Mutex, PoisonError};

use tokio::{
    sync::Notify,
    time::{Duration, Instant, sleep},
};

use super::harden;

/// How long what was left on a stack may stay there.
const SOON: Duration = Duration::from_millis(20);

/// The serving thread's rest.
#[derive(Debug, Default)]
pub struct Rest {
    overwritten: Mutex<Option<Instant>>,
    put_off: Notify,
}

impl Rest {
    /// To be called by the thread before it waits for something to do.
    pub fn begins(&self) {
        if self.is_due(Instant::now()) { harden::wipe_stack() } else { self.put_off.notify_one() }
    }

    /// Wakes the thread where overwriting was put off, so that it is at rest once more. Never returns.
    pub async fn interrupt(&self) {
        loop {
            self.put_off.notified().await;
            sleep(SOON).await;
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        let mut overwritten = self.overwritten.lock().unwrap_or_else(PoisonError::into_inner);
        let due = overwritten.is_none_or(|last| now.duration_since(last) >= SOON);
        if due {
            *overwritten = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_put_off_is_done_soon() {
        let rest = Rest::default();
        let start = Instant::now();
        assert!(rest.is_due(start));
        assert!(!rest.is_due(start + SOON / 2));
        rest.begins();
        let interrupted = tokio::time::timeout(SOON * 2, rest.interrupt()).await;
        assert!(interrupted.is_err(), "it goes on for ever");
        assert!(rest.is_due(Instant::now()));
    }
}
