//! What a person does with our programs at a server: logs in with a browser, restarts agents, reads what is told.

use std::{
    io::{BufRead, BufReader},
    mem,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use oidc_tests::{
    agent::Agent,
    browser::{Browser, BrowserPrograms},
    environment::Environment,
    faketime,
    programs::{Finished, run},
    servers::{GivenClient, Server},
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// From one line of `oidc gen` to the next; a login with all its pages lies between two of them.
const NEXT_LINE: Duration = Duration::from_secs(60);

/// A way to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Code,
    Device,
}

/// Where the client comes from.
#[derive(Debug, Clone)]
pub enum Client {
    Given(GivenClient),
    /// Registered, with an initial access token where one is needed.
    Registered(Option<String>),
}

/// A person at a server, with an agent and no account at first.
pub struct Person {
    pub server: Box<dyn Server>,
    pub environment: Environment,
    pub agent: Agent,
    browser: Browser,
}

impl Person {
    pub fn new(server: Box<dyn Server>, programs: &BrowserPrograms) -> Self {
        let environment = Environment::new();
        let agent = Agent::start(&environment);
        Self { server, environment, agent, browser: Browser::start(programs) }
    }

    /// An `oidc` command for the person's agent.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.agent.command(&self.environment, "oidc");
        command.args(arguments).env("OIDC_NO_AUTOSTART", "1");
        command
    }

    pub fn oidc(&self, arguments: &[&str]) -> Finished {
        run(self.command(arguments))
    }

    /// `oidc gen NAME` for this server, without questions.
    pub fn gen_command(&self, name: &str, client: &Client) -> Command {
        let mut command = self.gen_command_for_any_scope(name, client);
        command.args(["--scope", self.server.scope()]);
        command
    }

    /// The same, of who names no scope.
    pub fn gen_command_for_any_scope(&self, name: &str, client: &Client) -> Command {
        let mut command = self.command(&["gen", name, "--prompt=none", "--pw-env", "--issuer"]);
        command.arg(self.server.issuer()).arg("--cp").arg(self.server.authority());
        match client {
            Client::Given(client) => {
                command.args(["--client-id", client.id]);
                match client.secret {
                    Some(secret) => command
                        .env("CLIENT_SECRET_OF_THE_RUN", secret)
                        .args(["--client-secret-env", "CLIENT_SECRET_OF_THE_RUN"]),
                    None => command.args(["--client-secret", ""]),
                };
            }
            Client::Registered(Some(token)) => {
                command.env("INITIAL_ACCESS_TOKEN", token).args(["--at-env", "INITIAL_ACCESS_TOKEN"]);
            }
            Client::Registered(None) => {}
        }
        command
    }

    /// Makes an account, the login on the server's pages included.
    pub fn generate(&self, name: &str, client: &Client, way: Way) {
        self.log_in(self.gen_command(name, client), way);
    }

    /// Runs a command that asks for a login, and does what it asks for: where that is to run it again, once more.
    pub fn log_in(&self, mut command: Command, way: Way) {
        match way {
            Way::Code => command.args(["--flow", "code", "--no-url-call"]),
            Way::Device => command.args(["--flow", "device"]),
        };
        let Err(said) = self.try_to_log_in(&mut command, way) else { return };
        assert!(said.contains("Run the same command again"), "{said}");
        self.try_to_log_in(&mut command, way).unwrap_or_else(|said| panic!("{said}"));
    }

    /// Fails with what was said.
    fn try_to_log_in(&self, command: &mut Command, way: Way) -> Result<(), String> {
        let mut login = Login::start(command);
        let address = login.wait_for(|line| line.starts_with("https://").then(|| line.to_owned()));
        let browser = &self.browser;
        // The session of the last login would be taken up without a question.
        browser.forget().expect("no cookies any more");
        browser.open(&address).expect("the server's page");
        let result = match way {
            Way::Code => self.server.log_in(browser),
            Way::Device => {
                let code =
                    login.wait_for(|line| line.split_once("code: ").map(|(_, code)| code.trim().to_owned()));
                self.server.confirm_device(browser, &code)
            }
        };
        let page = || {
            format!("the page shows {:?}; said so far: {}", browser.text().unwrap_or_default(), login.said)
        };
        result.unwrap_or_else(|error| panic!("{error}; {}", page()));
        login.end(browser)
    }

    /// A token in JSON; what the command says when it fails is the panic.
    pub fn token(&self, name: &str, arguments: &[&str]) -> Value {
        let answer = self.oidc(&[&["token", "--json", name], arguments].concat()).success();
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    /// A new access token.
    pub fn new_token(&self, name: &str) -> String {
        let answer = self.token(name, &["--force-new"]);
        answer["access_token"].as_str().unwrap_or_else(|| panic!("no token: {answer}")).to_owned()
    }

    /// The account as its file holds it.
    pub fn account(&self, name: &str) -> Value {
        let account = self.oidc(&["gen", "--print", name, "--pw-env"]).success();
        serde_json::from_str(&account).expect("an account in JSON")
    }

    pub fn load(&self, name: &str) {
        self.oidc(&["add", name, "--pw-env"]).success();
    }

    /// Another agent, and the account loaded into it.
    pub fn restart_agent(&mut self, name: &str) {
        self.agent.kill();
        self.agent = Agent::start(&self.environment);
        self.load(name);
    }

    /// Does something with another agent, whose clock is off; see [`faketime::shift`].
    pub fn with_clock(&mut self, clock: &str, work: impl FnOnce(&mut Self)) {
        let mut command = self.environment.command("oidc-agent");
        faketime::shift(&mut command, clock);
        let off = Agent::spawn(&self.environment, command, "off");
        let usual = mem::replace(&mut self.agent, off);
        // A failure must not leave the other agent to the steps that follow.
        let result = catch_unwind(AssertUnwindSafe(|| work(self)));
        self.agent = usual;
        result.unwrap_or_else(|panic| resume_unwind(panic));
    }

    /// `token` many times at once, half of them through another agent that shares the directory; all get one.
    pub fn many_tokens(&self, name: &str, count: usize) {
        let other = Agent::spawn(&self.environment, self.environment.command("oidc-agent"), "other");
        let command = |agent: &Agent, arguments: &[&str]| {
            let mut command = agent.command(&self.environment, "oidc");
            command.args(arguments).env("OIDC_NO_AUTOSTART", "1");
            command
        };
        run(command(&other, &["add", name, "--pw-env"])).success();
        let asked = (0..count).map(|number| {
            let agent = if number % 2 == 0 { &self.agent } else { &other };
            let command = command(agent, &["token", "--force-new", name]);
            thread::spawn(move || run(command))
        });
        for asked in asked.collect::<Vec<_>>() {
            asked.join().unwrap_or_else(|panic| resume_unwind(panic)).success();
        }
    }

    /// Logs in again with an account whose login is over.
    pub fn log_in_again(&self, name: &str) {
        let command = self.command(&["gen", name, "--reauthenticate", "--prompt=none", "--pw-env"]);
        self.log_in(command, Way::Code);
    }

    /// What `oidc provider probe` foresees.
    pub fn prediction(&self) -> Value {
        let mut command = self.command(&["provider", "probe", "--json", "--cp"]);
        command.arg(self.server.authority()).arg(self.server.issuer());
        let report: Value = serde_json::from_str(&run(command).success()).expect("a report in JSON");
        report["prediction"].clone()
    }

    /// Whether the server still takes the refresh token of an account that was given up.
    pub fn refresh_token_works(&self, account: &Value) -> bool {
        let text = |name: &str| account[name].as_str().unwrap_or_default();
        let mut command =
            self.command(&["gen", "revenant", "--prompt=none", "--pw-env", "--only-at", "--issuer"]);
        command
            .arg(self.server.issuer())
            .arg("--cp")
            .arg(self.server.authority())
            .args(["--client-id", text("client_id"), "--client-secret-env", "SECRET", "--rt-env"])
            .env("SECRET", text("client_secret"))
            .env("OIDC_REFRESH_TOKEN", text("refresh_token"));
        run(command).code == Some(0)
    }

    /// Whether anything of an account is left in the directory.
    pub fn leftovers(&self, name: &str) -> Vec<PathBuf> {
        let entries = fs_err::read_dir(self.environment.accounts()).expect("the directory of the accounts");
        let own = |path: &PathBuf| path.file_name().is_some_and(|file| file.to_string_lossy().contains(name));
        entries.flatten().map(|entry| entry.path()).filter(own).collect()
    }
}

/// A command that tells where to log in and goes on when that is done; ended when dropped.
struct Login {
    child: Child,
    lines: Receiver<String>,
    said: String,
}

impl Login {
    fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("oidc starts");
        let (sender, lines) = mpsc::channel();
        let stdout = child.stdout.take().expect("a pipe");
        let stderr = child.stderr.take().expect("a pipe");
        let other = sender.clone();
        thread::spawn(move || forward(stdout, &sender));
        thread::spawn(move || forward(stderr, &other));
        Self { child, lines, said: String::new() }
    }

    /// Reads on until a line has what is looked for.
    fn wait_for(&mut self, find: impl Fn(&str) -> Option<String>) -> String {
        loop {
            let line = self.lines.recv_timeout(NEXT_LINE);
            let line = line.unwrap_or_else(|error| panic!("{error} after:\n{}", self.said));
            self.said.push_str(&line);
            self.said.push('\n');
            if let Some(found) = find(line.trim()) {
                return found;
            }
        }
    }

    /// Waits for the end; what was said is the error.
    fn end(mut self, browser: &Browser) -> Result<(), String> {
        loop {
            match self.lines.recv_timeout(NEXT_LINE) {
                Ok(line) => {
                    self.said.push_str(&line);
                    self.said.push('\n');
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    let page = browser.text().unwrap_or_default();
                    panic!("no end of the login; the page shows {page:?}; said so far:\n{}", self.said);
                }
            }
        }
        let status = self.child.wait().expect("an end");
        if status.success() { Ok(()) } else { Err(format!("the login failed ({status}):\n{}", self.said)) }
    }
}

impl Drop for Login {
    fn drop(&mut self) {
        // Asked to end, it gives the login up, and with it the port that the agent listens on. Errors mean that it has ended.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}

fn forward(stream: impl std::io::Read, lines: &mpsc::Sender<String>) {
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        if lines.send(line).is_err() {
            break;
        }
    }
}
