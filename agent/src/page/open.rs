//! The page while it is there: who is in, and until when.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use super::sessions::Sessions;
use crate::clock::{Clock, Expiry};

/// The page from its beginning to its end.
pub struct Open {
    /// Its end.
    pub stop: CancellationToken,
    sessions: Mutex<Sessions>,
    ends: Mutex<Expiry>,
}

impl Open {
    /// It begins, with nobody in.
    pub fn until(ends: Expiry) -> Self {
        Self { stop: CancellationToken::new(), sessions: Mutex::default(), ends: Mutex::new(ends) }
    }

    /// Who is in.
    pub fn sessions(&self) -> MutexGuard<'_, Sessions> {
        lock(&self.sessions)
    }

    /// When it ends, as far as is known now.
    pub fn ends(&self) -> Expiry {
        *lock(&self.ends)
    }

    /// It stays until then.
    pub fn stay_until(&self, ends: Expiry) {
        *lock(&self.ends) = ends;
    }

    /// Waits until its time is over.
    pub async fn over(&self, clock: &Clock) {
        while !self.ends().is_over(clock.now()) {
            clock.sleep_until(self.ends().boot()).await;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while one of these is held; what it guards would still be whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn whoever_asks_for_it_again_has_it_for_longer() {
        let clock = Clock::simulated(1_800_000_000);
        let began = clock.now();
        let open = Arc::new(Open::until(Expiry::after(began, 2 * MINUTE)));
        let over = tokio::spawn({
            let (open, clock) = (Arc::clone(&open), clock.clone());
            async move { open.over(&clock).await }
        });
        tokio::time::sleep(MINUTE).await;
        open.stay_until(Expiry::after(clock.now(), 5 * MINUTE));
        over.await.expect("no panic");
        let lasted = clock.boot().since(began.boot);
        assert!(lasted >= 6 * MINUTE && lasted < 7 * MINUTE, "{lasted:?}");
    }
}
