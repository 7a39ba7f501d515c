//! The agent in the background: a new process of this program that inherits the socket (see [`handover`]).

use std::{
    env,
    ffi::{OsStr, OsString},
    fs::OpenOptions,
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::{net::UnixStream, process::CommandExt},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use oidc_proto::{environment::without_secrets, json::Object, process::Process};
use rustix::{
    process::{chdir, setsid},
    stdio::{dup2_stderr, dup2_stdin, dup2_stdout},
};

use super::{
    arguments::inheriting,
    handover::{self, Inherited as HandedOver},
    parent::Parent,
    serve::{Service, Socket},
    start_error::StartError,
};
use crate::{
    handed_on::Unreadable,
    server::{bind::Bound, handler::Handler},
    settings::{cli::Inherited, options::Options},
};

/// How long a daemon may take until it serves.
const START: Duration = Duration::from_secs(30);

/// Starts the daemon and waits until it serves. Returns its process id. `args` is the command line without a command.
pub fn start(bound: &Bound, args: &[OsString]) -> Result<u32, StartError> {
    start_daemon(bound, args, false)
}

/// Ends a daemon that serves.
pub fn end(daemon: u32) {
    // It is a child of this process, so that nobody else has its number.
    if let Ok(pid) = i32::try_from(daemon) {
        let _ = Process::open(pid).and_then(|process| process.end_agent(|| {}));
    }
}

fn start_daemon(bound: &Bound, args: &[OsString], ends_with_parent: bool) -> Result<u32, StartError> {
    let attempt = || {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_read_timeout(Some(START))?;
        let daemon = spawn(args, theirs.into())?;
        handover::send(&ours, bound, ends_with_parent)?;
        let serves = handover::wait(&ours).unwrap_or(false);
        Ok((daemon, serves))
    };
    match attempt() {
        Ok((daemon, true)) => Ok(daemon.id()),
        Ok((daemon, false)) => {
            bound.claim.give_up();
            Err(StartError::Daemon(exit_code(daemon)))
        }
        Err(source) => {
            bound.claim.give_up();
            Err(StartError::System { action: "start the agent", source })
        }
    }
}

/// The first argument tells the daemon what it is; everything else it reads as this process did.
fn spawn(args: &[OsString], channel: OwnedFd) -> io::Result<Child> {
    let (name, options) = inheriting(args, Inherited::Socket);
    let mut command = Command::new(program());
    without_secrets(&mut command).arg0(name).args(options);
    command.stdin(Stdio::from(channel)).stdout(Stdio::null()).spawn()
}

/// Replaces this process by the same without passwords in its environment, where they would be for all its life, and
/// be handed to the programs it starts. Returns only if that fails.
pub fn restart_without_secrets(args: &[OsString]) -> io::Error {
    let mut command = Command::new(program());
    if let Some((name, options)) = args.split_first() {
        command.arg0(name).args(options);
    }
    without_secrets(&mut command).exec()
}

/// This program. Its path is preferred, because its name then stands in the process list, but an update may have
/// removed the file meanwhile.
fn program() -> PathBuf {
    env::current_exe().ok().filter(|path| path.exists()).unwrap_or_else(|| "/proc/self/exe".into())
}

/// Ends a daemon that does not serve.
fn exit_code(mut daemon: Child) -> u8 {
    let _ = daemon.kill();
    let code = daemon.wait().ok().and_then(|status| status.code());
    code.and_then(|code| u8::try_from(code).ok()).filter(|code| *code != 0).unwrap_or(1)
}

/// Replaces this process by a command that finds the agent in its environment. The agent ends after it.
pub fn run_beside(
    bound: &Bound,
    args: &[OsString],
    command: &OsStr,
    arguments: &[OsString],
) -> Result<(), StartError> {
    // This process becomes the command, and stays the daemon's parent.
    let daemon = start_daemon(bound, args, true)?;
    let mut replacement = Command::new(command);
    replacement.args(arguments);
    replacement.env("OIDC_SOCK", &bound.claim.place.socket).env("OIDCD_PID", daemon.to_string());
    let source = replacement.exec();
    Err(StartError::Command { command: command.to_owned(), source })
}

/// The daemon's side of [`start`].
pub fn serve<H: Handler>(
    service: Service,
    handler: impl FnOnce(Options, &Path, Option<Object>) -> Result<H, Unreadable> + Send,
) -> Result<(), StartError> {
    let channel = || io::stdin().as_fd().try_clone_to_owned().map(UnixStream::from);
    let channel = channel().map_err(StartError::system("use standard input"))?;
    let HandedOver { bound, ends_with_parent } =
        handover::receive(&channel).map_err(StartError::system("take over the socket"))?;
    // It waits for this process to serve; should it have ended before this line, nobody hears that, and nobody is served.
    let parent = ends_with_parent.then(Parent::now);
    let log_stderr = service.options.log_stderr;
    // Fails only for a process that leads its session already.
    let _ = setsid();
    service.run(Socket::bound(bound).ending_with(parent), handler, |_| {
        detach(log_stderr)?;
        handover::acknowledge(&channel)
    })
}

/// Lets go of the terminal and of the directory, which might be a file system to be unmounted.
fn detach(keep_stderr: bool) -> io::Result<()> {
    let nothing = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    dup2_stdin(&nothing)?;
    dup2_stdout(&nothing)?;
    if !keep_stderr {
        dup2_stderr(&nothing)?;
    }
    Ok(chdir("/")?)
}
