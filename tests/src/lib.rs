//! What the suites in `tests/` are made of: a provider to talk to, a place to run in, and the programs under test.

#![allow(clippy::print_stdout, reason = "a test's output is where it says what it did")]

pub mod agent;
pub mod browser;
pub mod c_suite;
pub mod certificates;
pub mod condor;
pub mod decoders;
pub mod environment;
pub mod faketime;
pub mod http;
pub mod imports;
pub mod login_shell;
pub mod machine;
pub mod managed;
pub mod mounts;
pub mod mytoken_server;
pub mod npm_provider;
pub mod programs;
pub mod provider;
pub mod pty;
pub mod relay;
pub mod require;
pub mod scene;
pub mod servers;
pub mod service;
pub mod sts;
pub mod terminal;
pub mod upgrade;
