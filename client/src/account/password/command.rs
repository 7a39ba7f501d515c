//! The output of a program that gives a password: a password command, run once by `/bin/sh -c`, or the keyring's.
//!
//! Descriptors that this process inherited stay open for it: `cat <&7` works. It may ask the person itself, so where
//! there is a terminal it stays in the terminal's foreground; elsewhere it gets a process group of its own. Either way
//! nothing of it is left when its time is up or this program is to end.

use std::{
    io::{self, Read},
    os::{fd::AsFd, unix::process::CommandExt},
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use oidc_proto::environment::without_secrets;
use rustix::{
    fs::{Mode, OFlags},
    process::{Pid, Signal, kill_process, kill_process_group},
};
use zeroize::Zeroizing;

use super::{MAX_PASSWORD, asker::AskError, error::PasswordError};
use crate::process::signals::{Noted, Signals};

/// What the command says, less one newline; `None` if it failed or said nothing. `origin` is the option that names it.
pub fn output(
    origin: &'static str,
    command: &str,
    wait: Duration,
) -> Result<Option<Zeroizing<Vec<u8>>>, PasswordError> {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", command]).stdin(Stdio::inherit()).stderr(Stdio::inherit());
    let Said { mut output, succeeded } = run(origin, &mut shell, wait)?;
    if output.last() == Some(&b'\n') {
        output.pop();
    }
    Ok((succeeded && !output.is_empty()).then_some(output))
}

/// What a program said, and how it ended.
pub(super) struct Said {
    /// Its standard output, at most 64 KiB.
    pub output: Zeroizing<Vec<u8>>,
    /// It ended with status 0.
    pub succeeded: bool,
}

/// Runs a program whose standard input and standard error are set up. `origin` is the option that asks for it.
pub(super) fn run(
    origin: &'static str,
    command: &mut Command,
    wait: Duration,
) -> Result<Said, PasswordError> {
    let failed = |error: io::Error| PasswordError::Source { origin, reason: error.to_string() };
    let signals = Signals::of_process().map_err(failed)?;
    let _held = signals.hold();
    let until = Instant::now() + wait;
    let (mut running, mut stdout) = Running::start(command).map_err(failed)?;
    let mut output = Zeroizing::new(Vec::with_capacity(MAX_PASSWORD));
    let mut is_open = true;
    let succeeded = loop {
        if let Some(Noted::End(_)) = signals.take() {
            return Err(AskError::Interrupted.into());
        }
        // In this order: what was written before the end is read.
        let status = running.child.try_wait().map_err(failed)?;
        is_open = is_open && read_available(&mut stdout, &mut output).map_err(failed)?;
        if output.len() == MAX_PASSWORD {
            let reason = format!("the command says more than {MAX_PASSWORD} bytes");
            return Err(PasswordError::Source { origin, reason });
        }
        if let Some(status) = status {
            running.has_ended = true;
            break status.success();
        }
        if Instant::now() >= until {
            let reason = format!("the command did not end within {} seconds", wait.as_secs());
            return Err(PasswordError::Source { origin, reason });
        }
        signals.wait(is_open.then(|| stdout.as_fd()), Some(until)).map_err(failed)?;
    };
    Ok(Said { output, succeeded })
}

/// Reads what is there; whether more may come. The buffer never grows beyond what it was made for.
fn read_available(stdout: &mut ChildStdout, output: &mut Zeroizing<Vec<u8>>) -> io::Result<bool> {
    let mut piece = Zeroizing::new([0; 512]);
    while output.len() < MAX_PASSWORD {
        let space = (MAX_PASSWORD - output.len()).min(piece.len());
        match stdout.read(&mut piece[..space]) {
            Ok(0) => return Ok(false),
            Ok(count) => output.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// A command that is killed with its children unless it has ended.
struct Running {
    child: Child,
    has_own_group: bool,
    has_ended: bool,
}

impl Running {
    fn start(command: &mut Command) -> io::Result<(Self, ChildStdout)> {
        let has_own_group = !has_terminal();
        without_secrets(command).stdout(Stdio::piped());
        if has_own_group {
            command.process_group(0);
        }
        let mut child = command.spawn()?;
        let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let running = Self { child, has_own_group, has_ended: false };
        rustix::io::ioctl_fionbio(&stdout, true)?;
        Ok((running, stdout))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.has_ended {
            return;
        }
        let pid = Pid::from_child(&self.child);
        if self.has_own_group {
            let _ = kill_process_group(pid, Signal::KILL);
        } else {
            for descendant in descendants(pid) {
                let _ = kill_process(descendant, Signal::KILL);
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn has_terminal() -> bool {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    rustix::fs::open("/dev/tty", flags, Mode::empty()).is_ok()
}

/// The children of a process and theirs, as far as the kernel tells.
fn descendants(pid: Pid) -> Vec<Pid> {
    let pid = pid.as_raw_nonzero();
    let children = fs_err::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children = children.split_whitespace().filter_map(|child| Pid::from_raw(child.parse().ok()?));
    children.flat_map(|child| std::iter::once(child).chain(descendants(child))).collect()
}

#[cfg(test)]
mod tests {
    use oidc_proto::proc_stat::ProcStat;

    use super::*;
    use crate::process::signals;

    const LONG: Duration = Duration::from_secs(30);

    fn run(command: &str, wait: Duration) -> Result<Option<String>, String> {
        let _alone = signals::alone();
        let output = output("--pw-cmd", command, wait).map_err(|error| error.to_string())?;
        Ok(output.map(|output| String::from_utf8(output.to_vec()).expect("UTF-8")))
    }

    #[test]
    fn a_command_gives_its_output_less_one_newline() {
        let said = |command| run(command, LONG).expect("a command");
        assert_eq!(said("echo ' pw '").as_deref(), Some(" pw "));
        assert_eq!(said("printf 'a\\nb\\n\\n'").as_deref(), Some("a\nb\n"));
        assert_eq!(said("printf a; exec >&-; sleep 0.05").as_deref(), Some("a"));
        assert!(said("sleep 600 & echo $!").is_some_and(|pid| end(&pid)));
        assert_eq!(said("true"), None);
        assert_eq!(said("echo pw; exit 3"), None);
    }

    #[test]
    fn what_it_says_is_bounded() {
        let error = run("exec tr '\\0' x </dev/zero", LONG).expect_err("too much");
        assert!(error.contains("more than 65536 bytes"), "{error}");
    }

    #[test]
    fn its_children_end_with_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("pid");
        let command = format!("sleep 600 & echo $! >'{}'; wait", file.display());
        let error = run(&command, Duration::from_secs(1)).expect_err("too late");
        assert!(error.contains("--pw-cmd") && error.contains("within 1 seconds"), "{error}");
        let pid = fs_err::read_to_string(file).expect("a pid");
        let until = Instant::now() + LONG;
        while is_running(&pid) {
            assert!(Instant::now() < until, "the child of the command goes on");
            std::thread::yield_now();
        }
    }

    fn is_running(pid: &str) -> bool {
        ProcStat::read(pid.trim()).is_ok_and(|stat| stat.field(3) != Some("Z"))
    }

    fn end(pid: &str) -> bool {
        let pid = pid.trim().parse().ok().and_then(Pid::from_raw).expect("a pid");
        kill_process(pid, Signal::KILL).is_ok()
    }
}
