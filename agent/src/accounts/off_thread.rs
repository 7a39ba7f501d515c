//! Work that blocks.

/// Runs file work or a key derivation on a thread that may block.
pub async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // The runtime ends only after its tasks, so the work itself panicked: go on panicking in the request's task.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
