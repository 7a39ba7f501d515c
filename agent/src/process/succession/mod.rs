//! Another version of this program takes over from the one that serves, in the same process: nothing that is loaded has to be
//! unlocked again, and no client notices.
//!
//! The process stays: its number, which `OIDCD_PID`, pid files, service managers and shells know, its parent, its standard streams.
//! It *executes* the other program (execve(2)), in two steps, and each of them leaves the present one serving if it fails.
//!
//! 1. **Rehearsal** (`rehearsal.rs`): the other program runs as a child with a copy of everything, does all it would do, and says
//!    whether it could. It is given [`memory`] that nobody can change any more.
//! 2. **Taking over** (`upgrade.rs`, `take_over.rs`): when nothing is under way, connections stop where they are
//!    ([`crate::server::gate`]), everything is written once more, descriptors are put into a socket that is the next program's standard
//!    input (`carrier.rs`), and the program is executed. Should it not come to serve, it executes the one before it again
//!    (`way_back.rs`): nothing was begun until then, so what was written still counts.
//!
//! What is handed on is [`state`]: each room writes what it holds, and reads it again.

mod carrier;
mod memory;
mod program_file;
mod refusal;
pub mod rehearsal;
pub mod state;
pub mod take_over;
pub mod upgrade;
pub mod way_back;
