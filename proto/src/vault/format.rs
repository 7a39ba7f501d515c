//! How an account file is encrypted, and how large it may be.

/// The largest account file that is read or written, in bytes.
pub const MAX_FILE_LEN: usize = 1 << 20;

/// How an account file is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Ours, `oidc-account/1`.
    Native,
    /// The C suite's since 2.1.0: seven lines, base64.
    OidcAgent,
    /// The C suite's before 2.1.0: one line, hex. Read, never written.
    OidcAgentHex,
    /// An ASCII-armoured OpenPGP message, as the C suite writes since 4.2.0.
    OpenPgp,
}
