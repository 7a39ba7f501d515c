//! How it stands with managed files, for whoever asks.

use std::collections::BTreeMap;

use oidc_proto::{
    files::entry::Sink,
    message::{Condition, FileProblem, FileState, FilesStatus, HookReport},
};

use super::{
    handle::State,
    hook_state::HookState,
    schedule::{EntryId, Managed, Schedule, Standing, Token},
};
use crate::clock::{BootTime, Moment};

impl State {
    /// How it stands, without entries.
    pub(super) fn status(&self, now: Moment) -> FilesStatus {
        let mut counts = BTreeMap::new();
        for (id, managed) in &self.schedule.entries {
            let state = self.schedule.condition(*id, managed, now).0;
            *counts.entry(state).or_default() += 1;
        }
        FilesStatus {
            sources: self.sources.clone(),
            loaded_at: self.loaded_at,
            refused: self.refused.clone(),
            warnings: self
                .remarks
                .iter()
                .chain(self.of_accounts.iter().map(|(_, problem)| problem))
                .cloned()
                .collect(),
            counts,
            entries: Vec::new(),
            more: false,
        }
    }

    /// All entries in the configuration's order.
    pub(super) fn in_order(&self) -> Vec<EntryId> {
        let mut all: Vec<_> = self.schedule.entries.iter().collect();
        all.sort_by_key(|(id, managed)| (managed.place, **id));
        all.into_iter().map(|(id, _)| *id).collect()
    }

    /// How it stands with one entry.
    pub(super) fn file_state(&self, id: EntryId, now: Moment) -> Option<FileState> {
        let managed = self.schedule.entries.get(&id)?;
        let token = self.schedule.tokens.get(&managed.token)?;
        let at_wall = |at: BootTime| now.wall.saturating_add(at.since(now.boot).as_secs());
        let (path, condor) = match &managed.entry.sink {
            Sink::File(file) => (Some(file.path.clone()), None),
            Sink::Condor(condor) => (
                None,
                Some(
                    [Some(&condor.service), condor.handle.as_ref()]
                        .into_iter()
                        .flatten()
                        .cloned()
                        .collect::<Vec<_>>()
                        .join("_"),
                ),
            ),
        };
        let life = managed.published.and_then(|published| published.life);
        let length = life.or(token.life).map(|life| life.length);
        let timing = &managed.entry.timing;
        let (state, since) = self.schedule.condition(id, managed, now);
        let hook = self.hooks.get(&id);
        let hook_retry = hook.and_then(HookState::retry).map(at_wall);
        let hook_failures = hook.map_or(0, |hook| hook.failures);
        Some(FileState {
            name: managed.entry.name.clone(),
            account: managed.entry.token.account.to_string(),
            scope: managed.entry.token.scope.clone(),
            audience: managed.entry.token.audience.clone(),
            token: managed.entry.token.kind,
            path,
            condor,
            state,
            since: Some(since),
            published_at: managed.published.map(|published| published.at),
            expires_at: self.schedule.expires_at(id, now),
            min_lifetime: length.map_or(timing.min_lifetime, |length| timing.promised(length)).as_secs(),
            next_at: self.schedule.next_at(id, managed.token).map(at_wall),
            busy: token.asked_at.is_some() || managed.writing,
            renewals: managed.renewals,
            failures: token.failures,
            problem: managed.withheld.clone().or_else(|| token.problem.clone()),
            write_problem: managed.write_problem.clone(),
            warnings: warnings(managed, token, now),
            hook: hook.and_then(|hook| hook.report.clone()).map(|report| HookReport {
                retry_at: hook_retry,
                failures: hook_failures,
                ..report
            }),
        })
    }
}

impl Schedule {
    /// When the token that is there ends, in seconds since the epoch.
    pub(super) fn expires_at(&self, id: EntryId, now: Moment) -> Option<u64> {
        Some(self.entries.get(&id)?.published?.life?.end.at(now))
    }

    /// In one word, and since when.
    fn condition(&self, _: EntryId, managed: &Managed, now: Moment) -> (Condition, u64) {
        let Some(token) = self.tokens.get(&managed.token) else { return (Condition::Waiting, now.wall) };
        let by_standing = match token.standing {
            Standing::Unmanaged | Standing::NeedsConsent => Some(Condition::Unmanaged),
            Standing::LoginNeeded => Some(Condition::LoginNeeded),
            Standing::Refused => Some(Condition::Refused),
            Standing::Going => managed.withheld.is_some().then_some(Condition::Refused),
        };
        if let Some(condition) = by_standing {
            return (condition, token.since);
        }
        let Some(published) = managed.published else {
            return managed
                .removed_at
                .map_or((Condition::Waiting, token.since), |at| (Condition::Expired, at));
        };
        let Some(life) = published.life else { return (Condition::Fresh, published.at) };
        let (left, end) = (life.left(now), life.end.at(now));
        let promised = managed.entry.timing.promised(life.length);
        if left.is_zero() {
            (Condition::Expired, end.min(now.wall))
        } else if left < promised {
            (Condition::Stale, end.saturating_sub(promised.as_secs()).min(now.wall))
        } else if let Some(problem) = &managed.write_problem {
            (Condition::Stale, problem.at)
        } else {
            (Condition::Fresh, published.at)
        }
    }
}

fn warnings(managed: &Managed, token: &Token, now: Moment) -> Vec<FileProblem> {
    let mut warnings = managed.warnings.clone();
    if let Some(life) = token.life.filter(|life| managed.entry.timing.is_short(life.length)) {
        let text = format!(
            "its tokens live for {} seconds, which is too short for min_lifetime ({} seconds): they are renewed at half their life",
            life.length.as_secs(),
            managed.entry.timing.min_lifetime.as_secs()
        );
        warnings.push(FileProblem::new("short_lived", text, now.wall));
    }
    if token.granted_at.is_some() && token.life.is_none() {
        let text = "nothing tells how long its tokens live: they are renewed every ten minutes, or every min_lifetime if that is longer";
        warnings.push(FileProblem::new("life_unknown", text, now.wall));
    }
    warnings
}
