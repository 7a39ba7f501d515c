//! Why there is no agent, and the exit code that says so.

use std::{ffi::OsString, io};

use crate::server::{bind::BindError, place::PlaceError};

/// Exit code when an agent serves the socket already: whoever only wanted one to be there can go on.
const ALREADY_RUNNING: u8 = 3;
/// Exit code when the command cannot be run, as in the C suite.
const NO_COMMAND: u8 = 255;

/// Why there is no agent. The text goes to the person.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The socket.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The socket's place.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// `--with-group`; the C suite's words.
    #[error("Group does not exist")]
    UnknownGroup,
    /// The system refused something.
    #[error("cannot {action}: {source}")]
    System {
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The daemon ended with this code. It has said why, on the same standard error.
    #[error("the agent ended before it was ready")]
    Daemon(u8),
    /// The command cannot be run.
    #[error("cannot run '{}': {source}", command.to_string_lossy())]
    Command {
        /// Its name.
        command: OsString,
        /// What the system said.
        source: io::Error,
    },
}

impl StartError {
    /// For `map_err`: what was tried.
    pub(crate) fn system(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { action, source }
    }

    /// The program's exit code.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Bind(BindError::AlreadyRunning(_)) => ALREADY_RUNNING,
            Self::Daemon(code) => *code,
            Self::Command { .. } => NO_COMMAND,
            _ => 1,
        }
    }
}
