//! What follows from what, one thing at a time.

use oidc_proto::message::FileProblem;

use super::{entries::Found, simulation::entry, *};
use crate::accounts::Trouble;

const HOUR: Duration = Duration::from_secs(3600);

struct Clock(Moment);

impl Clock {
    fn new() -> Self {
        Self(Moment { wall: 1_800_000_000, boot: BootTime::from_millis(5_000_000) })
    }

    fn pass(&mut self, seconds: u64) -> Moment {
        self.0 = Moment { wall: self.0.wall + seconds, boot: self.0.boot.plus(Duration::from_secs(seconds)) };
        self.0
    }
}

fn schedule(entries: &[Entry], clock: &Clock) -> Schedule {
    let mut schedule = Schedule::new("host".into(), || 0);
    let found = entries.iter().map(|entry| Found { entry: entry.clone(), token: None });
    schedule.replace(found.collect(), clock.0);
    schedule
}

fn problem() -> FileProblem {
    FileProblem::new("other", "played", 0)
}

fn asked(actions: &[Action]) -> Vec<(TokenId, Option<u64>)> {
    let asked = |action: &Action| match action {
        Action::Ask { token, min_valid, .. } => Some((*token, *min_valid)),
        _ => None,
    };
    actions.iter().filter_map(asked).collect()
}

fn written(actions: &[Action]) -> Vec<EntryId> {
    let written = |action: &Action| match action {
        Action::Write { entry, .. } => Some(*entry),
        _ => None,
    };
    actions.iter().filter_map(written).collect()
}

/// Grants what is asked for, and writes it.
fn serve(schedule: &mut Schedule, length: Duration, clock: &Clock) -> usize {
    let mut requests = 0;
    loop {
        let actions = schedule.next(clock.0);
        let (asked, written) = (asked(&actions), written(&actions));
        if asked.is_empty() && written.is_empty() {
            return requests;
        }
        let life = Some(Life::beginning(clock.0, length));
        for (token, _) in asked {
            requests += 1;
            schedule.granted(token, life, clock.0);
        }
        for entry in written {
            schedule.written(entry, life, true, Vec::new(), clock.0);
        }
    }
}

#[test]
fn a_write_that_fails_costs_no_token() {
    let mut clock = Clock::new();
    let mut schedule = schedule(&[entry("a", "x", "s", 600)], &clock);
    let token = asked(&schedule.next(clock.0))[0].0;
    let life = Some(Life::beginning(clock.0, HOUR));
    schedule.granted(token, life, clock.0);
    let mut tries = 0;
    for _ in 0..100 {
        let actions = schedule.next(clock.0);
        assert!(asked(&actions).is_empty(), "a token was asked for after {tries} tries");
        for entry in written(&actions) {
            tries += 1;
            schedule.unwritten(entry, problem(), clock.0);
            assert!(schedule.is_needed(token));
        }
        clock.pass(10);
    }
    assert!((5..20).contains(&tries), "{tries}");
    let entry = loop {
        clock.pass(10);
        if let Some(entry) = written(&schedule.next(clock.0)).first() {
            break *entry;
        }
    };
    schedule.written(entry, life, true, Vec::new(), clock.0);
    assert!(!schedule.is_needed(token));
    assert_eq!(schedule.next(clock.0), [Action::Tell(entry, Event::Created)]);
}

#[test]
fn a_dead_account_is_left_alone_until_somebody_logs_in() {
    let mut clock = Clock::new();
    let entries: Vec<_> =
        (0..10).map(|number| entry(&number.to_string(), "x", &number.to_string(), 600)).collect();
    let mut schedule = schedule(&entries, &clock);
    let token = asked(&schedule.next(clock.0))[0].0;
    schedule.failed(token, Trouble::LoginNeeded, &problem(), clock.0);
    let told = schedule.next(clock.0);
    assert_eq!(told.len(), 10, "everybody is told: {told:?}");
    assert!(told.iter().all(|action| matches!(action, Action::Tell(_, Event::LoginNeeded))));
    // Every five minutes somebody looks whether another program has logged in; nobody is told twice.
    let mut looked = 0;
    for _ in 0..60 {
        clock.pass(60);
        let actions = schedule.next(clock.0);
        looked += actions.len();
        for (token, _) in asked(&actions) {
            schedule.failed(token, Trouble::LoginNeeded, &problem(), clock.0);
        }
    }
    assert_eq!(looked, 12);
    schedule.usable(&"x".parse().expect("a name"), clock.0);
    assert_eq!(serve(&mut schedule, HOUR, &clock), 10, "all at once after the login");
}

#[test]
fn what_is_refused_is_asked_again_after_a_reload_only() {
    let mut clock = Clock::new();
    let entries = [entry("a", "x", "good", 600), entry("b", "x", "bad", 600)];
    let mut schedule = schedule(&entries, &clock);
    let mut requests = 0;
    for _ in 0..100 {
        for action in schedule.next(clock.0) {
            match action {
                Action::Ask { token, wanted, .. } if wanted.scope.as_deref() == Some("bad") => {
                    requests += 1;
                    schedule.failed(token, Trouble::Refused, &problem(), clock.0);
                }
                Action::Ask { token, .. } => {
                    schedule.granted(token, Some(Life::beginning(clock.0, HOUR)), clock.0);
                }
                Action::Write { entry, .. } => {
                    schedule.written(entry, Some(Life::beginning(clock.0, HOUR)), true, Vec::new(), clock.0);
                }
                _ => {}
            }
        }
        clock.pass(60);
    }
    assert_eq!(requests, 1, "tokens with another scope were granted meanwhile");
    let again = entries.iter().map(|entry| Found { entry: entry.clone(), token: None }).collect();
    schedule.replace(again, clock.0);
    let wanted = schedule.next(clock.0).into_iter().filter_map(|action| match action {
        Action::Ask { wanted, .. } => wanted.scope,
        _ => None,
    });
    assert_eq!(wanted.collect::<Vec<_>>(), ["bad"], "what is good goes on as before");
}

#[test]
fn under_the_lock_nothing_is_asked_and_afterwards_what_is_due_at_once() {
    let mut clock = Clock::new();
    let (name, entries) =
        ("x".parse().expect("a name"), [entry("a", "x", "s", 600), entry("b", "y", "s", 600)]);
    let mut schedule = schedule(&entries, &clock);
    assert_eq!(serve(&mut schedule, HOUR, &clock), 1, "they do not all come at the same moment");
    clock.pass(10);
    assert_eq!(serve(&mut schedule, HOUR, &clock), 1);
    schedule.unmanaged(&name, &problem(), clock.0);
    clock.pass(1000);
    schedule.usable(&name, clock.0);
    assert_eq!(serve(&mut schedule, HOUR, &clock), 0, "nothing is due yet");
    schedule.unmanaged(&name, &problem(), clock.0);
    clock.pass(2500);
    assert_eq!(serve(&mut schedule, HOUR, &clock), 1, "the other one");
    schedule.usable(&name, clock.0);
    assert_eq!(serve(&mut schedule, HOUR, &clock), 1);
}

#[test]
fn a_good_file_is_taken_over_and_the_rest_spread_out() {
    let mut clock = Clock::new();
    let good = Some(Life::beginning(clock.0, HOUR));
    let found = (0..101).map(|number| Found {
        entry: entry(&number.to_string(), &format!("x{number}"), "s", 600),
        token: if number == 0 { good } else { None },
    });
    let mut schedule = Schedule::new("host".into(), || 0);
    schedule.replace(found.collect(), clock.0);
    let mut requests = Vec::new();
    for _ in 0..=10 {
        requests.push(serve(&mut schedule, HOUR, &clock));
        clock.pass(1);
    }
    assert_eq!(requests.iter().sum::<usize>(), 100, "{requests:?}");
    assert!(requests.iter().all(|number| *number <= 11), "{requests:?}");
}

#[test]
fn an_expired_file_is_removed_or_kept_and_told_once() {
    for (on_expiry, removed) in [(OnExpiry::Remove, true), (OnExpiry::Keep, false)] {
        let mut clock = Clock::new();
        let mut schedule = schedule(&[Entry { on_expiry, ..entry("a", "x", "s", 600) }], &clock);
        serve(&mut schedule, HOUR, &clock);
        let mut seen = Vec::new();
        for _ in 0..200 {
            clock.pass(60);
            for action in schedule.next(clock.0) {
                match action {
                    Action::Ask { token, .. } => {
                        schedule.failed(token, Trouble::Passing(None), &problem(), clock.0);
                    }
                    Action::Expire(entry) => schedule.removed(entry, None, clock.0),
                    _ => {}
                }
                if matches!(action, Action::Expire(_) | Action::Tell(..)) {
                    seen.push(action);
                }
            }
        }
        let id = schedule.find("a").expect("it is there");
        let expected: Vec<_> = removed
            .then_some(Action::Expire(id))
            .into_iter()
            .chain([Action::Tell(id, Event::Expired)])
            .collect();
        assert_eq!(seen, expected, "{on_expiry:?}");
    }
}

#[test]
fn a_token_that_must_not_be_published_is_not_asked_for_again() {
    let mut clock = Clock::new();
    let mut schedule = schedule(&[entry("a", "x", "s", 600)], &clock);
    let token = asked(&schedule.next(clock.0))[0].0;
    schedule.granted(token, Some(Life::beginning(clock.0, HOUR)), clock.0);
    let entry = written(&schedule.next(clock.0))[0];
    schedule.withheld(entry, problem(), clock.0);
    for _ in 0..100 {
        clock.pass(60);
        assert_eq!(schedule.next(clock.0), []);
    }
    assert!(!schedule.is_needed(token));
    schedule.renew(Some(entry), clock.0);
    assert_eq!(asked(&schedule.next(clock.0)), [(token, None)], "in any case a new one");
}

#[test]
fn nothing_to_do_is_no_reason_to_wake_up() {
    let mut clock = Clock::new();
    let mut schedule = schedule(&[entry("a", "x", "s", 600)], &clock);
    schedule.unmanaged(&"x".parse().expect("a name"), &problem(), clock.0);
    assert_eq!(schedule.wake_at(clock.0), None);
    schedule.usable(&"x".parse().expect("a name"), clock.0);
    serve(&mut schedule, HOUR, &clock);
    let woken = schedule.wake_at(clock.0).expect("a token has an end");
    assert_eq!(woken.since(clock.0.boot), LONGEST_SLEEP);
    schedule.replace(Vec::new(), clock.pass(1));
    assert_eq!(schedule.wake_at(clock.0), None);
    assert!(schedule.is_empty() && schedule.tokens.is_empty() && schedule.accounts.is_empty());
}

#[test]
fn want_of_consent_for_one_token_stops_no_other_one() {
    let mut clock = Clock::new();
    let mut schedule = schedule(&[entry("a", "x", "s", 600), entry("id", "x", "t", 600)], &clock);
    let mut refused = 0;
    let mut granted = 0;
    for _ in 0..200 {
        for action in schedule.next(clock.0) {
            match action {
                Action::Ask { token, wanted, .. } if wanted.scope.as_deref() == Some("t") => {
                    refused += 1;
                    schedule.failed(token, Trouble::NeedsConsent, &problem(), clock.0);
                }
                Action::Ask { token, .. } => {
                    granted += 1;
                    schedule.granted(token, Some(Life::beginning(clock.0, HOUR)), clock.0);
                }
                Action::Write { entry, .. } => {
                    let life = Some(Life::beginning(clock.0, HOUR));
                    schedule.written(entry, life, true, Vec::new(), clock.0);
                }
                Action::Expire(_) | Action::Tell(..) => {}
            }
        }
        clock.pass(60);
    }
    assert!(granted > 3, "{granted}: it is renewed as if nothing were");
    assert_eq!(refused, 1, "a grant of another token is no consent");
    // What is new of the account is not hit either.
    let entries = [("a", "s"), ("id", "t"), ("b", "u")];
    let found = entries.map(|(name, scope)| Found { entry: entry(name, "x", scope, 600), token: None });
    schedule.replace(found.into(), clock.0);
    let new = schedule.find("b").expect("it is there");
    assert_eq!(schedule.tokens[&schedule.entries[&new].token].standing, Standing::Going);
}

#[test]
fn what_is_missing_is_asked_for_and_written_again_but_not_what_was_written_meanwhile() {
    let mut clock = Clock::new();
    let mut schedule = schedule(&[entry("a", "x", "s", 600)], &clock);
    serve(&mut schedule, HOUR, &clock);
    clock.pass(60);
    let (id, renewals) = schedule.at_places(clock.0)[0];
    schedule.missing(id, renewals + 1, clock.0);
    assert_eq!(schedule.next(clock.0), [], "another one is there by now");
    schedule.missing(id, renewals, clock.0);
    assert_eq!(schedule.at_places(clock.0), []);
    let asked = asked(&schedule.next(clock.0));
    assert!(matches!(asked[..], [(_, Some(_))]), "{asked:?}: the one that is there is good enough");
}
