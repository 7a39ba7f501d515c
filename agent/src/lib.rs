//! Stub

pub mod provider;
