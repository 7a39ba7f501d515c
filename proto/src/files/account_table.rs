//! `[accounts.NAME]`: from where the agent takes the passwords of accounts that it loads by itself.

use std::{os::unix::fs::MetadataExt, path::PathBuf};

use toml::de::DeValue;

use super::{Problem, surroundings::Surroundings, value, values::Values};
use crate::{shell, shortname::Shortname};

/// An account that the agent loads by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountPassword {
    /// The account.
    pub account: Shortname,
    /// From where its password is.
    pub source: PasswordSource,
    /// The file that says so.
    pub path: PathBuf,
    /// The line in which it says so, from 1.
    pub line: usize,
}

/// From where a password is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasswordSource {
    /// A file's first line.
    File(PathBuf),
    /// What a program prints first, run without a shell.
    Command(Vec<String>),
    /// A file in the directory that the variable `CREDENTIALS_DIRECTORY` names (systemd.exec(5), `LoadCredential=`).
    Credential(String),
}

impl AccountPassword {
    /// The code of a password file that is not there, or cannot be looked at.
    pub const MISSING: &str = "password_file";
    /// The code of one that others can read or change.
    pub const OPEN_TO_OTHERS: &str = "password_mode";

    /// What is wrong with the file that the password is in, with a code: [`Self::MISSING`] where there is none, and the account is not
    /// loaded; [`Self::OPEN_TO_OTHERS`] where others than its owner can read or change it, and the configuration is not taken. `None` also
    /// for passwords that are in no file, and for those of systemd, which has modes of its own. Blocks.
    pub fn problem(&self) -> Option<(&'static str, Problem)> {
        let PasswordSource::File(path) = &self.source else { return None };
        let (code, what) = match fs_err::metadata(path) {
            Err(error) => (Self::MISSING, format!("its password cannot be read: {error}")),
            Ok(file) if file.mode() & 0o077 != 0 => (
                Self::OPEN_TO_OTHERS,
                format!(
                    "others can read or change its password: chmod 600 {}",
                    shell::quoted(&path.to_string_lossy())
                ),
            ),
            Ok(_) => return None,
        };
        let (path, line) = (self.path.clone(), Some(self.line));
        Some((code, Problem { path, line, key: format!("accounts.{}", self.account), what }))
    }
}

/// One of them. `None` where it cannot be understood; that is told.
pub(super) fn account(
    account: &Shortname,
    values: &mut Values<'_, '_>,
    surroundings: &Surroundings,
) -> Option<AccountPassword> {
    let file = |given: &DeValue<'_>| surroundings.expand(given.as_str().ok_or(String::new())?);
    let given = ["password_file", "password_command", "credential"].map(|key| values.has(key));
    if given.iter().filter(|given| **given).count() != 1 {
        values.tell_here("", "must have exactly one of password_file, password_command and credential");
    }
    let sources = [
        values.get("password_file", file).map(PasswordSource::File),
        values.get("password_command", value::argv).map(PasswordSource::Command),
        values.get("credential", |given| value::name(given, b"._-@", 255)).map(PasswordSource::Credential),
    ];
    let source = sources.into_iter().flatten().next()?;
    Some(AccountPassword {
        account: account.clone(),
        source,
        path: values.path().into(),
        line: values.line(),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_password_is_in_a_file_that_its_owner_alone_can_read() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("password");
        let of = |source| {
            let account = "acc".parse().expect("a name");
            let account = AccountPassword { account, source, path: "files.toml".into(), line: 3 };
            account.problem().map(|(code, problem)| (code, problem.to_string()))
        };
        let code = || of(PasswordSource::File(path.clone())).map(|(code, _)| code);
        assert_eq!(code(), Some("password_file"));
        fs_err::write(&path, "sesame\n").expect("written");
        for (mode, expected) in [
            (0o600, None),
            (0o400, None),
            (0o640, Some("password_mode")),
            (0o604, Some("password_mode")),
            (0o620, Some("password_mode")),
        ] {
            fs_err::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("changed");
            assert_eq!(code(), expected, "{mode:o}");
        }
        let (_, told) = of(PasswordSource::File(path.clone())).expect("a problem");
        assert!(told.starts_with("files.toml:3: accounts.acc: ") && !told.contains("sesame"), "{told}");
        assert_eq!(of(PasswordSource::Credential("x".into())), None);
    }
}
