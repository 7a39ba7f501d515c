//! `oidc` and the tools whose names it also answers to say the same things differently.

/// In whose manner to speak: texts, streams and exit codes differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// As `oidc`.
    Ours,
    /// As the C suite's tool of this name.
    CSuite,
    /// As htgettoken's tool of this name.
    Htgettoken,
}
