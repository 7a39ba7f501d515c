//! Managed token files: which tokens are to be ready, where, and for which readers. The agent keeps them fresh; the client
//! checks, shows and writes the configuration.

pub mod entry;
