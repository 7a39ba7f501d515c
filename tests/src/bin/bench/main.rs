//! Measures our programs beside the C suite's, in one run on one machine. Prints a table; asserts nothing.
//!
//! Run by `make bench`, which builds everything optimised. Without the C suite its column stays empty.

mod bare;
mod load;
mod rows;
mod suite;

use std::process::ExitCode;

use anyhow::Result;
use oidc_tests::c_suite::CSuite;

use self::suite::Suite;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print(&format!("bench: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    if let Some(socket) = std::env::args_os().nth(1) {
        return bare::serve(&socket);
    }
    let c_suite = CSuite::find();
    let suites: Vec<Suite> = std::iter::once(Suite::Ours).chain(c_suite.map(Suite::C)).collect();
    print(&format!("{:<58} {:>24} {:>24} {:>24}", "", "ours", "C 4.2.6", "bare"));
    rows::process(&suites)?;
    rows::throughput(&suites)?;
    rows::refresh(&suites)?;
    rows::start(&suites)?;
    rows::lock(&suites)?;
    rows::hang(&suites)?;
    rows::herd(&suites)?;
    rows::memory(&suites)?;
    rows::killed(&suites)?;
    Ok(())
}

#[allow(clippy::print_stdout, reason = "a bench is there to print")]
fn print(line: &str) {
    println!("{line}");
}
