//! This process among others: what signals it gets, and whom it belongs to.

pub mod kinship;
pub mod signals;
