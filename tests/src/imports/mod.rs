//! Which file of a crate uses names of which other file: circles among files, and names taken from a room further up.
//!
//! The source text is read with `syn`; nothing is compiled. An arrow leads from a file that names something to the file
//! that defines it, through any re-exports on the way. Names are found in `use` items, in paths anywhere in the code
//! (`crate::`, `super::`, `self::` or by what is in scope) and in the words of macros and attributes. What only tests
//! have (`#[cfg(test)]`) is left out.
//!
//! No arrows are `mod x;`, links in documentation, the import of a module by itself (what is named through it counts),
//! and a re-export of something that the file does not use itself: an index of names does no work. Calls of methods are
//! not followed; the type that has them is named somewhere.

mod arrows;
mod resolve;
mod rooms;
mod source;

pub use self::{
    arrows::{Arrows, Circle},
    rooms::{Order, Upward},
    source::{Files, Unreadable, read_files},
};

#[cfg(test)]
mod tests;
