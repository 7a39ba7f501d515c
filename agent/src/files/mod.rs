//! Managed token files: kept fresh for readers that do not ask the agent.
//!
//! [`schedule`] knows what is to be done and when, and does nothing. [`Files`] holds it with what belongs to it, under a mutex
//! that is held for moments; `driver.rs` carries out what it says, in one task that is there as long as there are entries.
//! Tokens come from [`crate::accounts::Accounts`] as for everybody.

mod condor;
mod configure;
mod driver;
mod handle;
mod hook_state;
mod hooks;
mod issued;
mod life;
mod pause;
mod places;
mod publish;
mod report;
mod requests;
mod schedule;
mod start;
mod succession;
mod tell;
mod timers;

pub use self::handle::Files;
