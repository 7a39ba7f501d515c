//! A token as it was granted, on its way to its readers.

use std::{sync::Arc, time::Duration};

use super::due::Life;
use crate::{accounts::CachedToken, clock::Moment};

/// A token that was granted, and what it was to hold.
#[derive(Clone)]
pub struct Issued {
    /// The token.
    pub token: Arc<CachedToken>,
    /// The scopes that were asked for, those of services included.
    pub scope: Option<String>,
    /// The audiences of each of which it must hold one; those of a service are several names of one.
    pub audiences: Vec<Vec<String>>,
}

impl Issued {
    /// Its life, if that is known.
    pub fn life(&self) -> Option<Life> {
        let length = Duration::from_secs(self.token.lifetime?);
        Some(Life::beginning(self.token.obtained, length))
    }

    /// When it ends, in seconds since the epoch.
    pub fn expires_at(&self, now: Moment) -> Option<u64> {
        self.token.expires_at(now)
    }
}
