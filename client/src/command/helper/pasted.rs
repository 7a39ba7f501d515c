//! What `--print-config` prints: lines to paste, with this program's own path.

use std::env;

use oidc_proto::{destination::Operation, shell};

use super::arguments::{HelperArgs, LEAST_TIME};
use crate::{cli::usage::UsageError, context::error::Error, say::exit::Exit};

/// The words of a command line that calls this helper with these options.
pub fn words(helper: &str, args: &HelperArgs) -> Result<Vec<String>, Error> {
    let mut words = vec![program()?, "helper".to_owned(), helper.to_owned()];
    words.extend(options(args));
    Ok(words)
}

/// The options that say which token, one by one; scopes are separated, so that no word has a blank in it.
pub fn options(args: &HelperArgs) -> Vec<String> {
    let mut words = Vec::new();
    if let Some(account) = &args.account {
        put(&mut words, "account", account);
    }
    for scope in args.scope.iter().flat_map(|scopes| scopes.split_whitespace()) {
        put(&mut words, "scope", scope);
    }
    if let Some(aud) = &args.aud {
        put(&mut words, "aud", aud);
    }
    if args.time.to_string() != LEAST_TIME {
        put(&mut words, "time", &args.time.to_string());
    }
    for place in &args.destinations.wanted {
        put(&mut words, "for", &place.url);
        for wish in &place.wishes {
            let name = match wish.operation {
                Operation::Read => "--read",
                Operation::Create => "--create",
                Operation::Modify => "--modify",
                Operation::Stage => "--stage",
                Operation::Poll => "--poll",
                Operation::Exec => "--exec",
            };
            let path = wish.path.as_ref().map(|path| format!("={path}")).unwrap_or_default();
            words.push(format!("{name}{path}"));
        }
    }
    let switches = [("--id-token", args.id_token), ("--strict", args.strict)];
    words.extend(switches.iter().filter(|(_, is_set)| *is_set).map(|(name, _)| (*name).to_owned()));
    words
}

fn put(words: &mut Vec<String>, name: &str, value: &str) {
    words.extend([format!("--{name}"), value.to_owned()]);
}

/// An account has to be named, where the program does not tell a host.
pub fn require_account(args: &HelperArgs) -> Result<&str, Error> {
    args.account.as_deref().ok_or_else(|| UsageError::new("an account is missing: --account ACCOUNT").into())
}

/// As a shell reads it.
pub fn shell_line(words: &[String]) -> String {
    words.iter().map(|word| shell::quoted(word)).collect::<Vec<_>>().join(" ")
}

/// For programs that separate words at blanks and know no quotation marks.
pub fn blank_separated(words: &[String]) -> Result<String, Error> {
    match words.iter().find(|word| word.is_empty() || word.contains(char::is_whitespace)) {
        Some(word) => Err(Error::Other(
            Exit::Failure,
            format!(
                "'{word}' has a blank in it, at which the program would cut it: put the command into a script of your own"
            ),
        )),
        None => Ok(words.join(" ")),
    }
}

/// Where this program is.
pub fn program() -> Result<String, Error> {
    let unknown = |why: String| {
        Error::Other(Exit::Failure, format!("where this program is cannot be found out: {why}"))
    };
    let path = env::current_exe().map_err(|error| unknown(error.to_string()))?;
    path.into_os_string().into_string().map_err(|path| unknown(format!("{} is not UTF-8", path.display())))
}
