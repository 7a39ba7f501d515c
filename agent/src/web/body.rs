//! The body of a request, within bounds.

use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Bytes};
use tokio::time::timeout;

/// Reads a body to its end; `None` where it has more than `longest` bytes, takes longer than `deadline`, or breaks off.
pub async fn read<B>(body: B, longest: usize, deadline: Duration) -> Option<Bytes>
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // What says itself that it is too long is not read at all.
    if body.size_hint().lower() > longest as u64 {
        return None;
    }
    let reading = Box::pin(Limited::new(body, longest)).collect();
    Some(timeout(deadline, reading).await.ok()?.ok()?.to_bytes())
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;

    #[tokio::test]
    async fn more_than_the_bound_is_not_taken() {
        for (length, taken) in [(0, true), (8, true), (9, false)] {
            let body = Full::new(Bytes::from(vec![0; length]));
            let read = read(body, 8, Duration::from_secs(1)).await;
            assert_eq!(read.map(|bytes| bytes.len()), taken.then_some(length), "{length}");
        }
    }
}
