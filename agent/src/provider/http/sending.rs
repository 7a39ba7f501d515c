//! Sending a request, and what may be done about a failed try.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout_at};

use super::{
    failure::kind_of,
    request::{Prepared, Repeat, Request, allowed_url},
    response::{Answer, read_answer},
    slot::Slot,
};
use crate::provider::error::{ProviderError, ProviderErrorKind};

/// Longest wait for one complete answer to what can be asked again, as in the C suite.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for the complete answer to a request that spends something ([`Repeat::Spends`]).
pub const SPENDING_TIMEOUT: Duration = Duration::from_secs(300);
/// The longest wait that a provider may ask for without the person being told instead.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Waits before the second and the third try.
const PAUSES: [Duration; 2] = [Duration::from_millis(300), Duration::from_millis(900)];

/// HTTP to one provider, which gives its name to the errors.
#[derive(Clone)]
pub(crate) struct Http {
    slot: Arc<Slot>,
    provider: Arc<str>,
    /// Whether the issuer is on this machine: see [`allowed_url`].
    on_this_machine: bool,
}

impl Http {
    pub(super) fn new(slot: Arc<Slot>, provider: Arc<str>, on_this_machine: bool) -> Self {
        Self { slot, provider, on_this_machine }
    }

    /// An error of this provider.
    pub(crate) fn error(&self, kind: ProviderErrorKind) -> ProviderError {
        ProviderError::new(self.provider.clone(), kind)
    }

    /// The name of the provider, for errors.
    pub(crate) fn provider(&self) -> &Arc<str> {
        &self.provider
    }

    /// The address, if secrets of this provider may be sent there.
    pub(crate) fn allowed(&self, url: &str) -> Result<url::Url, ProviderErrorKind> {
        allowed_url(url, self.on_this_machine)
    }

    /// Sends a request and reads the whole answer, whatever its status.
    ///
    /// Ends by `deadline`, and each try of what may be repeated after [`REQUEST_TIMEOUT`]. Where the request spends
    /// something, no try begins after `deadline`, and each ends after [`SPENDING_TIMEOUT`]; a connection has its own,
    /// short time to come about in any case.
    pub(crate) async fn send(
        &self,
        request: Request<'_>,
        deadline: Instant,
    ) -> Result<Answer, ProviderError> {
        let begin = Instant::now();
        let prepared = Prepared::new(request, self.on_this_machine).map_err(|kind| self.error(kind))?;
        let mut pauses = PAUSES.into_iter();
        loop {
            let result = self.try_once(&prepared, deadline).await;
            let wait = wait_before_repeating(&result, prepared.repeat, &mut pauses);
            let Some(wait) = wait.filter(|wait| *wait < deadline.saturating_duration_since(Instant::now()))
            else {
                return result.map_err(|kind| self.error(kind.with_all_that_was_waited(begin.elapsed())));
            };
            tracing::debug!(provider = %self.provider, ?wait, "asking again");
            sleep(wait).await;
        }
    }

    async fn try_once(&self, request: &Prepared, deadline: Instant) -> Result<Answer, ProviderErrorKind> {
        let begin = Instant::now();
        let client = self.slot.client(request.url(), deadline).await?;
        if Instant::now() >= deadline {
            return Err(ProviderErrorKind::Timeout { after: begin.elapsed() });
        }
        let end = match request.repeat {
            Repeat::Freely => deadline.min(Instant::now() + REQUEST_TIMEOUT),
            Repeat::IfUnprocessed => deadline,
            Repeat::Spends => Instant::now() + SPENDING_TIMEOUT,
        };
        let response = timeout_at(end, client.execute(request.build()))
            .await
            .map_err(|_| ProviderErrorKind::Timeout { after: begin.elapsed() })?
            .map_err(|error| kind_of(&error))?;
        read_answer(response, end).await
    }
}

/// How long to wait before the next try; `None`: this result stands.
fn wait_before_repeating(
    result: &Result<Answer, ProviderErrorKind>,
    repeat: Repeat,
    pauses: &mut impl Iterator<Item = Duration>,
) -> Option<Duration> {
    let may_repeat = match (result, repeat) {
        (Ok(answer), Repeat::Freely) => matches!(answer.status.as_u16(), 408 | 429 | 502..=504),
        (Ok(answer), Repeat::IfUnprocessed | Repeat::Spends) => match answer.status.as_u16() {
            429 => true,
            503 => answer.retry_after.is_some(),
            _ => false,
        },
        (Err(ProviderErrorKind::Unreachable { .. }), _) => true,
        (Err(ProviderErrorKind::Timeout { .. } | ProviderErrorKind::Interrupted), repeat) => {
            repeat == Repeat::Freely
        }
        (Err(_), _) => false,
    };
    let pause = if may_repeat { pauses.next()? } else { return None };
    let asked_for = result.as_ref().ok().and_then(|answer| answer.retry_after);
    Some(asked_for.unwrap_or(pause)).filter(|wait| *wait <= LONGEST_PAUSE)
}
