//! Reads a command line into a command of a table.
//!
//! Only the parser of the command in hand is built, and none for `token ACCOUNT`, which must take about the time of
//! `/bin/true`.

use std::{
    env,
    ffi::{OsStr, OsString},
    path::Path,
};

use clap::{Arg, ArgMatches, parser::ValueSource};
use oidc_proto::environment as secret_variables;

use super::{
    environment,
    getopt::{self, Rewritten},
    options::WITHOUT_EFFECT,
    table::{Entry, Group, Table},
    tree,
    usage::{self, UsageError},
};
use crate::say::{dialect::Dialect, exit};

/// What a command line asks for.
#[derive(Debug)]
pub enum Invocation<C> {
    /// Run a command.
    Run(Run<C>),
    /// Print a text and end well.
    Show(String),
}

/// A command to run.
#[derive(Debug)]
pub struct Run<C> {
    /// The command with its options.
    pub command: C,
    /// In whose manner it was called.
    pub dialect: Dialect,
    /// The options of the C suite that were given and have no effect here.
    pub without_effect: Vec<String>,
}

/// Reads a command line, the program's name first.
pub fn parse<C>(
    table: &Table<C>,
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<Invocation<C>, UsageError> {
    let mut arguments = arguments.into_iter();
    let called = arguments.next().unwrap_or_default();
    let called = Path::new(&called).file_name().and_then(OsStr::to_str).unwrap_or("oidc");
    if let Some(entry) = table.c_suite.iter().find(|entry| entry.name == called) {
        let mut words = defaults(entry)?;
        words.extend(arguments);
        return run(entry, entry.name, words, entry.dialect);
    }
    if let Some(entry) = table.also_called(called) {
        return run(entry, called, arguments.collect(), Dialect::Ours);
    }
    if let Some(entry) = called.strip_prefix("oidc-").and_then(|name| table.find(name)) {
        return run(entry, called, arguments.collect(), Dialect::Ours);
    }
    parse_subcommand(table, arguments.collect())
}

/// In whose manner the program speaks that was called so.
pub fn dialect<C>(table: &Table<C>, called: Option<OsString>) -> Dialect {
    let called = called.unwrap_or_default();
    let name = Path::new(&called).file_name();
    let entry = table.c_suite.iter().find(|entry| name == Some(OsStr::new(entry.name)));
    entry.map_or(Dialect::Ours, |entry| entry.dialect)
}

/// The options that an entry's variable holds.
fn defaults<C>(entry: &Entry<C>) -> Result<Vec<OsString>, UsageError> {
    let set = entry.defaults.and_then(|name| Some((name, env::var_os(name)?)));
    let Some((name, value)) = set else { return Ok(Vec::new()) };
    let words = value.to_str().and_then(shlex::split);
    let words = words.ok_or_else(|| {
        UsageError::of(entry.name, &format!("{name} cannot be read: check its quotes"), None)
    })?;
    Ok(words.into_iter().map(OsString::from).collect())
}

/// `oidc [OPTION...] COMMAND ...`: options before the command are the command's.
fn parse_subcommand<C>(table: &Table<C>, mut arguments: Vec<OsString>) -> Result<Invocation<C>, UsageError> {
    let is_option = |argument: &OsString| argument.as_encoded_bytes().starts_with(b"-");
    let Some(at) = arguments.iter().position(|argument| !is_option(argument)) else {
        return match arguments.first().and_then(|argument| argument.to_str()) {
            Some("--help" | "-h" | "-?") => Ok(Invocation::Show(tree::help(table))),
            Some("--version" | "-V") => Ok(Invocation::Show(version("oidc"))),
            Some("--usage") => Ok(Invocation::Show(tree::oidc(table).render_usage().to_string())),
            Some(option) => Err(UsageError::of("oidc", &format!("unrecognized option '{option}'"), None)),
            None => Err(UsageError::new(tree::help(table))),
        };
    };
    let name = arguments.remove(at);
    match name.to_str() {
        Some("help") => {
            let topics: Vec<_> = arguments.iter().filter_map(|topic| topic.to_str()).collect();
            help_about(table, &topics)
        }
        known => match known.and_then(|name| table.find(name)) {
            Some(entry) => run(entry, &format!("oidc {}", entry.name), arguments, Dialect::Ours),
            None => match known.and_then(|name| table.group(name)) {
                Some(group) => parse_member(group, at, arguments),
                None => Err(no_command(table, &name.to_string_lossy())),
            },
        },
    }
}

/// `oidc [OPTION...] GROUP [OPTION...] COMMAND ...`, without the group, whose place was `from`.
fn parse_member<C>(
    group: &Group<C>,
    from: usize,
    mut arguments: Vec<OsString>,
) -> Result<Invocation<C>, UsageError> {
    let is_option = |argument: &OsString| argument.as_encoded_bytes().starts_with(b"-");
    let called = format!("oidc {}", group.name);
    let Some(at) = arguments.iter().skip(from).position(|argument| !is_option(argument)) else {
        return match arguments.get(from).and_then(|argument| argument.to_str()) {
            Some("--help" | "-h" | "-?") => Ok(Invocation::Show(tree::help_of(&mut group.command()))),
            Some("--version" | "-V") => Ok(Invocation::Show(version(&called))),
            Some("--usage") => Ok(Invocation::Show(group.command().render_usage().to_string())),
            Some(option) => Err(UsageError::of(&called, &format!("unrecognized option '{option}'"), None)),
            None => Err(UsageError::new(tree::help_of(&mut group.command()))),
        };
    };
    let name = arguments.remove(from + at);
    let name = name.to_string_lossy();
    match group.find(&name) {
        Some(entry) => run(entry, &format!("{called} {}", entry.name), arguments, Dialect::Ours),
        None => Err(no_member(group, &name)),
    }
}

fn no_member<C>(group: &Group<C>, name: &str) -> UsageError {
    let called = format!("oidc {}", group.name);
    let meant = usage::closest(name, group.commands.iter().map(|entry| entry.name));
    let meant = meant.map(|meant| format!("{called} {meant}"));
    UsageError::of(&called, &format!("no command '{name}'"), meant.as_deref())
}

fn help_about<C>(table: &Table<C>, topics: &[&str]) -> Result<Invocation<C>, UsageError> {
    let topic = topics.first().copied();
    if let Some(group) = topic.and_then(|name| table.group(name)) {
        return Ok(Invocation::Show(match topics.get(1) {
            None => tree::help_of(&mut group.command()),
            Some(name) => {
                let entry = group.find(name).ok_or_else(|| no_member(group, name))?;
                tree::help_of(&mut entry.command().bin_name(format!("oidc {} {name}", group.name)))
            }
        }));
    }
    match topic {
        None | Some("help") => Ok(Invocation::Show(tree::help(table))),
        Some("exit-codes") => Ok(Invocation::Show(exit::table())),
        Some("environment") => Ok(Invocation::Show(environment::table())),
        Some(name) => match table.find(name) {
            Some(entry) => Ok(Invocation::Show(tree::help_of(&mut entry.command()))),
            None => Err(no_command(table, name)),
        },
    }
}

/// The variables that options (`--pw-env=NAME`, `--rt-env=NAME`, ...) name to read secrets from.
fn variables_named(matches: &ArgMatches) -> Vec<OsString> {
    let names_one = |id: &&clap::Id| id.as_str().ends_with("_env");
    let values = matches.ids().filter(names_one).filter_map(|id| matches.get_raw(id.as_str()));
    values.flatten().map(OsStr::to_owned).collect()
}

fn no_command<C>(table: &Table<C>, name: &str) -> UsageError {
    let meant = usage::closest(name, table.visible_names()).map(|meant| format!("oidc {meant}"));
    UsageError::of("oidc", &format!("no command '{name}'"), meant.as_deref())
}

pub(super) fn run<C>(
    entry: &Entry<C>,
    called: &str,
    arguments: Vec<OsString>,
    dialect: Dialect,
) -> Result<Invocation<C>, UsageError> {
    if let (Some(read), [word]) = (entry.one_word, &arguments[..])
        && let Some(word) = word.to_str().filter(|word| !word.starts_with('-'))
    {
        return Ok(Invocation::Run(Run {
            command: read(word.to_owned()),
            dialect,
            without_effect: Vec::new(),
        }));
    }
    run_by_library(entry, called, arguments, dialect)
}

pub(super) fn run_by_library<C>(
    entry: &Entry<C>,
    called: &str,
    arguments: Vec<OsString>,
    dialect: Dialect,
) -> Result<Invocation<C>, UsageError> {
    let mut command = entry.command().bin_name(called.to_owned());
    let in_full = dialect == Dialect::CSuite;
    let rewritten = if entry.is_verbatim {
        Ok(getopt::verbatim(arguments))
    } else {
        getopt::rewrite(&command, arguments, in_full)
    };
    let arguments = match rewritten {
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
    let without_effect = options_without_effect(&command, &matches);
    Ok(Invocation::Run(Run { command: parsed, dialect, without_effect }))
}

/// The options that are given and have no effect, as they are spelled in full.
fn options_without_effect(command: &clap::Command, matches: &ArgMatches) -> Vec<String> {
    if matches.try_get_one("quiet").is_ok_and(|quiet| quiet == Some(&true)) {
        return Vec::new();
    }
    let has_none = |arg: &&Arg| arg.get_help_heading() == Some(WITHOUT_EFFECT);
    let is_given = |arg: &&Arg| matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine);
    let given = command.get_arguments().filter(has_none).filter(is_given);
    given.filter_map(|arg| arg.get_long()).map(|name| format!("--{name}")).collect()
}

fn version(called: &str) -> String {
    format!("{called} {}", env!("CARGO_PKG_VERSION"))
}
