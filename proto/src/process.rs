//! Another process, held by a pidfd: what is read about it and what is sent to it cannot reach a process that was given
//! the same number later.

use std::{
    io,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{
        Pid, PidfdFlags, Signal, geteuid, kill_process, pidfd_open, pidfd_send_signal, test_kill_process,
    },
};

use crate::{
    peer::{self, Peer},
    proc_stat::ProcStat,
};

/// The name of the agent's program, ours and the C suite's.
const AGENT: &[u8] = b"oidc-agent";
/// How long an agent may take to end: longer than it waits itself for a provider's answer, which may hold the next refresh
/// token, and to have that on disk.
pub const PATIENCE: Duration = Duration::from_secs(370);
/// When the person is told that it takes longer.
const SOON: Duration = Duration::from_secs(3);
/// What they are told.
pub const STILL_ENDING: &str = "The agent finishes what it has begun; it may be waiting for a provider's answer, which can take minutes.";
/// How often to look, where nothing tells.
const POLL: Duration = Duration::from_millis(20);

/// Why a process was not ended, or is not known to have ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EndError {
    /// There is no such process, or no more. The C suite's words.
    #[error("kill: No such process")]
    Gone,
    /// Its program has another name.
    #[error("process {pid} is no oidc-agent but '{name}'; nothing was ended")]
    NotAnAgent {
        /// Its number.
        pid: i32,
        /// Its name.
        name: String,
    },
    /// Somebody else's.
    #[error("process {pid} belongs to another user (uid {uid}); nothing was ended")]
    Foreign {
        /// Its number.
        pid: i32,
        /// Its user.
        uid: u32,
    },
    /// `/proc` does not show it, because others may not look into it or because of the mount option `hidepid`.
    #[error(
        "process {pid} cannot be looked at; nothing was ended. `oidc agent stop` ends the agent that answers at a socket"
    )]
    Unseen {
        /// Its number.
        pid: i32,
    },
    /// It was asked to end.
    #[error("the agent (process {pid}) was asked to end, but still runs after {} seconds; it may be waiting for a \
             provider's answer", PATIENCE.as_secs())]
    StillRuns {
        /// Its number.
        pid: i32,
    },
    /// The system refused.
    #[error("kill: {0}")]
    System(#[from] io::Error),
}

/// A process.
#[derive(Debug)]
pub struct Process {
    handle: Handle,
    /// The user who listens at the socket that it was found by.
    listens_as: Option<u32>,
}

#[derive(Debug)]
enum Handle {
    Pidfd(OwnedFd),
    /// Before Linux 5.3: its number, and the time at which it was started, in ticks since the boot, where that may be
    /// read.
    Number(Pid, Option<String>),
}

impl Process {
    /// The process that has this number now.
    pub fn open(pid: i32) -> Result<Self, EndError> {
        // Not 0 and not negative: those mean whole groups of processes elsewhere.
        let pid = Some(pid).filter(|pid| *pid > 0).and_then(Pid::from_raw).ok_or(EndError::Gone)?;
        let handle = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) => Handle::Pidfd(pidfd),
            // What is too old for it, or forbids it as unknown.
            Err(Errno::NOSYS | Errno::PERM) => {
                test_kill_process(pid).or_else(seen_if_forbidden).map_err(of_errno)?;
                Handle::Number(pid, start_time(pid))
            }
            Err(error) => return Err(of_errno(error)),
        };
        Ok(Self { handle, listens_as: None })
    }

    /// The process that listens on the other side of a connected UNIX socket.
    pub fn peer_of(socket: impl AsFd) -> Result<Self, EndError> {
        let peer = Peer::of(&socket)?;
        let listens_as = Some(peer.uid);
        match peer::pidfd(&socket) {
            Ok(pidfd) => Ok(Self { handle: Handle::Pidfd(pidfd), listens_as }),
            Err(error) => match Errno::from_io_error(&error) {
                Some(Errno::NOSYS | Errno::PERM) => {
                    Ok(Self { listens_as, ..Self::open(peer.pid.unwrap_or_default())? })
                }
                Some(error) => Err(of_errno(error)),
                None => Err(error.into()),
            },
        }
    }

    /// Its number, as `/proc` has it.
    pub fn pid(&self) -> Result<i32, EndError> {
        let pidfd = match &self.handle {
            Handle::Pidfd(pidfd) => pidfd,
            Handle::Number(pid, _) => return Ok(pid.as_raw_nonzero().get()),
        };
        let information = fs_err::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd()))?;
        let pid = field(&information, "Pid:").and_then(|pid| pid.parse().ok());
        // -1: it has ended. 0: it is in a PID namespace that this one cannot see.
        pid.filter(|pid| *pid > 0).ok_or(EndError::Gone)
    }

    /// Asks an agent of this user to end (`SIGTERM`) and watches it do so. Returns what its number was. `still_ending` is
    /// called when it does not end at once, to say [`STILL_ENDING`].
    pub fn end_agent(&self, still_ending: impl FnOnce()) -> Result<i32, EndError> {
        let pid = self.pid()?;
        self.check_agent(pid)?;
        match &self.handle {
            Handle::Pidfd(pidfd) => pidfd_send_signal(pidfd, Signal::TERM),
            Handle::Number(pid, _) => kill_process(*pid, Signal::TERM),
        }
        .map_err(of_errno)?;
        if self.has_ended_within(SOON)? {
            return Ok(pid);
        }
        still_ending();
        if self.has_ended_within(PATIENCE)? { Ok(pid) } else { Err(EndError::StillRuns { pid }) }
    }

    /// Whether it has ended by then.
    pub fn has_ended_within(&self, patience: Duration) -> io::Result<bool> {
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match &self.handle {
                Handle::Pidfd(pidfd) => {
                    let left = Timespec::try_from(left).map_err(io::Error::other)?;
                    match poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&left)) {
                        Err(Errno::INTR) => {}
                        ready => return Ok(ready? > 0),
                    }
                }
                Handle::Number(pid, started) => {
                    let is_there = test_kill_process(*pid).or_else(seen_if_forbidden).is_ok();
                    if !is_there || start_time(*pid) != *started {
                        return Ok(true);
                    }
                    if left.is_zero() {
                        return Ok(false);
                    }
                    thread::sleep(POLL.min(left));
                }
            }
        }
    }

    fn check_agent(&self, pid: i32) -> Result<(), EndError> {
        let status = fs_err::read_to_string(format!("/proc/{pid}/status"));
        let program = program(pid);
        // Before this, the number might have been another process's already.
        if self.has_ended_within(Duration::ZERO)? {
            return Err(EndError::Gone);
        }
        let own_uid = geteuid().as_raw();
        let Ok(status) = status else {
            // Where `/proc` hides what others may not look into, it hides our agent. It listens: that is enough.
            return if self.listens_as == Some(own_uid) { Ok(()) } else { Err(EndError::Unseen { pid }) };
        };
        let name = field(&status, "Name:").unwrap_or_default();
        let uid = effective_uid(&status).ok_or(EndError::Gone)?;
        if uid != own_uid {
            return Err(EndError::Foreign { pid, uid });
        }
        if name.as_bytes() == AGENT || program.as_deref() == Some(AGENT) {
            return Ok(());
        }
        Err(EndError::NotAnAgent { pid, name: name.to_owned() })
    }
}

/// A process that may not be sent a signal is there.
fn seen_if_forbidden(error: Errno) -> rustix::io::Result<()> {
    if error == Errno::PERM { Ok(()) } else { Err(error) }
}

/// When a process was started, in the kernel's ticks. A process that has ended and is not waited for has none.
fn start_time(pid: Pid) -> Option<String> {
    let stat = ProcStat::read(&pid.as_raw_nonzero().to_string()).ok()?;
    let is_zombie = stat.field(3)? == "Z";
    stat.field(22).filter(|_| !is_zombie).map(str::to_owned)
}

/// The file name of what a process runs, where this may be read: not of ours, which nobody may look into.
fn program(pid: i32) -> Option<Vec<u8>> {
    let path: PathBuf = fs_err::read_link(format!("/proc/{pid}/exe")).ok()?;
    let name = path.file_name()?.as_bytes();
    Some(name.strip_suffix(b" (deleted)").unwrap_or(name).to_owned())
}

/// `Uid:` has the real, effective, saved and file system user: proc(5).
fn effective_uid(status: &str) -> Option<u32> {
    field(status, "Uid:")?.split_whitespace().nth(1)?.parse().ok()
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

fn of_errno(error: Errno) -> EndError {
    match error {
        // INVAL: a number beyond those that are given out.
        Errno::SRCH | Errno::INVAL => EndError::Gone,
        error => EndError::System(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        os::unix::{net::UnixStream, process::CommandExt},
        process::{Child, Command, Stdio},
    };

    use super::*;

    /// A process of `cat` that surely runs: the kernel lets `spawn` return a moment before it gives the process its new name.
    fn waiting(name: &str) -> Child {
        let mut command = Command::new("/bin/cat");
        let mut child =
            command.arg0(name).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a process");
        let (stdin, stdout) = (child.stdin.as_mut(), child.stdout.as_mut());
        stdin.expect("a pipe").write_all(b"x").expect("written");
        stdout.expect("a pipe").read_exact(&mut [0]).expect("an echo");
        child
    }

    #[test]
    fn what_is_no_agent_is_not_ended() {
        let mut other = waiting("oidc-agent");
        let pid = i32::try_from(other.id()).expect("a pid");
        let process = Process::open(pid).expect("a process");
        assert_eq!(process.pid().expect("a pid"), pid);
        let error = process.end_agent(|| {}).expect_err("no agent");
        assert_eq!(error.to_string(), format!("process {pid} is no oidc-agent but 'cat'; nothing was ended"));
        assert!(!process.has_ended_within(Duration::ZERO).expect("polled"));
        other.kill().expect("killed");
        other.wait().expect("waited for");
        assert!(process.has_ended_within(PATIENCE).expect("polled"));
        assert!(matches!(process.end_agent(|| {}), Err(EndError::Gone)));
    }

    #[test]
    fn what_is_named_like_one_is() {
        let directory = tempfile::tempdir().expect("a directory");
        let program = directory.path().join("oidc-agent");
        fs_err::copy("/bin/sleep", &program).expect("copied");
        // Busy for a moment where another thread has forked with the copy open.
        let mut agent = loop {
            match Command::new(&program).arg("60").spawn() {
                Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => thread::yield_now(),
                started => break started.expect("a process"),
            }
        };
        let pid = i32::try_from(agent.id()).expect("a pid");
        let process = Process::open(pid).expect("a process");
        assert_eq!(process.end_agent(|| {}).expect("ended"), pid);
        agent.wait().expect("waited for");
    }

    #[test]
    fn numbers_of_no_process_are_refused() {
        for pid in [0, -1, i32::MIN, i32::MAX, 4_194_305] {
            assert!(matches!(Process::open(pid), Err(EndError::Gone)), "{pid}");
        }
    }

    #[test]
    fn the_peer_is_a_process() {
        let (ours, _theirs) = UnixStream::pair().expect("a pair");
        let pid = Process::peer_of(&ours).and_then(|process| process.pid()).expect("a pid");
        assert_eq!(u32::try_from(pid), Ok(std::process::id()));
    }

    #[test]
    fn without_pidfds_the_time_of_its_start_tells_a_process_from_the_next() {
        let mut child = waiting("cat");
        let pid = Pid::from_child(&child);
        let process = |started| Process { handle: Handle::Number(pid, started), listens_as: None };
        let started = start_time(pid);
        assert!(started.as_deref().is_some_and(|time| time.parse::<u64>().is_ok()), "{started:?}");
        let same = process(started);
        assert!(!same.has_ended_within(Duration::ZERO).expect("looked"));
        assert!(matches!(same.end_agent(|| {}), Err(EndError::NotAnAgent { .. })));
        assert!(process(Some("1".into())).has_ended_within(Duration::ZERO).expect("looked"), "another one");
        child.kill().expect("killed");
        assert!(same.has_ended_within(PATIENCE).expect("looked"), "though nobody has waited for it");
        child.wait().expect("waited for");
        assert!(matches!(same.end_agent(|| {}), Err(EndError::Gone)));
    }

    #[test]
    fn the_effective_user_is_the_second() {
        assert_eq!(effective_uid("Name:\tx\nUid:\t1\t2\t3\t4\n"), Some(2));
    }
}
