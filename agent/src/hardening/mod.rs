//! What the agent keeps from other processes, and what it gives up so that whoever gets hold of it gets little else.

pub mod confine;
pub mod harden;
pub mod rest;
