//! `make interop`: our programs at OpenID providers that other people wrote, step by step, with real browsers on their real
//! pages. Prints what it does, leaves every outcome in `target/interop/`, and writes the table in `docs/providers.md`.
//!
//! Arguments are names of servers, in any case; without any, all are run.

mod known;
mod outcome;
mod person;
mod steps;
mod table;

use std::{panic::catch_unwind, process::ExitCode, time::Instant};

use oidc_tests::{
    browser::BrowserPrograms,
    require,
    servers::{
        Missing, Server, dex::Dex, hydra::Hydra, keycloak::Keycloak, node_oidc_provider::NodeOidcProvider,
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

const SERVERS: &[Entry] = &[
    Entry { name: "Keycloak", start: || Ok(Box::new(Keycloak::start()?)) },
    Entry { name: "Hydra", start: || Ok(Box::new(Hydra::start()?)) },
    Entry { name: "Dex", start: || Ok(Box::new(Dex::start()?)) },
    Entry { name: "oidc-provider", start: || Ok(Box::new(NodeOidcProvider::start()?)) },
];

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).map(|name| name.to_lowercase()).collect();
    let chosen = |entry: &&Entry| wanted.is_empty() || wanted.contains(&entry.name.to_lowercase());
    // A failed step is said in its outcome.
    std::panic::set_hook(Box::new(|_| {}));
    let Some(programs) = require::browser() else { return ExitCode::FAILURE };
    let mut columns = Vec::new();
    let (mut not_run, mut broken) = (0, 0);
    for entry in SERVERS.iter().filter(chosen) {
        say(&format!("{}: starting", entry.name));
        match catch_unwind(entry.start) {
            Ok(Ok(server)) => columns.push(column(server, &programs)),
            Ok(Err(Missing(what))) => {
                say(&format!("NOT RUN: {} needs {what}", entry.name));
                not_run += 1;
            }
            Err(panic) => {
                say(&format!("FAILED: {} does not start: {}", entry.name, outcome::message(panic.as_ref())));
                broken += 1;
            }
        }
    }
    for column in &columns {
        column.save();
    }
    if columns.len() == SERVERS.len() {
        table::write(&columns);
        say("docs/providers.md holds the table of this run");
    }
    let failed = broken + columns.iter().map(Column::failures).sum::<usize>();
    let outcomes = columns.iter().flat_map(|column| &column.outcomes);
    let passed = outcomes.filter(|(_, outcome)| matches!(outcome, Outcome::Works)).count();
    say(&format!("{passed} passed, {failed} failed"));
    let incomplete = not_run > 0 && std::env::var_os("CI").is_some_and(|ci| ci == "true");
    if failed > 0 || incomplete { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// All steps at one server.
fn column(server: Box<dyn Server>, programs: &BrowserPrograms) -> Column {
    let name = server.name();
    say(&format!("{name}: {}", server.issuer()));
    let mut person = Person::new(server, programs.clone());
    let mut column = Column { server: name, outcomes: Vec::new() };
    for step in STEPS {
        let started = Instant::now();
        let outcome = Outcome::of(name, step, &mut person);
        say(&format!("{name}: {}: {} ({:.1} s)", step.name, outcome, started.elapsed().as_secs_f32()));
        column.outcomes.push((step.name, outcome));
    }
    column
}

#[allow(clippy::print_stdout, reason = "a run is there to print")]
fn say(line: &str) {
    println!("{line}");
}
