//! The promise, on clocks that are played: while the provider answers, no file falls below what is promised, and no token is
//! asked for more often than a third of its life.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    path::PathBuf,
    time::Duration,
};

use oidc_proto::files::entry::{
    FileSink, Format, OnExpiry, Require, Sink, Span, Timing, TokenKind, WantedToken, Write,
};
use proptest::prelude::*;

use super::{entries::Found, *};
use crate::accounts::Trouble;

const START: u64 = 1_800_000_000;
/// How long after something was wrong nothing is promised yet: the longest pause and the longest sleep.
const GRACE: u64 = 300 + 30 + 35;

pub(super) fn entry(name: &str, account: &str, scope: &str, min_lifetime: u64) -> Entry {
    let seconds = Duration::from_secs;
    Entry {
        name: name.to_owned(),
        token: WantedToken {
            account: account.parse().expect("a name"),
            scope: Some(scope.to_owned()),
            audience: None,
            kind: TokenKind::Access,
            services: Vec::new(),
        },
        sink: Sink::File(FileSink {
            path: PathBuf::from(format!("/run/{name}")),
            format: Format::Raw,
            newline: true,
            mode: 0o600,
            group: None,
            create_dirs: false,
            write: Write::Rename,
            host: None,
            readers: Vec::new(),
        }),
        timing: Timing {
            min_lifetime: seconds(min_lifetime),
            renew_before: Span::Percent(33),
            jitter: 10,
            min_backoff: seconds(5),
            max_backoff: seconds(300),
        },
        require: Require::AudScope,
        on_expiry: OnExpiry::Remove,
        hook: None,
    }
}

/// What happens, and when, in seconds from the beginning.
#[derive(Debug, Clone, Copy)]
enum Happening {
    /// Nobody answers for this long.
    Outage(u64),
    /// Nothing can be written for this long.
    FullDisk(u64),
    Suspend(u64),
    SetWall(i64),
}

/// An account of the simulation.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Gives tokens that live for so many seconds.
    Alive(u64),
    /// Its provider hangs.
    Hanging,
    /// Its login has ended.
    Dead,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Answer(TokenId),
    Written(EntryId),
}

struct World {
    schedule: Schedule,
    accounts: Vec<Kind>,
    boot: u64,
    wall: u64,
    outcomes: BinaryHeap<Reverse<(u64, Outcome)>>,
    /// Until when by the boot clock, in milliseconds.
    outage: u64,
    full: u64,
    /// When something was wrong last.
    disturbed: u64,
    asked: BTreeMap<TokenId, Vec<u64>>,
    life_of: BTreeMap<TokenId, Life>,
    requests: usize,
    most_at_once: usize,
    wakes: usize,
    lowest: Duration,
}

impl World {
    fn new(accounts: &[Kind], entries: Vec<Entry>) -> Self {
        let mut numbers = 0_u8;
        let schedule = Schedule::new("host".into(), move || {
            numbers = numbers.wrapping_mul(5).wrapping_add(77);
            numbers
        });
        let mut world = Self {
            schedule,
            accounts: accounts.to_vec(),
            boot: 1_000_000,
            wall: START * 1000,
            outcomes: BinaryHeap::new(),
            outage: 0,
            full: 0,
            disturbed: 1_000_000,
            asked: BTreeMap::new(),
            life_of: BTreeMap::new(),
            requests: 0,
            most_at_once: 0,
            wakes: 0,
            lowest: Duration::MAX,
        };
        let found = entries.into_iter().map(|entry| Found { entry, token: None }).collect();
        let now = world.now();
        world.schedule.replace(found, now);
        world
    }

    fn now(&self) -> Moment {
        Moment { wall: self.wall / 1000, boot: BootTime::from_millis(self.boot) }
    }

    fn kind(&self, wanted: &WantedToken) -> Kind {
        self.accounts[wanted.account.as_str()[1..].parse::<usize>().expect("a number")]
    }

    /// Time passes up to a moment of the boot clock.
    fn run_until(&mut self, end: u64) {
        loop {
            self.step();
            let now = self.now();
            let woken = self.schedule.wake_at(now).map_or(u64::MAX, BootTime::as_millis);
            let outcome = self.outcomes.peek().map_or(u64::MAX, |Reverse((at, _))| *at);
            let next = woken.min(outcome).max(self.boot + 1);
            if next > end {
                self.pass(end - self.boot);
                return;
            }
            self.wakes += usize::from(woken <= outcome);
            self.pass(next - self.boot);
            self.check();
            while self.outcomes.peek().is_some_and(|Reverse((at, _))| *at <= self.boot) {
                let Some(Reverse((_, outcome))) = self.outcomes.pop() else { break };
                self.deliver(outcome);
            }
        }
    }

    fn pass(&mut self, millis: u64) {
        self.boot += millis;
        self.wall += millis;
    }

    fn step(&mut self) {
        let now = self.now();
        for action in self.schedule.next(now) {
            match action {
                Action::Ask { token, wanted, .. } => {
                    self.requests += 1;
                    let latency = match self.kind(&wanted) {
                        Kind::Hanging => 30_000,
                        _ if self.boot < self.outage => 2_000,
                        _ => 20 + self.boot % 80,
                    };
                    self.may_ask(token, now);
                    self.asked.entry(token).or_default().push(self.boot);
                    self.outcomes.push(Reverse((self.boot + latency, Outcome::Answer(token))));
                }
                Action::Write { entry, .. } => {
                    self.outcomes.push(Reverse((self.boot + 3, Outcome::Written(entry))));
                }
                Action::Expire(entry) => self.schedule.removed(entry, None, now),
                Action::Tell(..) => {}
            }
        }
        let under_way = self
            .schedule
            .tokens
            .values()
            .filter(|token| token.asked_at.is_some_and(|at| now.boot.since(at) < QUICK));
        self.most_at_once = self.most_at_once.max(under_way.count());
    }

    /// No token is asked for more often than a third of its life, unless the wall clock has cut that.
    fn may_ask(&self, token: TokenId, now: Moment) {
        let Some(life) = self.life_of.get(&token) else { return };
        let granted = self.schedule.tokens[&token].granted_at.expect("it was granted");
        let since = now.boot.since(granted);
        let is_cut = since + life.left(now) + CUT < life.length;
        let failed = self.schedule.tokens[&token].failures > 0;
        assert!(
            is_cut || failed || since + Duration::from_millis(1) >= life.length / 3,
            "asked again after {since:?} of {:?}",
            life.length
        );
    }

    fn deliver(&mut self, outcome: Outcome) {
        let now = self.now();
        let problem = |code: &str| FileProblem::new(code, "played", now.wall);
        match outcome {
            Outcome::Answer(id) => {
                let kind = self.kind(&self.schedule.tokens[&id].wanted);
                match kind {
                    Kind::Alive(_) if self.boot < self.outage => {
                        self.schedule.failed(
                            id,
                            Trouble::Passing(None),
                            &problem("provider_unreachable"),
                            now,
                        );
                    }
                    Kind::Alive(length) => {
                        let life = Life::beginning(now, Duration::from_secs(length));
                        self.life_of.insert(id, life);
                        self.schedule.granted(id, Some(life), now);
                    }
                    Kind::Hanging => {
                        self.schedule.failed(id, Trouble::Passing(None), &problem("provider_timeout"), now);
                    }
                    Kind::Dead => {
                        self.schedule.failed(id, Trouble::LoginNeeded, &problem("login_needed"), now);
                    }
                }
            }
            Outcome::Written(id) if self.boot < self.full => {
                self.schedule.unwritten(id, problem("write_failed"), now);
            }
            Outcome::Written(id) => {
                let token = self.schedule.entries[&id].token;
                let life = self.life_of.get(&token).copied();
                self.schedule.written(id, life, false, Vec::new(), now);
            }
        }
    }

    /// As a reader sees it right before anything is done.
    fn check(&mut self) {
        let (now, is_quiet) = (self.now(), self.boot >= self.disturbed + GRACE * 1000);
        if !is_quiet {
            return;
        }
        for managed in self.schedule.entries.values() {
            let Kind::Alive(length) = self.kind(&managed.entry.token) else { continue };
            let promised = managed.entry.timing.promised(Duration::from_secs(length));
            let left = managed
                .published
                .and_then(|published| published.life)
                .map_or(Duration::ZERO, |life| life.left(now));
            assert!(
                left >= promised,
                "{} has {left:?} left of {length} s, {promised:?} were promised",
                managed.entry.name
            );
            self.lowest = self.lowest.min(left);
        }
    }

    fn happen(&mut self, happening: Happening) {
        let mut wrong_until = self.boot;
        match happening {
            Happening::Outage(seconds) => {
                self.outage = self.boot + seconds * 1000;
                wrong_until = self.outage;
            }
            Happening::FullDisk(seconds) => {
                self.full = self.boot + seconds * 1000;
                wrong_until = self.full;
            }
            Happening::Suspend(seconds) => self.pass(seconds * 1000),
            Happening::SetWall(by) => {
                let by_millis = by.unsigned_abs() * 1000;
                self.wall = if by < 0 { self.wall.saturating_sub(by_millis) } else { self.wall + by_millis };
            }
        }
        self.disturbed = self.disturbed.max(wrong_until).max(self.boot);
    }
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        (1_u64..7200).prop_map(Happening::Outage),
        (1_u64..7200).prop_map(Happening::FullDisk),
        (1_u64..20_000).prop_map(Happening::Suspend),
        (-100_000_i64..100_000).prop_map(Happening::SetWall),
    ]
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        8 => prop_oneof![Just(60_u64), 60_u64..600, 600_u64..40_000].prop_map(Kind::Alive),
        1 => Just(Kind::Hanging),
        1 => Just(Kind::Dead),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn the_promise_holds_whatever_happens(
        accounts in proptest::collection::vec(kind(), 1..6),
        wanted in proptest::collection::vec((0_usize..6, 0_u8..4, 0_u64..2000), 1..20),
        happenings in proptest::collection::vec((1_u64..4000, happening()), 0..6),
    ) {
        let entries = wanted.into_iter().enumerate().map(|(number, (account, scope, min_lifetime))| {
            let account = format!("a{}", account % accounts.len());
            entry(&number.to_string(), &account, &scope.to_string(), min_lifetime)
        });
        let mut world = World::new(&accounts, entries.collect());
        for (pause, happening) in happenings {
            world.run_until(world.boot + pause * 1000);
            world.happen(happening);
        }
        let quiet = world.boot.max(world.outage).max(world.full);
        world.run_until(quiet + 2 * 3600 * 1000);
    }
}

/// A thousand files of 51 accounts with tokens of one minute, one account's login over and another one's provider hanging.
#[test]
fn a_thousand_files_with_tokens_of_a_minute() {
    let mut accounts = vec![Kind::Alive(60); 49];
    accounts.extend([Kind::Dead, Kind::Hanging]);
    let entries = (0..1020).map(|number| {
        entry(&number.to_string(), &format!("a{}", number % 51), &(number / 51).to_string(), 600)
    });
    let mut world = World::new(&accounts, entries.collect());
    let (began, minutes) = (world.boot, 10);
    world.run_until(began + minutes * 60 * 1000);
    assert!(world.lowest >= Duration::from_secs(20), "{:?}", world.lowest);
    assert!(world.most_at_once <= MOST_AT_ONCE, "{}", world.most_at_once);
    // 980 tokens, two a minute.
    let alive = 980 * 2 * usize::try_from(minutes).expect("small");
    assert!((alive * 9 / 10..=alive + 1200).contains(&world.requests), "{} requests", world.requests);
    let dead = world.schedule.tokens.iter().filter(|(_, token)| token.wanted.account.as_str() == "a49");
    let asked: usize = dead.map(|(id, _)| world.asked.get(id).map_or(0, Vec::len)).sum();
    assert!(asked <= 10, "a dead account was asked for {asked} times");
}

/// Equal wishes are one request; nothing wakes up for nothing.
#[test]
fn a_hundred_files_of_one_token_cost_one_request_and_few_wakes() {
    let entries = (0..100).map(|number| entry(&number.to_string(), "a0", "x", 600));
    let mut world = World::new(&[Kind::Alive(3600)], entries.collect());
    world.run_until(world.boot + 10 * 3600 * 1000);
    assert!((10..=20).contains(&world.requests), "{}", world.requests);
    // Every half minute for ten hours, and what there was to do.
    assert!(world.wakes <= 1200 + world.requests * 3, "{} wakes", world.wakes);
    let longest = world.asked.values().flat_map(|times| times.windows(2)).map(|pair| pair[1] - pair[0]).min();
    assert!(longest.is_some_and(|millis| millis >= 1_200_000), "{longest:?}");
}
