//! The agent: keeps encrypted OpenID Connect accounts unlocked in memory and hands out access tokens on a socket.

pub mod accounts;
pub mod caller;
pub mod clock;
pub mod files;
pub mod handed_on;
pub mod hardening;
pub mod login;
mod output;
pub mod page;
pub mod process;
pub mod program;
pub mod prompt;
pub mod provider;
mod regular_file;
pub mod server;
pub mod settings;
mod web;
