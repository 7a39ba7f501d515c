//! Where a message ends, told from its bytes alone.
//!
//! The IPC protocol has no frames: the C suite takes what one `read` returns for a message and fails when the kernel
//! or an `ssh` forwarding cuts it. Three kinds of messages exist, and each tells its own end:
//!
//! | first byte | message | complete when |
//! |---|---|---|
//! | `{` | a JSON object | the braces and brackets outside strings are balanced |
//! | base64 | a public key, at the start of an exchange | 44 characters, the last one `=` |
//! | digit | `len:nonce:cipher`, after the keys | as long as `len` says |
//!
//! White space and NUL bytes before a message are skipped, up to [`MAX_MESSAGE`] of them; what follows it is not looked
//! at.

mod scanner;

use std::ops::Range;

pub use self::scanner::{Scanner, first_object, is_filler};

/// The longest message: a JSON object, or the plaintext of a sealed message, in bytes.
pub const MAX_MESSAGE: usize = 1 << 20;

/// A public key on the wire: 32 bytes in padded base64.
pub const PUBLIC_KEY_LEN: usize = 44;

/// A nonce on the wire: 24 bytes in base64, which need no padding.
pub const NONCE_LEN: usize = 32;

/// The bytes that a sealed message is longer than its plaintext: the Poly1305 tag, which stands first.
pub const TAG_LEN: usize = 16;

/// What may come at this point of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// An object or a public key: the client's first message, and the agent's answer to a public key.
    Opening,
    /// A sealed message only: a request after the keys.
    Sealed,
    /// A sealed message or an object: the reply to a sealed request.
    SealedOrObject,
}

/// A complete message; the ranges are positions in the buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A JSON object, or at least something with balanced braces.
    Object(Range<usize>),
    /// 44 characters of base64.
    PublicKey(Range<usize>),
    /// A sealed message.
    Sealed {
        /// The length that the plaintext is said to have; at most [`MAX_MESSAGE`].
        len: usize,
        /// [`NONCE_LEN`] characters of base64.
        nonce: Range<usize>,
        /// Tag and ciphertext as base64, padding included.
        cipher: Range<usize>,
    },
}

/// Why bytes cannot become a message, whatever follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FramingError {
    /// The first byte starts no message, or a public key has a byte that is not base64.
    #[error("neither a JSON object nor a public key")]
    NotAMessage,
    /// Not `len:nonce:cipher`.
    #[error("not a sealed message")]
    NotSealed,
    /// Nonce or cipher are not base64 of the length they should have.
    #[error("a sealed message with a broken nonce or cipher")]
    BrokenSeal,
    /// More than [`MAX_MESSAGE`].
    #[error("a message of more than {MAX_MESSAGE} bytes")]
    TooLarge,
}

/// The characters of base64, with padding, that `len` bytes of plaintext become when sealed.
pub const fn cipher_len(len: usize) -> usize {
    4 * (len + TAG_LEN).div_ceil(3)
}

/// The bytes on the wire that `len` bytes of plaintext become when sealed.
pub fn sealed_len(len: usize) -> usize {
    let digits = len.checked_ilog10().map_or(1, |log| log as usize + 1);
    digits + 1 + NONCE_LEN + 1 + cipher_len(len)
}
