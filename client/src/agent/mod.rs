//! One call to the agent: connect, one request, one reply, close. Blocking, with deadlines.

mod exchange;
pub mod start;

use std::{
    env, io,
    net::{TcpStream, ToSocketAddrs},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
};

use oidc_proto::{
    channel::ChannelError,
    message::{Reply, ReplyError, Request},
    socket::{self, SocketError},
};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with,
    sockopt::{Timeout, set_socket_timeout},
};

/// Names a remote agent: `host[:port]`.
pub const OIDC_REMOTE_SOCK: &str = "OIDC_REMOTE_SOCK";
/// Set to anything but nothing or `0`: no agent is started.
pub const OIDC_NO_AUTOSTART: &str = "OIDC_NO_AUTOSTART";
/// The port of a remote agent that names none.
const DEFAULT_PORT: u16 = 42424;

/// Where the agent is and what may be done to have one.
#[derive(Debug, Clone)]
pub struct Agent {
    place: Place,
    autostart: bool,
}

#[derive(Debug, Clone)]
enum Place {
    /// Where the environment says.
    Environment,
    /// At this socket.
    Socket(PathBuf),
    /// On another machine: `host:port`.
    Remote(String),
}

/// Why the agent could not be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// Nothing listens there. The text is the C suite's.
    #[error("Could not connect to oidc-agent")]
    NotRunning {
        /// The first place looked at.
        address: String,
        /// Why not.
        reason: io::Error,
    },
    /// The socket's path cannot be used.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// `--remote` without an address.
    #[error("Could not get the socket path from env var '{OIDC_REMOTE_SOCK}'. Have you set the env var?")]
    NoRemote,
    /// Something listens, but does not answer in time.
    #[error("the agent does not answer: reached timeout")]
    Timeout,
    /// The connection broke.
    #[error("the connection to the agent broke: {0}")]
    Io(#[source] io::Error),
    /// What came is no message.
    #[error("did not receive any response: {0}")]
    Channel(#[from] ChannelError),
    /// What came is no reply.
    #[error("{0}")]
    Reply(#[from] ReplyError),
    /// `oidc-agent` could not be started.
    #[error("could not start oidc-agent: {0}")]
    Start(String),
}

impl Agent {
    /// The agent that the environment names; one may be started if `autostart` and the environment allow it.
    pub fn from_environment(autostart: bool) -> Self {
        let forbidden = env::var_os(OIDC_NO_AUTOSTART).is_some_and(|value| !value.is_empty() && value != "0");
        Self { place: Place::Environment, autostart: autostart && !forbidden }
    }

    /// The agent at this socket; none is started.
    pub fn at(socket: &Path) -> Self {
        Self { place: Place::Socket(socket.to_owned()), autostart: false }
    }

    /// The agent at `OIDC_REMOTE_SOCK`.
    pub fn remote() -> Result<Self, AgentError> {
        let address = env::var(OIDC_REMOTE_SOCK).ok().filter(|address| !address.is_empty());
        let address = address.ok_or(AgentError::NoRemote)?;
        Ok(Self { place: Place::Remote(with_port(address)), autostart: false })
    }

    /// Whether there is a second agent to ask.
    pub fn has_remote(&self) -> bool {
        !matches!(self.place, Place::Remote(_)) && Self::remote().is_ok()
    }

    /// Whether an agent may be started when none answers.
    pub fn may_start(&self) -> bool {
        self.autostart
    }

    /// Where the agent answers, or the first place where it would be looked for.
    pub fn address(&self) -> Result<String, AgentError> {
        match &self.place {
            Place::Environment => Ok(socket::find()?.display().to_string()),
            Place::Socket(path) => Ok(path.display().to_string()),
            Place::Remote(address) => Ok(address.clone()),
        }
    }

    /// Asks one thing.
    pub fn call(&self, request: &Request) -> Result<Reply, AgentError> {
        match &self.place {
            Place::Environment => exchange::exchange(first_listening(&socket::candidates()?)?, request),
            Place::Socket(path) => exchange::exchange(first_listening(std::slice::from_ref(path))?, request),
            Place::Remote(address) => {
                let stream = connect_remote(address).map_err(|error| not_running(address.clone(), error))?;
                exchange::exchange(stream, request)
            }
        }
    }
}

impl AgentError {
    /// Whether nothing listens at all.
    pub fn is_not_running(&self) -> bool {
        matches!(self, Self::NotRunning { .. })
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotRunning { address, reason } => Some(format!(
                "Nothing answers at {address} ({reason}). Start an agent with `oidc agent start`, or set {}.",
                socket::OIDC_SOCK
            )),
            Self::NoRemote => Some(format!("Set {OIDC_REMOTE_SOCK} to host[:port].")),
            _ => None,
        }
    }
}

/// The first path where an agent listens.
fn first_listening(paths: &[PathBuf]) -> Result<UnixStream, AgentError> {
    let mut first_error = None;
    for path in paths {
        match connect_within_deadline(path) {
            Ok(stream) => return Ok(stream),
            // A full queue: somebody is there.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(AgentError::Timeout),
            Err(error) => first_error.get_or_insert((path, error)),
        };
    }
    match first_error {
        Some((path, error)) => Err(not_running(path.display().to_string(), error)),
        None => Err(AgentError::Socket(SocketError::Empty)),
    }
}

/// Connects; while the agent's queue is full, waits no longer than for any other step.
fn connect_within_deadline(path: &Path) -> io::Result<UnixStream> {
    let address = SocketAddrUnix::new(path)?;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    set_socket_timeout(&socket, Timeout::Send, Some(exchange::STEP_TIMEOUT))?;
    connect(&socket, &address)?;
    Ok(socket.into())
}

/// Connects to the first of the host's addresses that answers.
fn connect_remote(address: &str) -> io::Result<TcpStream> {
    let mut last_error = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, exchange::STEP_TIMEOUT) {
            Ok(stream) => return Ok(stream),
            Err(error) => last_error = error,
        }
    }
    Err(last_error)
}

fn not_running(address: String, reason: io::Error) -> AgentError {
    AgentError::NotRunning { address, reason }
}

fn with_port(address: String) -> String {
    let has_port = address.rsplit_once(':').is_some_and(|(host, port)| {
        port.parse::<u16>().is_ok() && (!host.contains(':') || host.starts_with('['))
    });
    if has_port { address } else { format!("{address}:{DEFAULT_PORT}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_agent_has_a_port() {
        for (address, expected) in [
            ("host", "host:42424"),
            ("host:7", "host:7"),
            ("127.0.0.1", "127.0.0.1:42424"),
            ("[::1]:7", "[::1]:7"),
            ("[::1]", "[::1]:42424"),
        ] {
            assert_eq!(with_port(address.to_owned()), expected);
        }
    }

    #[test]
    fn an_agent_that_is_not_there_is_no_other_error() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("socket");
        let error = Agent::at(&path).call(&Request::Check).expect_err("nobody there");
        assert!(error.is_not_running(), "{error}");
        let listener = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
        drop(listener);
        let error = Agent::at(&path).call(&Request::Check).expect_err("a stale socket");
        assert!(error.is_not_running(), "{error}");
    }
}
