//! Mounts that only the programs see that are started among them: small disks, read-only ones, files mounted by themselves.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::{environment::Environment, programs::run, require};

/// Ends with its standard input.
const HOLD: &str = "echo ready; exec cat >/dev/null";

/// A mount namespace, which ends with this and the programs in it.
#[derive(Debug)]
pub struct Mounts {
    holder: Child,
    is_rootless: bool,
}

impl Mounts {
    /// One that is as the test's own. `None` where this user may not make namespaces.
    ///
    /// # Panics
    /// When the pipe to what holds it breaks.
    pub fn new() -> Option<Self> {
        let is_rootless = !rustix::process::geteuid().is_root();
        let mut command = Command::new("unshare");
        if is_rootless {
            command.arg("--map-root-user");
        }
        command.args(["--mount", "--", "/bin/sh", "-c", HOLD]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut holder = command.spawn().ok()?;
        let mut line = String::new();
        let output = holder.stdout.take().expect("a pipe");
        let mounts = Self { holder, is_rootless };
        BufReader::new(output).read_line(&mut line).expect("a line");
        if line == "ready\n" { Some(mounts) } else { require::not_run("mount namespaces (unshare)") }
    }

    /// A program among the mounts, in these surroundings.
    pub fn command(&self, environment: &Environment, program: &Path) -> Command {
        let mut command = environment.command_at("nsenter".as_ref());
        command.arg("--target").arg(self.holder.id().to_string()).arg("--mount");
        if self.is_rootless {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.arg("--").arg(program);
        command
    }

    /// Runs lines of shell there, in which `$1` is the path.
    ///
    /// # Panics
    /// When one fails.
    pub fn shell(&self, environment: &Environment, lines: &str, path: &Path) {
        let mut command = self.command(environment, "/bin/sh".as_ref());
        command.args(["-ec", lines, "sh"]).arg(path);
        run(command).success();
    }

    /// A file there, as this process sees it.
    pub fn path(&self, path: &Path) -> PathBuf {
        let root = Path::new("/proc").join(self.holder.id().to_string()).join("root");
        root.join(path.strip_prefix("/").unwrap_or(path))
    }
}

impl Drop for Mounts {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
