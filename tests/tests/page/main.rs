//! The agent's web page: over raw HTTP, as nobody's browser would, and in a real browser.

mod browser;
mod life;
mod raw;
mod visitor;
