//! The command line: which command of a table, under which name, with which options. Knows no command itself.

pub mod argv;
pub mod completion;
pub mod environment;
pub mod getopt;
pub mod options;
pub mod parse;
pub mod table;
#[cfg(test)]
mod tests;
pub mod tree;
pub mod usage;
pub mod variable;
