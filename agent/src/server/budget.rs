//! Memory for what clients send and are sent: a little for each connection, and what all of them share beyond that.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What every connection may hold without asking, in bytes: more than usual requests and replies need.
const FREE: usize = 16 * 1024;
/// The unit of the shared part, in bytes.
const UNIT: usize = 1024;

/// The shared part. A cheap handle.
#[derive(Clone)]
pub(super) struct Budget(Arc<Semaphore>);

/// What one connection holds; given back when dropped.
pub(super) struct Share {
    budget: Budget,
    held: Option<OwnedSemaphorePermit>,
}

/// Others hold too much for one connection to have what it needs.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Exhausted;

impl Budget {
    /// So many bytes for all connections together.
    pub(super) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new((bytes / UNIT).min(Semaphore::MAX_PERMITS))))
    }

    pub(super) fn share(&self) -> Share {
        Share { budget: self.clone(), held: None }
    }
}

impl Share {
    /// Sees to it that at least so many bytes are held.
    pub(super) fn hold(&mut self, bytes: usize) -> Result<(), Exhausted> {
        let wanted = bytes.saturating_sub(FREE).div_ceil(UNIT);
        let held = self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let Some(missing) = wanted.checked_sub(held).filter(|missing| *missing > 0) else { return Ok(()) };
        let missing = u32::try_from(missing).map_err(|_| Exhausted)?;
        let more = Arc::clone(&self.budget.0).try_acquire_many_owned(missing).map_err(|_| Exhausted)?;
        match &mut self.held {
            Some(held) => held.merge(more),
            held => *held = Some(more),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_little_is_free_and_the_rest_is_shared() {
        let budget = Budget::new(100 * UNIT);
        let (mut one, mut other) = (budget.share(), budget.share());
        assert_eq!(one.hold(FREE), Ok(()));
        assert_eq!(one.hold(FREE + 60 * UNIT), Ok(()));
        assert_eq!(one.hold(FREE + 70 * UNIT), Ok(()), "only what is missing is taken");
        assert_eq!(one.hold(1), Ok(()));
        assert_eq!(other.hold(FREE + 31 * UNIT), Err(Exhausted));
        assert_eq!(other.hold(FREE + 30 * UNIT), Ok(()));
        assert_eq!(budget.share().hold(FREE), Ok(()), "usual requests always find room");
        drop(one);
        assert_eq!(other.hold(FREE + 100 * UNIT), Ok(()));
        assert_eq!(other.hold(usize::MAX), Err(Exhausted));
    }
}
