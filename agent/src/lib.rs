//! The agent: keeps encrypted OpenID Connect accounts unlocked in memory and hands out access tokens on a socket.

pub mod accounts;
pub mod announce;
pub mod caller;
pub mod cli;
pub mod clock;
pub mod config;
pub mod confine;
mod daemonize;
pub mod harden;
pub mod issuer_data;
mod kill;
mod logging;
pub mod login;
mod man_page;
pub mod options;
mod output;
pub mod program;
pub mod prompt;
pub mod provider;
mod regular_file;
pub mod run;
mod serve;
pub mod server;
pub mod start;
pub mod start_error;
mod status;
