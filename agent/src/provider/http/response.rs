//! Answers, read whole and bounded.

use std::time::Duration;

use reqwest::{
    Response, StatusCode,
    header::{LOCATION, RETRY_AFTER},
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
}

pub(super) async fn read_answer(mut response: Response) -> Result<Answer, ProviderErrorKind> {
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let location = header(LOCATION).map(str::to_owned);
    let retry_after = header(RETRY_AFTER).and_then(retry_after::parse);
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok());
    if announced.is_some_and(|length| length > MAX_BODY) {
        return Err(ProviderErrorKind::TooLarge);
    }
    let mut body = Zeroizing::new(Vec::with_capacity(announced.unwrap_or(FIRST_CAPACITY)));
    while let Some(chunk) = response.chunk().await.map_err(|_| ProviderErrorKind::Interrupted)? {
        if body.len() + chunk.len() > MAX_BODY {
            return Err(ProviderErrorKind::TooLarge);
        }
        append(&mut body, &chunk);
    }
    Ok(Answer { status: response.status(), body, retry_after, location })
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
