//! Measures our programs beside the C suite's, in one run on one machine. Prints a table and writes it into
//! `docs/performance.md`; asserts nothing.
//!
//! Run by `make bench`, which builds everything optimised. Without the C suite its column stays empty. Names of groups as
//! arguments measure those only, and write nothing.

mod bare;
mod count;
mod libsodium;
mod load;
mod machine;
mod page;
mod rows;
mod suite;
mod table;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use oidc_tests::c_suite::CSuite;

use self::{
    suite::Suite,
    table::{Measure, Table},
};

/// All groups of rows, in the order of the table.
const GROUPS: &[(&str, Measure)] = &[
    ("process", rows::process),
    ("derivation", rows::derivation),
    ("throughput", rows::throughput),
    ("refresh", rows::refresh),
    ("start", rows::start),
    ("lock", rows::lock),
    ("hang", rows::hang),
    ("herd", rows::herd),
    ("memory", rows::memory),
    ("killed", rows::killed),
    ("count", count::hot_path),
];

/// What makes this program the server that the agents are compared with.
const SERVE: &str = "--serve";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let result = match arguments.as_slice() {
        [option, socket] if option == SERVE => bare::serve(socket),
        names => names.iter().map(|name| group(&name.to_string_lossy())).collect::<Result<_>>().and_then(run),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("bench: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn group(name: &str) -> Result<Measure> {
    let found = GROUPS.iter().find(|(own, _)| *own == name).map(|(_, measure)| *measure);
    let names = || GROUPS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" ");
    found.with_context(|| format!("no group is called '{name}'; there are {}", names()))
}

/// The groups named, or all of them and then the page.
fn run(chosen: Vec<Measure>) -> Result<()> {
    let quiet = machine::wait_for_quiet();
    if let Err(busy) = &quiet {
        say(&format!("bench: {busy}: the times below are those of a busy machine"));
    }
    let mut table = Table::begin();
    let is_whole = chosen.is_empty();
    let groups = if is_whole { GROUPS.iter().map(|(_, measure)| *measure).collect() } else { chosen };
    for measure in groups {
        table.group(measure);
    }
    suite::end_all();
    if table.is_incomplete() {
        bail!("something could not be measured; docs/performance.md is left as it is");
    }
    if is_whole { page::write(&table, quiet.as_ref().err()) } else { Ok(()) }
}

/// Ours, and the C suite's where it is there.
fn suites() -> Vec<Suite> {
    std::iter::once(Suite::Ours).chain(CSuite::find().map(Suite::C)).collect()
}

#[allow(clippy::print_stdout, reason = "a bench is there to print")]
fn say(line: &str) {
    println!("{line}");
}
