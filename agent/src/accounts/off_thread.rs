//! Work that blocks.

use std::sync::atomic::{AtomicUsize, Ordering};

/// How much of it is under way in this process.
static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);

/// Whether some of it is under way, waited for or not.
pub(crate) fn is_under_way() -> bool {
    UNDER_WAY.load(Ordering::Acquire) > 0
}

struct UnderWay;

impl UnderWay {
    fn begin() -> Self {
        UNDER_WAY.fetch_add(1, Ordering::AcqRel);
        Self
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        UNDER_WAY.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Runs file work or a key derivation on a thread that may block.
pub async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let under_way = UnderWay::begin();
    let work = move || {
        let _under_way = under_way;
        work()
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // The runtime ends only after its tasks, so the work itself panicked: go on panicking in the request's task.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
