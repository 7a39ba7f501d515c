//! However an agent was started, its process stays what it was when another version takes over: a daemon, a command's companion, a
//! service of systemd.

use std::{
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use oidc_proto::process::Process;
use oidc_tests::{
    environment::{Environment, FileFormat},
    programs::{program, run},
    provider::Provider,
    upgrade::install,
};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(20);

/// A machine on which the agent is installed, with an account file.
struct Machine {
    environment: Environment,
    agent: PathBuf,
    _provider: Provider,
}

impl Machine {
    fn new() -> Self {
        let (provider, environment) = (Provider::start(), Environment::new());
        environment.add_account(&provider.seed_account("demo"), FileFormat::Native);
        let agent = install(&environment, &program("oidc-agent"));
        Self { environment, agent, _provider: provider }
    }

    fn oidc(&self, socket: Option<&str>, arguments: &[&str]) -> Command {
        let mut command = self.environment.command("oidc");
        command
            .args(arguments)
            .env("OIDC_NO_AUTOSTART", "1")
            .envs(socket.map(|socket| ("OIDC_SOCK", socket)));
        command
    }

    /// Loads the account, has a new version take over, and sees that the account is still loaded, in the same process.
    fn upgrade(&self, socket: Option<&str>, pid: i32) {
        run(self.oidc(socket, &["add", "--pw-env", "demo"])).success();
        for _ in 0..2 {
            install(&self.environment, &program("oidc-agent"));
            let upgraded = run(self.oidc(socket, &["agent", "upgrade", "--json"])).success();
            let upgraded: Value = serde_json::from_str(&upgraded).expect("JSON");
            assert_eq!(upgraded["accounts"], serde_json::json!(["demo"]), "{upgraded}");
        }
        assert!(run(self.oidc(socket, &["token", "demo"])).success().contains("eyJ"));
        let socket = upgraded_socket(self, socket);
        let stream = std::os::unix::net::UnixStream::connect(socket).expect("connected");
        assert_eq!(Process::peer_of(&stream).and_then(|process| process.pid()).expect("a pid"), pid);
    }
}

fn upgraded_socket(machine: &Machine, socket: Option<&str>) -> PathBuf {
    socket.map_or_else(|| machine.environment.runtime().join("oidc-agent/oidc-agent.sock"), PathBuf::from)
}

/// The value of a variable in what the agent prints for a shell.
fn variable(printed: &str, name: &str) -> String {
    let (_, rest) = printed.split_once(&format!("{name}=")).unwrap_or_else(|| panic!("{name}: {printed}"));
    rest.split(';').next().expect("a value").to_owned()
}

fn has_ended(pid: i32) -> bool {
    // One that is not there any more has ended as well.
    let Ok(process) = Process::open(pid) else { return true };
    process.has_ended_within(PATIENCE).expect("looked")
}

#[test]
fn a_daemon_with_a_pid_file_and_links() {
    let machine = Machine::new();
    let pid_file = machine.environment.path("pid");
    let mut command = machine.environment.command_at(&machine.agent);
    // A path that is only right where it is started.
    command.args(["--service", "--pid-file", "../pid"]);
    let printed = run(command).success();
    let (socket, pid) = (variable(&printed, "OIDC_SOCK"), variable(&printed, "OIDCD_PID"));
    let number: i32 = pid.parse().expect("a number");
    machine.upgrade(None, number);
    assert_eq!(fs_err::read_to_string(&pid_file).expect("written").trim(), pid);
    let mut kill = machine.environment.command_at(&machine.agent);
    kill.arg("--kill").env("OIDCD_PID", &pid).env("OIDC_SOCK", &socket);
    run(kill).success();
    assert!(has_ended(number));
    assert!(!pid_file.exists() && !Path::new(&socket).exists(), "it has tidied up");
}

#[test]
fn an_agent_beside_a_command_ends_with_it() {
    let machine = Machine::new();
    let mut command = machine.environment.command_at(&machine.agent);
    command.args(["sh", "-c", "echo \"OIDC_SOCK=$OIDC_SOCK; OIDCD_PID=$OIDCD_PID;\"; read -r line"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it runs");
    let mut printed = String::new();
    BufReader::new(child.stdout.as_mut().expect("a pipe")).read_line(&mut printed).expect("a line");
    let (socket, pid) = (variable(&printed, "OIDC_SOCK"), variable(&printed, "OIDCD_PID"));
    let number = pid.parse().expect("a number");
    machine.upgrade(Some(&socket), number);
    drop(child.stdin.take());
    child.wait().expect("ended");
    assert!(has_ended(number), "it ends after the command");
    assert!(!Path::new(&socket).exists());
}

/// Started as systemd does it: the socket is the descriptor 3, and whoever is told of anything is another socket.
fn as_by_systemd(machine: &Machine, socket: &Path, notify: &Path) -> Child {
    let script = "import os, socket, sys\n\
                  listener = socket.socket(socket.AF_UNIX)\n\
                  listener.bind(sys.argv[1])\n\
                  os.chmod(sys.argv[1], 0o600)\n\
                  listener.listen(64)\n\
                  os.dup2(listener.fileno(), 3)\n\
                  os.set_inheritable(3, True)\n\
                  os.environ['LISTEN_FDS'], os.environ['LISTEN_PID'] = '1', str(os.getpid())\n\
                  os.execv(sys.argv[2], [sys.argv[2], '--console'])";
    let mut command = machine.environment.command_at("python3".as_ref());
    command.args(["-c", script]).arg(socket).arg(&machine.agent).env("NOTIFY_SOCKET", notify);
    command.stdin(Stdio::null()).stdout(Stdio::null()).process_group(0).spawn().expect("it runs")
}

#[test]
fn a_service_with_a_socket_of_systemd() {
    let machine = Machine::new();
    let directory = machine.environment.runtime().join("passed");
    std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700)
        .create(&directory)
        .expect("made");
    let (socket, notify) = (directory.join("sock"), directory.join("notify"));
    let told = std::os::unix::net::UnixDatagram::bind(&notify).expect("bound");
    told.set_read_timeout(Some(PATIENCE)).expect("set");
    let mut child = as_by_systemd(&machine, &socket, &notify);
    let hear = || {
        let mut text = [0; 256];
        let count = told.recv(&mut text).expect("told");
        String::from_utf8_lossy(&text[..count]).into_owned()
    };
    assert!(hear().contains("READY=1"));
    let pid = i32::try_from(child.id()).expect("a pid");
    machine.upgrade(Some(socket.to_str().expect("UTF-8")), pid);
    for _ in 0..2 {
        assert!(hear().contains("READY=1"), "nothing else is said meanwhile: the main process is the same");
    }
    let began = Instant::now();
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::TERM)
        .expect("sent");
    assert!(hear().contains("STOPPING=1"));
    assert!(child.wait().expect("ended").success());
    assert!(began.elapsed() < PATIENCE && socket.exists(), "the socket is systemd's");
}
