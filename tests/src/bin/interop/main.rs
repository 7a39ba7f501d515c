//! `make interop`: our programs at OpenID providers that other people wrote, step by step, with real browsers on their real
//! pages. Prints what it does, leaves every outcome in `target/interop/`, and writes the table in `docs/providers.md`.
//!
//! Arguments are names of servers, in any case; without any, all are run. `--serve NAME` only starts one, to try it by hand.

mod known;
mod outcome;
mod person;
mod robots;
mod serve;
mod steps;
mod table;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use oidc_tests::{
    browser::BrowserPrograms,
    require,
    servers::{
        Missing, Server, dex::Dex, django::Django, hydra::Hydra, keycloak::Keycloak,
        node_oidc_provider::NodeOidcProvider,
    },
};

use self::{
    outcome::{Column, Outcome},
    person::Person,
    steps::STEPS,
};

/// A server that may or may not be on this machine.
struct Entry {
    name: &'static str,
    start: fn() -> Result<Box<dyn Server>, Missing>,
}

/// In the order of the table; the one that takes longest is first, so that the others run beside it.
const SERVERS: &[Entry] = &[
    Entry { name: "Keycloak", start: || Ok(Box::new(Keycloak::start()?)) },
    Entry { name: "Hydra", start: || Ok(Box::new(Hydra::start()?)) },
    Entry { name: "Dex", start: || Ok(Box::new(Dex::start()?)) },
    Entry { name: "Django", start: || Ok(Box::new(Django::start()?)) },
    Entry { name: "oidc-provider", start: || Ok(Box::new(NodeOidcProvider::start()?)) },
];
/// How many of them are walked through at a time.
const AT_A_TIME: usize = 2;

/// What came of a server.
enum Visit {
    WalkedThrough(Column),
    /// Something that it needs is not on this machine.
    NotRun,
    DoesNotStart,
}

fn main() -> ExitCode {
    let mut wanted: Vec<String> = std::env::args().skip(1).map(|name| name.to_lowercase()).collect();
    let by_hand = wanted.first().is_some_and(|first| first == "--serve");
    if by_hand {
        wanted.remove(0);
    }
    let names: Vec<String> = SERVERS.iter().map(|entry| entry.name.to_lowercase()).collect();
    if let Some(unknown) = wanted.iter().find(|name| !names.contains(name)) {
        say(&format!("there is no server {unknown}; there are {}", names.join(", ")));
        return ExitCode::FAILURE;
    }
    let chosen = |entry: &&Entry| wanted.is_empty() || wanted.contains(&entry.name.to_lowercase());
    let entries: Vec<&Entry> = SERVERS.iter().filter(chosen).collect();
    if by_hand {
        return serve_by_hand(&entries);
    }
    // A failed step is said in its outcome.
    std::panic::set_hook(Box::new(|_| {}));
    // An error of its own with CI=true.
    let Some(programs) = require::browser() else { return ExitCode::SUCCESS };
    let visits = visits(&entries, &programs);
    let columns: Vec<&Column> = visits.iter().filter_map(Visit::column).collect();
    for column in &columns {
        column.save();
    }
    let broken = visits.iter().filter(|visit| matches!(visit, Visit::DoesNotStart)).count();
    let failed = broken + columns.iter().map(|column| column.failures()).sum::<usize>();
    if failed > 0 || columns.len() < SERVERS.len() {
        say("docs/providers.md is left as it is: this was no run without a failure at all servers");
    } else {
        table::write(&columns);
        say("docs/providers.md holds the table of this run");
    }
    let outcomes = columns.iter().flat_map(|column| &column.outcomes);
    let passed = outcomes.filter(|taken| matches!(taken.outcome, Outcome::Works)).count();
    say(&format!("{passed} passed, {failed} failed"));
    let not_run = visits.iter().any(|visit| matches!(visit, Visit::NotRun));
    let incomplete = not_run && std::env::var_os("CI").is_some_and(|ci| ci == "true");
    if failed > 0 || incomplete { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn serve_by_hand(entries: &[&Entry]) -> ExitCode {
    let (&[entry], Some(programs)) = (entries, require::browser()) else {
        say("--serve takes the name of one server, and a browser");
        return ExitCode::FAILURE;
    };
    match (entry.start)() {
        Ok(server) => serve::serve(server.as_ref(), &programs, std::io::stdin().lock()),
        Err(Missing(what)) => {
            say(&format!("{} needs {what}", entry.name));
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

impl Visit {
    fn column(&self) -> Option<&Column> {
        if let Self::WalkedThrough(column) = self { Some(column) } else { None }
    }
}

/// Walks through all servers, [`AT_A_TIME`] of them at a time; what came of each, in their order.
fn visits(entries: &[&Entry], programs: &BrowserPrograms) -> Vec<Visit> {
    let next = AtomicUsize::new(0);
    let visits = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let place = next.fetch_add(1, Ordering::Relaxed)
                    && let Some(entry) = entries.get(place)
                {
                    let visit = visit(entry, programs);
                    visits.lock().unwrap_or_else(PoisonError::into_inner).push((place, visit));
                }
            });
        }
    });
    let mut visits = visits.into_inner().unwrap_or_else(PoisonError::into_inner);
    visits.sort_by_key(|(place, _)| *place);
    visits.into_iter().map(|(_, visit)| visit).collect()
}

/// Starts a server and takes all steps there.
fn visit(entry: &Entry, programs: &BrowserPrograms) -> Visit {
    let name = entry.name;
    let started = Instant::now();
    say(&format!("{name}: starting"));
    let arrived = catch_unwind(|| Ok(Person::new((entry.start)()?, programs)));
    let mut person = match arrived {
        Ok(Ok(person)) => person,
        Ok(Err(Missing(what))) => {
            say(&format!("NOT RUN: {name} needs {what}"));
            return Visit::NotRun;
        }
        Err(panic) => {
            say(&format!("FAILED: {name} does not start: {}", outcome::message(panic.as_ref())));
            return Visit::DoesNotStart;
        }
    };
    let seconds = started.elapsed().as_secs_f32();
    say(&format!("{name}: {} is up ({seconds:.1} s)", person.server.issuer()));
    let outcomes = STEPS.iter().map(|step| {
        let taken = Outcome::of(name, step, &mut person);
        say(&format!("{name}: {}: {} ({:.1} s)", step.name, taken.outcome, taken.seconds));
        taken
    });
    let column = Column { server: name, outcomes: outcomes.collect() };
    // The end of the server and the browser belongs to the time.
    let ended = catch_unwind(AssertUnwindSafe(|| drop(person)));
    if let Err(panic) = ended {
        say(&format!("{name}: does not end well: {}", outcome::message(panic.as_ref())));
    }
    say(&format!("{name}: all steps in {:.0} s", started.elapsed().as_secs_f32()));
    Visit::WalkedThrough(column)
}

#[allow(clippy::print_stdout, reason = "a run is there to print")]
fn say(line: &str) {
    println!("{line}");
}
