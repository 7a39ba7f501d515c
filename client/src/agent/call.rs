//! One call to the agent: connect, one request, one reply, close. Blocking, with deadlines.

use std::{
    cell::RefCell,
    env, io,
    net::{TcpStream, ToSocketAddrs},
    path::{Path, PathBuf},
};

use oidc_proto::{
    connect::{Connection, connect_to},
    message::{Reply, Request},
    socket::{Places, SocketError},
};

use super::{
    error::{AgentError, OIDC_REMOTE_SOCK},
    exchange,
};

/// Set to anything but nothing or `0`: no agent is started.
pub const OIDC_NO_AUTOSTART: &str = "OIDC_NO_AUTOSTART";
/// The port of a remote agent that names none.
const DEFAULT_PORT: u16 = 42424;

/// Where the agent is and what may be done to have one.
#[derive(Debug, Clone)]
pub struct Agent {
    place: Place,
    autostart: bool,
    /// Where it answered last.
    answered_at: RefCell<Option<PathBuf>>,
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

impl Agent {
    fn new(place: Place, autostart: bool) -> Self {
        Self { place, autostart, answered_at: RefCell::default() }
    }

    /// The agent that the environment names; one may be started if `autostart` and the environment allow it.
    pub fn from_environment(autostart: bool) -> Self {
        let forbidden = env::var_os(OIDC_NO_AUTOSTART).is_some_and(|value| !value.is_empty() && value != "0");
        Self::new(Place::Environment, autostart && !forbidden)
    }

    /// The agent at this socket; none is started.
    pub fn at(socket: &Path) -> Self {
        Self::new(Place::Socket(socket.to_owned()), false)
    }

    /// The agent at `OIDC_REMOTE_SOCK`.
    pub fn remote() -> Result<Self, AgentError> {
        let address = env::var(OIDC_REMOTE_SOCK).ok().filter(|address| !address.is_empty());
        let address = address.ok_or(AgentError::NoRemote)?;
        Ok(Self::new(Place::Remote(with_port(address)), false))
    }

    /// Whether there is a second agent to ask.
    pub fn has_remote(&self) -> bool {
        !matches!(self.place, Place::Remote(_)) && Self::remote().is_ok()
    }

    /// Whether an agent may be started when none answers: at the default places only. Where somebody has named another
    /// one, an agent with other accounts would be no help.
    pub fn may_start(&self) -> bool {
        self.autostart && matches!(self.places(), Ok(Some(Places::Default(_))))
    }

    /// Where the agent answered last, or the first place where it would be looked for.
    pub fn address(&self) -> Result<String, AgentError> {
        if let Some(path) = &*self.answered_at.borrow() {
            return Ok(path.display().to_string());
        }
        match (&self.place, self.places()?) {
            (Place::Remote(address), _) => Ok(address.clone()),
            (_, Some(places)) => Ok(places.paths()[0].display().to_string()),
            _ => Err(SocketError::Empty.into()),
        }
    }

    /// Asks one thing.
    pub fn call(&self, request: &Request) -> Result<Reply, AgentError> {
        if let Place::Remote(address) = &self.place {
            let no_answer = |reason| AgentError::NoAnswer { address: address.clone(), reason };
            return exchange::exchange(connect_remote(address).map_err(no_answer)?, request);
        }
        exchange::exchange(self.connect()?.stream, request)
    }

    /// Connects to the agent on this machine.
    pub fn connect(&self) -> Result<Connection, AgentError> {
        let places = self.places()?.ok_or(AgentError::NoRemote)?;
        let connection = connect_to(&places, exchange::STEP_TIMEOUT)?;
        *self.answered_at.borrow_mut() = Some(connection.path.clone());
        Ok(connection)
    }

    /// Where to look on this machine.
    fn places(&self) -> Result<Option<Places>, AgentError> {
        match &self.place {
            Place::Environment => Ok(Some(Places::find()?)),
            Place::Socket(path) => Ok(Some(Places::Named(path.clone()))),
            Place::Remote(_) => Ok(None),
        }
    }
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
