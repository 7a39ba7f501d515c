//! A program at a prompt, seen from the other end of its terminal: what it shows byte by byte, and the terminal's
//! modes at any moment.
//!
//! A shell stands between, as it does for people: it keeps the terminal when the program ends, and tells how it ended.

use std::{
    fs::File,
    io::{Read, Write},
    os::fd::{AsFd, OwnedFd},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{Mode, OFlags},
    process::{Pid, Signal, kill_process, kill_process_group},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{InputModes, LocalModes, OutputModes, tcgetattr},
};

/// A key derivation on a busy machine fits in.
const DEADLINE: Duration = Duration::from_secs(60);

/// How the shell runs the program, which is `"$@"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shell {
    /// On its controlling terminal, in the shell's own process group.
    Plain,
    /// On its controlling terminal, as a job: after a stop, a line that is typed continues it.
    Jobs,
    /// On a terminal that controls nothing, and without `/dev/tty`: as `setsid` and `su -c` leave it.
    WithoutControl,
}

impl Shell {
    /// It outlives the signals of the terminal and ends with a line `ended STATUS`.
    fn script(self) -> &'static str {
        match self {
            Self::Plain | Self::WithoutControl => {
                "trap : INT QUIT; \"$@\"; status=$?; echo \"ended $status\"; read -r line"
            }
            Self::Jobs => {
                "set -m; \"$@\"; echo \"stopped $?\"; read -r line; fg >/dev/null; status=$?; echo \"ended $status\"; \
                 read -r line"
            }
        }
    }
}

/// What of a terminal's modes a person would miss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Modes {
    input: InputModes,
    output: OutputModes,
    local: LocalModes,
}

impl Modes {
    /// Whether what is typed is shown.
    pub fn echo(self) -> bool {
        self.local.contains(LocalModes::ECHO)
    }
}

/// A program on a pseudo-terminal.
pub struct Pty {
    master: File,
    shell: Child,
    seen: String,
    before: Modes,
}

impl Pty {
    /// Makes the terminal, types `ahead` and starts the program.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(command: &Command, shell: Shell, ahead: &[u8]) -> Self {
        let (mut master, slave) = pair();
        let before = modes(&master);
        master.write_all(ahead).expect("typed");
        // Whoever runs the tests may ignore signals, as nohup does, and programs inherit that.
        let mut wrapped = Command::new("env");
        wrapped.args(["--default-signal", "setsid"]);
        if shell != Shell::WithoutControl {
            wrapped.arg("--ctty");
        }
        wrapped.args(["sh", "-c", shell.script(), "sh"]).arg(command.get_program()).args(command.get_args());
        wrapped.env_clear();
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                wrapped.env(name, value);
            }
        }
        let stream = || Stdio::from(slave.try_clone().expect("a copy"));
        wrapped.stdin(stream()).stdout(stream()).stderr(stream());
        let shell = wrapped.spawn().expect("setsid and a shell");
        Self { master, shell, seen: String::new(), before }
    }

    /// Waits until `text` has been shown since the last call; what came with it.
    ///
    /// # Panics
    /// When the deadline passes without it.
    pub fn expect(&mut self, text: &str) -> String {
        let until = Instant::now() + DEADLINE;
        let mut shown = String::new();
        loop {
            if let Some(at) = self.seen.find(text) {
                shown.push_str(&self.seen[..at + text.len()]);
                self.seen.drain(..at + text.len());
                return shown;
            }
            assert!(self.read(until), "no {text:?} after {:?}", self.seen);
        }
    }

    /// What has been shown and not expected yet, without waiting.
    pub fn shown(&mut self) -> &str {
        while self.read(Instant::now()) {}
        &self.seen
    }

    /// Types.
    ///
    /// # Panics
    /// When the terminal is gone.
    pub fn type_keys(&mut self, keys: &[u8]) {
        self.master.write_all(keys).expect("a terminal that takes input");
    }

    /// The terminal's modes now.
    pub fn modes(&self) -> Modes {
        modes(&self.master)
    }

    /// Waits until the modes are so.
    ///
    /// # Panics
    /// When the deadline passes before.
    pub fn wait_for_modes(&self, wanted: impl Fn(Modes) -> bool) {
        let until = Instant::now() + DEADLINE;
        while !wanted(self.modes()) {
            assert!(Instant::now() < until, "{:?}", self.modes());
            // Nothing tells of a change of modes.
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Whether the modes are those before the program was started.
    pub fn is_as_before(&self) -> bool {
        self.modes() == self.before
    }

    /// The program, not its shell.
    ///
    /// # Panics
    /// When it does not run.
    pub fn program(&self) -> Pid {
        let pid = self.shell.id();
        let children = fs_err::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("children");
        let child = children.split_whitespace().next().and_then(|child| child.parse().ok());
        child.and_then(Pid::from_raw).expect("the program runs")
    }

    /// Sends a signal to the program.
    ///
    /// # Panics
    /// When it does not run.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.program(), signal).expect("a signal");
    }

    /// Takes the terminal away, as when its window is closed, and waits for the shell to end of that.
    ///
    /// # Panics
    /// When the shell cannot be waited for.
    pub fn hang_up(&mut self) {
        self.master = fs_err::File::open("/dev/null").expect("a null device").into_parts().0;
        self.shell.wait().expect("ended");
    }

    /// Waits for the end: the status as the shell has it, and what was shown before.
    ///
    /// # Panics
    /// When the program goes on until the deadline.
    pub fn finish(mut self) -> (i32, String) {
        let (status, shown, _) = self.end();
        (status, shown)
    }

    /// As [`Pty::finish`], and whether the terminal is as it was before.
    ///
    /// # Panics
    /// When the program goes on until the deadline.
    pub fn finish_restored(mut self) -> (i32, String, bool) {
        self.end()
    }

    fn end(&mut self) -> (i32, String, bool) {
        let mut shown = self.expect("ended ");
        let status = self.expect("\n");
        shown.truncate(shown.len() - "ended ".len());
        let status = status.trim().parse().unwrap_or_else(|_| panic!("a status: {status:?}"));
        let is_as_before = self.is_as_before();
        (status, shown, is_as_before)
    }

    /// Reads what is there until something was; `false` once the time is up.
    fn read(&mut self, until: Instant) -> bool {
        let left = Timespec::try_from(until.saturating_duration_since(Instant::now())).expect("a time");
        let mut watched = [PollFd::new(&self.master, PollFlags::IN)];
        if poll(&mut watched, Some(&left)).is_ok_and(|ready| ready == 0) {
            return false;
        }
        let mut bytes = [0; 4096];
        let Ok(count) = self.master.read(&mut bytes) else { return false };
        self.seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
        count > 0
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        // The session's leader, whose group this is: it has a process group of its own since `setsid`.
        let _ = kill_process_group(Pid::from_child(&self.shell), Signal::KILL);
        let _ = self.shell.wait();
    }
}

fn pair() -> (File, OwnedFd) {
    let master =
        openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a pseudo-terminal");
    grantpt(&master).and_then(|()| unlockpt(&master)).expect("ready");
    let name = ptsname(&master, Vec::new()).expect("a name");
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let slave = rustix::fs::open(name, flags, Mode::empty()).expect("opened");
    (master.into(), slave)
}

fn modes(terminal: impl AsFd) -> Modes {
    let all = tcgetattr(terminal).expect("a terminal");
    Modes { input: all.input_modes, output: all.output_modes, local: all.local_modes }
}
