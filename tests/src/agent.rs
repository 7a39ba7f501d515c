//! A running agent, ours or the C suite's, that does not outlive its test.

use std::{
    io::{self, Read, Write},
    os::unix::{net::UnixStream, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;

use crate::{c_suite::CSuite, environment::Environment, programs::program};

/// How long an agent may take to answer after its start; generous, because machines are busy.
const START: Duration = Duration::from_secs(20);
/// How long a request over [`Agent::request`] may take.
const REQUEST: Duration = Duration::from_secs(60);
/// Between two tries to connect: there is nothing to wait on before a socket exists.
const RETRY: Duration = Duration::from_millis(5);

/// The program that the agent asks with; set to nothing it asks nobody.
pub const PINENTRY: &str = "OIDC_PINENTRY";

/// A running agent; killed with its children when dropped.
#[derive(Debug)]
pub struct Agent {
    child: Child,
    socket: PathBuf,
    log: PathBuf,
}

impl Agent {
    /// Our agent, in the foreground.
    pub fn start(environment: &Environment) -> Self {
        Self::with_options(environment, &[])
    }

    /// Our agent with further options.
    pub fn with_options(environment: &Environment, options: &[&str]) -> Self {
        let mut command = environment.command("oidc-agent");
        command.args(options);
        Self::spawn(environment, command, "agent")
    }

    /// Our agent in `environment`, with another name for socket and log: a second one beside the first.
    pub fn named(environment: &Environment, name: &str) -> Self {
        Self::spawn(environment, environment.command("oidc-agent"), name)
    }

    /// The C suite's agent.
    pub fn start_c(environment: &Environment, c_suite: &CSuite) -> Self {
        Self::spawn(environment, c_suite.command(environment, "oidc-agent"), "c-agent")
    }

    /// Runs `command`, which starts an agent (perhaps under a tracer), with the options all agents share.
    ///
    /// # Panics
    /// When it cannot be started or its socket does not answer in time; its log is in the message.
    pub fn spawn(environment: &Environment, mut command: Command, name: &str) -> Self {
        // Nobody is asked on the display or terminal at which the tests happen to run.
        if !command.get_envs().any(|(name, _)| name == PINENTRY) {
            command.env(PINENTRY, "");
        }
        let socket = environment.path(&format!("run/{name}/oidc-agent.sock"));
        let log = environment.path(&format!("{name}.log"));
        let output = fs_err::File::create(&log).expect("a log file").into_parts().0;
        command
            .args(["--console", "--debug", "--log-stderr", "-a"])
            .arg(&socket)
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a second descriptor"))
            .stderr(output)
            .process_group(0);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut agent = Self { child, socket, log };
        agent.wait_until_ready();
        agent
    }

    fn wait_until_ready(&mut self) {
        let end = Instant::now() + START;
        while UnixStream::connect(&self.socket).is_err() {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("the agent ended ({status}):\n{}", self.log());
            }
            assert!(Instant::now() < end, "the agent's socket did not answer:\n{}", self.log());
            thread::sleep(RETRY);
        }
    }

    /// Its socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Its process id.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Its memory in RAM, in bytes.
    ///
    /// # Panics
    /// When it has ended.
    pub fn resident(&self) -> usize {
        let path = format!("/proc/{}/status", self.pid().as_raw_nonzero());
        let status = fs_err::read_to_string(path).expect("a running agent");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        let kib: usize = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kib * 1024
    }

    /// What it wrote to standard output and standard error so far.
    pub fn log(&self) -> String {
        fs_err::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// A command of this workspace that talks to this agent.
    pub fn command(&self, environment: &Environment, name: &str) -> Command {
        let mut command = environment.command_at(&program(name));
        command.env("OIDC_SOCK", &self.socket);
        command
    }

    /// A command of the C suite that talks to this agent.
    pub fn c_command(&self, environment: &Environment, c_suite: &CSuite, name: &str) -> Command {
        let mut command = c_suite.command(environment, name);
        command.env("OIDC_SOCK", &self.socket);
        command
    }

    /// A plain request and its reply; the agent closes after it.
    pub fn request(&self, request: &Value) -> io::Result<Value> {
        let reply = self.exchange(request.to_string().as_bytes())?;
        serde_json::from_slice(&reply).map_err(io::Error::other)
    }

    /// Sends bytes and reads until the agent closes.
    pub fn exchange(&self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(REQUEST))?;
        stream.write_all(bytes)?;
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply)?;
        Ok(reply)
    }

    /// Ends it without any chance to tidy up, as a power failure would.
    pub fn kill(&mut self) {
        self.signal_group(Signal::KILL);
        // An error means that it was collected before.
        let _ = self.child.wait();
    }

    /// Asks it to end and waits until it has.
    pub fn terminate(&mut self) -> io::Result<ExitStatus> {
        kill_process(self.pid(), Signal::TERM)?;
        self.child.wait()
    }

    fn signal_group(&self, signal: Signal) {
        // An error means that nobody is left.
        let _ = kill_process_group(self.pid(), signal);
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            println!("the agent's log:\n{}", self.log());
        }
    }
}
