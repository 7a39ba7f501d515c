//! Starting `oidc-agent`: found beside this program or in `PATH`, and waited for until its socket answers.

use std::{
    env,
    ffi::OsString,
    io,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use oidc_proto::socket::{self, OIDC_SOCK};

use super::AgentError;

/// How long a new agent may take until its socket answers.
const START_TIMEOUT: Duration = Duration::from_secs(10);
/// How often to look whether it does.
const POLL: Duration = Duration::from_millis(5);

/// Starts an agent at the place where clients look, with further arguments; the path of its socket.
pub fn start(arguments: &[OsString]) -> Result<PathBuf, AgentError> {
    let paths = socket::candidates()?;
    let (program, is_ours) = program();
    let mut command = Command::new(program);
    if is_ours {
        command.arg(long_option("--pid-file=", &pid_file_of(&paths[0])));
    }
    // A service also leaves a link where clients of the C suite look.
    if is_ours && env::var_os(OIDC_SOCK).is_none() {
        command.arg("--service");
    } else {
        command.arg(long_option("--socket-path=", &paths[0]));
    }
    let mut child = command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|error| start_error(&error))?;
    wait(&mut child, &paths)
}

/// `oidc-agent` beside this program, else the one in `PATH`; and whether it is known to be ours, not the C suite's.
pub fn program() -> (PathBuf, bool) {
    let beside = env::current_exe().ok().and_then(|own| Some(own.parent()?.join("oidc-agent")));
    match beside.filter(|path| path.is_file()) {
        Some(path) => (path, true),
        None => ("oidc-agent".into(), false),
    }
}

fn long_option(option: &str, path: &Path) -> OsString {
    let mut argument = OsString::from(option);
    argument.push(path);
    argument
}

/// Where an agent that was started here leaves its process id.
fn pid_file_of(socket: &Path) -> PathBuf {
    socket.with_extension("pid")
}

/// The process id of the agent at this socket, if it was started here.
pub fn pid(socket: &str) -> Option<String> {
    let text = fs_err::read_to_string(pid_file_of(Path::new(socket))).ok()?;
    let pid = text.trim();
    (!pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit())).then(|| pid.to_owned())
}

/// Whether somebody answers there.
pub fn answers(path: &Path) -> bool {
    UnixStream::connect(path).is_ok()
}

/// Waits until the agent answers. One that ends with an error may have lost a race against another one that was
/// started at the same moment, so only silence counts.
fn wait(child: &mut Child, paths: &[PathBuf]) -> Result<PathBuf, AgentError> {
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        let ended = child.try_wait().map_err(|error| start_error(&error))?;
        if let Some(path) = paths.iter().find(|path| answers(path)) {
            return Ok(path.clone());
        }
        match ended {
            Some(status) if !status.success() => {
                return Err(AgentError::Start(format!("it ended with {status}")));
            }
            _ if Instant::now() >= deadline => {
                return Err(AgentError::Start("its socket does not answer".to_owned()));
            }
            _ => thread::sleep(POLL),
        }
    }
}

fn start_error(error: &io::Error) -> AgentError {
    AgentError::Start(error.to_string())
}
