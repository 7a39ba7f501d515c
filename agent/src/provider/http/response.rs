//! Answers, read whole and bounded.

use std::time::{Duration, SystemTime};

use oidc_proto::json::Object;
use reqwest::{
    Response, StatusCode,
    header::{DATE, LOCATION, RETRY_AFTER},
};
use zeroize::Zeroizing;

use super::retry_after;
use crate::provider::error::ProviderErrorKind;

/// Largest answer that is read.
const MAX_BODY: usize = 1 << 20;
/// Room for an answer of unknown length.
const FIRST_CAPACITY: usize = 8 << 10;
/// A complete answer.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Zeroizing<Vec<u8>>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) location: Option<String>,
    /// `Date` (RFC 9110 section 6.6.1): when it was sent, by the provider's clock.
    pub(crate) sent_at: Option<SystemTime>,
}

pub(super) async fn read_answer(mut response: Response) -> Result<Answer, ProviderErrorKind> {
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
        let chunk = match response.chunk().await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => break,
            // Some servers hang up without the end that HTTP or TLS asks for. A whole object needs no such end, and
            // the answer may be the only one there is.
            Err(_) if announced.is_none() && Object::parse(&body).is_ok() => break,
            Err(_) => return Err(ProviderErrorKind::Interrupted),
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
