//! The client's side of an exchange.

use std::{fmt, ops::Range};

use zeroize::Zeroizing;

use super::{
    Payload,
    inbox::Inbox,
    seal::{KeyPair, Nonce, SharedKey, random_nonce},
};
use crate::{
    framing::{Expected, Frame, FramingError},
    message::Reply,
};

/// Writes one request and reads its reply.
pub struct ClientChannel {
    inbox: Inbox,
    state: State,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum ClientStep {
    /// Read more.
    NeedMore,
    /// Write this at once, then call [`ClientChannel::receive`] with no bytes: more may have come already.
    Send(Payload),
    /// The reply, not yet parsed. Close.
    Reply(Payload),
}

/// Why no reply will come of an exchange. Close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// The agent's bytes are no message.
    #[error("the agent sent {0}")]
    Framing(#[from] FramingError),
    /// The agent's key would make the shared key known to everybody.
    #[error("received suspicious public key")]
    SuspiciousPublicKey,
    /// The reply does not open.
    #[error("the agent's reply could not be decrypted")]
    DecryptionFailed,
    /// A reply in clear to a sealed request, and not a failure: it may come from somebody else.
    #[error("the agent answered a sealed request in clear")]
    NotSealed,
    /// A public key in answer to a request in clear.
    #[error("the agent sent a public key instead of a reply")]
    UnexpectedKey,
    /// The stream ended before the first byte of a reply.
    #[error("the agent closed the connection without a reply")]
    Closed,
    /// The stream ended within a message.
    #[error("the agent closed the connection in the middle of its reply")]
    Truncated,
}

enum State {
    /// A request in clear was sent.
    Clear,
    /// Our key was sent. Boxed so that a channel stays small to move.
    Keys(Box<Pending>),
    /// The sealed request was sent.
    Sealed(SharedKey),
    Done,
}

/// What is needed once the agent's key is there.
struct Pending {
    keys: KeyPair,
    request: Zeroizing<String>,
    nonce: Nonce,
}

impl ClientChannel {
    /// A sealed exchange: the default of all clients. With it the bytes to write at once, before reading.
    pub fn sealed(request: Zeroizing<String>) -> (Self, Payload) {
        Self::begin(Pending { keys: KeyPair::generate(), request, nonce: random_nonce() })
    }

    /// [`ClientChannel::sealed`] with a given X25519 secret key and nonce, which must never serve twice.
    #[cfg(feature = "test-vectors")]
    pub fn sealed_with(
        request: Zeroizing<String>,
        secret: crate::secret::Key,
        nonce: Nonce,
    ) -> (Self, Payload) {
        Self::begin(Pending { keys: KeyPair::from_secret(secret), request, nonce })
    }

    /// An exchange in clear. With it the bytes to write at once, before reading.
    pub fn in_clear(request: Zeroizing<String>) -> (Self, Payload) {
        (Self { inbox: Inbox::new(Expected::Opening), state: State::Clear }, request.into())
    }

    fn begin(pending: Pending) -> (Self, Payload) {
        let public_key = Payload::new(pending.keys.public_key());
        (Self { inbox: Inbox::new(Expected::Opening), state: State::Keys(Box::new(pending)) }, public_key)
    }

    /// Takes received bytes, cut and joined in any way. Bytes after a reply are ignored.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<ClientStep, ChannelError> {
        if matches!(self.state, State::Done) {
            return Ok(ClientStep::NeedMore);
        }
        self.inbox.push(bytes);
        let step = match self.inbox.frame() {
            Ok(None) => return Ok(ClientStep::NeedMore),
            Ok(Some(frame)) => self.take(frame),
            Err(error) => Err(error.into()),
        };
        if !matches!(step, Ok(ClientStep::Send(_))) {
            self.state = State::Done;
        }
        step
    }

    /// What it means that no more bytes will come before a reply.
    pub fn end_of_stream(&self) -> ChannelError {
        if self.inbox.is_before_message() { ChannelError::Closed } else { ChannelError::Truncated }
    }

    fn take(&mut self, frame: Frame) -> Result<ClientStep, ChannelError> {
        match (frame, &self.state) {
            (Frame::Object(range), State::Clear) => Ok(ClientStep::Reply(self.inbox.take(range))),
            (Frame::Object(range), _) => self.failure_in_clear(range),
            (Frame::PublicKey(range), State::Keys(pending)) => {
                let key = pending.keys.shared_key(self.inbox.get(range.clone()));
                let key = key.map_err(|_| ChannelError::SuspiciousPublicKey)?;
                let request = Payload::new(key.seal(pending.request.as_bytes(), b"", &pending.nonce));
                self.state = State::Sealed(key);
                self.inbox.expect(Expected::SealedOrObject, range.end);
                Ok(ClientStep::Send(request))
            }
            (Frame::Sealed { len, nonce, cipher }, State::Sealed(key)) => {
                let reply = key.open(len, self.inbox.get(nonce), self.inbox.get(cipher));
                reply.map(ClientStep::Reply).map_err(|_| ChannelError::DecryptionFailed)
            }
            _ => Err(ChannelError::UnexpectedKey),
        }
    }

    /// An agent that cannot open a request says so in clear. Anything else could come from anybody who reads and
    /// writes on the way: never a token.
    fn failure_in_clear(&mut self, range: Range<usize>) -> Result<ClientStep, ChannelError> {
        let reply = self.inbox.take(range);
        match Reply::parse(&reply) {
            Ok(Reply::Failure(_)) => Ok(ClientStep::Reply(reply)),
            _ => Err(ChannelError::NotSealed),
        }
    }
}

impl fmt::Debug for ClientChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Clear => "in clear",
            State::Keys(_) => "waiting for the key",
            State::Sealed(_) => "sealed",
            State::Done => "done",
        };
        write!(f, "ClientChannel({state})")
    }
}
