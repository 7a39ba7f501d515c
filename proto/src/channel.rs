//! One exchange between a client and the agent as a state machine without I/O, one for each side.
//!
//! A client speaks first, either in clear or sealed:
//!
//! ```text
//! client                                     agent
//!   {"request":…}                    ──▶
//!                                    ◀──    {"status":…}                         close
//!
//!   base64(public key)               ──▶
//!                                    ◀──    base64(public key)
//!   len:nonce:cipher   (request)     ──▶
//!                                    ◀──    len:nonce:cipher   (reply)           close
//! ```
//!
//! Sealing is libsodium's `crypto_box` with fresh keys on both sides: X25519 (RFC 7748), `HSalsa20`,
//! XSalsa20-Poly1305.
//! Nothing authenticates the keys: it keeps the exchange from being read on its way, and no more.
//!
//! Bytes may arrive cut and joined in any way. Each message to send is to be written at once: C programs take what
//! one `read` returns for the whole.

mod agent;
mod client;
mod inbox;
mod payload;
mod seal;

pub use agent::{AgentChannel, AgentStep, StreamEnd};
pub use client::{ChannelError, ClientChannel, ClientStep};
pub use payload::Payload;
#[cfg(feature = "test-vectors")]
pub use seal::Nonce;
