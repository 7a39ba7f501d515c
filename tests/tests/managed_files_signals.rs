//! Signals: `HUP` swaps the configuration of managed files, except where it means that the agent's terminal is gone; and hooks of
//! managed files that signal the process of a pid file.

use std::{
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use oidc_tests::{
    environment::{Environment, FileFormat},
    managed::{PATIENCE, ask, configure, entry, file, fresh, reload, wait_for},
    programs::run,
    provider::Provider,
    pty::{Pty, Shell},
    scene::{ACCOUNT, Scene},
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A machine of which only the socket of an agent is known.
struct Place {
    environment: Environment,
    _provider: Provider,
    socket: PathBuf,
}

impl Place {
    /// With an entry that is called `first`.
    fn new() -> Self {
        let (provider, environment) = (Provider::start(), Environment::new());
        environment.add_account(&provider.seed_account(ACCOUNT), FileFormat::Native);
        configure(&environment, &entry(&environment, "first", ""));
        let socket = environment.path("run/agent.sock");
        Self { environment, _provider: provider, socket }
    }

    /// The agent on a terminal; in the foreground, where the test sees its end.
    fn foreground(&self, shell: Shell) -> Pty {
        let mut command = self.environment.command("oidc-agent");
        command.args(["--console", "-a"]).arg(&self.socket);
        let pty = Pty::start(&command, shell, b"");
        wait_until("the agent does not answer", || self.is_there());
        pty
    }

    fn is_there(&self) -> bool {
        UnixStream::connect(&self.socket).is_ok()
    }

    fn oidc(&self, arguments: &[&str]) -> Value {
        let mut command = self.environment.command("oidc");
        command.env("OIDC_SOCK", &self.socket).args(arguments).arg("--json");
        let shown = run(command);
        serde_json::from_str(&shown.stdout).unwrap_or_else(|error| panic!("{error}: {shown:?}"))
    }

    fn names(&self) -> Vec<String> {
        let status = self.oidc(&["files", "status"]);
        let entries = status["entries"].as_array().expect("entries");
        entries.iter().filter_map(|entry| Some(entry["name"].as_str()?.to_owned())).collect()
    }

    /// Signals an agent again and again with other configurations, good and bad.
    fn hang_up_swaps(&self, hang_up: &dyn Fn()) {
        wait_until("the configuration is not read", || self.names() == ["first"]);
        configure(&self.environment, &entry(&self.environment, "second", ""));
        hang_up();
        wait_until("the configuration is not swapped", || self.names() == ["second"]);
        configure(&self.environment, &entry(&self.environment, "third", "colour = \"blue\""));
        hang_up();
        let refused = || self.oidc(&["files", "status"])["refused"]["text"].is_string();
        wait_until("a mistake is not told", refused);
        assert_eq!(self.names(), ["second"], "all or nothing");
        configure(&self.environment, &entry(&self.environment, "third", ""));
        hang_up();
        wait_until("the configuration is not swapped", || self.names() == ["third"] && !refused());
    }
}

/// Ends when the test does.
struct Daemon(Pid);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::KILL);
    }
}

#[test]
fn a_daemon_reads_its_configuration_again() {
    let place = Place::new();
    let mut command = place.environment.command("oidc-agent");
    command.arg("-a").arg(&place.socket);
    let told = run(command).success();
    let pid = told.split_once("OIDCD_PID=").and_then(|(_, rest)| rest.split(';').next()?.parse().ok());
    let daemon = Daemon(pid.and_then(Pid::from_raw).unwrap_or_else(|| panic!("{told}")));
    place.hang_up_swaps(&|| kill_process(daemon.0, Signal::HUP).expect("it runs"));
}

#[test]
fn a_service_in_the_foreground_reads_its_configuration_again() {
    let place = Place::new();
    let pty = place.foreground(Shell::WithoutControl);
    place.hang_up_swaps(&|| pty.signal(Signal::HUP));
}

#[test]
fn an_agent_ends_with_its_terminal() {
    let place = Place::new();
    let mut pty = place.foreground(Shell::Plain);
    pty.hang_up();
    wait_until("it goes on without its terminal", || !place.is_there());
    let pty = place.foreground(Shell::Plain);
    pty.signal(Signal::HUP);
    let (status, shown) = pty.finish();
    // 129: the signal came before there was a handler for it.
    assert!([0, 129].contains(&status), "{status}: {shown}");
}

/// A program that counts the signals it gets.
struct Counter {
    child: Child,
    told: PathBuf,
}

impl Counter {
    fn start(pid_file: &Path, told: PathBuf) -> Self {
        let script = "trap 'echo told >>\"$2\"' USR1; echo $$ >\"$1.new\"; mv \"$1.new\" \"$1\"; while :; do sleep 0.05; done";
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]).arg(pid_file).arg(&told).stdin(Stdio::null());
        let counter = Self { child: command.spawn().expect("a shell"), told };
        wait_until("it does not start", || pid_file.exists());
        counter
    }

    fn signals(&self) -> usize {
        fs_err::read_to_string(&self.told).unwrap_or_default().lines().count()
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_process_of_a_pid_file_is_signalled() {
    let scene = Scene::loaded();
    let environment = &scene.environment;
    let pid_file = environment.path("reader.pid");
    let hook = format!("[file.hook]\npid_file = \"{}\"\nsignal = \"USR1\"\n", pid_file.display());
    configure(environment, &entry(environment, "demo", &hook));
    let reader = Counter::start(&pid_file, environment.path("told"));
    reload(&scene.agent);
    fresh(&scene.agent, "demo");
    wait_until("it is not told of the first token", || reader.signals() == 1);
    ask(&scene.agent, json!({"request": "files_renew", "name": "demo"}));
    wait_until("it is not told of the second token", || reader.signals() == 2);
    let done = wait_for(&scene.agent, "demo", |state| state["hook"]["event"] == "renewed");
    assert_eq!(done["hook"]["outcome"], "done", "{done}");

    drop(reader);
    ask(&scene.agent, json!({"request": "files_renew", "name": "demo"}));
    let failed = wait_for(&scene.agent, "demo", |state| state["hook"]["outcome"] == "failed");
    assert!(failed["hook"]["retry_at"].is_u64(), "{failed}");
    assert_eq!(failed["state"], "fresh", "{failed}");
    assert!(file(environment, "demo").exists());
}
