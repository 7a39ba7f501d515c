//! `oidc exec`: becomes a command that finds a token in a file. Terminal, streams, signals, job control and exit status are the
//! command's own, for there is no process between it and whoever started it.
//!
//! A small process of this program keeps the file fresh, and removes it when the process has ended, which it knows by the
//! kernel's word: so it is the same with every agent, the C suite's and a remote one too, and outlives each.

pub mod arguments;
pub mod httokensh;
mod lease;
mod named;
mod place;
pub mod renewer;
pub mod tokensh;
mod variables;
mod wanted;

use std::{
    env, io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command as Program,
};

use arguments::{ExecArgs, Manner};
use lease::Lease;
use oidc_proto::{environment::without_secrets, private_file, token::TokenDigest};
use wanted::{Item, Obtained};

use crate::{
    cli::options::Common,
    context::{Command, Context, error::Error},
    say::exit::Exit,
};

impl Command for ExecArgs {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        let command = command(self);
        let directory = wanted::directory()?;
        // What others left that were killed together with whoever renewed their files.
        lease::tidy(&directory);
        let mut items = wanted::items(self, context)?;
        if self.destinations.explain {
            return Ok(());
        }
        if self.outfile.is_some()
            && let Some(main) = items.first_mut()
        {
            place::claim(main, &directory, context)?;
        }
        let entries = items.iter().map(|item| item.entry.clone()).collect();
        let lease = Lease::of(entries);
        if let Some(log) = log(self, &lease) {
            place::claim_log(&log)?;
        }
        // Before anything is written: where there is no token, what stood in the place of the file still does.
        let mut tokens = Vec::new();
        for item in &items {
            tokens.push(wanted::ask_first(&item.entry, context)?);
        }
        let prepared = prepare(self, &items, &tokens, &lease, &directory, context);
        let result = prepared.and_then(|mut program| {
            // Only comes back if it failed.
            Err(not_run(&command[0].to_string_lossy(), &program.exec()))
        });
        // Whoever renews the files finds nothing to do at the end of this process.
        lease.clear(&directory);
        result
    }
}

/// What is run: the command, or else the person's shell.
fn command(args: &ExecArgs) -> Vec<std::ffi::OsString> {
    if !args.command.is_empty() {
        return args.command.clone();
    }
    let shell = env::var_os("SHELL").filter(|shell| !shell.is_empty());
    vec![shell.unwrap_or_else(|| "/bin/sh".into())]
}

/// Writes the tokens, has them kept fresh, and says how the command is to be run.
fn prepare(
    args: &ExecArgs,
    items: &[Item],
    obtained: &[Obtained],
    lease: &Lease,
    directory: &Path,
    context: &mut Context,
) -> Result<Program, Error> {
    let note = |error: private_file::WriteError| Error::Other(Exit::File, error.to_string());
    lease.note(directory).map_err(note)?;
    let home = context.home().ok();
    for (item, token) in items.iter().zip(obtained) {
        wanted::publish(&item.entry, token, home.as_ref())?;
    }
    let expires = obtained.iter().map(|obtained| obtained.expires_at).collect();
    let digest = |obtained: &Obtained| TokenDigest::of(obtained.token.expose()).to_string();
    let digests = obtained.iter().map(digest).collect();
    let plan = renewer::Plan { lease: lease.clone(), expires, digests, log: log(args, lease) };
    renewer::start(&plan, &args.common).map_err(|error| {
        let text = format!("nothing could be started that keeps the token fresh: {error}");
        Error::Other(Exit::Failure, text)
    })?;
    let command = command(args);
    let mut program = Program::new(&command[0]);
    program.args(&command[1..]);
    without_secrets(&mut program);
    let main = items.first().filter(|item| item.name.is_none()).and(obtained.first());
    variables::set(args, items, main, &mut program, context);
    if args.verbose {
        for path in lease.files() {
            context.output.note(&format!("the token is in {}", path.display()));
        }
    }
    context.output.finish()?;
    Ok(program)
}

/// Where `oidc-tokensh -v` and `httokensh -v` have their log.
fn log(args: &ExecArgs, lease: &Lease) -> Option<PathBuf> {
    let file = lease.files().next().filter(|_| args.manner != Manner::Exec && args.verbose)?;
    let mut path = file.as_os_str().to_owned();
    path.push(".log");
    Some(path.into())
}

/// As a shell says it: 127 for no such command, 126 for one that cannot be run.
fn not_run(command: &str, error: &io::Error) -> Error {
    let (exit, why) = match error.kind() {
        io::ErrorKind::NotFound => (Exit::NoCommand, "there is no such command".to_owned()),
        io::ErrorKind::PermissionDenied => {
            (Exit::CannotRun, "it is no program that may be run (permission denied)".to_owned())
        }
        _ => (Exit::CannotRun, error.to_string()),
    };
    Error::Other(exit, format!("cannot run '{command}': {why}"))
}
