//! Whether tokens are still where they were written: people and programs remove files, and empty them.

use std::{collections::HashMap, time::Duration};

use oidc_proto::files::entry::Sink;
use tracing::info;

use super::{
    handle::Files,
    publish::{self, Seen},
    schedule::EntryId,
};
use crate::accounts::off_thread;

/// How often all of them are looked at without anybody asking.
pub(super) const INTERVAL: Duration = Duration::from_secs(30);
/// How long somebody who asks waits for a file system: what is known already is told then.
const PATIENCE: Duration = Duration::from_secs(2);

impl Files {
    /// Looks at the places of these, or of all, and has written again what is not there any more. One look at a time, so that
    /// a file system that hangs takes one thread.
    pub(super) async fn look_at_places(&self, only: Option<EntryId>) {
        let look = async {
            let looking = self.0.looking.clone().lock_owned().await;
            let files = self.clone();
            let look = tokio::spawn(async move {
                files.look(only).await;
                drop(looking);
            });
            // It does not panic, and goes on where nobody waits for it.
            let _ = look.await;
        };
        let _ = tokio::time::timeout(PATIENCE, look).await;
    }

    async fn look(&self, only: Option<EntryId>) {
        let (places, now) = {
            let (state, now) = (self.state(), self.now());
            let there = state.schedule.at_places(now).into_iter();
            let there = there.filter(|(id, _)| only.is_none_or(|only| only == *id));
            let places = there.filter_map(|(id, renewals)| {
                let entry = state.schedule.entry(id)?.clone();
                let seen = state.seen.get(&id).copied();
                let Sink::File(sink) = entry.sink else { return None };
                Some((id, renewals, entry.token, entry.require, sink, seen))
            });
            (places.collect::<Vec<_>>(), now)
        };
        if places.is_empty() {
            return;
        }
        let look = move || {
            let looks = places.into_iter().map(|(id, renewals, wanted, require, sink, seen)| {
                (id, renewals, publish::look(&wanted, require, &sink, seen, now))
            });
            looks.collect::<Vec<_>>()
        };
        let (mut good, mut missing) = (HashMap::<EntryId, Seen>::new(), Vec::new());
        for (id, renewals, seen) in off_thread(look).await {
            match seen {
                Some(seen) => drop(good.insert(id, seen)),
                None => missing.push((id, renewals)),
            }
        }
        self.state().seen.extend(good);
        if !missing.is_empty() {
            info!(files = missing.len(), "managed files are not as they were written");
            self.change(|state, now| {
                for (id, renewals) in missing {
                    state.seen.remove(&id);
                    state.schedule.missing(id, renewals, now);
                }
            });
        }
    }
}
