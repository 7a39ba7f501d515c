//! A small HTTP server on this computer's own addresses, for pages that are there for a while: few connections, one
//! request each, all of it bounded. What is answered is the business of a [`Site`].

pub mod body;
pub mod listen;
pub mod neighbour;
pub mod response;
mod serve;

pub use serve::{Limits, Site, serve};
