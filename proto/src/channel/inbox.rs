//! The bytes received so far. They may hold secrets, so no copy of them stays behind in freed memory.
//!
//! Whatever is sent, no more is kept than one message may have, and what was pushed with its last byte.

use std::ops::Range;

use zeroize::Zeroizing;

use super::Payload;
use crate::framing::{Expected, Frame, FramingError, MAX_MESSAGE, Scanner, is_filler};

/// Received bytes and the search for the end of the next message in them.
pub(super) struct Inbox {
    bytes: Zeroizing<Vec<u8>>,
    scanner: Scanner,
    /// White space before the message that was received and not kept.
    skipped: usize,
    /// Where what belongs to the expected message begins.
    begins: usize,
}

impl Inbox {
    pub fn new(expected: Expected) -> Self {
        Self { bytes: Zeroizing::default(), scanner: Scanner::new(expected, 0), skipped: 0, begins: 0 }
    }

    /// Appends received bytes. Where a `Vec` would move its content and leave the old one behind, this overwrites it.
    pub fn push(&mut self, mut bytes: &[u8]) {
        if self.scanner.is_before() && self.scanner.seen() == self.bytes.len() {
            let filler = bytes.iter().take_while(|byte| is_filler(**byte)).count();
            self.skipped += filler;
            bytes = &bytes[filler..];
        }
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
        if self.skipped > MAX_MESSAGE { Err(FramingError::TooLarge) } else { self.scanner.scan(&self.bytes) }
    }

    /// The memory that is taken, in bytes.
    pub fn held(&self) -> usize {
        self.bytes.capacity()
    }

    /// From `position` on something else is expected.
    pub fn expect(&mut self, expected: Expected, position: usize) {
        self.scanner = Scanner::new(expected, position);
        (self.skipped, self.begins) = (0, position);
    }

    /// What was received of the expected message so far, and behind it.
    pub fn begun(&self) -> &[u8] {
        self.bytes.get(self.begins..).unwrap_or_default()
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bytes that look like messages more often than not, in pieces of any size.
    fn pieces() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let filler = proptest::collection::vec(prop_oneof![Just(b' '), Just(0), Just(b'\n')], 0..300);
        let open = prop_oneof![Just(b"{\"a\":".to_vec()), Just(b"{".repeat(50)), Just(b"99999:".to_vec())];
        let any = proptest::collection::vec(any::<u8>(), 0..300);
        proptest::collection::vec(prop_oneof![4 => filler, 1 => open, 1 => any], 0..20)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn memory_is_bounded_by_what_is_no_filler(pieces in pieces()) {
            for expected in [Expected::Opening, Expected::Sealed, Expected::SealedOrObject] {
                let mut inbox = Inbox::new(expected);
                let mut sent = 0;
                let mut seen = false;
                for piece in &pieces {
                    inbox.push(piece);
                    let begins = piece.iter().position(|byte| !is_filler(*byte));
                    sent += if seen { piece.len() } else { begins.map_or(0, |begin| piece.len() - begin) };
                    seen |= begins.is_some();
                    prop_assert!(inbox.held() <= sent.next_power_of_two(), "{} of {sent}", inbox.held());
                    if !matches!(inbox.frame(), Ok(None)) {
                        break;
                    }
                }
            }
        }

        #[test]
        fn a_message_is_found_behind_filler_in_any_pieces(filler in "[ \\t\\r\\n\0]{0,300}", cut in 1_usize..50) {
            let message = br#"{"request":"check", "x": "}"}"#;
            let bytes = [filler.as_bytes(), message, b" {more}"].concat();
            let mut inbox = Inbox::new(Expected::Opening);
            let mut found = None;
            for piece in bytes.chunks(cut) {
                inbox.push(piece);
                if let Some(Frame::Object(range)) = inbox.frame().expect("a message") {
                    found = Some(range);
                    break;
                }
            }
            prop_assert_eq!(&*inbox.take(found.expect("complete")), message);
        }
    }

    #[test]
    fn filler_is_bounded_and_takes_no_memory() {
        for expected in [Expected::Opening, Expected::Sealed, Expected::SealedOrObject] {
            let mut inbox = Inbox::new(expected);
            let blanks = [b' '; 4096];
            for _ in 0..MAX_MESSAGE / blanks.len() {
                inbox.push(&blanks);
                assert_eq!(inbox.frame(), Ok(None));
            }
            assert_eq!(inbox.held(), 0);
            inbox.push(&blanks);
            assert_eq!(inbox.frame(), Err(FramingError::TooLarge), "{expected:?}");
        }
    }

    #[test]
    fn an_object_of_blanks_is_bounded_as_well() {
        let mut inbox = Inbox::new(Expected::Opening);
        inbox.push(b"{");
        let blanks = [b' '; 4096];
        let pushed = (0..).take_while(|_| {
            inbox.push(&blanks);
            inbox.frame() == Ok(None)
        });
        assert!(pushed.count() <= MAX_MESSAGE / blanks.len());
        assert!(inbox.held() <= 2 * MAX_MESSAGE);
    }
}
