//! The scanner: where it is in a message, and how each byte moves it on.

use std::ops::Range;

use super::{Expected, Frame, FramingError, MAX_MESSAGE, NONCE_LEN, PUBLIC_KEY_LEN, TAG_LEN, cipher_len};

/// The digits of [`MAX_MESSAGE`].
const MAX_LENGTH_DIGITS: usize = 7;

/// Looks for the end of one message in a buffer that grows. Each byte is looked at once.
#[derive(Debug, Clone)]
pub struct Scanner {
    expected: Expected,
    /// Where it began.
    origin: usize,
    /// Everything before it has been looked at.
    position: usize,
    state: State,
}

#[derive(Debug, Clone)]
enum State {
    Before,
    Object { start: usize, depth: usize, place: Place },
    PublicKey { start: usize },
    Length { start: usize, len: usize },
    Nonce { start: usize, len: usize },
    Cipher { nonce: Range<usize>, len: usize },
}

/// Where in an object's text a byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Outside,
    InString,
    AfterBackslash,
}

/// What looking at more bytes came to.
enum Step {
    /// All bytes have been looked at.
    NeedMore,
    /// The state has changed; go on.
    Next,
    Found(Frame),
}

type Stepped = Result<Step, FramingError>;

impl Scanner {
    /// A scanner that begins at `position` of the buffer.
    pub const fn new(expected: Expected, position: usize) -> Self {
        Self { expected, origin: position, position, state: State::Before }
    }

    /// Whether no byte of a message has been seen yet.
    pub const fn is_before(&self) -> bool {
        matches!(self.state, State::Before)
    }

    /// How many bytes have been looked at.
    pub const fn seen(&self) -> usize {
        self.position
    }

    /// Goes on where the last call stopped; `buffer` is the one of that call, perhaps with more bytes at its end.
    /// `None`: the message is not complete yet.
    pub fn scan(&mut self, buffer: &[u8]) -> Result<Option<Frame>, FramingError> {
        loop {
            let step = match self.state.clone() {
                State::Before => self.begin(buffer),
                State::Object { start, depth, place } => self.object(buffer, start, depth, place),
                State::PublicKey { start } => self.public_key(buffer, start),
                State::Length { start, len } => self.length(buffer, start, len),
                State::Nonce { start, len } => self.nonce(buffer, start, len),
                State::Cipher { nonce, len } => self.cipher(buffer, nonce, len),
            }?;
            match step {
                Step::NeedMore => return Ok(None),
                Step::Next => {}
                Step::Found(frame) => return Ok(Some(frame)),
            }
        }
    }

    fn begin(&mut self, buffer: &[u8]) -> Stepped {
        let filler = buffer[self.position..].iter().take_while(|byte| is_filler(**byte)).count();
        let start = self.position + filler;
        bounded(self.origin, start)?;
        let Some(first) = buffer.get(start) else {
            self.position = start;
            return Ok(Step::NeedMore);
        };
        (self.position, self.state) = match (first, self.expected) {
            (b'{', Expected::Opening | Expected::SealedOrObject) => {
                (start + 1, State::Object { start, depth: 1, place: Place::Outside })
            }
            (byte, Expected::Opening) if is_base64(*byte) => (start, State::PublicKey { start }),
            (_, Expected::Opening) => return Err(FramingError::NotAMessage),
            (b'0'..=b'9', _) => (start, State::Length { start, len: 0 }),
            _ => return Err(FramingError::NotSealed),
        };
        Ok(Step::Next)
    }

    fn object(&mut self, buffer: &[u8], start: usize, mut depth: usize, mut place: Place) -> Stepped {
        for (offset, byte) in buffer[self.position..].iter().enumerate() {
            place = match (place, byte) {
                (Place::InString, b'\\') => Place::AfterBackslash,
                (Place::InString, b'"') => Place::Outside,
                (Place::InString | Place::AfterBackslash, _) | (Place::Outside, b'"') => Place::InString,
                (Place::Outside, _) => Place::Outside,
            };
            if place == Place::Outside {
                match byte {
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => depth -= 1,
                    _ => continue,
                }
                if depth == 0 {
                    let end = self.position + offset + 1;
                    return bounded(start, end).map(|()| Step::Found(Frame::Object(start..end)));
                }
            }
        }
        self.position = buffer.len();
        self.state = State::Object { start, depth, place };
        bounded(start, self.position).map(|()| Step::NeedMore)
    }

    fn public_key(&mut self, buffer: &[u8], start: usize) -> Stepped {
        let last = start + PUBLIC_KEY_LEN - 1;
        let seen = buffer.len().min(last);
        if !buffer[self.position..seen].iter().copied().all(is_base64) {
            return Err(FramingError::NotAMessage);
        }
        self.position = seen;
        match buffer.get(last) {
            None => Ok(Step::NeedMore),
            Some(b'=') => Ok(Step::Found(Frame::PublicKey(start..last + 1))),
            Some(_) => Err(FramingError::NotAMessage),
        }
    }

    fn length(&mut self, buffer: &[u8], start: usize, mut len: usize) -> Stepped {
        for byte in &buffer[self.position..] {
            match byte {
                b'0'..=b'9' => len = len * 10 + usize::from(byte - b'0'),
                b':' => {
                    self.position += 1;
                    self.state = State::Nonce { start: self.position, len };
                    return if len > MAX_MESSAGE { Err(FramingError::TooLarge) } else { Ok(Step::Next) };
                }
                _ => return Err(FramingError::NotSealed),
            }
            self.position += 1;
            if self.position - start > MAX_LENGTH_DIGITS {
                return Err(FramingError::TooLarge);
            }
        }
        self.state = State::Length { start, len };
        Ok(Step::NeedMore)
    }

    fn nonce(&mut self, buffer: &[u8], start: usize, len: usize) -> Stepped {
        let end = start + NONCE_LEN;
        let seen = buffer.len().min(end);
        if !buffer[self.position..seen].iter().copied().all(is_base64) {
            return Err(FramingError::BrokenSeal);
        }
        self.position = seen;
        match buffer.get(end) {
            None => Ok(Step::NeedMore),
            Some(b':') => {
                self.position = end + 1;
                self.state = State::Cipher { nonce: start..end, len };
                Ok(Step::Next)
            }
            Some(_) => Err(FramingError::BrokenSeal),
        }
    }

    fn cipher(&mut self, buffer: &[u8], nonce: Range<usize>, len: usize) -> Stepped {
        let start = nonce.end + 1;
        let end = start + cipher_len(len);
        let padding_from = end - (3 - (len + TAG_LEN) % 3) % 3;
        let seen = buffer.len().min(end);
        let fits = |(place, byte): (usize, &u8)| {
            if place < padding_from { is_base64(*byte) } else { *byte == b'=' }
        };
        if !(self.position..seen).zip(&buffer[self.position..seen]).all(fits) {
            return Err(FramingError::BrokenSeal);
        }
        self.position = seen;
        let found = (seen == end).then_some(Frame::Sealed { len, nonce, cipher: start..end });
        Ok(found.map_or(Step::NeedMore, Step::Found))
    }
}

fn bounded(start: usize, end: usize) -> Result<(), FramingError> {
    if end - start > MAX_MESSAGE { Err(FramingError::TooLarge) } else { Ok(()) }
}

/// What may stand before a message and means nothing.
pub const fn is_filler(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0)
}

const fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')
}

/// The first JSON object in `bytes`, if it is complete; else all of them. What follows the object is dropped:
/// C agents may send a second one.
pub fn first_object(bytes: &[u8]) -> &[u8] {
    match Scanner::new(Expected::Opening, 0).scan(bytes) {
        Ok(Some(Frame::Object(range))) => &bytes[range],
        _ => bytes,
    }
}
