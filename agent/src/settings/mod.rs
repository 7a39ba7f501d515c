//! What the agent was told: by its command line and the `config` file.

pub mod cli;
pub mod config;
pub mod man_page;
pub mod options;
