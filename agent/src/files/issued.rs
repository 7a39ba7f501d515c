//! A token as it was granted, on its way to its readers.

use std::{sync::Arc, time::Duration};

use oidc_proto::files::{entry::WantedToken, formats};

use super::life::Life;
use crate::{accounts::CachedToken, clock::Moment};

/// A token that was granted, and what it was to hold.
#[derive(Clone)]
pub struct Issued {
    /// The token.
    pub token: Arc<CachedToken>,
    /// What was asked for, scopes and audiences of services filled in.
    pub wanted: WantedToken,
    /// It is to replace what is there, even if that lives as long: a reader may have been refused with it.
    pub replaces: bool,
}

impl Issued {
    /// Its life, if that is known.
    pub fn life(&self) -> Option<Life> {
        let length = Duration::from_secs(self.token.lifetime?);
        Some(Life::beginning(self.token.obtained, length))
    }

    /// As files are written.
    pub fn as_format(&self, now: Moment) -> formats::Issued<'_> {
        formats::Issued {
            token: self.token.access_token.expose(),
            kind: self.wanted.kind,
            issuer: &self.token.issuer,
            expires_at: self.token.expires_at(now),
            scope: self.token.scope.as_deref(),
            now: now.wall,
        }
    }
}
