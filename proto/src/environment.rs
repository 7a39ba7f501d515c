//! The environment of programs that are started: it has no password in it.

use std::{ffi::OsString, process::Command, sync::OnceLock};

/// From which clients read an account file's password when `--pw-env` names no other: the C suite's.
pub const PASSWORD_VARIABLE: &str = "OIDC_ENCRYPTION_PW";
/// From which clients read a refresh token when `--rt-env` names no other: the C suite's.
pub const REFRESH_TOKEN_VARIABLE: &str = "OIDC_REFRESH_TOKEN";
/// All variables that hold a secret by their name alone. The one list of them.
const SECRET_VARIABLES: [&str; 2] = [PASSWORD_VARIABLE, REFRESH_TOKEN_VARIABLE];

/// Those that options of this process name instead.
static NAMED: OnceLock<Vec<OsString>> = OnceLock::new();

/// Adds variables that this process reads secrets from. To be called once, before it starts any other.
pub fn name_secrets(names: Vec<OsString>) {
    // A second call would be a defect, and the first names are kept.
    let _ = NAMED.set(names);
}

/// Takes the secret variables out of what `command` will inherit.
pub fn without_secrets(command: &mut Command) -> &mut Command {
    for name in SECRET_VARIABLES {
        command.env_remove(name);
    }
    for name in NAMED.get().into_iter().flatten() {
        command.env_remove(name);
    }
    command
}

/// Whether the environment of this process holds a secret.
pub fn holds_secrets() -> bool {
    SECRET_VARIABLES.iter().any(|name| std::env::var_os(name).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_inherits_everything_but_secrets() {
        name_secrets(vec!["MY_PASSWORD".into()]);
        let mut command = Command::new("/usr/bin/env");
        command.env("OIDC_ENCRYPTION_PW", "canary").env("OIDC_REFRESH_TOKEN", "canary");
        command.env("MY_PASSWORD", "canary").env("KEPT", "value");
        let output = without_secrets(&mut command).output().expect("its environment");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("KEPT=value") && !text.contains("canary"), "{text}");
    }
}
