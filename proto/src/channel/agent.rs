//! The agent's side of an exchange.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::{
    Payload,
    inbox::Inbox,
    seal::{KeyPair, Nonce, SharedKey, padding, random_nonce},
};
use crate::{
    framing::{Expected, Frame, FramingError},
    json::Object,
    message::{Failure, Reply},
    secret::Key,
};

/// Reads one request and writes one reply, in clear or sealed as the client began.
pub struct AgentChannel {
    inbox: Inbox,
    state: State,
    /// Made when a client sends its key: exchanges in clear need none.
    keys: Option<KeyPair>,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum AgentStep {
    /// Read more.
    NeedMore,
    /// Write this at once, then call [`AgentChannel::receive`] with no bytes: the request may have come with the key.
    Send(Vec<u8>),
    /// A request, not yet parsed. Answer it with [`AgentChannel::reply`], then close.
    Request(Payload),
    /// No request will come of this. Write this at once, then close.
    Refuse(Payload),
}

/// What the end of the stream meant.
#[derive(Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// Nothing was sent. Normal: some clients connect only to see whether somebody listens.
    Empty,
    /// A message was cut off. Whoever closed only the writing side may read this reply; nobody has to send it.
    Incomplete(Payload),
    /// The request was complete: clients may close their writing side while they wait for the reply.
    Complete,
}

/// States in [`AgentChannel::hand_on`].
const OPENING: &str = "opening";
const KEYED: &str = "keyed";
const ANSWERING: &str = "answering";

enum State {
    Opening,
    /// The keys are exchanged.
    Keyed(SharedKey),
    /// A request was handed out; with the key if its reply is to be sealed.
    Answering(Option<SharedKey>),
    Refused,
}

impl AgentChannel {
    /// A new exchange.
    pub fn new() -> Self {
        Self { inbox: Inbox::new(Expected::Opening), state: State::Opening, keys: None }
    }

    /// A new exchange with a given X25519 secret key, which must never serve twice.
    #[cfg(feature = "test-vectors")]
    pub fn with_secret_key(secret: Key) -> Self {
        Self { keys: Some(KeyPair::from_secret(secret)), ..Self::new() }
    }

    /// Takes received bytes, cut and joined in any way. Bytes after a request are ignored.
    pub fn receive(&mut self, bytes: &[u8]) -> AgentStep {
        if matches!(self.state, State::Answering(_) | State::Refused) {
            return AgentStep::NeedMore;
        }
        self.inbox.push(bytes);
        match self.inbox.frame() {
            Ok(None) => AgentStep::NeedMore,
            Ok(Some(frame)) => self.take(frame).unwrap_or_else(|failure| self.refuse(failure)),
            Err(error) => self.refuse(self.framing_failure(error)),
        }
    }

    /// The reply to the request that was handed out, as it goes over the wire: to be written at once.
    pub fn reply(&mut self, json: Zeroizing<String>) -> Payload {
        self.reply_with(json, random_nonce)
    }

    /// [`AgentChannel::reply`] with a given nonce, which must never serve twice.
    #[cfg(feature = "test-vectors")]
    pub fn reply_with_nonce(&mut self, json: Zeroizing<String>, nonce: &Nonce) -> Payload {
        self.reply_with(json, || *nonce)
    }

    /// What it means that no more bytes will come.
    pub fn end_of_stream(&self) -> StreamEnd {
        let failure = match &self.state {
            State::Answering(_) | State::Refused => return StreamEnd::Complete,
            State::Opening if self.inbox.is_before_message() => return StreamEnd::Empty,
            State::Opening => Failure::not_json(),
            State::Keyed(_) => Failure::sealed_message_malformed(),
        };
        StreamEnd::Incomplete(in_clear(failure))
    }

    /// The memory that what was received takes, in bytes.
    pub fn held(&self) -> usize {
        self.inbox.held()
    }

    /// Why no more is read: what was received does not become a request. `None` before its first byte.
    pub fn give_up(&mut self, failure: Failure) -> Option<Payload> {
        let begun = matches!(self.end_of_stream(), StreamEnd::Incomplete(_));
        self.state = State::Refused;
        begun.then(|| in_clear(failure))
    }

    /// How far the exchange is, with its key and what was received of the next message, for another process of the agent that
    /// goes on with it. `None` where it is over.
    pub fn hand_on(&self) -> Option<Object> {
        let (state, key) = match &self.state {
            State::Opening => (OPENING, None),
            State::Keyed(key) => (KEYED, Some(key)),
            State::Answering(key) => (ANSWERING, key.as_ref()),
            State::Refused => return None,
        };
        let mut object = Object::default();
        object.insert("state", state);
        if let Some(key) = key {
            object.insert("key", STANDARD.encode(key.key().expose()));
        }
        if !matches!(self.state, State::Answering(_)) && !self.inbox.begun().is_empty() {
            object.insert("received", STANDARD.encode(self.inbox.begun()));
        }
        Some(object)
    }

    /// Goes on from what [`AgentChannel::hand_on`] gave; the next call of [`AgentChannel::receive`] may be one without bytes.
    /// `None`: it is none of that.
    pub fn handed_on(object: &Object) -> Option<Self> {
        let decoded = |name| match object.string(name) {
            Some(text) => STANDARD.decode(Zeroizing::new(text).as_bytes()).ok().map(Zeroizing::new).map(Some),
            None => Some(None),
        };
        let (key, received) = (decoded("key")?, decoded("received")?);
        let key = match key {
            Some(bytes) => Some(SharedKey::handed_on(Key::from_slice(&bytes)?)),
            None => None,
        };
        let (state, expected) = match (object.text("state")?.as_ref(), key) {
            (OPENING, None) => (State::Opening, Expected::Opening),
            (KEYED, Some(key)) => (State::Keyed(key), Expected::Sealed),
            (ANSWERING, key) => (State::Answering(key), Expected::Sealed),
            _ => return None,
        };
        let mut inbox = Inbox::new(expected);
        if !matches!(state, State::Answering(_)) {
            inbox.push(&received.unwrap_or_default());
        }
        Some(Self { inbox, state, keys: None })
    }

    fn take(&mut self, frame: Frame) -> Result<AgentStep, Failure> {
        match (frame, &self.state) {
            (Frame::Object(range), State::Opening) => {
                self.state = State::Answering(None);
                Ok(AgentStep::Request(self.inbox.take(range)))
            }
            (Frame::PublicKey(range), State::Opening) => {
                let keys = self.keys.take().unwrap_or_else(KeyPair::generate);
                let shared = keys.shared_key(self.inbox.get(range.clone()));
                self.state = State::Keyed(shared.map_err(|_| Failure::suspicious_public_key())?);
                self.inbox.expect(Expected::Sealed, range.end);
                Ok(AgentStep::Send(keys.public_key()))
            }
            (Frame::Sealed { len, nonce, cipher }, State::Keyed(key)) => {
                let request = key.open(len, self.inbox.get(nonce), self.inbox.get(cipher));
                let request = request.map_err(|_| Failure::decryption_failed())?;
                // Nothing more is read: no memory is held while the request is served.
                self.inbox = Inbox::new(Expected::Sealed);
                if let State::Keyed(key) = std::mem::replace(&mut self.state, State::Refused) {
                    self.state = State::Answering(Some(key));
                }
                Ok(AgentStep::Request(request))
            }
            // The scanner finds only what was expected.
            _ => Err(Failure::sealed_message_malformed()),
        }
    }

    fn refuse(&mut self, failure: Failure) -> AgentStep {
        self.state = State::Refused;
        AgentStep::Refuse(in_clear(failure))
    }

    fn framing_failure(&self, error: FramingError) -> Failure {
        match (error, &self.state) {
            (FramingError::TooLarge, _) => Failure::message_too_large(),
            (FramingError::BrokenSeal, _) => Failure::decryption_failed(),
            (_, State::Keyed(_)) => Failure::sealed_message_malformed(),
            _ => Failure::not_json(),
        }
    }

    /// A reply in clear needs no nonce.
    fn reply_with(&mut self, json: Zeroizing<String>, nonce: impl FnOnce() -> Nonce) -> Payload {
        match &self.state {
            State::Answering(Some(key)) => {
                Payload::new(key.seal(json.as_bytes(), padding(json.len()), &nonce()))
            }
            _ => Payload::from(json),
        }
    }
}

impl Default for AgentChannel {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for AgentChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Opening => "opening",
            State::Keyed(_) => "keyed",
            State::Answering(_) => "answering",
            State::Refused => "refused",
        };
        write!(f, "AgentChannel({state})")
    }
}

/// Failures before a request was opened are never sealed.
fn in_clear(failure: Failure) -> Payload {
    Payload::from(Reply::from(failure).to_json())
}
