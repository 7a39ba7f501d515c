//! One of the two suites, and an agent of it.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use oidc_proto::{secret::Password, vault};
use oidc_tests::{
    c_suite::CSuite,
    environment::{Environment, PASSWORD},
};
use rustix::{
    event::{PollFd, PollFlags, poll},
    process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open},
};
use serde_json::{Value, json};

/// How long an agent may take to answer for the first time.
const START: Duration = Duration::from_secs(20);

/// Threads that have nothing to do end after a second, and with them goes what they held.
const REST: Duration = Duration::from_secs(2);
/// How often it is looked whether an agent has come to rest.
const RESTS: usize = 10;

/// How long a program under another one may take, a hundred times as long as alone.
const LONGEST: Duration = Duration::from_secs(60);

/// Whose programs are measured.
pub enum Suite {
    /// Ours.
    Ours,
    /// Debian's build of the C suite.
    C(CSuite),
}

impl Suite {
    /// One of its programs, ready to run.
    pub fn command(&self, environment: &Environment, name: &str) -> Command {
        match self {
            Self::Ours => environment.command(name),
            Self::C(c_suite) => c_suite.command(environment, name),
        }
    }

    /// The client that prints a token.
    pub fn token_client(&self, environment: &Environment) -> Command {
        match self {
            Self::Ours => {
                let mut command = environment.command("oidc");
                command.arg("token");
                command
            }
            Self::C(_) => self.command(environment, "oidc-token"),
        }
    }

    /// The client that loads an account.
    pub fn add_client(&self, environment: &Environment) -> Command {
        match self {
            Self::Ours => {
                let mut command = environment.command("oidc");
                command.arg("add");
                command
            }
            Self::C(_) => self.command(environment, "oidc-add"),
        }
    }

    /// Starts an agent without any logging; returns once it has answered.
    pub fn agent(&self, environment: &Environment, name: &str) -> Result<Agent> {
        let socket = environment.path(&format!("run/{name}/agent.sock"));
        let started = Instant::now();
        let mut command = self.command(environment, "oidc-agent");
        command.arg("--console").arg("-a").arg(&socket);
        let mut agent = Agent::start(command, &socket)?;
        while agent.request_within(&json!({"request": "check"}), START).is_err() {
            if started.elapsed() > START {
                bail!("the agent did not start");
            }
            thread::sleep(Duration::from_micros(200));
        }
        agent.ready_after = started.elapsed();
        Ok(agent)
    }
}

/// The processes that run, for the end.
static RUNNING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

fn running() -> MutexGuard<'static, Vec<Pid>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends every process that was started and has not ended: those of a measurement that was given up.
pub fn end_all() {
    for pid in running().iter() {
        // A child that was not waited for keeps its number.
        let _ = kill_process(*pid, Signal::KILL);
    }
}

/// Notes a process as long as it is not waited for.
struct Noted(Pid);

impl Noted {
    fn new(child: &Child) -> Self {
        let pid = Pid::from_child(child);
        running().push(pid);
        Self(pid)
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        running().retain(|pid| *pid != self.0);
    }
}

/// Runs a program to its end, which it has to come to well and in time.
pub fn status_within(command: &mut Command, limit: Duration) -> Result<()> {
    let mut child = command.spawn()?;
    let _noted = Noted::new(&child);
    let pidfd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?;
    let ended = poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&limit.try_into()?));
    if ended != Ok(1) {
        child.kill()?;
    }
    let status = child.wait()?;
    if status.success() { Ok(()) } else { bail!("{} ended with {status}", command.get_program().display()) }
}

/// What a program says on both of its streams until it ends.
pub fn output_within(mut command: Command) -> Result<String> {
    let (mut reader, writer) = std::io::pipe()?;
    command.stdout(writer.try_clone()?).stderr(writer);
    let reading = thread::spawn(move || {
        let mut said = String::new();
        reader.read_to_string(&mut said).map(|_| said)
    });
    let status = status_within(&mut command, LONGEST);
    // Its ends of the pipe, which would keep the reader waiting.
    drop(command);
    let said = reading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    status.with_context(|| said.clone())?;
    Ok(said)
}

/// A running agent; killed when dropped.
pub struct Agent {
    child: Child,
    _noted: Noted,
    /// Its socket.
    pub socket: PathBuf,
    /// From exec to the first answer.
    pub ready_after: Duration,
}

impl Agent {
    fn start(mut command: Command, socket: &Path) -> Result<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let noted = Noted::new(&child);
        Ok(Self { child, _noted: noted, socket: socket.to_owned(), ready_after: Duration::ZERO })
    }

    /// Any program that listens at a socket; returns once it does.
    pub fn listening(command: Command, socket: &Path) -> Result<Self> {
        let started = Instant::now();
        let server = Self::start(command, socket)?;
        while UnixStream::connect(socket).is_err() {
            if started.elapsed() > START {
                bail!("nothing listens at {}", socket.display());
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(server)
    }

    /// One plain request.
    pub fn request(&self, request: &Value) -> Result<Value> {
        ask(&self.socket, request, Duration::from_secs(120))
    }

    /// One plain request that has to be granted.
    pub fn ordered(&self, request: &Value) -> Result<()> {
        let reply = self.request(request)?;
        if reply["status"] == "success" { Ok(()) } else { bail!("{request}: {reply}") }
    }

    /// One plain request, with a limit on the wait.
    pub fn request_within(&self, request: &Value, limit: Duration) -> Result<Value> {
        ask(&self.socket, request, limit)
    }

    /// Hands an account over as a client does that was given the password at a prompt.
    pub fn load(&self, environment: &Environment, name: &str, with_token: bool) -> Result<()> {
        let bytes = fs_err::read(environment.account_file(name))?;
        let unlocked = vault::unlock(&bytes, &Password::from(PASSWORD))?;
        let request = json!({
            "request": "add",
            "config": unlocked.account.to_object().members(),
            "pw_entry": {"account": name, "type": 8},
            "plain_add": i32::from(!with_token),
            "lifetime": 0,
        });
        // The C agent may stop for a password that nobody types.
        let reply = self.request_within(&request, START)?;
        if reply["status"] != "success" {
            bail!("add: {reply}");
        }
        Ok(())
    }

    /// Proportional set size of the agent and its children at rest, in KiB: when it has stayed the same for [`REST`].
    pub fn memory(&self) -> Result<u64> {
        let mut before = self.memory_now()?;
        for _ in 0..RESTS {
            thread::sleep(REST);
            let now = self.memory_now()?;
            if now == before {
                return Ok(now);
            }
            before = now;
        }
        bail!("the agent's memory changes without an end");
    }

    fn memory_now(&self) -> Result<u64> {
        let mut total = pss(self.child.id())?;
        let tasks = fs_err::read_to_string(format!("/proc/{0}/task/{0}/children", self.child.id()))?;
        for child in tasks.split_whitespace() {
            total += pss(child.parse()?).unwrap_or(0);
        }
        Ok(total)
    }

    /// SIGKILL, and nothing after it.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.kill();
    }
}

fn pss(pid: u32) -> Result<u64> {
    let rollup = fs_err::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = rollup.lines().find(|line| line.starts_with("Pss:")).context("no Pss line")?;
    Ok(line.split_whitespace().nth(1).context("no number")?.parse()?)
}

fn ask(socket: &Path, request: &Value, limit: Duration) -> Result<Value> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    stream.write_all(request.to_string().as_bytes())?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply)?;
    Ok(serde_json::from_slice(&reply)?)
}
