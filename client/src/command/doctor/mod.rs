//! `oidc doctor`: everything that goes wrong in practice, looked at in seconds.
//!
//! Each file is one subject: facts, how they are gathered, and a table of checks, which are pure functions of the facts.
//! [`examine`] gathers, [`report`] tells.

mod accounts;
mod agent;
mod ask;
mod check;
mod config;
mod desk;
mod directory;
mod environment;
mod examine;
mod files;
mod network;
mod processes;
mod providers;
mod report;
mod runtime;
mod sockets;
mod surroundings;
mod tokens;
mod waits;

use clap::Parser;

use crate::{
    cli::options::Common,
    context::{Command, Context, error::Error},
    say::exit::Exit,
};

/// Look for what goes wrong, and say what mends it
#[derive(Debug, Clone, Parser)]
pub struct DoctorArgs {
    /// Look at this account in full: a short name, or the issuer URL of one
    #[arg(value_name = "ACCOUNT")]
    pub account: Option<String>,

    #[command(flatten)]
    pub common: Common,
}

impl Command for DoctorArgs {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        let name = self.account.as_deref().map(|text| context.account(text)).transpose()?;
        let report = examine::examine(&context.agent, name.as_ref());
        if context.output.json {
            context.output.json(&report.to_json())?;
        } else {
            report.print(&mut context.output)?;
        }
        match report.exit() {
            Exit::Success => Ok(()),
            exit => Err(Error::Told(exit)),
        }
    }
}

/// Every check there is: its code, and why it matters.
#[cfg(test)]
fn catalogue() -> Vec<(&'static str, &'static str)> {
    fn of<F>(checks: &'static [check::Check<F>]) -> impl Iterator<Item = (&'static str, &'static str)> {
        checks.iter().map(|check| (check.code, check.why))
    }
    of(waits::CHECKS)
        .chain(of(environment::CHECKS))
        .chain(of(network::CHECKS))
        .chain(of(runtime::CHECKS))
        .chain(of(sockets::CHECKS))
        .chain(of(agent::CHECKS))
        .chain(of(config::CHECKS))
        .chain(of(directory::CHECKS))
        .chain(of(files::CHECKS))
        .chain(of(desk::CHECKS))
        .chain(of(tokens::CHECKS))
        .chain(of(accounts::CHECKS))
        .chain(of(providers::CHECKS))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, path::Path};

    use super::*;
    use crate::{command::json_tests::expect_documented, testing::Bench};

    #[test]
    fn the_result_for_programs_is_documented() {
        let ran = Bench::new().run(&["oidc", "doctor", "--json"]);
        expect_documented("| `oidc doctor` |", &ran.stdout);
    }

    #[test]
    fn every_check_has_a_code_of_its_own_and_is_documented() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/doctor.md");
        let page = fs_err::read_to_string(page).expect("a page");
        let mut codes = HashSet::new();
        for (code, why) in catalogue() {
            assert!(codes.insert(code), "{code} is there twice");
            assert!(code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{code}");
            assert!(!why.is_empty() && !why.ends_with('.'), "{code}: {why}");
            assert!(page.contains(&format!("`{code}`")), "{code} is not in docs/doctor.md");
        }
    }
}
