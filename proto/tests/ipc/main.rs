//! The IPC protocol against exchanges recorded from the C suite's agents (4.2.6 and 5.3.3), and against itself with
//! generated messages.

#![allow(missing_docs, clippy::unwrap_used)]

mod exchanges;
mod fixture;
mod malformed;
mod messages;
mod properties;
mod strategies;
