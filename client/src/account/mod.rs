//! An account's name, its issuer and its file, and the password that opens it.

pub mod error;
pub mod file;
pub mod issuer_url;
pub mod password;
pub mod phrase;
