//! The command line: which command, under which name, with which options.
//!
//! Only the parser of the command in hand is built: `token` must start in about the time of `/bin/true`.

pub mod add;
pub mod argv;
pub mod common;
pub mod completion;
pub mod environment;
pub mod r#gen;
pub mod getopt;
pub mod others;
#[cfg(test)]
mod tests;
pub mod token;
pub mod tree;
mod usage;

use std::{
    ffi::{OsStr, OsString},
    path::Path,
};

use clap::{ArgMatches, CommandFactory, FromArgMatches};
use common::Common;
use getopt::Rewritten;
use oidc_proto::{environment as secret_variables, secret::SecretText, timespan::seconds_or_leading_digits};
pub use usage::UsageError;

/// In whose manner to speak: texts, streams and exit codes differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// As `oidc`.
    Ours,
    /// As the C suite's tool of this name.
    CSuite,
}

/// A command with its options.
#[derive(Debug)]
pub enum Command {
    /// `token`
    Token(Box<token::TokenArgs>),
    /// `add`
    Add(Box<add::AddArgs>),
    /// `gen`
    Gen(Box<r#gen::GenArgs>),
    /// `remove`
    Remove(others::RemoveArgs),
    /// `list`
    List(others::ListArgs),
    /// `status`
    Status(others::StatusArgs),
    /// `lock`
    Lock(others::LockArgs),
    /// `unlock`
    Unlock(others::UnlockArgs),
    /// `passwd`
    Passwd(Box<others::PasswdArgs>),
    /// `reset`
    Reset(others::ResetArgs),
    /// `agent`
    Agent(others::AgentArgs),
    /// `generate`
    Generate(others::GenerateArgs),
}

/// What a command line asks for.
#[derive(Debug)]
pub enum Invocation {
    /// Run a command.
    Run(Command, Dialect),
    /// Print a text and end well.
    Show(String),
}

impl Command {
    /// The secrets that stand on the command line.
    pub fn secrets(&self) -> Vec<&str> {
        let Self::Gen(args) = self else { return Vec::new() };
        let codes = [&args.instead.code_exchange, &args.instead.state];
        let codes = codes.into_iter().flatten().map(SecretText::expose);
        args.secrets_given().map(|given| given.value).chain(codes).collect()
    }

    /// The options every command takes.
    pub fn common(&self) -> &Common {
        match self {
            Self::Token(args) => &args.common,
            Self::Add(args) => &args.common,
            Self::Gen(args) => &args.common,
            Self::Remove(args) => &args.common,
            Self::List(args) => &args.common,
            Self::Status(args) => &args.common,
            Self::Lock(args) => &args.common,
            Self::Unlock(args) => &args.common,
            Self::Passwd(args) => &args.common,
            Self::Reset(args) => &args.common,
            Self::Agent(args) => &args.common,
            Self::Generate(args) => &args.common,
        }
    }
}

/// A command as the parser knows it.
pub struct Entry {
    /// The word after `oidc`.
    pub name: &'static str,
    /// Shown in the help.
    pub visible: bool,
    build: fn() -> clap::Command,
    read: fn(&ArgMatches) -> Result<Command, clap::Error>,
}

impl Entry {
    /// The command's parser under the name people type.
    pub fn command(&self) -> clap::Command {
        let name = format!("oidc {}", self.name);
        tree::with_standard_options((self.build)().name(self.name).bin_name(name))
    }
}

macro_rules! entry {
    ($name:literal, $args:ty, $read:expr) => {
        Entry {
            name: $name,
            visible: true,
            build: <$args>::command,
            read: |matches| <$args>::from_arg_matches(matches).map($read),
        }
    };
    ($name:literal, $args:ty, $read:expr, leading digits of $($time:literal),+) => {
        Entry {
            build: || <$args>::command()$(.mut_arg($time, |arg| arg.value_parser(seconds_or_leading_digits)))+,
            ..entry!($name, $args, $read)
        }
    };
}

/// Every command of `oidc`, in the order of its help.
pub static ENTRIES: &[Entry] = &[
    entry!("token", token::TokenArgs, |args| Command::Token(Box::new(args))),
    entry!("add", add::AddArgs, |args| Command::Add(Box::new(args))),
    entry!("gen", r#gen::GenArgs, |args| Command::Gen(Box::new(args))),
    entry!("remove", others::RemoveArgs, Command::Remove),
    entry!("list", others::ListArgs, Command::List),
    entry!("passwd", others::PasswdArgs, |args| Command::Passwd(Box::new(args))),
    entry!("reset", others::ResetArgs, Command::Reset),
    entry!("status", others::StatusArgs, Command::Status),
    entry!("lock", others::LockArgs, Command::Lock),
    entry!("unlock", others::UnlockArgs, Command::Unlock),
    entry!("agent", others::AgentArgs, Command::Agent),
    Entry { visible: false, ..entry!("generate", others::GenerateArgs, Command::Generate) },
];

/// The C suite's tools whose names this program answers to.
pub static C_SUITE: &[Entry] = &[
    entry!("oidc-token", token::CSuiteTokenArgs, |args| Command::Token(Box::new(args.into())), leading digits of "time"),
    entry!("oidc-gen", r#gen::CSuiteGenArgs, |args| Command::Gen(Box::new(args.into()))),
    entry!("oidc-add", add::CSuiteAddArgs, |args| Command::Add(Box::new(args.into())),
           leading digits of "lifetime", "pw_store"),
];

/// Reads a command line, the program's name first.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Invocation, UsageError> {
    let mut arguments = arguments.into_iter();
    let called = arguments.next().unwrap_or_default();
    let called = Path::new(&called).file_name().and_then(OsStr::to_str).unwrap_or("oidc");
    if let Some(entry) = C_SUITE.iter().find(|entry| entry.name == called) {
        return run(entry, entry.name, arguments.collect(), Dialect::CSuite);
    }
    if let Some(entry) = called.strip_prefix("oidc-").and_then(find) {
        return run(entry, called, arguments.collect(), Dialect::Ours);
    }
    parse_subcommand(arguments.collect())
}

fn find(name: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.name == name)
}

/// `oidc [OPTION...] COMMAND ...`: options before the command are the command's.
fn parse_subcommand(mut arguments: Vec<OsString>) -> Result<Invocation, UsageError> {
    let is_option = |argument: &OsString| argument.as_encoded_bytes().starts_with(b"-");
    let Some(at) = arguments.iter().position(|argument| !is_option(argument)) else {
        return match arguments.first().and_then(|argument| argument.to_str()) {
            Some("--help" | "-h" | "-?") => Ok(Invocation::Show(tree::help())),
            Some("--version" | "-V") => Ok(Invocation::Show(version("oidc"))),
            Some("--usage") => Ok(Invocation::Show(tree::oidc().render_usage().to_string())),
            Some(option) => Err(UsageError::of("oidc", &format!("unrecognized option '{option}'"), None)),
            None => Err(UsageError::new(tree::help())),
        };
    };
    let name = arguments.remove(at);
    match name.to_str() {
        Some("help") => help_about(arguments.first().and_then(|topic| topic.to_str())),
        Some(name) if find(name).is_some() => {
            let entry = find(name).expect("just found");
            run(entry, &format!("oidc {name}"), arguments, Dialect::Ours)
        }
        _ => Err(no_command(&name.to_string_lossy())),
    }
}

fn help_about(topic: Option<&str>) -> Result<Invocation, UsageError> {
    match topic {
        None | Some("help") => Ok(Invocation::Show(tree::help())),
        Some("exit-codes") => Ok(Invocation::Show(crate::exit::table())),
        Some("environment") => Ok(Invocation::Show(environment::table())),
        Some(name) => match find(name) {
            Some(entry) => Ok(Invocation::Show(tree::help_of(&mut entry.command()))),
            None => Err(no_command(name)),
        },
    }
}

/// The variables that options (`--pw-env=NAME`, `--rt-env=NAME`, ...) name to read secrets from.
fn variables_named(matches: &ArgMatches) -> Vec<OsString> {
    let names_one = |id: &&clap::Id| id.as_str().ends_with("_env");
    let values = matches.ids().filter(names_one).filter_map(|id| matches.get_raw(id.as_str()));
    values.flatten().map(OsStr::to_owned).collect()
}

fn no_command(name: &str) -> UsageError {
    let known = ENTRIES.iter().filter(|entry| entry.visible).map(|entry| entry.name);
    let meant = usage::closest(name, known).map(|meant| format!("oidc {meant}"));
    UsageError::of("oidc", &format!("no command '{name}'"), meant.as_deref())
}

fn run(
    entry: &Entry,
    called: &str,
    arguments: Vec<OsString>,
    dialect: Dialect,
) -> Result<Invocation, UsageError> {
    let mut command = entry.command().bin_name(called.to_owned());
    let in_full = dialect == Dialect::CSuite;
    let arguments = match getopt::rewrite(&command, arguments, in_full) {
        Ok(Rewritten::Arguments(arguments)) => arguments,
        Ok(Rewritten::Help) => return Ok(Invocation::Show(tree::help_of(&mut command))),
        Ok(Rewritten::Usage) => return Ok(Invocation::Show(command.render_usage().to_string())),
        Ok(Rewritten::Version) => return Ok(Invocation::Show(version(called))),
        Err(error) => return Err(UsageError::from_getopt(called, &command, &error)),
    };
    let matches = command
        .try_get_matches_from_mut(arguments)
        .map_err(|error| UsageError::from_clap(called, &mut command, dialect, &error))?;
    secret_variables::name_secrets(variables_named(&matches));
    let parsed = (entry.read)(&matches)
        .map_err(|error| UsageError::from_clap(called, &mut command, dialect, &error))?;
    if let Command::Add(args) = &parsed
        && args.lacks_account()
    {
        let what = (dialect == Dialect::Ours).then_some("ACCOUNT|ISSUER_URL is missing");
        return Err(UsageError::wrong_arguments(&mut command, called, what));
    }
    Ok(Invocation::Run(parsed, dialect))
}

fn version(called: &str) -> String {
    format!("{called} {}", env!("CARGO_PKG_VERSION"))
}
