//! How what was to be done went, and what follows from it.

use std::time::Duration;

use oidc_proto::{files::entry::Event, message::FileProblem, shortname::Shortname};

use super::{super::life::Life, Action, EntryId, LOOK_AGAIN, Published, Schedule, Standing, Timer, TokenId};
use crate::{accounts::Trouble, clock::Moment};

impl Schedule {
    /// A token was granted, with its life if that is known. It goes to all entries.
    pub fn granted(&mut self, id: TokenId, life: Option<Life>, now: Moment) {
        let Some(token) = self.tokens.get_mut(&id) else { return };
        (token.life, token.granted_at, token.asked_at) = (life, Some(now.boot), None);
        (token.problem, token.failures) = (None, 0);
        token.go_on(now.wall);
        let account = token.wanted.account.clone();
        for entry in token.entries.clone() {
            if let Some(managed) = self.entries.get_mut(&entry) {
                (managed.unwritten, managed.withheld, managed.write_failures) = (true, None, 0);
                managed.told_login = false;
                self.timers.set(Timer::Write(entry), Some(now.boot));
            }
        }
        self.plan(id, now);
        // Whatever else the account could not do it may be able to do now.
        self.resume(&account, &[Standing::Unmanaged, Standing::LoginNeeded], now);
    }

    /// There is no token.
    pub fn failed(&mut self, id: TokenId, trouble: Trouble, problem: &FileProblem, now: Moment) {
        if !self.tokens.contains_key(&id) {
            return;
        }
        let left = self.left(id, now);
        let Some(token) = self.tokens.get_mut(&id) else { return };
        token.asked_at = None;
        token.problem = Some(problem.clone());
        token.failures = token.failures.saturating_add(1);
        let (failures, account) = (token.failures, token.wanted.account.clone());
        match trouble {
            Trouble::Unmanaged => self.stop_account(&account, Standing::Unmanaged, problem, now),
            Trouble::LoginNeeded => {
                self.stop_account(&account, Standing::LoginNeeded, problem, now);
                self.timers.set(Timer::Ask(id), Some(now.boot.plus(LOOK_AGAIN)));
            }
            Trouble::NeedsConsent => self.stop(id, Standing::NeedsConsent, now),
            Trouble::Refused => self.stop(id, Standing::Refused, now),
            Trouble::Passing(asked) => {
                let entries = token.entries.iter().filter_map(|id| self.entries.get(id));
                let Some(timing) =
                    entries.map(|managed| managed.entry.timing).min_by_key(|timing| timing.max_backoff)
                else {
                    return;
                };
                let pause = self.pause(failures, &timing, left, asked);
                self.timers.set(Timer::Ask(id), Some(now.boot.plus(pause)));
            }
        }
    }

    /// The token that was granted last is where it belongs; `created`: nothing was there before. `warnings` are what readers
    /// should know of the place.
    pub fn written(
        &mut self,
        id: EntryId,
        life: Option<Life>,
        created: bool,
        warnings: Vec<FileProblem>,
        now: Moment,
    ) {
        let Some(managed) = self.entries.get_mut(&id) else { return };
        (managed.writing, managed.write_failures, managed.write_problem) = (false, 0, None);
        (managed.published, managed.removed_at) = (Some(Published { life, at: now.wall }), None);
        managed.renewals += 1;
        managed.warnings = warnings;
        // Another one may have been granted meanwhile.
        let granted = self.tokens.get(&managed.token).and_then(|token| token.life);
        managed.unwritten = granted != life;
        let again = managed.unwritten.then_some(now.boot);
        self.timers.set(Timer::Write(id), again);
        self.plan_end(id, now);
        self.told.push(Action::Tell(id, if created { Event::Created } else { Event::Renewed }));
    }

    /// What is there is as good already.
    pub fn is_as_good(&mut self, id: EntryId, life: Option<Life>, now: Moment) {
        let Some(managed) = self.entries.get_mut(&id) else { return };
        (managed.writing, managed.unwritten, managed.write_failures, managed.write_problem) =
            (false, false, 0, None);
        let at = managed.published.map_or(now.wall, |published| published.at);
        managed.published = Some(Published { life, at });
        self.timers.set(Timer::Write(id), None);
        self.plan_end(id, now);
    }

    /// It could not be written. The token is kept, and that alone is tried again.
    pub fn unwritten(&mut self, id: EntryId, problem: FileProblem, now: Moment) {
        let Some(managed) = self.entries.get_mut(&id) else { return };
        managed.writing = false;
        managed.write_failures = managed.write_failures.saturating_add(1);
        managed.write_problem = Some(problem);
        let (failures, timing) = (managed.write_failures, managed.entry.timing);
        let left = managed
            .published
            .and_then(|published| published.life)
            .map_or(Duration::ZERO, |life| life.left(now));
        let pause = self.pause(failures, &timing, left, None);
        self.timers.set(Timer::Write(id), Some(now.boot.plus(pause)));
    }

    /// It must not be published here. Where it may not be published anywhere, no other one is asked for before a login or a
    /// reload.
    pub fn withheld(&mut self, id: EntryId, problem: FileProblem, now: Moment) {
        let Some(managed) = self.entries.get_mut(&id) else { return };
        (managed.writing, managed.unwritten, managed.withheld) = (false, false, Some(problem.clone()));
        let token_id = managed.token;
        let Some(token) = self.tokens.get_mut(&token_id) else { return };
        if token.entries.iter().all(|id| self.entries[id].withheld.is_some()) {
            token.problem = Some(problem);
            self.stop(token_id, Standing::Refused, now);
        } else {
            self.plan(token_id, now);
        }
    }

    /// The token that was to be written is not at hand any more, as under the agent's lock: it is asked for, which the cache
    /// answers.
    pub fn lost(&mut self, id: EntryId, now: Moment) {
        let Some(managed) = self.entries.get_mut(&id) else { return };
        (managed.writing, managed.unwritten) = (false, false);
        let token = managed.token;
        if let Some(token) = self.tokens.get_mut(&token) {
            token.granted_at = None;
        }
        self.plan(token, now);
    }

    /// A token that ended was removed, or `found` in its place is another one that fits.
    pub fn removed(&mut self, id: EntryId, found: Option<Life>, now: Moment) {
        let Some(managed) = self.entries.get_mut(&id) else { return };
        managed.published = found.map(|life| Published { life: Some(life), at: now.wall });
        managed.removed_at = managed.published.is_none().then_some(now.wall);
        self.plan_end(id, now);
    }

    /// What was published with that many renewals is not where it belongs any more, as readers find it: it is asked for, which
    /// the cache answers, and written again.
    pub fn missing(&mut self, id: EntryId, renewals: u64, now: Moment) {
        let Some(managed) = self.entries.get_mut(&id) else { return };
        if managed.renewals != renewals || managed.writing || managed.unwritten {
            return;
        }
        managed.published = None;
        let token = managed.token;
        if let Some(token) = self.tokens.get_mut(&token) {
            token.granted_at = None;
        }
        self.plan_end(id, now);
        self.plan(token, now);
    }

    /// An account cannot be used any more without the person, or the agent is locked. What is there stays.
    pub fn unmanaged(&mut self, account: &Shortname, problem: &FileProblem, now: Moment) {
        self.stop_account(account, Standing::Unmanaged, problem, now);
    }

    /// The account is known to give no token before somebody logs in, however good the tokens are that are there.
    pub fn login_needed(&mut self, account: &Shortname, problem: &FileProblem, now: Moment) {
        self.stop_account(account, Standing::LoginNeeded, problem, now);
        for id in self.accounts.get(account).cloned().unwrap_or_default() {
            self.timers.set(Timer::Ask(id), Some(now.boot.plus(LOOK_AGAIN)));
        }
    }

    /// An account was loaded or unlocked, or somebody logged in: what is due is asked for at once.
    pub fn usable(&mut self, account: &Shortname, now: Moment) {
        self.resume(
            account,
            &[Standing::Unmanaged, Standing::NeedsConsent, Standing::LoginNeeded, Standing::Refused],
            now,
        );
    }

    /// Something about accounts is not as it was: what waits for the person is tried, which costs the provider nothing.
    pub fn look_again(&mut self, account: &Shortname, now: Moment) {
        self.resume(account, &[Standing::Unmanaged, Standing::NeedsConsent, Standing::LoginNeeded], now);
    }

    /// Everything that was given up is tried again.
    pub(super) fn begin_again(&mut self, now: Moment) {
        for account in self.accounts.keys().cloned().collect::<Vec<_>>() {
            self.usable(&account, now);
        }
        for id in self.tokens.keys().copied().collect::<Vec<_>>() {
            self.plan(id, now);
        }
    }

    fn resume(&mut self, account: &Shortname, standings: &[Standing], now: Moment) {
        let of_account = self.accounts.get(account).into_iter().flatten();
        let stopped: Vec<_> =
            of_account.filter(|id| standings.contains(&self.tokens[id].standing)).copied().collect();
        for id in stopped {
            if let Some(token) = self.tokens.get_mut(&id) {
                token.go_on(now.wall);
                (token.failures, token.problem) = (0, None);
                // One that must not be published is asked for anew.
                for entry in &token.entries {
                    let managed = self.entries.get_mut(entry).filter(|managed| managed.withheld.is_some());
                    if let Some(managed) = managed {
                        (managed.withheld, token.granted_at) = (None, None);
                    }
                }
                self.plan(id, now);
            }
        }
    }

    fn stop_account(&mut self, account: &Shortname, standing: Standing, problem: &FileProblem, now: Moment) {
        for id in self.accounts.get(account).cloned().unwrap_or_default() {
            if let Some(token) = self.tokens.get_mut(&id) {
                token.problem = Some(problem.clone());
                self.stop(id, standing, now);
            }
        }
    }

    fn stop(&mut self, id: TokenId, standing: Standing, now: Moment) {
        let Some(token) = self.tokens.get_mut(&id) else { return };
        if token.standing != standing {
            (token.standing, token.since) = (standing, now.wall);
        }
        self.timers.set(Timer::Ask(id), None);
        self.ready.remove(&id);
        if standing == Standing::LoginNeeded {
            for id in &token.entries {
                if let Some(managed) = self.entries.get_mut(id).filter(|managed| !managed.told_login) {
                    managed.told_login = true;
                    self.told.push(Action::Tell(*id, Event::LoginNeeded));
                }
            }
        }
    }
}
