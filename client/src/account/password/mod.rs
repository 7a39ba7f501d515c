//! The password of an account file, and other secrets, from wherever they come.

pub mod asker;
mod command;
pub mod error;
pub mod file;
pub mod keyring;
mod keys;
pub mod pinentry;
pub mod sources;
pub mod terminal;
mod tty;

use std::time::Duration;

/// How often a person may mistype.
pub const TRIES: usize = 3;
/// How often a new password is asked for that is empty or typed differently twice, before whatever answers is taken for no
/// person.
pub const NEW_TRIES: usize = 10;
/// The most a source may yield, in bytes.
const MAX_PASSWORD: usize = 64 * 1024;
/// How long a command or a pipe may take: a person may have to unlock something first.
pub const SOURCE_DEADLINE: Duration = Duration::from_secs(5 * 60);
