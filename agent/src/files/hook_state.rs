//! Where the hook of an entry stands.

use oidc_proto::{files::entry::Event, message::HookReport};

use crate::clock::BootTime;

/// Where an entry's hook stands.
#[derive(Debug, Default)]
pub(super) struct HookState {
    pub(super) pending: Option<Event>,
    /// Its task is there.
    pub(super) runs: bool,
    pub(super) retry: Option<BootTime>,
    pub(super) report: Option<HookReport>,
    /// How many times in a row it failed.
    pub(super) failures: u32,
}

impl HookState {
    /// When it is tried again.
    pub(super) fn retry(&self) -> Option<BootTime> {
        self.retry
    }
}
