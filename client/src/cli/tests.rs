//! What holds for the options of all commands.

use std::ffi::OsString;

use super::parse::{Invocation, run};
use crate::{command::TABLE, say::dialect::Dialect};

/// Options whose values are no secrets. Any other that takes a text has to hide it.
const PUBLIC: &[&str] = &[
    "at-env",
    "at-file",
    "aud",
    "client-id",
    "client-secret-env",
    "client-secret-file",
    "cnid",
    "configuration-endpoint",
    "cp",
    "dae",
    "expires-at",
    "file",
    "gpg",
    "issuer",
    "mytoken",
    "mytoken-url",
    "name",
    "new-pw-env",
    "new-pw-file",
    "op-password-env",
    "op-password-file",
    "op-username",
    "print",
    "pw-env",
    "pw-file",
    "redirect-uri",
    "rename",
    "rt-env",
    "rt-file",
    "scope",
    "token",
    "update",
];
const CANARY: &str = "canary_7";

#[test]
fn no_secret_is_in_a_debug_text() {
    let mut hidden = Vec::new();
    for entry in TABLE.c_suite.iter().chain(TABLE.commands) {
        for option in entry.command().get_arguments().filter(|arg| arg.get_action().takes_values()) {
            let Some(name) = option.get_long() else { continue };
            let line = [entry.name.to_owned(), format!("--{name}={CANARY}"), "acc".to_owned()];
            let arguments = line[1..].iter().map(OsString::from).collect();
            let Ok(Invocation::Run(run)) = run(entry, entry.name, arguments, Dialect::Ours) else {
                continue;
            };
            if format!("{:?}", run.command).contains(CANARY) {
                assert!(PUBLIC.contains(&name), "{} --{name} shows what it was given", entry.name);
            } else {
                hidden.push(name.to_owned());
            }
        }
    }
    for secret in
        ["client-secret", "at", "rt", "op-password", "pw-cmd", "new-pw-cmd", "codeExchange", "state"]
    {
        assert!(hidden.iter().any(|name| name == secret), "--{secret} was not tried: {hidden:?}");
    }
}
