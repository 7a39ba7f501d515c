//! Measures our programs beside the C suite's, in one run on one machine. Prints a table and writes it into
//! `docs/performance.md`; asserts nothing.
//!
//! Run by `make bench`, which builds everything optimised. Without the C suite its column stays empty.

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

use anyhow::Result;
use oidc_tests::c_suite::CSuite;

use self::{suite::Suite, table::Table};

fn main() -> ExitCode {
    let result = match std::env::args_os().nth(1) {
        Some(socket) => bare::serve(&socket),
        None => run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("bench: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let quiet = machine::wait_for_quiet();
    if let Err(busy) = &quiet {
        say(&format!("bench: {busy}: the times below are those of a busy machine"));
    }
    let mut table = Table::begin();
    table.group(rows::process);
    table.group(rows::derivation);
    table.group(rows::throughput);
    table.group(rows::refresh);
    table.group(rows::start);
    table.group(rows::lock);
    table.group(rows::hang);
    table.group(rows::herd);
    table.group(rows::memory);
    table.group(rows::killed);
    table.group(count::hot_path);
    suite::end_all();
    page::write(&table, quiet.as_ref().err())
}

/// Ours, and the C suite's where it is there.
fn suites() -> Vec<Suite> {
    std::iter::once(Suite::Ours).chain(CSuite::find().map(Suite::C)).collect()
}

#[allow(clippy::print_stdout, reason = "a bench is there to print")]
fn say(line: &str) {
    println!("{line}");
}
