//! `oidc` and the C suite's tools say the same things differently.

/// In whose manner to speak: texts, streams and exit codes differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// As `oidc`.
    Ours,
    /// As the C suite's tool of this name.
    CSuite,
}
