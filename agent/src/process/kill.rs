//! `oidc-agent --kill`: ends the agent that the environment names.

use std::{
    env,
    ffi::OsString,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use oidc_proto::{
    connect::connect_to,
    process::{EndError, Process, STILL_ENDING},
    socket::{OIDC_SOCK, Places},
};

use super::announce::{self, Dialect};
use crate::{output, server::bind::is_served};

const OIDCD_PID: &str = "OIDCD_PID";
/// How long the agent may take to accept a connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why nothing was ended. Where the C suite has a text, it is this.
#[derive(Debug, thiserror::Error)]
enum KillError {
    #[error("{OIDCD_PID} not set, cannot kill Agent")]
    NoPid,
    #[error("{OIDCD_PID} not set to a valid pid: {0}")]
    InvalidPid(String),
    #[error(transparent)]
    End(#[from] EndError),
    #[error(
        "{OIDCD_PID} is {pid}, but the agent at '{}' is process {peer}; nothing was ended. Unset {OIDC_SOCK} to end \
         process {pid}, or run `oidc agent stop` to end the agent at that socket", socket.display()
    )]
    Differ { pid: i32, peer: i32, socket: PathBuf },
}

/// Ends it, waits for its end, removes what the C suite's agent leaves behind, and prints what unsets the variables.
pub fn run(dialect: Dialect, quiet: bool) -> ExitCode {
    let socket = env::var_os(OIDC_SOCK).filter(|path| !path.is_empty()).map(PathBuf::from);
    match end(env::var_os(OIDCD_PID), socket.as_deref()) {
        Ok(pid) => {
            if let Some(socket) = socket {
                remove_leftovers(&socket);
            }
            output::result(&announce::killed(dialect, quiet, &pid.to_string()));
            ExitCode::SUCCESS
        }
        Err(error) => {
            output::message(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// Ends the process of that number if it is an agent of this user, and the one at the socket if anybody listens there.
fn end(variable: Option<OsString>, socket: Option<&Path>) -> Result<i32, KillError> {
    let text = variable.ok_or(KillError::NoPid)?.to_string_lossy().into_owned();
    let pid = text.parse().ok().filter(|pid| *pid > 0).ok_or(KillError::InvalidPid(text))?;
    let process = Process::open(pid)?;
    let listener = socket.map_or(Ok(None), |socket| listener(pid, socket))?;
    Ok(listener.unwrap_or(process).end_agent(|| output::message(STILL_ENDING))?)
}

/// The agent that answers at the socket. A stale number may have been given to another agent of this user: who listens
/// knows better.
fn listener(pid: i32, socket: &Path) -> Result<Option<Process>, KillError> {
    // Where no agent of this user answers, there is nothing to compare.
    let Ok(connection) = connect_to(&Places::Named(socket.to_owned()), PATIENCE) else { return Ok(None) };
    let listener = match Process::peer_of(&connection.stream) {
        // A starter bound the socket for it, and has ended since.
        Err(EndError::Gone) => return Ok(None),
        listener => listener?,
    };
    match listener.pid() {
        Ok(peer) if peer != pid => Err(KillError::Differ { pid, peer, socket: socket.to_owned() }),
        Ok(_) => Ok(Some(listener)),
        Err(EndError::Gone) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The C suite's agent leaves its socket and directory; ours does not.
fn remove_leftovers(socket: &Path) {
    let is_socket = socket.symlink_metadata().is_ok_and(|metadata| metadata.file_type().is_socket());
    if is_socket && !is_served(socket) && fs_err::remove_file(socket).is_ok() {
        let _ = socket.parent().map(fs_err::remove_dir);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_the_c_suites() {
        let text = |value: Option<&str>| end(value.map(Into::into), None).expect_err("refused").to_string();
        assert_eq!(text(None), "OIDCD_PID not set, cannot kill Agent");
        for value in ["abc", "", "0", "-1", "99999999999"] {
            assert_eq!(text(Some(value)), format!("OIDCD_PID not set to a valid pid: {value}"));
        }
        assert_eq!(text(Some("4194305")), "kill: No such process");
    }

    #[test]
    fn this_process_is_no_agent() {
        let pid = std::process::id().to_string();
        let error = end(Some(pid.into()), None).expect_err("refused");
        assert!(matches!(error, KillError::End(EndError::NotAnAgent { .. })), "{error}");
    }
}
