//! A login in whose `PATH` the suite is installed, under all the names that scripts use.

use std::{os::unix::fs::symlink, process::Command};

use crate::{
    environment::{Environment, FileFormat, PASSWORD},
    programs::{Finished, program, run},
    provider::Provider,
    scene::ACCOUNT,
};

/// An environment with the programs in its `PATH`. The agent that a script leaves behind is ended.
#[derive(Debug)]
pub struct Login {
    /// Home and the other directories.
    pub environment: Environment,
}

impl Login {
    /// Without an account.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn new() -> Self {
        let environment = Environment::new();
        let bin = environment.path("bin");
        fs_err::create_dir(&bin).expect("a directory");
        for name in ["oidc-agent", "oidc"] {
            symlink(program(name), bin.join(name)).expect("a link");
        }
        for name in [
            "oidc-add",
            "oidc-token",
            "oidc-gen",
            "oidc-agent-service",
            "oidc-keychain",
            "oidc-prompt",
            "oidc-tokensh",
        ] {
            symlink("oidc", bin.join(name)).expect("a link");
        }
        Self { environment }
    }

    /// With [`ACCOUNT`] at a provider.
    pub fn with_account(provider: &Provider) -> Self {
        let login = Self::new();
        login.environment.add_account(&provider.seed_account(ACCOUNT), FileFormat::Native);
        login
    }

    /// A program that finds the suite.
    pub fn command(&self, name: &str) -> Command {
        let mut command = self.environment.command_at(name.as_ref());
        let path = format!("{}:/usr/bin:/bin", self.environment.path("bin").display());
        command.env("PATH", path).env("PW", PASSWORD).env("OIDC_PINENTRY", "");
        command
    }

    /// A script for `sh`.
    pub fn shell(&self, script: &str) -> Command {
        let mut shell = self.command("/bin/sh");
        shell.args(["-c", script]);
        shell
    }

    /// Runs it: a login shell that knows nothing of earlier ones.
    pub fn runs(&self, script: &str) -> Finished {
        run(self.shell(script))
    }
}

impl Default for Login {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Login {
    fn drop(&mut self) {
        // The real script keeps its agent elsewhere.
        let _ = run(self.shell(
            "pid=$TMPDIR/oidc-agent-service/$(id -u)/oidc-agent.pid
            test ! -e $pid || OIDCD_PID=$(cat $pid) oidc-agent -k
            oidc-agent-service stop",
        ));
    }
}
