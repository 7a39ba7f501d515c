//! What a command prints, within a time. It is a process group of its own, so that its children end with it.

use std::{
    io,
    os::{fd::AsFd, unix::process::CommandExt},
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::{Errno, ioctl_fionbio, read},
    process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open, waitid},
};
use zeroize::Zeroizing;

/// How often to look whether it has ended, where nothing tells.
const POLL: Duration = Duration::from_millis(20);

/// The output of a command that succeeds, at most `longest` bytes. Blocks until the deadline at most; what runs longer
/// or says more is killed, and what it has started with it.
pub fn output(command: &mut Command, longest: usize, deadline: Duration) -> io::Result<Zeroizing<Vec<u8>>> {
    let deadline = Instant::now() + deadline;
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0).spawn()?;
    let read = child.stdout.take().ok_or_else(|| io::Error::from(io::ErrorKind::BrokenPipe));
    let read = read.and_then(|stdout| read_all(&stdout, longest, deadline));
    let ended = read.and_then(|output| wait(&child, deadline).map(|()| output));
    if ended.is_err() {
        // Before it is waited for: until then its number is nobody else's.
        let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
    }
    let status = child.wait()?;
    let output = ended?;
    if status.success() { Ok(output) } else { Err(io::Error::other(format!("the command failed: {status}"))) }
}

/// A command line for a shell.
pub fn shell(command: &str) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", command]);
    shell
}

/// Reads to the end in a buffer that never moves.
fn read_all(stdout: &ChildStdout, longest: usize, deadline: Instant) -> io::Result<Zeroizing<Vec<u8>>> {
    ioctl_fionbio(stdout, true)?;
    let mut output = Zeroizing::new(vec![0; longest + 1]);
    let mut length = 0;
    loop {
        match read(stdout, &mut output[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(Errno::AGAIN) => until_readable(stdout, deadline)?,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if length > longest {
            return Err(io::Error::other(format!("the command says more than {longest} bytes")));
        }
    }
    output.truncate(length);
    Ok(output)
}

/// Waits until the process has ended, without collecting it.
fn wait(child: &Child, deadline: Instant) -> io::Result<()> {
    let pid = Pid::from_child(child);
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(pidfd) => until_readable(&pidfd, deadline),
        // What is too old for it, or forbids it as unknown.
        Err(Errno::NOSYS | Errno::PERM) => until_ended(pid, deadline),
        Err(error) => Err(error.into()),
    }
}

fn until_ended(pid: Pid, deadline: Instant) -> io::Result<()> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    while waitid(WaitId::Pid(pid), options)?.is_none() {
        if Instant::now() >= deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
        thread::sleep(POLL);
    }
    Ok(())
}

fn until_readable(descriptor: impl AsFd, deadline: Instant) -> io::Result<()> {
    loop {
        let left = Timespec::try_from(deadline.saturating_duration_since(Instant::now()))
            .map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&descriptor, PollFlags::IN)], Some(&left)) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const PLENTY: Duration = Duration::from_secs(30);

    fn text(command: &str) -> Option<String> {
        let output = output(&mut shell(command), 100, PLENTY).ok()?;
        String::from_utf8(output.to_vec()).ok()
    }

    #[test]
    fn only_success_counts() {
        assert_eq!(text("echo printed").as_deref(), Some("printed\n"));
        assert_eq!(text("printf ''").as_deref(), Some(""));
        assert_eq!(text("echo half; exit 3"), None);
        assert_eq!(text("echo half; kill -9 $$"), None);
    }

    #[test]
    fn without_pidfds_its_end_is_seen_too() {
        let mut child = Command::new("/bin/sleep").arg("60").spawn().expect("a process");
        let pid = Pid::from_child(&child);
        let error = until_ended(pid, Instant::now()).expect_err("it runs");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        child.kill().expect("killed");
        until_ended(pid, Instant::now() + PLENTY).expect("ended");
        assert!(!child.wait().expect("not collected before").success());
    }

    #[test]
    fn what_says_too_much_is_ended() {
        assert!(text("yes").is_none());
        assert!(text("printf '%0100d' 0").is_some());
        assert!(text("printf '%0101d' 0").is_none());
    }

    #[test]
    fn at_the_deadline_its_children_end_too() {
        let directory = tempfile::tempdir().expect("a directory");
        let pids = directory.path().join("pids");
        // Children of a child, one that ignores what can be ignored, and one that holds no output.
        let command = format!(
            "touch {0}; (trap '' TERM HUP INT; sh -c 'echo $$ >> {0}; sleep 1000') & sh -c 'echo $$ >> {0}; exec sleep 1000' >/dev/null & \
             while [ \"$(wc -l < {0})\" -lt 2 ]; do sleep 0.01; done; echo ready >> {0}; wait",
            pids.display()
        );
        let started = Instant::now();
        let error = loop {
            // A loaded machine may need a second try to have started all of it.
            let error = output(&mut shell(&command), 100, Duration::from_secs(1)).expect_err("it never ends");
            if fs_err::read_to_string(&pids).is_ok_and(|text| text.contains("ready")) {
                break error;
            }
            assert!(started.elapsed() < PLENTY, "{error}");
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let pids = fs_err::read_to_string(&pids).expect("written");
        for pid in pids.lines().filter(|line| *line != "ready") {
            // Killed, but perhaps not yet gone or collected.
            let gone = || {
                let stat = fs_err::read_to_string(Path::new("/proc").join(pid).join("stat"));
                stat.map_or(true, |stat| stat.contains(") Z "))
            };
            while !gone() {
                assert!(started.elapsed() < PLENTY, "process {pid} lives on");
                thread::sleep(Duration::from_millis(5));
            }
        }
    }
}
