//! Entries for the life of a process: there until it has ended, however it does.

use std::{os::fd::OwnedFd, time::Duration};

use oidc_proto::{
    deadlines,
    error_code::ErrorCode,
    files::entry::{Entry, Sink},
    message::{Failure, FilesStatus},
    private_file,
};
use tokio::io::{Interest, unix::AsyncFd};
use tracing::{debug, info};

use super::{handle::Files, schedule::EntryId};
use crate::accounts::off_thread;

/// Most entries of all leases together.
const MOST: usize = 4096;
/// Most entries of one.
const MOST_OF_ONE: usize = 64;
/// How long a first token is waited for.
const PATIENCE: Duration = Duration::from_secs(deadlines::TOKEN.as_secs() + 10);

impl Files {
    /// Keeps files fresh as long as a process lives, and removes them then. Returns when all are there; if one cannot be had
    /// none stays.
    pub async fn lease(&self, entries: Vec<Entry>, pid: u32, pidfd: OwnedFd) -> Result<FilesStatus, Failure> {
        let leased = self.state().schedule.entries.values().filter(|managed| managed.lease.is_some()).count();
        if entries.len() > MOST_OF_ONE || leased + entries.len() > MOST {
            let error =
                format!("too many files for the life of a process: {MOST_OF_ONE} for one, {MOST} together");
            return Err(Failure::new(ErrorCode::TooManyRequests, error));
        }
        #[allow(deprecated, reason = "an owned descriptor stays open as long as it is watched")]
        let ended = AsyncFd::with_interest(pidfd, Interest::READABLE).map_err(|error| {
            Failure::new(ErrorCode::Internal, format!("process {pid} cannot be watched: {error}"))
        })?;
        let mut changes = self.0.changed.subscribe();
        let ids = self.change(|state, now| state.schedule.lease(entries, pid, now));
        let settled = tokio::time::timeout(PATIENCE, self.settled(&ids, &mut changes)).await;
        let settled = settled.unwrap_or_else(|_| {
            Err(Failure::new(ErrorCode::FileNotReady, "the first token was not there in time"))
        });
        if let Err(failure) = settled {
            self.end_lease(&ids).await;
            return Err(failure);
        }
        let (mut status, now) = {
            let (state, now) = (self.state(), self.now());
            (state.status(now), now)
        };
        status.entries = ids.iter().filter_map(|id| self.state().file_state(*id, now)).collect();
        let files = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                // A pidfd is readable when its process has ended (pidfd_open(2)).
                _ = ended.readable() => {
                    debug!(pid, "a process has ended for which files were kept fresh");
                    files.end_lease(&ids).await;
                }
                // Its files go on as long as their tokens.
                () = files.0.ending.cancelled() => {}
            }
        });
        Ok(status)
    }

    async fn end_lease(&self, ids: &[EntryId]) {
        let entries = self.change(|state, _| {
            for id in ids {
                state.hooks.remove(id);
            }
            state.schedule.release(ids)
        });
        off_thread(move || {
            for entry in entries {
                if let Sink::File(file) = entry.sink
                    && let Err(error) = private_file::remove(&file.path)
                {
                    info!(code = error.code(), "the file of a process that has ended could not be removed");
                }
            }
        })
        .await;
    }
}
