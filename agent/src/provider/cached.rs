//! A value fetched from a provider and kept for a while; however many ask, one request goes out.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

use super::{
    error::{ProviderError, ProviderErrorKind},
    http::Http,
};

/// How long an outdated value still serves when the provider cannot be asked.
const STALE_FOR: Duration = Duration::from_secs(24 * 3600);
/// How long a newer value is waited for where an outdated one would do: the caller has other things to ask by its
/// deadline.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the provider is not asked again after that came to nothing.
const LEFT_ALONE_FOR: Duration = Duration::from_secs(60);

/// The newest value and the newest failure, behind a gate that lets one request out at a time.
///
/// Who waits at the gate has a deadline of its own, and takes what the one before it found, be it a failure: a
/// provider that is down is asked once, not once for every waiting account.
pub(crate) struct Cached<T> {
    gate: Semaphore,
    state: Mutex<State<T>>,
}

struct State<T> {
    value: Option<(Arc<T>, Instant)>,
    failure: Option<(ProviderError, Instant)>,
}

impl<T> Default for Cached<T> {
    fn default() -> Self {
        Self { gate: Semaphore::new(1), state: Mutex::new(State { value: None, failure: None }) }
    }
}

impl<T> Cached<T> {
    /// The value if it is younger than `max_age`, else what `fetch` brings by `deadline`.
    ///
    /// When that fails for a reason that may pass, or takes longer than [`PATIENCE`], an older value serves for another
    /// day.
    pub(crate) async fn get<F>(
        &self,
        http: &Http,
        max_age: Duration,
        deadline: Instant,
        fetch: F,
    ) -> Result<Arc<T>, ProviderError>
    where
        F: Future<Output = Result<T, ProviderError>>,
    {
        if let Some(value) = self.younger_than(max_age) {
            return Ok(value);
        }
        let asked = Instant::now();
        let waited_for = || ProviderErrorKind::Timeout { after: asked.elapsed() };
        let Ok(permit) = timeout_at(deadline, self.gate.acquire()).await else {
            return self.newest().ok_or_else(|| http.error(waited_for()));
        };
        let _permit = permit.expect("the gate is never closed");
        if let Some(found) = self.found_since(asked) {
            return found;
        }
        let outdated = self.newest();
        let fetched = match &outdated {
            Some(value) if self.failed_lately() => return Ok(value.clone()),
            Some(_) => timeout_at(deadline.min(Instant::now() + PATIENCE), fetch)
                .await
                .unwrap_or_else(|_| Err(http.error(waited_for()))),
            None => fetch.await,
        };
        let mut state = self.state();
        match fetched {
            Ok(value) => {
                let value = Arc::new(value);
                *state = State { value: Some((value.clone(), Instant::now())), failure: None };
                Ok(value)
            }
            Err(error) => {
                state.failure = Some((error.clone(), Instant::now()));
                match outdated {
                    Some(value) if error.is_transient() => {
                        tracing::warn!(%error, "going on with what the provider said earlier");
                        Ok(value)
                    }
                    _ => Err(error),
                }
            }
        }
    }

    /// Makes the next caller fetch anew.
    pub(crate) fn forget(&self) {
        self.state().value = None;
    }

    /// Makes the value as old as if it had been fetched that much earlier.
    #[cfg(test)]
    pub(crate) fn age(&self, by: Duration) {
        if let Some((_, fetched)) = &mut self.state().value {
            *fetched -= by;
        }
    }

    fn younger_than(&self, age: Duration) -> Option<Arc<T>> {
        self.state()
            .value
            .as_ref()
            .filter(|(_, fetched)| fetched.elapsed() < age)
            .map(|(value, _)| value.clone())
    }

    /// The value that is at hand, if it is not too old to be of any use.
    pub(crate) fn newest(&self) -> Option<Arc<T>> {
        self.younger_than(STALE_FOR)
    }

    /// Whether the provider could not be asked a moment ago.
    fn failed_lately(&self) -> bool {
        self.state()
            .failure
            .as_ref()
            .is_some_and(|(error, at)| error.is_transient() && at.elapsed() < LEFT_ALONE_FOR)
    }

    /// What somebody else found while this caller waited at the gate.
    fn found_since(&self, asked: Instant) -> Option<Result<Arc<T>, ProviderError>> {
        let state = self.state();
        let value = state.value.as_ref().filter(|(_, at)| *at > asked).map(|(value, _)| Ok(value.clone()));
        let failure =
            || state.failure.as_ref().filter(|(_, at)| *at > asked).map(|(error, _)| Err(error.clone()));
        value.or_else(failure)
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::provider::http::HttpClients;

    const HOUR: Duration = Duration::from_secs(3600);

    fn http() -> Http {
        HttpClients::default().http("op.example".into(), None, true)
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    #[tokio::test(start_paused = true)]
    async fn a_herd_asks_once_also_when_it_fails() {
        let (cached, http, asked) =
            (Arc::new(Cached::<u8>::default()), http(), Arc::new(AtomicUsize::new(0)));
        let herd: Vec<_> = (0..20)
            .map(|_| {
                let (cached, http, asked) = (cached.clone(), http.clone(), asked.clone());
                tokio::spawn(async move {
                    let fetch = async {
                        asked.fetch_add(1, Ordering::Relaxed);
                        tokio::time::sleep(Duration::from_secs(1)).await;
                        Err(http.error(ProviderErrorKind::Interrupted))
                    };
                    cached.get(&http, HOUR, later(), fetch).await
                })
            })
            .collect();
        for one in herd {
            assert!(one.await.expect("no panic").is_err());
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        assert_eq!(cached.get(&http, HOUR, later(), async { Ok(7) }).await, Ok(Arc::new(7)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_old_value_serves_while_the_provider_is_down() {
        let (cached, http) = (Cached::<u8>::default(), http());
        cached.get(&http, HOUR, later(), async { Ok(7) }).await.expect("fetched");
        tokio::time::advance(2 * HOUR).await;
        let down = || async { Err(http.error(ProviderErrorKind::Interrupted)) };
        assert_eq!(cached.get(&http, HOUR, later(), down()).await, Ok(Arc::new(7)));
        tokio::time::advance(LEFT_ALONE_FOR).await;
        let moved = || async {
            Err(http.error(ProviderErrorKind::IssuerMismatch { expected: "a".into(), found: None }))
        };
        assert!(cached.get(&http, HOUR, later(), moved()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn an_old_value_leaves_time_for_what_it_is_needed_for() {
        let (cached, http) = (Cached::<u8>::default(), http());
        cached.get(&http, HOUR, later(), async { Ok(7) }).await.expect("fetched");
        tokio::time::advance(2 * HOUR).await;
        let begin = Instant::now();
        let found = cached.get(&http, HOUR, begin + 6 * PATIENCE, std::future::pending()).await;
        assert_eq!((found, begin.elapsed().as_secs()), (Ok(Arc::new(7)), PATIENCE.as_secs()));
        // Nor does each caller wait for the same.
        let begin = Instant::now();
        let found = cached.get(&http, HOUR, later(), std::future::pending()).await;
        assert_eq!((found, begin.elapsed().as_secs()), (Ok(Arc::new(7)), 0));
        tokio::time::advance(LEFT_ALONE_FOR).await;
        assert_eq!(cached.get(&http, HOUR, later(), async { Ok(8) }).await, Ok(Arc::new(8)));
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_has_a_deadline_and_a_cancelled_fetch_lets_the_next_one_in() {
        let (cached, http) = (Arc::new(Cached::<u8>::default()), http());
        let hanging = {
            let (cached, http) = (cached.clone(), http.clone());
            tokio::spawn(
                async move { cached.get(&http, HOUR, later(), std::future::pending()).await.map(|_| ()) },
            )
        };
        tokio::task::yield_now().await;
        let impatient =
            cached.get(&http, HOUR, Instant::now() + Duration::from_secs(1), async { Ok(1) }).await;
        assert!(matches!(impatient.unwrap_err().kind(), ProviderErrorKind::Timeout { .. }));
        hanging.abort();
        assert_eq!(cached.get(&http, HOUR, later(), async { Ok(2) }).await, Ok(Arc::new(2)));
    }
}
