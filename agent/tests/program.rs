//! The program `oidc-agent` as shells and scripts see it: what it prints, where its socket is, how it ends.

use std::{
    io::{BufRead, BufReader, Read, Write},
    os::{
        fd::OwnedFd,
        unix::{
            fs::{FileTypeExt, MetadataExt},
            net::{UnixDatagram, UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal},
};

const SUCCESS: &str = r#"{"status":"success"}"#;

/// A home of its own, with everything that was started in it ended at the end.
struct Home {
    directory: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("temporary directory") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn agent(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_oidc-agent"));
        command.args(args).env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
        command.env("HOME", self.directory.path()).env("TMPDIR", self.directory.path());
        command.env("OIDC_CONFIG_DIR", self.directory.path());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.agent(args).output().expect("it runs")
    }

    /// Starts a daemon and reads what it printed.
    fn start(&self, args: &[&str]) -> Daemon {
        let output = self.run(args);
        assert!(output.status.success(), "{output:?}");
        Daemon::from_environment(&text(&output.stdout))
    }

    fn kill(&self, daemon: &Daemon) -> Output {
        let mut kill = self.agent(&["-k"]);
        kill.env("OIDC_SOCK", &daemon.socket).env("OIDCD_PID", daemon.pid.to_string());
        kill.output().expect("it runs")
    }
}

/// A running daemon; killed when dropped. Held by descriptor: its number may be another process's once it has ended.
struct Daemon {
    socket: PathBuf,
    pid: i32,
    process: OwnedFd,
}

impl Daemon {
    /// `OIDC_SOCK=PATH; export OIDC_SOCK;` and so on.
    fn from_environment(text: &str) -> Self {
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            line.and_then(|rest| rest.split(';').next()).expect("a variable").to_owned()
        };
        Self::new(&value("OIDC_SOCK"), &value("OIDCD_PID"))
    }

    fn new(socket: &str, pid: &str) -> Self {
        let pid = pid.parse().expect("a number");
        let process = Pid::from_raw(pid).expect("a pid");
        Self {
            socket: socket.into(),
            pid,
            process: pidfd_open(process, PidfdFlags::empty()).expect("it lives"),
        }
    }

    fn signal(&self, signal: Signal) {
        pidfd_send_signal(&self.process, signal).expect("it lives");
    }

    /// Waits for its end; `false` when it does not come.
    fn ends(&self) -> bool {
        self.ends_within(20)
    }

    fn ends_within(&self, seconds: i64) -> bool {
        let deadline = Timespec { tv_sec: seconds, tv_nsec: 0 };
        poll(&mut [PollFd::new(&self.process, PollFlags::IN)], Some(&deadline)) == Ok(1)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = pidfd_send_signal(&self.process, Signal::KILL);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

fn ask(socket: &Path, request: &str) -> String {
    let mut stream = UnixStream::connect(socket).expect("connected");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
    stream.write_all(request.as_bytes()).expect("written");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("a reply");
    reply
}

fn check(socket: &Path) -> String {
    ask(socket, r#"{"request":"check"}"#)
}

fn mode(path: &Path) -> u32 {
    path.metadata().expect("exists").mode() & 0o7777
}

#[test]
fn the_environment_is_printed_when_the_socket_answers() {
    let home = Home::new();
    let output = home.run(&[]);
    let printed = text(&output.stdout);
    let daemon = Daemon::from_environment(&printed);
    assert_eq!(check(&daemon.socket), SUCCESS);

    let (socket, pid) = (daemon.socket.display(), daemon.pid);
    let expected = format!(
        "OIDC_SOCK={socket}; export OIDC_SOCK;\nOIDCD_PID={pid}; export OIDCD_PID;\necho Agent pid $OIDCD_PID\n"
    );
    assert_eq!(printed, expected);
    assert_eq!(text(&output.stderr), "");
    let name = daemon.socket.file_name().expect("a name").to_str().expect("text");
    assert_eq!(name, format!("oidc-agent.{}", std::process::id()));
    let directory = daemon.socket.parent().expect("a directory");
    assert!(directory.file_name().expect("a name").to_str().expect("text").starts_with("oidc-"));
    assert_eq!((mode(directory), mode(&daemon.socket)), (0o700, 0o600));
}

#[test]
fn kill_ends_the_agent_and_leaves_nothing() {
    let home = Home::new();
    let daemon = home.start(&["--quiet"]);
    let output = home.kill(&daemon);
    let expected = format!("unset OIDC_SOCK;\nunset OIDCD_PID;\necho Agent pid {} killed;\n", daemon.pid);
    assert_eq!(text(&output.stdout), expected);
    assert!(output.status.success());
    assert!(!daemon.socket.parent().expect("a directory").exists());
    assert!(daemon.ends_within(0), "its end was waited for");
}

#[test]
fn kill_without_an_agent_says_so() {
    let home = Home::new();
    let output = home.run(&["-k"]);
    assert_eq!(text(&output.stderr), "OIDCD_PID not set, cannot kill Agent\n");
    assert_eq!(output.status.code(), Some(1));
    let output = home.agent(&["-k"]).env("OIDCD_PID", "nonsense").output().expect("it runs");
    assert_eq!(text(&output.stderr), "OIDCD_PID not set to a valid pid: nonsense\n");
}

#[test]
fn signals_end_it_cleanly_but_a_hang_up_does_not() {
    let home = Home::new();
    for signal in [Signal::TERM, Signal::INT] {
        let daemon = home.start(&["-a", home.path("own/sock").to_str().expect("text")]);
        daemon.signal(Signal::HUP);
        assert_eq!(check(&daemon.socket), SUCCESS);
        daemon.signal(signal);
        assert!(daemon.ends());
        assert!(!home.path("own").exists());
    }
}

#[test]
fn one_agent_for_each_socket() {
    let home = Home::new();
    let path = home.path("own/sock");
    let path = path.to_str().expect("text");
    let first = home.start(&["-a", path]);
    let second = home.run(&["-a", path]);
    assert_eq!(second.status.code(), Some(3));
    assert_eq!(text(&second.stderr), format!("Error: an agent is already running at '{path}'\n"));
    assert_eq!(text(&second.stdout), "");
    assert_eq!(check(&first.socket), SUCCESS);
}

#[test]
fn of_agents_that_start_over_a_stale_socket_one_serves() {
    let home = Home::new();
    let path = home.path("sock");
    drop(UnixListener::bind(&path).expect("bound"));
    let start = || home.agent(&["-a", path.to_str().expect("text")]).stdout(Stdio::piped()).spawn();
    let agents: Vec<Child> = (0..6).map(|_| start().expect("it runs")).collect();
    let outputs = agents.into_iter().map(|agent| agent.wait_with_output().expect("an end"));
    let (served, refused): (Vec<_>, Vec<_>) = outputs.partition(|output| output.status.success());
    let daemons: Vec<_> =
        served.iter().map(|output| Daemon::from_environment(&text(&output.stdout))).collect();
    assert_eq!(daemons.len(), 1);
    assert!(refused.iter().all(|output| output.status.code() == Some(3)), "{refused:?}");
    assert_eq!(check(&path), SUCCESS);
}

#[test]
fn a_killed_agents_socket_is_taken_over() {
    let home = Home::new();
    let path = home.path("own/sock");
    let path = path.to_str().expect("text");
    let first = home.start(&["-a", path]);
    first.signal(Signal::KILL);
    assert!(first.ends());
    assert!(first.socket.symlink_metadata().expect("left behind").file_type().is_socket());
    assert_eq!(check(&home.start(&["-a", path]).socket), SUCCESS);
}

#[test]
fn a_command_finds_the_agent_and_the_agent_ends_after_it() {
    let home = Home::new();
    let script = "echo $OIDC_SOCK; echo $OIDCD_PID; exec 1>&-; read -r line; exit 7";
    let mut command = home.agent(&["--quiet", "sh", "-c", script]);
    let mut shell = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it runs");
    let mut lines = BufReader::new(shell.stdout.take().expect("piped")).lines();
    let mut line = || lines.next().expect("a line").expect("text");
    let daemon = Daemon::new(&line(), &line());
    assert!(lines.next().is_none(), "nothing else is printed, and the agent does not hold the pipe");
    assert_eq!(check(&daemon.socket), SUCCESS);
    drop(shell.stdin.take());
    assert_eq!(shell.wait().expect("an end").code(), Some(7));
    assert!(daemon.ends());
    assert!(!daemon.socket.parent().expect("a directory").exists());
}

#[test]
fn a_command_that_cannot_be_run_leaves_no_agent() {
    let home = Home::new();
    let output = home.run(&["--pid-file", home.path("pid").to_str().expect("text"), "/no/such/command"]);
    assert_eq!(output.status.code(), Some(255));
    assert!(text(&output.stderr).contains("No such file or directory"), "{output:?}");
}

#[test]
fn json_csh_and_fish_are_spoken() {
    let home = Home::new();
    let output = text(&home.run(&["--json"]).stdout);
    let object: serde_json::Value = serde_json::from_str(&output).expect("JSON");
    let member = |name: &str| object[name].as_str().expect("a string, as in the C suite");
    let daemon = Daemon::new(member("socket"), member("dpid"));
    assert_eq!(check(&daemon.socket), SUCCESS);
    for (option, start) in [("--csh", "setenv OIDC_SOCK "), ("--fish", "set -gx OIDC_SOCK ")] {
        let output = text(&home.run(&[option]).stdout);
        assert!(output.starts_with(start), "{output}");
        let pid = output.lines().nth(1).and_then(|line| line.rsplit(' ').next()).expect("a pid");
        drop(Daemon::new("", pid.trim_end_matches(';')));
    }
}

#[test]
fn in_the_foreground_it_serves_until_it_is_told() {
    let home = Home::new();
    let pid_file = home.path("pid");
    let mut command = home.agent(&["--console", "--pid-file", pid_file.to_str().expect("text")]);
    let mut agent = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it runs");
    let mut lines = BufReader::new(agent.stdout.take().expect("piped")).lines();
    let printed: Vec<_> = lines.by_ref().take(2).map(|line| line.expect("text")).collect();
    let daemon = Daemon::from_environment(&printed.join("\n"));
    assert_eq!(u32::try_from(daemon.pid), Ok(agent.id()));
    assert_eq!(fs_err::read_to_string(&pid_file).expect("written"), format!("{}\n", daemon.pid));
    assert_eq!(check(&daemon.socket), SUCCESS);
    daemon.signal(Signal::TERM);
    assert!(agent.wait().expect("an end").success());
    assert!(!daemon.socket.exists() && !pid_file.exists());
}

#[test]
fn a_service_is_found_at_both_places() {
    let home = Home::new();
    fs_err::create_dir(home.path("run")).expect("a runtime directory");
    let mut command = home.agent(&["--service"]);
    let output = command.env("XDG_RUNTIME_DIR", home.path("run")).output().expect("it runs");
    let daemon = Daemon::from_environment(&text(&output.stdout));
    assert_eq!(daemon.socket, home.path("run/oidc-agent/oidc-agent.sock"));
    let uid = rustix::process::getuid().as_raw();
    let link = home.path(&format!("oidc-agent-service-{uid}/oidc-agent.sock"));
    assert_eq!(check(&link), SUCCESS);
    daemon.signal(Signal::TERM);
    assert!(daemon.ends());
    assert!(!link.parent().expect("a directory").exists());
}

#[test]
fn a_passed_socket_is_served_and_left_alone() {
    let home = Home::new();
    let (path, notify) = (home.path("passed"), home.path("notify"));
    let manager = UnixDatagram::bind(&notify).expect("bound");
    manager.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
    let heard = || {
        let mut message = [0; 100];
        let count = manager.recv(&mut message).expect("a message");
        text(&message[..count])
    };
    // What systemd does between fork and exec: the socket is descriptor 3, LISTEN_PID the process itself.
    let script = "LISTEN_PID=$$ exec \"$0\" 3<&0 </dev/null";
    let socket = UnixListener::bind(&path).expect("bound");
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_oidc-agent")]).stdin(OwnedFd::from(socket));
    command
        .env("LISTEN_FDS", "1")
        .env("NOTIFY_SOCKET", &notify)
        .env("OIDC_CONFIG_DIR", home.directory.path());
    let mut agent = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it runs");
    assert_eq!(heard(), "READY=1\n");
    assert_eq!(check(&path), SUCCESS);
    kill_process(Pid::from_child(&agent), Signal::TERM).expect("it lives");
    assert_eq!(heard(), "STOPPING=1\n");
    assert!(agent.wait().expect("an end").success());
    assert!(path.exists());
    let mut printed = String::new();
    agent.stdout.take().expect("piped").read_to_string(&mut printed).expect("text");
    assert_eq!(printed, "");
}

#[test]
fn status_asks_the_running_agent() {
    let home = Home::new();
    let daemon = home.start(&["--lifetime=60", "--no-autoload"]);
    let ask = |args: &[&str]| {
        let output = home.agent(args).env("OIDC_SOCK", &daemon.socket).output().expect("it runs");
        assert!(output.status.success(), "{output:?}");
        text(&output.stdout)
    };
    let status = ask(&["--status"]);
    for row in ["Lifetime:", "60 seconds", "Autoload:", "Daemon:"] {
        assert!(status.contains(row), "{status}");
    }
    let status: serde_json::Value = serde_json::from_str(&ask(&["--status", "--json"])).expect("JSON");
    assert_eq!(status["command_line_options"], "--lifetime=60 --no-autoload");
    assert_eq!(status["loaded_accounts"], serde_json::json!([]));
}

#[test]
fn the_config_file_may_name_the_socket() {
    let home = Home::new();
    let socket = home.path("configured/sock");
    let config = serde_json::json!({"oidc-agent": {"bind_address": socket}});
    fs_err::write(home.path("config"), config.to_string()).expect("written");
    assert_eq!(home.start(&[]).socket, socket);
}

#[test]
fn usage_errors_end_with_64_and_help_with_0() {
    let home = Home::new();
    for args in [&["--no-such-option"][..], &["-t", "soon"], &["--kill", "--status"]] {
        let output = home.run(args);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(64), 0), "{args:?}");
    }
    for args in ["--help", "-?", "-h", "--usage", "--version", "-V"] {
        let output = home.run(&[args]);
        assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "{args}");
    }
    assert!(text(&home.run(&["-V"]).stdout).starts_with("oidc-agent "));
}

#[test]
fn failures_at_the_start_have_the_c_suites_words() {
    let home = Home::new();
    let output = home.run(&["--with-group=no-such-group"]);
    assert_eq!(
        (output.status.code(), text(&output.stderr)),
        (Some(1), "Error: Group does not exist\n".into())
    );
    let output = home.run(&["-a", "/tmp/oidc-agent-test.sock"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("Error: socket path location is not trustworthy"), "{output:?}");
    let output = home.agent(&["--status"]).env("OIDC_SOCK", "/no/such").output().expect("it runs");
    assert!(
        text(&output.stderr)
            .starts_with("Error: Could not connect to oidc-agent: nothing answers at '/no/such'")
    );
}

#[test]
fn the_daemon_holds_nothing_of_its_starter() {
    let home = Home::new();
    // A script that holds a lock on descriptor 9 must not give it to an agent for ever.
    let script = "exec 9>\"$1\"; \"$0\" --quiet";
    let lock = home.path("lock");
    let agent = home.agent(&[]);
    let mut shell = Command::new("sh");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_oidc-agent")]).arg(&lock);
    shell.envs(agent.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let daemon = Daemon::from_environment(&text(&shell.output().expect("it runs").stdout));
    let process = PathBuf::from(format!("/proc/{}", daemon.pid));
    let open = fs_err::read_dir(process.join("fd")).expect("a directory");
    let open: Vec<_> = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok()).collect();
    assert!(!open.contains(&lock), "{open:?}");
    assert_eq!(std::fs::read_link(process.join("cwd")).expect("a directory"), Path::new("/"));
}
