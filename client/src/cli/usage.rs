//! What is said of a command line that cannot be understood: what is wrong, what would have been right, and where help
//! is.

use clap::{
    Command,
    error::{ContextKind, ContextValue, ErrorKind},
};

use super::getopt::{GetoptError, long_names};
use crate::say::dialect::Dialect;

/// From here on two words are taken for alike; clap's own measure.
const ALIKE: f64 = 0.7;

/// A command line that cannot be understood; ends with exit code 64.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct UsageError {
    /// What is wrong; begins with the name that the program was called by.
    pub text: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl UsageError {
    /// With a text that says it all.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), hint: None }
    }

    /// `called` is the name by which the program was called, `suggestion` what may have been meant.
    pub fn of(called: &str, text: &str, suggestion: Option<&str>) -> Self {
        let suggestion = suggestion.map(|meant| format!("Did you mean `{meant}`?\n")).unwrap_or_default();
        Self { text: format!("{called}: {text}"), hint: Some(format!("{suggestion}{}", try_help(called))) }
    }

    /// An option that the command does not have, or does not have so.
    pub fn from_getopt(called: &str, command: &Command, error: &GetoptError) -> Self {
        let meant = match error {
            GetoptError::Unrecognized(name) => closest(name, command.get_arguments().flat_map(long_names)),
            _ => None,
        };
        Self::of(called, &error.to_string(), meant.map(|meant| format!("--{meant}")).as_deref())
    }

    /// Values and arguments that the command does not take.
    pub fn from_clap(called: &str, command: &mut Command, dialect: Dialect, error: &clap::Error) -> Self {
        let text = |kind| error.get(kind).map(listed).unwrap_or_default();
        match error.kind() {
            // As from the C suite: the usage says it all.
            ErrorKind::MissingRequiredArgument | ErrorKind::UnknownArgument | ErrorKind::TooManyValues
                if dialect == Dialect::CSuite =>
            {
                Self::wrong_arguments(command, called, None)
            }
            ErrorKind::MissingRequiredArgument => {
                let missing = text(ContextKind::InvalidArg).replace(['<', '>'], "");
                Self::wrong_arguments(command, called, Some(&format!("{missing} is missing")))
            }
            ErrorKind::UnknownArgument | ErrorKind::TooManyValues => {
                let superfluous = text(ContextKind::InvalidArg);
                Self::wrong_arguments(
                    command,
                    called,
                    Some(&format!("'{superfluous}' is one argument too many")),
                )
            }
            ErrorKind::InvalidValue => {
                let (value, option) = (text(ContextKind::InvalidValue), text(ContextKind::InvalidArg));
                let values = text(ContextKind::ValidValue);
                // As of a path: there is no list of those that are right.
                if value.is_empty() && values.is_empty() {
                    return Self::of(called, &format!("'{option}' must not be empty"), None);
                }
                let meant = error.get(ContextKind::SuggestedValue).map(listed);
                let text = match values.as_str() {
                    "" => format!("invalid value '{value}' for '{option}'"),
                    values => format!("invalid value '{value}' for '{option}'; it is one of {values}"),
                };
                Self::of(called, &text, meant.as_deref())
            }
            _ => {
                let text = error.to_string();
                let first = text.lines().next().unwrap_or_default();
                Self::of(called, first.strip_prefix("error: ").unwrap_or(first), None)
            }
        }
    }

    /// Too many or too few arguments.
    pub fn wrong_arguments(command: &mut Command, called: &str, what: Option<&str>) -> Self {
        let what = what.map(|what| format!("{called}: {what}\n")).unwrap_or_default();
        let hint = Some(try_help(called));
        Self { text: format!("{what}{}", command.render_usage()), hint }
    }
}

/// The known word that is most like this one, if one is.
pub fn closest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|other| (strsim::jaro(word, other), other))
        .filter(|(likeness, _)| *likeness > ALIKE)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, other)| other)
}

fn listed(value: &ContextValue) -> String {
    match value {
        ContextValue::Strings(texts) => texts.join(", "),
        other => other.to_string(),
    }
}

fn try_help(called: &str) -> String {
    format!("Try `{called} --help' or `{called} --usage' for more information.")
}

#[cfg(test)]
mod tests {
    use crate::{
        cli::parse::{Invocation, parse},
        command::TABLE,
    };

    fn said(line: &[&str]) -> (String, String) {
        match parse(&TABLE, line.iter().map(Into::into)) {
            Err(error) => (error.text, error.hint.unwrap_or_default()),
            Ok(_) => panic!("{line:?} was understood"),
        }
    }

    #[test]
    fn what_would_have_been_right_is_named() {
        for (line, text, hint) in [
            (&["oidc", "agent", "restart"][..], "it is one of start, stop, status", "Did you mean `start`?"),
            (&["oidc", "gen", "--flow", "bad"], "it is one of code, device, password, refresh", "Try"),
            (
                &["oidc", "passwd", "--format=nativ", "a"],
                "one of native, oidc-agent",
                "Did you mean `native`?",
            ),
            (&["oidc", "tokn"], "oidc: no command 'tokn'", "Did you mean `oidc token`?"),
            (&["oidc", "help", "lst"], "oidc: no command 'lst'", "Did you mean `oidc list`?"),
            (&["oidc", "helper", "curl-header", ""], "'[FILE]' must not be empty", "Try"),
            (&["oidc", "files", "add", "a", ""], "'[PATH]' must not be empty", "Try"),
            (&["oidc", "exec", "a", "--outfile="], "'--outfile <FILE>' must not be empty", "Try"),
            (&["oidc", "token", "--tiem=3", "a"], "unrecognized option '--tiem'", "Did you mean `--time`?"),
            (&["oidc-token", "--scop", "--nosuch"], "unrecognized option '--nosuch'", "Try"),
            (&["oidc", "--josn"], "oidc: unrecognized option '--josn'", "Try"),
        ] {
            let line: Vec<_> = line.iter().copied().filter(|word| *word != "--scop").collect();
            let (said, hinted) = said(&line);
            assert!(said.contains(text), "{line:?}: {said}");
            assert!(hinted.starts_with(hint), "{line:?}: {hinted}");
        }
    }

    #[test]
    fn a_missing_argument_is_named_and_required_in_the_usage() {
        for (line, text) in [
            (
                &["oidc", "token"][..],
                "oidc token: ACCOUNT|ISSUER_URL is missing\nUsage: oidc token [OPTIONS] ACCOUNT|ISSUER_URL",
            ),
            (
                &["oidc", "remove"],
                "oidc remove: ACCOUNT is missing\nUsage: oidc remove [OPTIONS] ACCOUNT | --all",
            ),
            (
                &["oidc", "reset"],
                "oidc reset: ACCOUNT... is missing\nUsage: oidc reset [OPTIONS] ACCOUNT... | --all",
            ),
            (&["oidc", "passwd"], "oidc passwd: ACCOUNT is missing\nUsage: oidc passwd [OPTIONS] <ACCOUNT>"),
            (
                &["oidc", "add"],
                "oidc add: ACCOUNT|ISSUER_URL is missing\nUsage: oidc add [OPTIONS] ACCOUNT|ISSUER_URL",
            ),
            (&["oidc", "token", "a", "b"], "oidc token: 'b' is one argument too many\nUsage:"),
            (&["oidc-token"], "Usage: oidc-token [OPTION...] ACCOUNT_SHORTNAME | ISSUER_URL"),
        ] {
            let said = said(line).0;
            assert!(said.starts_with(text), "{line:?}: {said}");
        }
    }

    #[test]
    fn help_and_usage_have_themselves_explained() {
        for line in [&["oidc", "help", "help"][..], &["oidc", "--usage"], &["oidc", "help", "environment"]] {
            assert!(
                matches!(parse(&TABLE, line.iter().map(Into::into)), Ok(Invocation::Show(_))),
                "{line:?}"
            );
        }
    }
}
