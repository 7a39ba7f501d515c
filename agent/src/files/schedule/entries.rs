//! Which entries there are: those of the configuration, which are replaced as a whole.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use oidc_proto::files::entry::Entry;

use super::{
    super::life::{self, Life},
    EntryId, Managed, Published, SPREAD, Schedule, Standing, Timer, Token, TokenId,
};
use crate::clock::Moment;

/// An entry with what was found where its token goes.
#[derive(Debug, Clone)]
pub struct Found {
    /// The entry.
    pub entry: Entry,
    /// The life of what is there, if it may stay.
    pub token: Option<Life>,
}

impl Schedule {
    /// The configuration's entries from now on. What is the same goes on as before; what is new is asked for within ten
    /// seconds unless a good token was found; what is gone stays where it is, and is looked after no longer. What had been
    /// given up is tried again.
    pub fn replace(&mut self, entries: Vec<Found>, now: Moment) {
        let named = self.entries.iter().map(|(id, managed)| (managed.entry.name.clone(), *id));
        let mut before: BTreeMap<_, _> = named.collect();
        let mut fresh = Vec::new();
        for (place, found) in entries.into_iter().enumerate() {
            let same = before.remove(&found.entry.name);
            if let Some(id) = same.filter(|id| self.is_alike(*id, &found.entry)) {
                self.change(id, found.entry, place);
                continue;
            }
            if let Some(id) = same {
                self.remove(id);
            }
            fresh.push(self.insert(found, place, now));
        }
        for id in before.into_values() {
            self.remove(id);
        }
        self.begin_again(now);
        self.spread(&fresh, now);
    }

    /// New tokens now: for one entry, or for all that are not under way. What had been given up is tried again.
    /// [`Schedule::is_settled`] tells when it is known how that went.
    pub fn renew(&mut self, id: Option<EntryId>, now: Moment) {
        let of_one = id.and_then(|id| self.entries.get(&id)).map(|managed| managed.token);
        let tokens: Vec<_> = match (id, of_one) {
            (Some(_), None) => Vec::new(),
            (Some(_), Some(token)) => vec![token],
            (None, _) => self.tokens.keys().copied().collect(),
        };
        for id in tokens {
            if let Some(token) = self.tokens.get_mut(&id) {
                (token.forced, token.failures, token.problem) = (true, 0, None);
                token.go_on(now.wall);
                self.plan(id, now);
            }
        }
    }

    /// Whether nothing is under way for an entry: its token was got and written, or one of that has failed, or will not be
    /// done as things are.
    pub fn is_settled(&self, id: EntryId) -> bool {
        let Some(managed) = self.entries.get(&id) else { return true };
        let Some(token) = self.tokens.get(&managed.token) else { return true };
        let asks = token.asked_at.is_some() || (token.forced && token.standing == Standing::Going);
        let writes = managed.writing || (managed.unwritten && managed.write_failures == 0);
        !asks && !writes
    }

    /// Whether what was published for an entry is what another one wants.
    fn is_alike(&self, id: EntryId, other: &Entry) -> bool {
        let entry = &self.entries[&id].entry;
        (&entry.token, &entry.sink, entry.require) == (&other.token, &other.sink, other.require)
    }

    fn change(&mut self, id: EntryId, entry: Entry, place: usize) {
        if let Some(managed) = self.entries.get_mut(&id) {
            (managed.entry, managed.place) = (entry, place);
        }
    }

    fn insert(&mut self, found: Found, place: usize, now: Moment) -> EntryId {
        let (id, Found { entry, token }) = (EntryId(self.id()), found);
        let wanted = &entry.token;
        let token_id = match self.by_wanted.get(wanted) {
            Some(id) => *id,
            None => self.insert_token(&entry, now),
        };
        // One that was granted before may be in the agent's cache, but not here any more.
        if let Some(other) = self.tokens.get_mut(&token_id) {
            other.entries.insert(id);
            if token.is_none() && other.asked_at.is_none() {
                other.granted_at = None;
            }
        }
        let managed = Managed {
            phase: life::phase(&self.host, &entry.name),
            place,
            token: token_id,
            published: token.map(|life| Published { life: Some(life), at: now.wall }),
            removed_at: None,
            unwritten: false,
            writing: false,
            write_failures: 0,
            write_problem: None,
            withheld: None,
            warnings: Vec::new(),
            renewals: 0,
            told_login: false,
            entry,
        };
        self.entries.insert(id, managed);
        self.plan_end(id, now);
        self.plan(token_id, now);
        id
    }

    fn insert_token(&mut self, entry: &Entry, now: Moment) -> TokenId {
        let (id, wanted) = (TokenId(self.id()), entry.token.clone());
        // An account that cannot be used is not tried for each of its tokens.
        let of_account = self.accounts.entry(wanted.account.clone()).or_default();
        let account_wide =
            |token: &&Token| matches!(token.standing, Standing::Unmanaged | Standing::LoginNeeded);
        let like = of_account.iter().filter_map(|id| self.tokens.get(id)).find(account_wide);
        let (standing, since, problem) = like.map_or((Standing::Going, now.wall, None), |like| {
            (like.standing, like.since, like.problem.clone())
        });
        of_account.insert(id);
        self.by_wanted.insert(wanted.clone(), id);
        let (entries, life, granted_at, failures, asked_at, forced) =
            (BTreeSet::new(), None, None, 0, None, false);
        let token =
            Token { wanted, entries, life, granted_at, standing, since, problem, failures, asked_at, forced };
        self.tokens.insert(id, token);
        id
    }

    fn remove(&mut self, id: EntryId) {
        let Some(managed) = self.entries.remove(&id) else { return };
        self.timers.set(Timer::Write(id), None);
        self.timers.set(Timer::End(id), None);
        let Some(token) = self.tokens.get_mut(&managed.token) else { return };
        token.entries.remove(&id);
        if token.entries.is_empty() {
            let wanted = token.wanted.clone();
            self.tokens.remove(&managed.token);
            self.timers.set(Timer::Ask(managed.token), None);
            self.ready.remove(&managed.token);
            self.by_wanted.remove(&wanted);
            if let Some(of_account) = self.accounts.get_mut(&wanted.account) {
                of_account.remove(&managed.token);
                if of_account.is_empty() {
                    self.accounts.remove(&wanted.account);
                }
            }
        }
    }

    /// What is new and due is asked for one after the other: the least life left first.
    fn spread(&mut self, fresh: &[EntryId], now: Moment) {
        let tokens: BTreeSet<_> =
            fresh.iter().filter_map(|id| self.entries.get(id)).map(|managed| managed.token).collect();
        let due = |id: &TokenId| self.due(*id, now).is_some_and(|at| at <= now.boot);
        let mut due: Vec<_> = tokens.into_iter().filter(due).map(|id| (self.left(id, now), id)).collect();
        due.sort_unstable();
        let step = SPREAD / u32::try_from(due.len().max(20)).unwrap_or(u32::MAX);
        let mut wait = Duration::ZERO;
        for (_, id) in due {
            self.timers.set(Timer::Ask(id), Some(now.boot.plus(wait)));
            wait += step;
        }
    }
}

impl Token {
    /// Whatever was wrong with it may be over.
    pub(super) fn go_on(&mut self, wall: u64) {
        if self.standing != Standing::Going {
            (self.standing, self.since) = (Standing::Going, wall);
        }
    }
}
