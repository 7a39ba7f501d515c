//! The life of the process: what it was called for, how it starts, serves and ends, and what it says meanwhile.

pub mod announce;
mod arguments;
mod daemonize;
mod handover;
mod kill;
mod logging;
mod parent;
mod run;
mod serve;
pub mod start;
pub mod start_error;
mod status;
pub mod succession;
