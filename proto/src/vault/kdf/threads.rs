//! The threads that a derivation runs on: begun for it and ended with it, so that nothing of a password stays on them.

use std::thread;

use rayon::{ThreadBuilder, ThreadPoolBuilder};

/// More than the frames of a derivation take, in bytes.
const STACK_TO_WIPE: usize = 64 * 1024;
const STACK: usize = 1024 * 1024;

/// Does the work where rayon finds so many threads, but no more than there are processors. Without threads, where the
/// system gives none, on this one.
pub(super) fn on_threads<R: Send>(wanted: u32, work: impl FnOnce() -> R + Send) -> R {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let count = usize::try_from(wanted).unwrap_or(processors).clamp(1, processors);
    let mut work = Some(work);
    let run = |thread: ThreadBuilder| {
        thread.run();
        wipe_stack();
    };
    let done = ThreadPoolBuilder::new().num_threads(count).stack_size(STACK).build_scoped(run, |pool| {
        let work = work.take();
        pool.install(|| work.map(|work| work()))
    });
    match (done, work) {
        (Ok(Some(done)), _) => done,
        (_, Some(work)) => alone(work),
        _ => unreachable!("work is taken where it is done"),
    }
}

/// Does the work on this thread, as the only one of a pool.
fn alone<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    match ThreadPoolBuilder::new().num_threads(1).use_current_thread().build() {
        Ok(pool) => pool.install(work),
        // It is one already.
        Err(_) => work(),
    }
}

/// Overwrites the stack below the caller, where blocks were worked on.
#[inline(never)]
#[allow(clippy::large_stack_arrays, reason = "it is the stack that is to be written to")]
fn wipe_stack() {
    std::hint::black_box(&mut [0_u8; STACK_TO_WIPE]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_threads_as_lanes_and_processors() {
        let processors = thread::available_parallelism().expect("known").get();
        for wanted in [1, 2, 4, 1000] {
            let count = on_threads(wanted, rayon::current_num_threads);
            assert_eq!(count, processors.min(wanted as usize));
        }
    }

    #[test]
    fn one_thread_is_enough_again_and_again() {
        for _ in 0..3 {
            assert_eq!(alone(rayon::current_num_threads), 1);
        }
    }
}
