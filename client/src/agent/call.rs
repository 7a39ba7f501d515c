//! One call to the agent: connect, one request, one reply, close. Blocking, with deadlines.

use std::{
    cell::RefCell,
    env,
    path::{Path, PathBuf},
};

use oidc_proto::{
    channel::ChannelError,
    connect::{Connection, connect_to},
    error_code::ErrorCode,
    message::{Reply, Request},
    socket::{Places, SocketError, default_places},
};

use super::{
    error::AgentError,
    exchange::{STEP_TIMEOUT, Wire, exchange},
    remote::RemoteAddress,
};

/// Set to anything but nothing or `0`: no agent is started.
pub const OIDC_NO_AUTOSTART: &str = "OIDC_NO_AUTOSTART";
/// Set to anything but nothing or `0`: what is said to the agent is sealed, also where the kernel vouches for it.
pub const OIDC_SEALED: &str = "OIDC_SEALED";

/// Where the agent is and what may be done to have one.
#[derive(Debug, Clone)]
pub struct Agent {
    place: Place,
    autostart: bool,
    /// What is sent is sealed in any case.
    sealed: bool,
    /// Where it answered last.
    answered_at: RefCell<Option<PathBuf>>,
}

#[derive(Debug, Clone)]
enum Place {
    /// Where the environment says.
    Environment,
    /// At the first of the default places, whatever `OIDC_SOCK` says.
    Default,
    /// At this socket.
    Socket(PathBuf),
    /// On another machine.
    Remote(RemoteAddress),
}

impl Agent {
    fn new(place: Place, autostart: bool) -> Self {
        Self { place, autostart, sealed: is_set(OIDC_SEALED), answered_at: RefCell::default() }
    }

    /// Seals everything if `sealed`; otherwise what the environment says.
    #[must_use]
    pub fn sealed(self, sealed: bool) -> Self {
        Self { sealed: self.sealed || sealed, ..self }
    }

    /// The agent that the environment names; one may be started if `autostart` and the environment allow it.
    pub fn from_environment(autostart: bool) -> Self {
        Self::new(Place::Environment, autostart && !is_set(OIDC_NO_AUTOSTART))
    }

    /// The agent that commands find without `OIDC_SOCK`; none is started.
    pub fn at_default_places() -> Self {
        Self::new(Place::Default, false)
    }

    /// The agent at this socket; none is started.
    #[cfg(test)]
    pub fn at(socket: &Path) -> Self {
        Self::new(Place::Socket(socket.to_owned()), false)
    }

    /// Another agent, at this socket, asked in the same way; none is started.
    pub fn instead_at(&self, socket: &Path) -> Self {
        Self::new(Place::Socket(socket.to_owned()), false).sealed(self.sealed)
    }

    /// The agent at `OIDC_REMOTE_SOCK`.
    pub fn remote() -> Result<Self, AgentError> {
        let address = RemoteAddress::of_environment().ok_or(AgentError::NoRemote)??;
        Ok(Self::new(Place::Remote(address), false))
    }

    /// The second agent to ask: the one at `OIDC_REMOTE_SOCK`, if that is set and this is another one.
    pub fn second(&self) -> Option<Result<Self, AgentError>> {
        match Self::remote() {
            Err(AgentError::NoRemote) => None,
            _ if self.remote_address().is_some() => None,
            second => Some(second),
        }
    }

    /// Where it is, if that is on another machine.
    pub fn remote_address(&self) -> Option<&RemoteAddress> {
        match &self.place {
            Place::Remote(address) => Some(address),
            _ => None,
        }
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
            (Place::Remote(address), _) => Ok(address.to_string()),
            (_, Some(places)) => Ok(places.paths()[0].display().to_string()),
            _ => Err(SocketError::Empty.into()),
        }
    }

    /// Asks one thing: in clear where the kernel says that this user or root answers, sealed on the way to anybody else.
    pub fn call(&self, request: &Request) -> Result<Reply, AgentError> {
        if let Place::Remote(address) = &self.place {
            let no_answer = |reason| AgentError::NoAnswer { address: address.clone(), reason };
            let stream = address.connect(STEP_TIMEOUT).map_err(no_answer)?;
            let failed = |error| AgentError::Remote { address: address.clone(), error: Box::new(error) };
            return exchange(stream, request, Wire::Sealed).map_err(failed);
        }
        let Connection { stream, is_own, .. } = self.connect()?;
        if self.sealed || !is_own {
            return exchange(stream, request, Wire::Sealed);
        }
        let answer = exchange(stream, request, Wire::Clear);
        if wants_sealing(&answer) { exchange(self.connect()?.stream, request, Wire::Sealed) } else { answer }
    }

    /// Connects to the agent on this machine.
    pub fn connect(&self) -> Result<Connection, AgentError> {
        let places = self.places()?.ok_or(AgentError::NoRemote)?;
        let connection = connect_to(&places, STEP_TIMEOUT)?;
        *self.answered_at.borrow_mut() = Some(connection.path.clone());
        Ok(connection)
    }

    /// Where to look on this machine.
    fn places(&self) -> Result<Option<Places>, AgentError> {
        match &self.place {
            Place::Environment => Ok(Some(Places::find()?)),
            Place::Default => Ok(Some(Places::Default(default_places()))),
            Place::Socket(path) => Ok(Some(Places::Named(path.clone()))),
            Place::Remote(_) => Ok(None),
        }
    }
}

/// Whether an agent took a request in clear for something else, and so did nothing: for a public key, which it answers
/// with its own, or for a sealed message, which does not open. The C suite's does so where a request comes in pieces.
fn wants_sealing(answer: &Result<Reply, AgentError>) -> bool {
    match answer {
        Ok(Reply::Failure(failure)) => failure.code == ErrorCode::DecryptionFailed,
        Err(AgentError::Channel(error)) => *error == ChannelError::UnexpectedKey,
        _ => false,
    }
}

/// Whether a variable is set to anything but nothing or `0`.
fn is_set(variable: &str) -> bool {
    env::var_os(variable).is_some_and(|value| !value.is_empty() && value != "0")
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        os::unix::net::{UnixListener, UnixStream},
        thread,
    };

    use oidc_proto::{
        channel::{AgentChannel, AgentStep},
        message::Failure,
    };

    use super::*;

    /// Serves one connection to its end. `refuses`: a request in clear is answered with these bytes instead.
    fn serve(mut stream: UnixStream, refuses: Option<&[u8]>) -> Wire {
        let mut channel = AgentChannel::new();
        let mut wire = None;
        let mut buffer = [0; 4096];
        loop {
            let count = stream.read(&mut buffer).expect("a request");
            assert!(count > 0, "the client left without a request");
            let wire = *wire.get_or_insert(if buffer[0] == b'{' { Wire::Clear } else { Wire::Sealed });
            let reply = match (channel.receive(&buffer[..count]), refuses) {
                (AgentStep::NeedMore, _) => continue,
                (AgentStep::Send(key), _) => {
                    stream.write_all(&key).expect("sent");
                    continue;
                }
                (_, Some(bytes)) if wire == Wire::Clear => bytes.to_vec(),
                (AgentStep::Request(_), _) => {
                    channel.reply(Reply::from(Failure::new(ErrorCode::Other, "said")).to_json()).to_vec()
                }
                (step, _) => panic!("{step:?}"),
            };
            stream.write_all(&reply).expect("sent");
            return wire;
        }
    }

    /// Asks an agent once; how each connection to it went. `sealed` is asked for.
    fn wires(sealed: bool, refuses: Option<&'static [u8]>) -> Vec<Wire> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("socket");
        let listener = UnixListener::bind(&path).expect("a socket");
        thread::scope(|scope| {
            let agent = scope.spawn(|| {
                let mut wires = Vec::new();
                // The last one says so: what refuses a request in clear is asked once more.
                while wires.last()
                    != Some(if refuses.is_some() || sealed { &Wire::Sealed } else { &Wire::Clear })
                {
                    wires.push(serve(listener.accept().expect("a connection").0, refuses));
                }
                wires
            });
            let reply = Agent::at(&path).sealed(sealed).call(&Request::Check).expect("a reply");
            assert!(matches!(reply, Reply::Failure(failure) if failure.error == "said"));
            agent.join().expect("no panic")
        })
    }

    #[test]
    fn what_the_kernel_vouches_for_is_asked_in_clear_unless_that_is_not_wanted() {
        assert_eq!(wires(false, None), [Wire::Clear]);
        assert_eq!(wires(true, None), [Wire::Sealed]);
    }

    #[test]
    fn an_agent_that_cannot_read_a_request_in_clear_gets_it_sealed() {
        const KEY: &[u8] = b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        const FAILURE: &[u8] = br#"{"status":"failure","error":"decryption failed"}"#;
        for refusal in [KEY, FAILURE] {
            assert_eq!(wires(false, Some(refusal)), [Wire::Clear, Wire::Sealed]);
        }
    }

    #[test]
    fn an_agent_that_is_not_there_is_no_other_error() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("socket");
        let error = Agent::at(&path).call(&Request::Check).expect_err("nobody there");
        assert!(error.is_not_running(), "{error}");
        let listener = UnixListener::bind(&path).expect("a socket");
        drop(listener);
        let error = Agent::at(&path).call(&Request::Check).expect_err("a stale socket");
        assert!(error.is_not_running(), "{error}");
    }
}
