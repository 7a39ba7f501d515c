//! What the suites in `tests/` are made of: a provider to talk to, a place to run in, and the programs under test.

pub mod http;
pub mod provider;
