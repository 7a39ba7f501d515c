//! The programs under test, and running one to its end with a deadline.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

/// No command of a test takes longer, key derivations and busy machines included.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// A program of this workspace, as `cargo build --workspace --bins` left it.
///
/// Cargo builds the programs of other packages only when asked, so this looks beside the running test;
/// `OIDC_TESTS_BIN_DIR` names another directory, such as one with optimised programs.
///
/// # Panics
/// When it is not there.
pub fn program(name: &str) -> PathBuf {
    let path = directory().join(name);
    assert!(path.exists(), "{} is missing: run `cargo build --workspace --bins` first", path.display());
    path
}

/// The workspace's root.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is a folder of the workspace")
}

/// Where the programs of this workspace are.
pub(crate) fn directory() -> PathBuf {
    if let Some(directory) = std::env::var_os("OIDC_TESTS_BIN_DIR") {
        return directory.into();
    }
    let test = std::env::current_exe().expect("the path of the running test");
    let deps = test.parent().expect("a program is in a directory");
    // Tests are in `debug/deps`, programs (this package's own among them) in `debug`.
    let up = if deps.ends_with("deps") { deps.parent() } else { Some(deps) };
    up.expect("deps is below the build directory").to_owned()
}

/// What a command left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Finished {
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Finished {
    /// Standard output of a command that has to succeed.
    ///
    /// # Panics
    /// When it did not, with all it said.
    pub fn success(self) -> String {
        assert_eq!(self.code, Some(0), "the command failed: {self:#?}");
        self.stdout
    }

    /// Standard error of a command that has to fail.
    ///
    /// # Panics
    /// When it succeeded or was killed, with all it said.
    pub fn failure(self) -> String {
        assert!(self.code.is_some_and(|code| code != 0), "the command did not fail by itself: {self:#?}");
        self.stderr
    }
}

/// The same command, which is asked to end when whoever starts it does, be it killed: through `setpriv` (util-linux).
pub fn ends_with_us(command: &Command) -> Command {
    let mut wrapped = Command::new("setpriv");
    wrapped.args(["--pdeathsig", "TERM", "--"]).arg(command.get_program()).args(command.get_args());
    wrapped.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    wrapped
}

/// Runs `command` to its end without anything on its standard input.
///
/// # Panics
/// When it cannot be started, or was still running at the [`DEADLINE`].
pub fn run(command: Command) -> Finished {
    run_with_input(command, "")
}

/// Runs `command` to its end with `input` on its standard input.
///
/// # Panics
/// As [`run`].
pub fn run_with_input(command: Command, input: &str) -> Finished {
    let shown = format!("{command:?}");
    let mut command = assert_cmd::Command::from_std(command);
    let finished = command.timeout(DEADLINE).write_stdin(input).output();
    let Output { status, stdout, stderr } = finished.unwrap_or_else(|error| panic!("{shown}: {error}"));
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let finished = Finished { code: status.code(), stdout: text(stdout), stderr: text(stderr) };
    if finished.code.is_none() {
        println!("{shown} was killed, perhaps at the deadline");
    }
    finished
}
