//! Reads a command line by the rules of GNU `getopt_long`, as the C suite's tools do, and rewrites it into the one
//! spelling that clap reads the same way: `--long`, `--long=value`, then `--` and the arguments.
//!
//! What getopt knows and clap does not: `-oNAME` with an optional value, an optional value that never takes the
//! next argument, and the texts of its errors. The options themselves are described once, to clap.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
};

use clap::{Arg, Command};

/// Options under this heading are ours, not the C suite's: under its names they must be written in full, so that
/// its abbreviations stay what they were.
pub const EXTENSIONS: &str = "More options";

/// What a command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Rewritten {
    /// `--help` came first.
    Help,
    /// `--usage` came first.
    Usage,
    /// `--version` came first.
    Version,
    /// The options and arguments, for clap.
    Arguments(Vec<OsString>),
}

/// What getopt says about a command line, in its words.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum GetoptError {
    /// No such long option.
    #[error("unrecognized option '--{0}'")]
    Unrecognized(String),
    /// No such short option.
    #[error("invalid option -- '{0}'")]
    Invalid(char),
    /// An abbreviation of more than one option.
    #[error("option '--{0}' is ambiguous; possibilities: {1}")]
    Ambiguous(String, String),
    /// A long option whose value is missing.
    #[error("option '--{0}' requires an argument")]
    ValueMissing(String),
    /// A short option whose value is missing.
    #[error("option requires an argument -- '{0}'")]
    ShortValueMissing(char),
    /// A long option that takes no value.
    #[error("option '--{0}' doesn't allow an argument")]
    ValueUnexpected(String),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Value {
    None,
    Optional,
    Required,
}

/// Rewrites the arguments that follow the name of `command`.
///
/// `in_full` says whether options under [`EXTENSIONS`] may not be abbreviated.
pub fn rewrite(
    command: &Command,
    arguments: impl IntoIterator<Item = OsString>,
    in_full: bool,
) -> Result<Rewritten, GetoptError> {
    let mut arguments = arguments.into_iter();
    let (mut options, mut positionals) = (Vec::new(), Vec::new());
    // What is behind the `--` may be something else than what is before it.
    let has_last = command.get_positionals().any(Arg::is_last_set);
    while let Some(argument) = arguments.next() {
        let bytes = argument.as_bytes();
        let found = match bytes {
            b"--" => {
                if has_last {
                    options.append(&mut positionals);
                    positionals.push(argument);
                }
                positionals.extend(arguments);
                break;
            }
            [b'-', b'-', rest @ ..] => long(command, rest, &mut arguments, in_full)?,
            [b'-', rest @ ..] if !rest.is_empty() => short(command, rest, &mut arguments)?,
            _ => {
                positionals.push(argument);
                continue;
            }
        };
        for (id, option) in found {
            match id.as_str() {
                "help" => return Ok(Rewritten::Help),
                "usage" => return Ok(Rewritten::Usage),
                "version" => return Ok(Rewritten::Version),
                _ => options.push(option),
            }
        }
    }
    if !has_last {
        options.push("--".into());
    }
    options.append(&mut positionals);
    Ok(Rewritten::Arguments(options))
}

/// The arguments as they stand, unless one that stands before `--accounts` asks for help, usage or version: the rest are
/// options of another program.
pub fn verbatim(arguments: Vec<OsString>) -> Rewritten {
    for argument in arguments.iter().take_while(|argument| *argument != "--accounts") {
        match argument.as_bytes() {
            b"-?" | b"-h" | b"--help" => return Rewritten::Help,
            b"--usage" => return Rewritten::Usage,
            b"-V" | b"--version" => return Rewritten::Version,
            _ => {}
        }
    }
    Rewritten::Arguments(std::iter::once("--".into()).chain(arguments).collect())
}

/// An option's id in clap, and the option as clap is to read it.
type Found = Vec<(String, OsString)>;

fn long(
    command: &Command,
    text: &[u8],
    rest: &mut impl Iterator<Item = OsString>,
    in_full: bool,
) -> Result<Found, GetoptError> {
    let (name, value) = match text.iter().position(|byte| *byte == b'=') {
        Some(at) => (&text[..at], Some(OsStr::from_bytes(&text[at + 1..]).to_owned())),
        None => (text, None),
    };
    let name = String::from_utf8_lossy(name).into_owned();
    let (arg, full_name) = find_long(command, &name, in_full)?;
    let value = match (kind(arg), value) {
        (Value::None, Some(_)) => return Err(GetoptError::ValueUnexpected(full_name)),
        (Value::Required, None) => Some(rest.next().ok_or(GetoptError::ValueMissing(full_name))?),
        (_, value) => value,
    };
    Ok(vec![spelled(arg, value)])
}

fn short(
    command: &Command,
    cluster: &[u8],
    rest: &mut impl Iterator<Item = OsString>,
) -> Result<Found, GetoptError> {
    let mut found = Vec::new();
    for (at, byte) in cluster.iter().enumerate() {
        let letter = char::from(*byte);
        let arg = command
            .get_arguments()
            .find(|arg| arg.get_short() == Some(letter) || has(arg.get_all_short_aliases(), &letter))
            .ok_or(GetoptError::Invalid(letter))?;
        let attached = &cluster[at + 1..];
        let value = match kind(arg) {
            Value::None => None,
            _ if !attached.is_empty() => Some(OsString::from_vec(attached.to_vec())),
            Value::Optional => None,
            Value::Required => Some(rest.next().ok_or(GetoptError::ShortValueMissing(letter))?),
        };
        found.push(spelled(arg, value));
        if kind(arg) != Value::None {
            break;
        }
    }
    Ok(found)
}

/// The option of this name, or the only one that begins so.
fn find_long<'a>(command: &'a Command, name: &str, in_full: bool) -> Result<(&'a Arg, String), GetoptError> {
    let names = || command.get_arguments().flat_map(|arg| long_names(arg).map(move |name| (arg, name)));
    if let Some((arg, full)) = names().find(|(_, full)| *full == name) {
        return Ok((arg, full.to_owned()));
    }
    let abbreviates = |arg: &Arg, full: &str| {
        full.starts_with(name) && !(in_full && arg.get_help_heading() == Some(EXTENSIONS))
    };
    let possible: Vec<_> = names().filter(|(arg, full)| abbreviates(arg, full)).collect();
    match possible.as_slice() {
        [] => Err(GetoptError::Unrecognized(name.to_owned())),
        [(arg, full), others @ ..] if others.iter().all(|(other, _)| other.get_id() == arg.get_id()) => {
            Ok((arg, (*full).to_owned()))
        }
        several => {
            let quoted: Vec<_> = several.iter().map(|(_, full)| format!("'--{full}'")).collect();
            Err(GetoptError::Ambiguous(name.to_owned(), quoted.join(" ")))
        }
    }
}

/// Every long spelling of an option.
pub fn long_names(arg: &Arg) -> impl Iterator<Item = &str> {
    arg.get_long().into_iter().chain(arg.get_all_aliases().unwrap_or_default())
}

fn kind(arg: &Arg) -> Value {
    match arg.get_num_args() {
        _ if !arg.get_action().takes_values() => Value::None,
        Some(range) if range.min_values() == 0 => Value::Optional,
        _ => Value::Required,
    }
}

fn spelled(arg: &Arg, value: Option<OsString>) -> (String, OsString) {
    let mut option = OsString::from("--");
    option.push(arg.get_long().unwrap_or_default());
    if let Some(value) = value {
        option.push("=");
        option.push(value);
    }
    (arg.get_id().to_string(), option)
}

fn has<T: PartialEq>(list: Option<Vec<T>>, item: &T) -> bool {
    list.is_some_and(|list| list.contains(item))
}

#[cfg(test)]
mod tests {
    use clap::ArgAction;

    use super::*;

    fn command() -> Command {
        let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
        Command::new("x").disable_help_flag(true).args([
            flag("all").short('a'),
            flag("auth-header").alias("auth"),
            flag("strict").help_heading(EXTENSIONS),
            flag("help").short('?').short_alias('h'),
            Arg::new("aud").long("aud"),
            Arg::new("scope").long("scope").short('s').action(ArgAction::Append),
            Arg::new("token").long("token").short('o').num_args(0..=1).require_equals(true),
            Arg::new("account").num_args(0..),
        ])
    }

    fn read(line: &[&str]) -> Result<String, GetoptError> {
        match rewrite(&command(), line.iter().map(OsString::from), true)? {
            Rewritten::Arguments(arguments) => {
                let texts: Vec<_> = arguments.iter().map(|text| text.to_string_lossy()).collect();
                Ok(texts.join("|"))
            }
            other => Ok(format!("{other:?}")),
        }
    }

    #[test]
    fn mixes_options_and_arguments_as_getopt_does() {
        for (line, expected) in [
            (&["acc", "-ao", "b"][..], "--all|--token|--|acc|b"),
            (&["-aoNAME", "acc"], "--all|--token=NAME|--|acc"),
            (&["--token", "acc"], "--token|--|acc"),
            (&["--token=", "acc"], "--token=|--|acc"),
            (&["-s", " ", "-sx y", "--scope", "-z", "acc"], "--scope= |--scope=x y|--scope=-z|--|acc"),
            (&["--sc=v", "-", "--", "-a", "--"], "--scope=v|--|-|-a|--"),
            (&["--auth"], "--auth-header|--"),
            (&["--auth-"], "--auth-header|--"),
            (&["--strict"], "--strict|--"),
            (&["--s", "x"], "--scope=x|--"),
            (&["--nope", "--help"], "error"),
            (&["-a?Z"], "error"),
            (&["-ah", "--nope"], "Help"),
        ] {
            match read(line) {
                Ok(text) => assert_eq!(text, expected, "{line:?}"),
                Err(error) => assert_eq!(expected, "error", "{line:?}: {error}"),
            }
        }
    }

    #[test]
    fn complains_in_the_words_of_getopt() {
        for (line, expected) in [
            (&["--x"][..], "unrecognized option '--x'"),
            (&["-aZ"], "invalid option -- 'Z'"),
            (&["--a"], "option '--a' is ambiguous; possibilities: '--all' '--auth-header' '--auth' '--aud'"),
            (&["--aud"], "option '--aud' requires an argument"),
            (&["-s"], "option requires an argument -- 's'"),
            (&["--all=3"], "option '--all' doesn't allow an argument"),
        ] {
            assert_eq!(read(line).map_err(|error| error.to_string()), Err(expected.to_owned()));
        }
    }

    #[test]
    fn abbreviates_own_options_only_where_no_old_meaning_could_change() {
        let line = || ["--str".into()];
        assert!(rewrite(&command(), line(), true).is_err());
        assert!(rewrite(&command(), line(), false).is_ok());
    }

    #[test]
    fn values_may_be_any_bytes() {
        let line = [OsString::from_vec(b"-s\xff".to_vec())];
        let rewritten = rewrite(&command(), line, true);
        let expected = [OsString::from_vec(b"--scope=\xff".to_vec()), "--".into()];
        assert_eq!(rewritten, Ok(Rewritten::Arguments(expected.into())));
    }
}
