//! Managed files when another process takes over from this one. It reads their configuration itself, and looks at what lies at
//! their places as every agent does that begins; so nothing is handed on, and nothing may be half done.

use tokio::sync::{OwnedMutexGuard, SemaphorePermit};

use super::{
    handle::{Files, WRITERS},
    hooks,
};

/// As long as it lives nothing is written and no hook runs.
#[derive(Debug)]
pub struct Still<'a> {
    _writers: SemaphorePermit<'a>,
    _hooks: SemaphorePermit<'a>,
    _looking: OwnedMutexGuard<()>,
    _reloading: tokio::sync::MutexGuard<'a, ()>,
}

impl Files {
    /// Sees to it that nothing is written, and that nothing begins. Otherwise what is under way.
    pub fn still(&self) -> Result<Still<'_>, String> {
        let all = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let text = |text: &str| text.to_owned();
        let writing = self.0.writers.try_acquire_many(all(WRITERS));
        let hooks = self.0.hooks.try_acquire_many(all(hooks::MOST_AT_ONCE));
        Ok(Still {
            _writers: writing.map_err(|_| text("a managed file is being written"))?,
            _hooks: hooks.map_err(|_| text("a hook of a managed file runs"))?,
            _looking: self
                .0
                .looking
                .clone()
                .try_lock_owned()
                .map_err(|_| text("managed files are looked at"))?,
            _reloading: self.0.reloading.try_lock().map_err(|_| text("managed files are read again"))?,
        })
    }
}
