//! Starting `oidc-agent`: found beside this program or in `PATH`, and waited for until its socket answers.

use std::{
    env,
    ffi::OsString,
    io::{self, Read},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use oidc_proto::{
    connect::connect_to,
    environment::without_secrets,
    socket::{Places, SocketError, default_places},
    trust::Judge,
};

use super::{error::AgentError, exchange::STEP_TIMEOUT};

/// How long a new agent may take until its socket answers.
const START_TIMEOUT: Duration = Duration::from_secs(10);
/// How often to look whether it does.
const POLL: Duration = Duration::from_millis(5);
/// How our agent ends when another one serves there, or is about to.
const ALREADY_RUNNING: i32 = 3;

/// An agent that was started.
#[derive(Debug)]
pub struct Started {
    /// Where it answers.
    pub socket: PathBuf,
    /// It, and not one that somebody else started at the same moment.
    pub is_own: bool,
    /// What it said to the person.
    pub said: String,
}

/// Starts an agent at the default place, with further arguments. Others may be doing the same at this moment: the first
/// one serves them all.
pub fn start(arguments: &[OsString]) -> Result<Started, AgentError> {
    match Places::find()? {
        Places::Named(path) => Err(AgentError::StartElsewhere(path)),
        places @ Places::Default(_) => start_at(&places, program(), arguments),
    }
}

/// The same whatever `OIDC_SOCK` says, with a program that the person has named.
pub fn start_at_default_places(named: Option<&str>, arguments: &[OsString]) -> Result<Started, AgentError> {
    let program = match named.map(PathBuf::from) {
        Some(named) if !is_own(&named) => (named, false),
        _ => program(),
    };
    start_at(&Places::Default(default_places()), program, arguments)
}

/// Whether it is the program that would be started anyway.
fn is_own(named: &Path) -> bool {
    let real = |path: &Path| fs_err::canonicalize(path).ok();
    named == Path::new("oidc-agent") || beside().is_some_and(|own| real(&own) == real(named))
}

fn start_at(
    places: &Places,
    (program, is_ours): (PathBuf, bool),
    arguments: &[OsString],
) -> Result<Started, AgentError> {
    let mut command = Command::new(program);
    if is_ours {
        command.arg("--service");
    } else {
        let mut argument = OsString::from("--socket-path=");
        argument.push(usable(places.paths()).ok_or(SocketError::Empty)?);
        command.arg(argument);
    }
    // With options of the person's own, such as `--log-stderr`, it may have more to say, and for longer.
    let stderr = if arguments.is_empty() { Stdio::piped() } else { Stdio::inherit() };
    let command = without_secrets(&mut command).args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = command.stderr(stderr).spawn().map_err(|error| start_error(&error))?;
    wait(&mut child, places, arguments.is_empty())
}

/// The `oidc-agent` beside this program.
pub fn beside() -> Option<PathBuf> {
    let beside = env::current_exe().ok().and_then(|own| Some(own.parent()?.join("oidc-agent")));
    beside.filter(|path| path.is_file())
}

/// `oidc-agent` beside this program, else the one in `PATH`; and whether it is known to be ours, not the C suite's.
fn program() -> (PathBuf, bool) {
    match beside() {
        Some(path) => (path, true),
        None => ("oidc-agent".into(), false),
    }
}

/// The first place in a directory that exists, for an agent that does not look for it itself.
fn usable(paths: &[PathBuf]) -> Option<&PathBuf> {
    let base = |path: &Path| path.parent().and_then(Path::parent).map(Path::to_owned);
    let is_usable =
        |path: &&PathBuf| base(path).is_some_and(|base| Judge::this_process().directory(&base).is_ok());
    paths.iter().find(is_usable).or(paths.first())
}

/// Waits until an agent answers. `is_daemon`: what was started will end as soon as its daemon serves.
fn wait(child: &mut Child, places: &Places, is_daemon: bool) -> Result<Started, AgentError> {
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        let ended = child.try_wait().map_err(|error| start_error(&error))?;
        match (connect_to(places, STEP_TIMEOUT), ended) {
            // A daemon's starter ends at once, and is waited for. It may have had a warning.
            (Ok(connection), None) if !is_daemon || Instant::now() >= deadline => {
                return Ok(Started { socket: connection.path, is_own: true, said: String::new() });
            }
            (Ok(connection), Some(status)) => {
                let is_own = status.success();
                let said = if is_own { said_by(child) } else { String::new() };
                return Ok(Started { socket: connection.path, is_own, said });
            }
            (Err(_), Some(status)) if !status.success() && status.code() != Some(ALREADY_RUNNING) => {
                return Err(AgentError::Start(failure(status, &said_by(child))));
            }
            (Err(error), _) if Instant::now() >= deadline => {
                return Err(AgentError::Start(format!("it does not answer: {error}")));
            }
            _ => thread::sleep(POLL),
        }
    }
}

/// What a process that has ended wrote to its standard error. A daemon that it left behind may have kept that open.
fn said_by(child: &mut Child) -> String {
    let read = |mut stderr: ChildStderr| {
        let mut bytes = Vec::new();
        if rustix::io::ioctl_fionbio(&stderr, true).is_ok() {
            // What was read before the error that says that there is no more yet is kept.
            let _ = stderr.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).trim_end().to_owned()
    };
    child.stderr.take().map(read).unwrap_or_default()
}

fn failure(status: ExitStatus, said: &str) -> String {
    match said.strip_prefix("Error: ").unwrap_or(said) {
        "" => format!("it ended with {status}"),
        said => said.to_owned(),
    }
}

fn start_error(error: &io::Error) -> AgentError {
    AgentError::Start(error.to_string())
}
