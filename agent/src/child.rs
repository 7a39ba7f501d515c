//! Programs that the agent runs.

use std::{ffi::OsStr, process::Command};

/// Variables in which people hand secrets to the client. An agent that was started on demand may have inherited them.
const SECRET_VARIABLES: [&str; 3] = ["OIDC_ENCRYPTION_PW", "OIDC_REFRESH_TOKEN", "OIDC_AT"];

/// A program to run, without those of the environment's variables that may hold a secret.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for name in SECRET_VARIABLES {
        command.env_remove(name);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_inherited() {
        let command = command("true");
        assert!(command.get_envs().any(|pair| pair == (OsStr::new("OIDC_ENCRYPTION_PW"), None)));
    }
}
