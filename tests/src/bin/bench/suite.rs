//! One of the two suites, and an agent of it.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use oidc_proto::{secret::Password, vault};
use oidc_tests::{
    c_suite::CSuite,
    environment::{Environment, PASSWORD},
};
use serde_json::{Value, json};

/// How long an agent may take to answer for the first time.
const START: Duration = Duration::from_secs(20);

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

    /// Starts an agent without any logging; returns once it has answered.
    pub fn agent(&self, environment: &Environment, name: &str) -> Result<Agent> {
        let socket = environment.path(&format!("run/{name}/agent.sock"));
        let started = Instant::now();
        let mut command = self.command(environment, "oidc-agent");
        command.arg("--console").arg("-a").arg(&socket);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let mut agent = Agent { child, socket, ready_after: Duration::ZERO };
        while agent.request(&json!({"request": "check"})).is_err() {
            if started.elapsed() > START {
                bail!("the agent did not start");
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        agent.ready_after = started.elapsed();
        Ok(agent)
    }
}

/// A running agent; killed when dropped.
pub struct Agent {
    child: Child,
    /// Its socket.
    pub socket: PathBuf,
    /// From exec to the first answer.
    pub ready_after: Duration,
}

impl Agent {
    /// One plain request.
    pub fn request(&self, request: &Value) -> Result<Value> {
        ask(&self.socket, request, Duration::from_secs(120))
    }

    /// One plain request, with a limit on the wait.
    pub fn request_within(&self, request: &Value, limit: Duration) -> Result<Value> {
        ask(&self.socket, request, limit)
    }

    /// Hands an account over as a client does that was given the password at a prompt.
    pub fn load(&self, environment: &Environment, name: &str, with_token: bool) -> Result<()> {
        let bytes = fs_err::read(environment.account_file(name))?;
        let unlocked = vault::unlock(&bytes, &Password::from(PASSWORD))?;
        let reply = self.request(&json!({
            "request": "add",
            "config": unlocked.account.to_object().members(),
            "pw_entry": {"account": name, "type": 8},
            "plain_add": i32::from(!with_token),
            "lifetime": 0,
        }))?;
        if reply["status"] != "success" {
            bail!("add: {reply}");
        }
        Ok(())
    }

    /// Proportional set size of the agent and its children, in KiB.
    pub fn memory(&self) -> Result<u64> {
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
    stream.write_all(request.to_string().as_bytes())?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply)?;
    Ok(serde_json::from_slice(&reply)?)
}
