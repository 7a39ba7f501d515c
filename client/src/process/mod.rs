//! This process among others: what signals it gets, whom it belongs to, whether there is a display, and a browser
//! on it; what time it is; programs that are run to their end, and what may never end.

pub mod bounded;
pub mod browser;
pub mod clock;
pub mod descriptors;
pub mod display;
pub mod kinship;
pub mod patience;
pub mod signals;
