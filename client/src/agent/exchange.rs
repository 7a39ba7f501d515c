//! Drives [`ClientChannel`] over a blocking stream, in clear or sealed.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use oidc_proto::{
    channel::{ChannelError, ClientChannel, ClientStep},
    deadlines,
    message::{Class, Reply, Request},
};
use zeroize::Zeroizing;

use super::error::AgentError;

/// How long connecting, writing, and the agent's public key may take.
pub const STEP_TIMEOUT: Duration = Duration::from_secs(20);
/// What one read takes: it is overwritten afterwards, which costs more than reading twice what is seldom longer.
const CHUNK: usize = 4 * 1024;

/// A stream whose writes end in time already, and whose reads can be made to.
pub trait Timed: Read + Write {
    /// Limits the next read.
    fn limit_read(&self, timeout: Duration) -> io::Result<()>;
}

macro_rules! timed {
    ($($stream:ty),*) => {$(
        impl Timed for $stream {
            fn limit_read(&self, timeout: Duration) -> io::Result<()> {
                self.set_read_timeout(Some(timeout))
            }
        }
    )*};
}

timed!(UnixStream, TcpStream);

/// How a request and its reply go over the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// As JSON.
    Clear,
    /// Encrypted under keys that are exchanged first.
    Sealed,
}

/// Sends a request and reads its reply.
pub fn exchange(mut stream: impl Timed, request: &Request, wire: Wire) -> Result<Reply, AgentError> {
    let begin = match wire {
        Wire::Clear => ClientChannel::in_clear,
        Wire::Sealed => ClientChannel::sealed,
    };
    let (mut channel, first) = begin(request.to_json());
    send(&mut stream, &first)?;
    // Who waits for a file asks for a state that is yet to come.
    let knows = request.class() == Class::State && !request.only_asks();
    let patience = if knows { deadlines::STATE } else { deadlines::REPLY };
    let mut deadline = Instant::now() + if wire == Wire::Clear { patience } else { STEP_TIMEOUT };
    let mut buffer = Zeroizing::new(vec![0; CHUNK]);
    let mut received = 0;
    loop {
        match channel.receive(&buffer[..received])? {
            ClientStep::Reply(reply) => return Ok(Reply::parse(&reply)?),
            ClientStep::Send(message) => {
                send(&mut stream, &message)?;
                deadline = Instant::now() + patience;
                received = 0;
            }
            ClientStep::NeedMore => {
                received = receive(&mut stream, &mut buffer, deadline)?;
                if received == 0 {
                    return Err(channel.end_of_stream().into());
                }
            }
        }
    }
}

/// In one write where the kernel lets us: C agents take what one read returns for the whole.
fn send(stream: &mut impl Timed, bytes: &[u8]) -> Result<(), AgentError> {
    stream.write_all(bytes).map_err(broken)
}

fn receive(stream: &mut impl Timed, buffer: &mut [u8], deadline: Instant) -> Result<usize, AgentError> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(AgentError::Timeout);
        }
        stream.limit_read(left).map_err(AgentError::Io)?;
        match stream.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Whoever closes with something unread ends TCP's connections so.
            Err(error) if is_closed(&error) => return Ok(0),
            Err(error) => return Err(broken(error)),
            Ok(read) => return Ok(read),
        }
    }
}

fn is_closed(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe
    )
}

/// A stream whose time is up says `WouldBlock`.
fn broken(error: io::Error) -> AgentError {
    match error.kind() {
        _ if is_closed(&error) => ChannelError::Closed.into(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => AgentError::Timeout,
        _ => AgentError::Io(error),
    }
}
