//! The bytes received so far. They may hold secrets, so no copy of them stays behind in freed memory.

use std::ops::Range;

use zeroize::Zeroizing;

use super::Payload;
use crate::framing::{Expected, Frame, FramingError, Scanner};

/// Received bytes and the search for the end of the next message in them.
pub(super) struct Inbox {
    bytes: Zeroizing<Vec<u8>>,
    scanner: Scanner,
}

impl Inbox {
    pub fn new(expected: Expected) -> Self {
        Self { bytes: Zeroizing::default(), scanner: Scanner::new(expected, 0) }
    }

    /// Appends received bytes. Where a `Vec` would move its content and leave the old one behind, this overwrites it.
    pub fn push(&mut self, bytes: &[u8]) {
        let needed = self.bytes.len() + bytes.len();
        if needed > self.bytes.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(needed.next_power_of_two()));
            larger.extend_from_slice(&self.bytes);
            self.bytes = larger;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next message, if all of it is here.
    pub fn frame(&mut self) -> Result<Option<Frame>, FramingError> {
        self.scanner.scan(&self.bytes)
    }

    /// From `position` on something else is expected.
    pub fn expect(&mut self, expected: Expected, position: usize) {
        self.scanner = Scanner::new(expected, position);
    }

    pub fn get(&self, range: Range<usize>) -> &[u8] {
        &self.bytes[range]
    }

    /// Hands a message out and drops everything else.
    pub fn take(&mut self, range: Range<usize>) -> Payload {
        self.bytes.truncate(range.end);
        self.bytes.drain(..range.start);
        std::mem::take(&mut self.bytes).into()
    }

    /// Whether nothing of the expected message has arrived, white space aside.
    pub fn is_before_message(&self) -> bool {
        self.scanner.is_before()
    }
}
