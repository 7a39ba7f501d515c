//! HTTP as the agent speaks it to providers: bounded in time and size, never following a redirect, repeating only
//! what may be repeated.
//!
//! **Repeating.** A request without side effects is tried up to three times on every failure that may pass. A token
//! request is not: a provider that rotates refresh tokens takes a second use of the same token for theft and ends
//! the session, and after a timeout or a broken connection nobody knows whether the first use went through, or
//! still is being worked on. Such a request is repeated only if it cannot have been processed (no connection came
//! about), or if the provider itself answered with a status that asks for another try.

mod client;
mod failure;
mod request;
mod response;
mod retry_after;
mod roots;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout_at};

pub(crate) use self::{
    client::HttpClients,
    request::{Content, Repeat, Request, allowed_url},
    response::Answer,
    roots::is_system_bundle,
};
use self::{client::Slot, failure::kind_of, request::Prepared, response::read_answer};
use super::error::{ProviderError, ProviderErrorKind};

/// Longest wait for one complete answer, as in the C suite.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for the complete answer to a request that spends something ([`Repeat::Spends`]).
pub const SPENDING_TIMEOUT: Duration = Duration::from_secs(300);
/// Waits before the second and the third try.
const PAUSES: [Duration; 2] = [Duration::from_millis(300), Duration::from_millis(900)];

/// HTTP to one provider, which gives its name to the errors.
#[derive(Clone)]
pub(crate) struct Http {
    slot: Arc<Slot>,
    provider: Arc<str>,
}

impl Http {
    /// An error of this provider.
    pub(crate) fn error(&self, kind: ProviderErrorKind) -> ProviderError {
        ProviderError::new(self.provider.clone(), kind)
    }

    /// The name of the provider, for errors.
    pub(crate) fn provider(&self) -> &Arc<str> {
        &self.provider
    }

    /// Sends a request and reads the whole answer, whatever its status.
    ///
    /// Ends by `deadline`, and each try after [`REQUEST_TIMEOUT`]. Where the request spends something, no try begins
    /// after `deadline`, and each ends after [`SPENDING_TIMEOUT`].
    pub(crate) async fn send(
        &self,
        request: Request<'_>,
        deadline: Instant,
    ) -> Result<Answer, ProviderError> {
        let prepared = Prepared::new(request).map_err(|kind| self.error(kind))?;
        let mut pauses = PAUSES.into_iter();
        loop {
            let result = self.try_once(&prepared, deadline).await;
            let Some(wait) = wait_before_repeating(&result, prepared.repeat, &mut pauses) else {
                return result.map_err(|kind| self.error(kind));
            };
            if wait >= deadline.saturating_duration_since(Instant::now()) {
                return result.map_err(|kind| self.error(kind));
            }
            tracing::debug!(provider = %self.provider, ?wait, "asking again");
            sleep(wait).await;
        }
    }

    async fn try_once(&self, request: &Prepared, deadline: Instant) -> Result<Answer, ProviderErrorKind> {
        let begin = Instant::now();
        let end = match request.repeat {
            Repeat::Spends => begin + SPENDING_TIMEOUT,
            Repeat::Freely | Repeat::IfUnprocessed => deadline.min(begin + REQUEST_TIMEOUT),
        };
        let exchange = async {
            let client = self.slot.client().await?;
            let response = client.execute(request.build()).await.map_err(|error| kind_of(&error))?;
            read_answer(response).await
        };
        timeout_at(end, exchange).await.unwrap_or_else(|_| {
            Err(ProviderErrorKind::Timeout { after: end.saturating_duration_since(begin) })
        })
    }
}

/// How long to wait before the next try; `None`: this result stands.
fn wait_before_repeating(
    result: &Result<Answer, ProviderErrorKind>,
    repeat: Repeat,
    pauses: &mut impl Iterator<Item = Duration>,
) -> Option<Duration> {
    let may_repeat = match result {
        Ok(answer) => matches!(answer.status.as_u16(), 408 | 429 | 502..=504),
        Err(ProviderErrorKind::Unreachable { .. }) => true,
        Err(ProviderErrorKind::Timeout { .. } | ProviderErrorKind::Interrupted) => repeat == Repeat::Freely,
        Err(_) => false,
    };
    let pause = if may_repeat { pauses.next()? } else { return None };
    let asked_for = result.as_ref().ok().and_then(|answer| answer.retry_after);
    Some(asked_for.unwrap_or(pause))
}
