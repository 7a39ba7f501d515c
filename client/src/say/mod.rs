//! What is said, and how: streams, exit codes, and whose manner of speaking.

pub mod dialect;
pub mod escape;
pub mod exit;
pub mod output;
