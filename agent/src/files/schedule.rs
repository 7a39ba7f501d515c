//! What is to be done for managed files, and when: a state machine over the two clocks that does nothing itself.
//!
//! A [`Token`] is what is asked for, once for all entries that want the same; an entry is where it goes. Whoever drives this
//! carries out the [`Action`]s that [`Schedule::next`] names, says how they went (`outcomes.rs`), and comes again at
//! [`Schedule::wake_at`] or when something was said.

pub mod entries;
mod outcomes;

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use oidc_proto::{
    files::{
        due,
        entry::{Entry, Event, OnExpiry, Timing, WantedToken},
    },
    message::FileProblem,
    shortname::Shortname,
};

use super::{
    life::{self, Life},
    pause,
    timers::Timers,
};
use crate::clock::{BootTime, Moment};

/// Requests under way that count, [`QUICK`] after they began they do not: a provider that hangs delays nobody else.
const MOST_AT_ONCE: usize = 8;
const QUICK: Duration = Duration::from_secs(2);
/// Over what time the first requests of a configuration are spread out.
const SPREAD: Duration = Duration::from_secs(10);
/// How often an account that needs a login is looked at: the provider is not asked, but the login may have been another
/// program's.
pub const LOOK_AGAIN: Duration = Duration::from_secs(300);
/// The runtime's clock stands still during suspend, and nobody tells when the wall clock was set.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// By how much a life must be shorter than it was for the wall clock to have cut it: it is renewed before its third then.
const CUT: Duration = Duration::from_secs(60);
/// By how much the clocks differ before the wall clock counts as set, in seconds.
const DRIFT: u64 = 2;

/// Which of the entries; never used again for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(u64);

/// Which of the tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(u64);

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Ask for a token: [`Schedule::granted`] or [`Schedule::failed`].
    Ask {
        /// Which.
        token: TokenId,
        /// That is this one.
        wanted: WantedToken,
        /// For how many seconds it is to be valid; `None`: a new one in any case.
        min_valid: Option<u64>,
    },
    /// Publish the token that was granted last: [`Schedule::written`], [`Schedule::unwritten`] or [`Schedule::withheld`].
    Write {
        /// Where to.
        entry: EntryId,
        /// Which.
        token: TokenId,
    },
    /// The token that is there has ended; remove it if the entry says so, unless somebody else put another one there.
    Expire(EntryId),
    /// Tell others.
    Tell(EntryId, Event),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Going,
    Unmanaged,
    /// As long as the person does not allow it; the account's other tokens go on.
    NeedsConsent,
    LoginNeeded,
    Refused,
}

/// Something that is asked for.
#[derive(Debug)]
pub(super) struct Token {
    pub(super) wanted: WantedToken,
    entries: BTreeSet<EntryId>,
    /// Of the one that was granted last.
    pub(super) life: Option<Life>,
    pub(super) granted_at: Option<BootTime>,
    pub(super) standing: Standing,
    /// Since when, by the wall clock.
    pub(super) since: u64,
    pub(super) problem: Option<FileProblem>,
    pub(super) failures: u32,
    pub(super) asked_at: Option<BootTime>,
    /// Somebody wants a new one whatever there is.
    forced: bool,
}

/// A token that is where it belongs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Published {
    /// `None`: nothing tells.
    pub(super) life: Option<Life>,
    /// By the wall clock.
    pub(super) at: u64,
}

/// Where a token goes.
#[derive(Debug)]
pub(super) struct Managed {
    pub(super) entry: Entry,
    /// Its place in the configuration.
    pub(super) place: usize,
    pub(super) token: TokenId,
    phase: u16,
    pub(super) published: Option<Published>,
    /// When its token had ended and was removed, by the wall clock.
    pub(super) removed_at: Option<u64>,
    /// The token that was granted last is not where it belongs yet.
    unwritten: bool,
    pub(super) writing: bool,
    pub(super) write_failures: u32,
    pub(super) write_problem: Option<FileProblem>,
    /// Why the token that was granted last is not to be published here.
    pub(super) withheld: Option<FileProblem>,
    /// What the writer warned of.
    pub(super) warnings: Vec<FileProblem>,
    pub(super) renewals: u64,
    told_login: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Timer {
    Ask(TokenId),
    Write(EntryId),
    End(EntryId),
}

/// The managed files of an agent.
pub struct Schedule {
    host: String,
    random: Box<dyn FnMut() -> u8 + Send>,
    pub(super) entries: BTreeMap<EntryId, Managed>,
    pub(super) tokens: BTreeMap<TokenId, Token>,
    by_wanted: BTreeMap<WantedToken, TokenId>,
    accounts: BTreeMap<Shortname, BTreeSet<TokenId>>,
    timers: Timers<Timer>,
    /// To be asked for as soon as there is room.
    ready: BTreeSet<TokenId>,
    told: Vec<Action>,
    last_id: u64,
    /// What the wall clock shows beyond the boot clock.
    offset: Option<u64>,
}

impl Schedule {
    /// Nothing to do. `host` is what this machine is called; `random` spreads pauses out.
    pub fn new(host: String, random: impl FnMut() -> u8 + Send + 'static) -> Self {
        Self {
            host,
            random: Box::new(random),
            entries: BTreeMap::new(),
            tokens: BTreeMap::new(),
            by_wanted: BTreeMap::new(),
            accounts: BTreeMap::new(),
            timers: Timers::default(),
            ready: BTreeSet::new(),
            told: Vec::new(),
            last_id: 0,
            offset: None,
        }
    }

    /// Everything that is to be done now. What is named is under way from then on.
    pub fn next(&mut self, now: Moment) -> Vec<Action> {
        self.look_at_clocks(now);
        let mut actions = std::mem::take(&mut self.told);
        while let Some(timer) = self.timers.pop(now.boot) {
            match timer {
                Timer::Ask(token) => {
                    self.ready.insert(token);
                }
                Timer::Write(entry) => actions.extend(self.write(entry)),
                Timer::End(entry) => actions.extend(self.ended(entry, now)),
            }
        }
        actions.append(&mut self.asked(now));
        actions
    }

    /// When to come again, if nothing happens before; `None`: never.
    pub fn wake_at(&self, now: Moment) -> Option<BootTime> {
        let counted = self.tokens.values().filter_map(|token| token.asked_at).map(|at| at.plus(QUICK));
        let room = counted.filter(|end| *end > now.boot).min().filter(|_| !self.ready.is_empty());
        let next = self.timers.next().into_iter().chain(room).min()?;
        Some(next.min(now.boot.plus(LONGEST_SLEEP)))
    }

    /// The entry of this name.
    pub fn find(&self, name: &str) -> Option<EntryId> {
        self.entries.iter().find(|(_, managed)| managed.entry.name == name).map(|(id, _)| *id)
    }

    /// An entry as it was configured.
    pub fn entry(&self, id: EntryId) -> Option<&Entry> {
        self.entries.get(&id).map(|managed| &managed.entry)
    }

    /// Whether there is nothing to look after.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The accounts of all entries.
    pub fn accounts(&self) -> impl Iterator<Item = &Shortname> {
        self.accounts.keys()
    }

    /// The files in which a token should be that has not ended, each with the number of its renewals.
    pub fn at_places(&self, now: Moment) -> Vec<(EntryId, u64)> {
        let is_there = |managed: &Managed| {
            let life = managed.published.and_then(|published| published.life);
            managed.published.is_some()
                && !managed.writing
                && !managed.unwritten
                && life.is_none_or(|life| !life.end.is_over(now))
        };
        let there = self.entries.iter().filter(|(_, managed)| is_there(managed));
        there.map(|(id, managed)| (*id, managed.renewals)).collect()
    }

    /// Whether a token that was granted is still to be written somewhere.
    pub fn is_needed(&self, token: TokenId) -> bool {
        let entries = self.tokens.get(&token).into_iter().flat_map(|token| &token.entries);
        entries.filter_map(|id| self.entries.get(id)).any(|managed| managed.unwritten)
    }

    /// When an entry's token is asked for or written next.
    pub(super) fn next_at(&self, id: EntryId, token: TokenId) -> Option<BootTime> {
        self.timers.get(Timer::Write(id)).or_else(|| self.timers.get(Timer::Ask(token)))
    }

    /// All times follow the remaining life of tokens. Where the wall clock was set that has changed.
    fn look_at_clocks(&mut self, now: Moment) {
        let offset = now.wall.saturating_add(1 << 40).saturating_sub(now.boot.as_millis() / 1000);
        let before = self.offset.replace(offset);
        if before.is_none_or(|before| before.abs_diff(offset) < DRIFT) {
            // Slow corrections add up.
            self.offset = before.or(self.offset);
            return;
        }
        for id in self.tokens.keys().copied().collect::<Vec<_>>() {
            if self.tokens[&id].failures == 0 {
                self.plan(id, now);
            }
        }
        for id in self.entries.keys().copied().collect::<Vec<_>>() {
            self.plan_end(id, now);
        }
    }

    /// Sets when a token is asked for, by what is left of it wherever it is.
    fn plan(&mut self, id: TokenId, now: Moment) {
        let at = self.due(id, now);
        self.timers.set(Timer::Ask(id), at);
        if at.is_none() {
            self.ready.remove(&id);
        }
    }

    /// When a token is due; `None`: not by itself, or it is being asked for.
    fn due(&self, id: TokenId, now: Moment) -> Option<BootTime> {
        let token = self.tokens.get(&id)?;
        if token.standing != Standing::Going || token.asked_at.is_some() {
            return None;
        }
        if token.forced {
            return Some(now.boot);
        }
        let entries = token.entries.iter().filter_map(|id| self.entries.get(id));
        let due = entries.map(|managed| {
            let granted = token.granted_at.map(|_| token.life).filter(|_| managed.withheld.is_none());
            match granted.or(managed.published.map(|published| published.life)) {
                None => now.boot,
                Some(None) => token
                    .granted_at
                    .unwrap_or(now.boot)
                    .plus(managed.entry.timing.min_lifetime.max(life::UNKNOWN)),
                Some(Some(life)) => {
                    let lead = managed.entry.timing.lead(life.length, managed.phase.into());
                    now.boot.plus(life.left(now).saturating_sub(lead))
                }
            }
        });
        let soonest = token.granted_at.map(|at| match token.life {
            None => at.plus(life::UNKNOWN),
            Some(life) => {
                let left = life.left(now);
                let is_cut = now.boot.since(at) + left + CUT < life.length;
                let soonest =
                    if is_cut { due::SOONEST.min(life.length / 2) } else { due::soonest(life.length) };
                at.plus(soonest)
            }
        });
        Some(due.min().unwrap_or(now.boot).max(soonest.unwrap_or_default()))
    }

    fn plan_end(&mut self, id: EntryId, now: Moment) {
        let life = self.entries.get(&id).and_then(|managed| managed.published?.life);
        self.timers.set(
            Timer::End(id),
            life.filter(|life| !life.end.is_over(now)).map(|life| now.boot.plus(life.left(now))),
        );
    }

    fn write(&mut self, id: EntryId) -> Option<Action> {
        let managed = self.entries.get_mut(&id)?;
        if !managed.unwritten || managed.writing {
            return None;
        }
        managed.writing = true;
        Some(Action::Write { entry: id, token: managed.token })
    }

    fn ended(&mut self, id: EntryId, now: Moment) -> Vec<Action> {
        let Some(managed) = self.entries.get(&id) else { return Vec::new() };
        let life = managed.published.and_then(|published| published.life);
        if life.is_some_and(|life| !life.end.is_over(now)) {
            self.plan_end(id, now);
            return Vec::new();
        }
        let expire = (managed.entry.on_expiry == OnExpiry::Remove).then_some(Action::Expire(id));
        expire.into_iter().chain([Action::Tell(id, Event::Expired)]).collect()
    }

    /// Requests for which there is room, those first whose readers have the least time left.
    fn asked(&mut self, now: Moment) -> Vec<Action> {
        if self.ready.is_empty() {
            return Vec::new();
        }
        let busy = |account: &Shortname, tokens: &BTreeMap<TokenId, Token>| {
            self.accounts[account].iter().any(|id| tokens[id].asked_at.is_some())
        };
        let mut free: BTreeMap<&Shortname, (Duration, TokenId)> = BTreeMap::new();
        for id in &self.ready {
            let token = &self.tokens[id];
            let first = (self.left(*id, now), *id);
            let best = free.entry(&token.wanted.account).or_insert(first);
            *best = first.min(*best);
        }
        let mut first: Vec<_> = free
            .into_iter()
            .filter(|(account, _)| !busy(account, &self.tokens))
            .map(|(_, first)| first)
            .collect();
        first.sort_unstable();
        let counted = |token: &&Token| token.asked_at.is_some_and(|at| now.boot.since(at) < QUICK);
        let room = MOST_AT_ONCE.saturating_sub(self.tokens.values().filter(counted).count());
        let first: Vec<_> = first.into_iter().take(room).map(|(_, id)| id).collect();
        first.into_iter().map(|id| self.ask(id, now)).collect()
    }

    fn ask(&mut self, id: TokenId, now: Moment) -> Action {
        self.ready.remove(&id);
        let min_valid = self.min_valid(id);
        let token = self.tokens.get_mut(&id).expect("only what is there is ready");
        token.asked_at = Some(now.boot);
        let forced = std::mem::take(&mut token.forced);
        Action::Ask { token: id, wanted: token.wanted.clone(), min_valid: (!forced).then_some(min_valid) }
    }

    /// What a token must be valid for not to be due at once, in seconds.
    fn min_valid(&self, id: TokenId) -> u64 {
        let token = &self.tokens[&id];
        let entries = token.entries.iter().filter_map(|id| self.entries.get(id));
        let lead = entries.map(|managed| {
            let life = token.life.or(managed.published.and_then(|published| published.life));
            let timing = &managed.entry.timing;
            life.map_or(timing.min_lifetime, |life| timing.lead(life.length, managed.phase.into()))
        });
        // Whole seconds are rounded up on the other side.
        lead.max().unwrap_or_default().as_secs() + 2
    }

    /// What readers of a token have left, where they have the least.
    fn left(&self, id: TokenId, now: Moment) -> Duration {
        let entries = self.tokens[&id].entries.iter().filter_map(|id| self.entries.get(id));
        let left = |managed: &Managed| match managed.published {
            None => Duration::ZERO,
            Some(published) => published.life.map_or(Duration::MAX, |life| life.left(now)),
        };
        entries.map(left).min().unwrap_or_default()
    }

    /// A pause after failures in a row.
    fn pause(&mut self, failures: u32, timing: &Timing, left: Duration, asked: Option<Duration>) -> Duration {
        pause::pause(timing, failures, left, asked, (self.random)())
    }

    fn id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}
