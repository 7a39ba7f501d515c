//! A machine of its own as far as agents can see: `/tmp`, `/run`, and processes. For tests of the places where agents
//! are looked for without variables, and of signals that must not reach anything else.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::{
    environment::{Environment, FileFormat, PASSWORD},
    programs::{Finished, directory, run},
    provider::Provider,
    require,
};

/// Where the programs of this workspace are in there.
const PROGRAMS: &str = "/mnt/programs";
/// And the C suite's names for `oidc`.
const NAMES: &str = "/mnt/names";
/// Ends with its standard input. The shell stays to wait for processes that lose their parents.
const SETUP: &str = r#"set -e
mount -t tmpfs -o mode=755 none /mnt
mkdir /mnt/programs /mnt/names
mount --bind "$1" /mnt/programs
for name in oidc-token oidc-add oidc-gen; do ln -s ../programs/oidc /mnt/names/$name; done
mount -t tmpfs -o mode=1777 none /tmp
mount -t tmpfs -o mode=755 none /run
mkdir -p /run/user /tmp/home
echo ready
cat >/dev/null"#;

/// Namespaces that end, with every process in them, when this is dropped.
#[derive(Debug)]
pub struct Machine {
    holder: Child,
    is_rootless: bool,
}

impl Machine {
    /// An empty one. `None` where this user may not make namespaces.
    pub fn new() -> Option<Self> {
        let is_rootless = !rustix::process::geteuid().is_root();
        let mut command = Command::new("unshare");
        if is_rootless {
            command.arg("--map-root-user");
        }
        command.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]);
        command.args(["/bin/sh", "-c", SETUP, "sh"]).arg(directory());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut holder = command.spawn().ok()?;
        let mut line = String::new();
        let output = holder.stdout.take().expect("a pipe");
        let machine = Self { holder, is_rootless };
        BufReader::new(output).read_line(&mut line).expect("a line");
        if line == "ready\n" { Some(machine) } else { require::not_run("mount and PID namespaces (unshare)") }
    }

    /// Puts the file of an account that has its login at `provider` where the commands in there look for it.
    ///
    /// # Panics
    /// When that fails.
    pub fn add_account(&self, provider: &Provider, name: &str) {
        let environment = Environment::new();
        environment.add_account(&provider.seed_account(name), FileFormat::Native);
        let place = self.path("/tmp/home").join(name);
        fs_err::copy(environment.account_file(name), place).expect("copied");
    }

    /// A file in there, as this process sees it.
    pub fn path(&self, path: &str) -> PathBuf {
        // The first process in there is the only child of the one that made the namespaces.
        let maker = self.holder.id();
        let children = fs_err::read_to_string(format!("/proc/{maker}/task/{maker}/children"));
        let first = children.expect("the kernel lists children");
        Path::new("/proc").join(first.trim()).join("root").join(path.trim_start_matches('/'))
    }

    /// A program of this workspace, run by root in there with these variables only.
    pub fn command(&self, program: &str, variables: &[(&str, &str)]) -> Command {
        self.command_as(0, program, variables)
    }

    /// The same as another user. Needs [`require::root`].
    pub fn command_as(&self, uid: u32, program: &str, variables: &[(&str, &str)]) -> Command {
        let program = match program {
            "oidc-token" | "oidc-add" | "oidc-gen" => format!("{NAMES}/{program}"),
            "oidc" | "oidc-agent" => format!("{PROGRAMS}/{program}"),
            other => other.to_owned(),
        };
        let maker = self.holder.id();
        let mut command = Command::new("nsenter");
        command.arg("--target").arg(maker.to_string()).arg("--mount");
        command.arg(format!("--pid=/proc/{maker}/ns/pid_for_children"));
        if self.is_rootless {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.args(["--wd=/", "--"]);
        if uid != 0 {
            command.args(["setpriv", &format!("--reuid={uid}"), &format!("--regid={uid}"), "--clear-groups"]);
        }
        command
            .arg(program)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("LANG", "C.UTF-8")
            .env("NO_COLOR", "1")
            .env("HOME", "/tmp/home")
            .env("OIDC_CONFIG_DIR", "/tmp/home")
            .env("OIDC_ENCRYPTION_PW", PASSWORD)
            .envs(variables.iter().copied());
        command
    }

    /// Runs a program of this workspace to its end.
    pub fn run(&self, line: &[&str], variables: &[(&str, &str)]) -> Finished {
        let mut command = self.command(line[0], variables);
        command.args(&line[1..]);
        run(command)
    }

    /// The running processes of this name in there, by their numbers in there. One that has ended, but whose parent has
    /// not looked yet, runs no more.
    pub fn processes(&self, name: &str) -> Vec<i32> {
        let entries = fs_err::read_dir(self.path("/proc")).expect("a proc file system");
        let numbers = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let is_zombie = |state: &str| state.trim_start().starts_with('Z');
        let runs = |pid: &i32| {
            let stat = fs_err::read_to_string(self.path(&format!("/proc/{pid}/stat"))).unwrap_or_default();
            let command = stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')'));
            command.is_some_and(|(command, state)| command == name && !is_zombie(state))
        };
        numbers.filter(runs).collect()
    }

    /// A process in there that does nothing, with its number in there.
    pub fn bystander(&self, uid: u32) -> Bystander {
        let mut command = self.command_as(uid, "/bin/sh", &[]);
        command.args(["-c", "echo $$; exec sleep 1000"]).stdout(Stdio::piped());
        let mut child = command.spawn().expect("a process");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("its number");
        Bystander { child, pid: line.trim().parse().expect("a number") }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// A process that is to be left alone.
#[derive(Debug)]
pub struct Bystander {
    child: Child,
    pid: i32,
}

impl Bystander {
    /// Its number in there.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().expect("its state").is_none()
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
