//! The socket: where it is, who may use it, and one task for each connection.
//!
//! Bytes become requests here and replies become bytes; what a request means is the [`handler::Handler`]'s business.

pub mod activation;
pub mod bind;
mod budget;
pub mod default_place;
pub mod dispatch;
pub mod entrance;
pub mod gate;
pub mod group;
pub mod handler;
mod idle;
pub mod limits;
pub mod listener;
pub mod place;
mod report;
mod session;
mod stream;
