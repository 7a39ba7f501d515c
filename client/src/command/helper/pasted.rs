//! What `--print-config` prints: lines to paste, with this program's own path.

use std::{
    env,
    path::{Path, PathBuf},
};

use oidc_proto::{destination::Operation, program, shell};

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
    for scope in args.purpose.scope.iter().flat_map(|scopes| scopes.split_whitespace()) {
        put(&mut words, "scope", scope);
    }
    if let Some(aud) = &args.purpose.aud {
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

/// This program under a name that another one calls by its path alone: the path, and before it, where there is no such program yet,
/// lines that say how it is made; those begin with `#`, as comments of the pasted text do.
pub fn called(name: &str) -> Result<(String, String), Error> {
    let own = program()?;
    let directories = env::var_os("PATH").unwrap_or_default();
    let (comment, path) = by_name(name, Path::new(&own), env::split_paths(&directories));
    let path = path.into_os_string().into_string();
    path.map(|path| (comment, path))
        .map_err(|path| Error::Other(Exit::Failure, format!("{} is not UTF-8", path.display())))
}

/// Beside this program, else along these directories if it is a link to a program of this one's name.
fn by_name(name: &str, own: &Path, directories: impl Iterator<Item = PathBuf>) -> (String, PathBuf) {
    let beside = own.with_file_name(name);
    if program::is_program(&beside) {
        return (String::new(), beside);
    }
    let is_ours = |path: &PathBuf| {
        let real = fs_err::canonicalize(path).unwrap_or_default();
        path.is_absolute() && program::is_program(path) && real.file_name() == own.file_name()
    };
    let mut along = directories.map(|directory| directory.join(name));
    if let Some(found) = along.find(is_ours) {
        return (String::new(), found);
    }
    let link = shell_line(&[own.display().to_string(), beside.display().to_string()]);
    (
        format!(
            "# {name} is not installed here; it is another name of {}:\n#   ln -s {link}\n",
            own.display()
        ),
        beside,
    )
}

/// Where this program is.
pub fn program() -> Result<String, Error> {
    let unknown = |why: String| {
        Error::Other(Exit::Failure, format!("where this program is cannot be found out: {why}"))
    };
    let path = env::current_exe().map_err(|error| unknown(error.to_string()))?;
    path.into_os_string().into_string().map_err(|path| unknown(format!("{} is not UTF-8", path.display())))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn what_is_named_is_there_or_is_said_not_to_be() {
        let kept = tempfile::tempdir().expect("a directory");
        let at = |path: &str| kept.path().join(path);
        let program = |path: &str| {
            fs_err::write(at(path), "").expect("written");
            fs_err::set_permissions(at(path), PermissionsExt::from_mode(0o755)).expect("set");
        };
        for directory in ["own", "other", "bin"] {
            fs_err::create_dir(at(directory)).expect("made");
        }
        program("own/oidc");
        let found = || by_name("name", &at("own/oidc"), ["other", "bin"].map(at).into_iter());
        let (comment, path) = found();
        assert_eq!(path, at("own/name"));
        assert!(comment.starts_with("# name is not installed") && comment.contains("ln -s "), "{comment}");
        assert!(comment.lines().all(|line| line.starts_with('#')), "{comment}");
        // Somebody else's program of that name.
        program("other/name");
        assert!(!found().0.is_empty());
        symlink(at("own/oidc"), at("bin/name")).expect("linked");
        assert_eq!(found(), (String::new(), at("bin/name")));
        symlink("oidc", at("own/name")).expect("linked");
        assert_eq!(found(), (String::new(), at("own/name")));
    }
}
