//! What a shell offers after TAB: the shell's script asks this program, which knows its options and, unlike a script, the
//! accounts.

use std::{
    env,
    ffi::{OsStr, OsString},
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use clap::Command;
use clap_complete::{
    ArgValueCandidates, CompletionCandidate,
    env::{CompleteEnv, EnvCompleter},
};
use oidc_proto::home::Home;

use super::{table::Table, tree};

/// Set by the scripts that [`script`] makes, to the name of the shell.
const VARIABLE: &str = "_OIDC_COMPLETE";

/// Answers a shell that completes a command line; `None` when none asked.
pub fn complete<C>(table: &Table<C>, arguments: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    env::var_os(VARIABLE)?;
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let called = Path::new(arguments.first()?).file_name().and_then(OsStr::to_str).unwrap_or("oidc");
    let options_too = word(&arguments).is_some_and(|word| word.as_encoded_bytes().starts_with(b"-"));
    let command = || {
        let command = tree::c_suite(table).find(|command| command.get_name() == called);
        for_completion(command.unwrap_or_else(|| tree::oidc(table)), options_too)
    };
    let completed = CompleteEnv::with_factory(command)
        .var(VARIABLE)
        .try_complete(arguments.iter().cloned(), env::current_dir().ok().as_deref());
    // A shell in the middle of a command line is no place for an error.
    Some(if completed.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The script that a shell loads for one of our names.
pub fn script(shell: &dyn EnvCompleter, name: &str) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    shell.write_registration(VARIABLE, name, name, name, &mut text)?;
    text.flush()?;
    Ok(text)
}

/// The command with the accounts as candidates wherever one is to be named. An empty word offers accounts and commands;
/// only a dash offers the dozens of options.
fn for_completion(command: Command, options_too: bool) -> Command {
    let command = command.no_binary_name(false).mut_args(|argument| {
        let mut names = argument.get_value_names().into_iter().flatten();
        let names_an_account = names.any(|name| name.split(['|', '_']).any(|word| word == "ACCOUNT"));
        let is_option = !argument.is_positional();
        let argument =
            if names_an_account { argument.add(ArgValueCandidates::new(accounts)) } else { argument };
        // What is hidden is offered only where nothing else is.
        if is_option && !options_too { argument.hide(true) } else { argument }
    });
    command.mut_subcommands(|command| for_completion(command, options_too))
}

/// The word that is being completed: scripts put the command line behind `--`, and say where in it the person is.
fn word(arguments: &[OsString]) -> Option<&OsString> {
    let line = &arguments[arguments.iter().position(|argument| argument == "--")? + 1..];
    let index = env::var("_CLAP_COMPLETE_INDEX").ok().and_then(|index| index.parse::<usize>().ok());
    index.map_or_else(|| line.last(), |index| line.get(index))
}

fn accounts() -> Vec<CompletionCandidate> {
    let names = Home::find().and_then(|home| home.list()).unwrap_or_default();
    names.iter().map(|name| CompletionCandidate::new(name.as_str())).collect()
}
