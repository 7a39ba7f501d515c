//! Answers, read whole and bounded.

use std::time::{Duration, SystemTime};

use oidc_proto::json::Object;
use reqwest::{
    Response, StatusCode,
    header::{DATE, LOCATION, RETRY_AFTER},
};
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

use super::retry_after;
use crate::provider::error::ProviderErrorKind;

/// Largest answer that is read.
const MAX_BODY: usize = 1 << 20;
/// Room for an answer of unknown length.
const FIRST_CAPACITY: usize = 8 << 10;
/// How long more is waited for when the answer may be complete already.
const PAUSE: Duration = Duration::from_secs(1);

/// A complete answer.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Zeroizing<Vec<u8>>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) location: Option<String>,
    /// `Date` (RFC 9110 section 6.6.1): when it was sent, by the provider's clock.
    pub(crate) sent_at: Option<SystemTime>,
}

/// Reads the rest of an answer, until `end`.
///
/// Some servers hang up without the end that HTTP or TLS asks for, announce more than they send, or neither say how long
/// the answer is nor hang up. A JSON object that is whole needs no end, and the answer may be the only one there is.
pub(super) async fn read_answer(mut response: Response, end: Instant) -> Result<Answer, ProviderErrorKind> {
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let location = header(LOCATION).map(str::to_owned);
    let retry_after = header(RETRY_AFTER).and_then(retry_after::parse);
    let sent_at = header(DATE).and_then(|date| httpdate::parse_http_date(date).ok());
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok());
    if announced.is_some_and(|length| length > MAX_BODY) {
        return Err(ProviderErrorKind::TooLarge);
    }
    let mut body = Zeroizing::new(Vec::with_capacity(announced.unwrap_or(FIRST_CAPACITY)));
    loop {
        let chunk = match timeout_at(end.min(Instant::now() + PAUSE), response.chunk()).await {
            Ok(Ok(Some(chunk))) => chunk,
            Ok(Ok(None)) => break,
            _ if Object::parse(&body).is_ok() => break,
            Ok(Err(_)) => return Err(ProviderErrorKind::Interrupted),
            Err(_) if Instant::now() < end => continue,
            // Whoever sent the request knows how long that was.
            Err(_) => return Err(ProviderErrorKind::Timeout { after: Duration::ZERO }),
        };
        if body.len() + chunk.len() > MAX_BODY {
            return Err(ProviderErrorKind::TooLarge);
        }
        append(&mut body, &chunk);
    }
    Ok(Answer { status: response.status(), body, retry_after, location, sent_at })
}

/// Appends without leaving a copy behind: a buffer that grows in place is freed unzeroized.
fn append(body: &mut Zeroizing<Vec<u8>>, chunk: &[u8]) {
    if body.len() + chunk.len() > body.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity(2 * (body.len() + chunk.len())));
        larger.extend_from_slice(body);
        *body = larger;
    }
    body.extend_from_slice(chunk);
}
