//! One hook of an entry at a time, and its tries.

use std::ffi::OsString;

use oidc_proto::{
    files::entry::{Event, Hook, Sink},
    message::{HookOutcome, HookReport},
};
use tracing::info;

use super::{
    handle::Files,
    hooks::{self, Told},
    schedule::EntryId,
};

impl Files {
    /// Has others told of an event if they want to know.
    pub(super) fn tell(&self, id: EntryId, event: Event) {
        let (mut state, now) = (self.state(), self.now());
        let wants = state
            .schedule
            .entry(id)
            .and_then(|entry| entry.hook.as_ref())
            .is_some_and(|hook| hook.on.contains(&event));
        if !wants {
            return;
        }
        let hook = state.hooks.entry(id).or_default();
        hook.pending = Some(event);
        if !hook.runs {
            hook.runs = true;
            hook.report = Some(HookReport {
                event,
                at: now.wall,
                outcome: HookOutcome::Waiting,
                detail: None,
                retry_at: None,
                failures: 0,
            });
            let files = self.clone();
            tokio::spawn(async move { files.tell_all(id).await });
        }
    }

    /// Until nothing is to be told any more.
    async fn tell_all(&self, id: EntryId) {
        let (mut tries, mut last) = (0, None);
        loop {
            let Ok(permit) = self.0.hooks.acquire().await else { return };
            let Some((event, is_new, hook, told)) = self.next_told(id, last) else { return };
            if is_new {
                tries = 0;
            }
            let went = hooks::tell(&hook, &told).await;
            drop(permit);
            tries += 1;
            let fails = went.outcome != HookOutcome::Done;
            if fails {
                info!(outcome = ?went.outcome, event = hooks::name(event), "a hook of a managed file failed");
            }
            let pause = (fails && tries < hooks::TRIES).then(|| hooks::FIRST_PAUSE * (1 << (tries - 1)));
            last = pause.map(|_| event);
            let retry = self.change(|state, now| {
                let state = state.hooks.entry(id).or_default();
                state.report = Some(HookReport {
                    event,
                    at: now.wall,
                    outcome: went.outcome,
                    detail: went.detail.clone(),
                    retry_at: None,
                    failures: 0,
                });
                state.failures = if fails { state.failures.saturating_add(1) } else { 0 };
                state.retry = pause.map(|pause| now.boot.plus(pause));
                state.retry
            });
            if let Some(retry) = retry {
                tokio::select! {
                    () = self.0.accounts.deps().clock.sleep_until(retry) => {}
                    () = self.0.ending.cancelled() => return,
                }
            }
        }
    }

    /// What is to be told next: a new event, else the one that failed. `None`: nothing, or the entry is gone.
    fn next_told(&self, id: EntryId, failed: Option<Event>) -> Option<(Event, bool, Hook, Told)> {
        let (mut state, now) = (self.state(), self.now());
        let entry = state.schedule.entry(id).cloned();
        let expires_at = state.schedule.expires_at(id, now);
        let Some(entry) = entry else {
            state.hooks.remove(&id);
            return None;
        };
        let hook_state = state.hooks.entry(id).or_default();
        let new = hook_state.pending.take();
        let next = new.or(failed).zip(entry.hook);
        hook_state.runs = next.is_some();
        hook_state.retry = None;
        let (event, hook) = next?;
        hook_state.report = Some(HookReport {
            event,
            at: now.wall,
            outcome: HookOutcome::Running,
            detail: None,
            retry_at: None,
            failures: 0,
        });
        let file = match &entry.sink {
            Sink::File(file) => file.path.clone().into_os_string(),
            Sink::Condor(condor) => OsString::from(&condor.service),
        };
        Some((
            event,
            new.is_some(),
            hook,
            Told { event, file, account: entry.token.account.to_string(), expires_at },
        ))
    }
}
