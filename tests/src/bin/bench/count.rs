//! Counts that do not depend on how quick a machine is: instructions (valgrind) and system calls (strace).

use std::{
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result};

use crate::{
    rows::{ACCOUNT, Stage},
    suite::{Suite, output_within},
    suites,
    table::Row,
};

/// Of the client that prints a token which the agent has in its cache. A program that is not there leaves its row out.
pub fn hot_path(row: &mut dyn FnMut(Row)) -> Result<()> {
    let (mut instructions, mut calls) = (Vec::new(), Vec::new());
    for suite in suites() {
        let stage = Stage::new(&suite)?;
        instructions.extend(instructions_of(&suite, &stage)?);
        calls.extend(system_calls_of(&suite, &stage)?);
    }
    if !instructions.is_empty() {
        row(Row::new("`token` process: instructions", instructions, None));
    }
    if !calls.is_empty() {
        row(Row::new("`token` process: system calls", calls, None));
    }
    Ok(())
}

/// What callgrind counts: everything in user space, the dynamic linker included.
fn instructions_of(suite: &Suite, stage: &Stage) -> Result<Option<String>> {
    let out = stage.environment.path("callgrind.out");
    let arguments = ["--tool=callgrind".to_owned(), format!("--callgrind-out-file={}", out.display())];
    let Some(said) = under("valgrind", &arguments, suite, stage)? else { return Ok(None) };
    let line = said.lines().find(|line| line.contains("Collected :")).context("valgrind counted nothing")?;
    let number: u64 = line.rsplit(' ').next().unwrap_or_default().parse()?;
    Ok(Some(format!("{} thousand", number / 1000)))
}

fn system_calls_of(suite: &Suite, stage: &Stage) -> Result<Option<String>> {
    let out = stage.environment.path("strace.out");
    let arguments = ["-f".to_owned(), "-o".to_owned(), out.display().to_string()];
    if under("strace", &arguments, suite, stage)?.is_none() {
        return Ok(None);
    }
    let text = fs_err::read_to_string(out)?;
    Ok(Some(text.lines().filter(|line| line.contains('(')).count().to_string()))
}

/// Runs the client under a program; what that says. `None` where the program is not there.
fn under(program: &str, arguments: &[String], suite: &Suite, stage: &Stage) -> Result<Option<String>> {
    let is_there = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|directory| directory.join(program).is_file()));
    if !is_there {
        return Ok(None);
    }
    let client = suite.token_client(&stage.environment);
    let mut command = Command::new(program);
    command.args(arguments).arg(Path::new(client.get_program())).args(client.get_args()).arg(ACCOUNT);
    command.env_clear();
    for (name, value) in client.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    command.env("OIDC_SOCK", &stage.agent.socket).stdin(Stdio::null());
    output_within(command).map(Some)
}
