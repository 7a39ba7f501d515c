//! Drives [`ClientChannel`] over a blocking stream.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use oidc_proto::{
    channel::{ClientChannel, ClientStep},
    deadlines,
    message::{Reply, Request},
};
use zeroize::Zeroizing;

use super::error::AgentError;

/// How long connecting, writing, and the agent's public key may take.
pub const STEP_TIMEOUT: Duration = Duration::from_secs(20);
const CHUNK: usize = 16 * 1024;

/// A stream whose reads and writes end in time.
pub trait Timed: Read + Write {
    /// Limits the next read.
    fn limit_read(&self, timeout: Duration) -> io::Result<()>;
    /// Limits each write.
    fn limit_write(&self, timeout: Duration) -> io::Result<()>;
}

macro_rules! timed {
    ($($stream:ty),*) => {$(
        impl Timed for $stream {
            fn limit_read(&self, timeout: Duration) -> io::Result<()> {
                self.set_read_timeout(Some(timeout))
            }

            fn limit_write(&self, timeout: Duration) -> io::Result<()> {
                self.set_write_timeout(Some(timeout))
            }
        }
    )*};
}

timed!(UnixStream, TcpStream);

/// Sends a request, sealed, and reads its reply.
pub fn exchange(mut stream: impl Timed, request: &Request) -> Result<Reply, AgentError> {
    stream.limit_write(STEP_TIMEOUT).map_err(AgentError::Io)?;
    let (mut channel, key) = ClientChannel::sealed(request.to_json());
    send(&mut stream, &key)?;
    let mut deadline = Instant::now() + STEP_TIMEOUT;
    let mut buffer = Zeroizing::new(vec![0; CHUNK]);
    let mut received = 0;
    loop {
        match channel.receive(&buffer[..received])? {
            ClientStep::Reply(reply) => return Ok(Reply::parse(&reply)?),
            ClientStep::Send(message) => {
                send(&mut stream, &message)?;
                deadline = Instant::now() + deadlines::REPLY;
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
            Err(error) => return Err(broken(error)),
            Ok(read) => return Ok(read),
        }
    }
}

/// A stream whose time is up says `WouldBlock`.
fn broken(error: io::Error) -> AgentError {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => AgentError::Timeout,
        _ => AgentError::Io(error),
    }
}
