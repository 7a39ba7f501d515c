//! This process among others: what signals it gets, whom it belongs to, and whether there is a display.

pub mod display;
pub mod kinship;
pub mod signals;
