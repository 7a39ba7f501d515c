//! `[accounts.NAME]`: from where the agent takes the passwords of accounts that it loads by itself.

use std::path::PathBuf;

use toml::de::DeValue;

use super::{surroundings::Surroundings, value, values::Values};
use crate::shortname::Shortname;

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
