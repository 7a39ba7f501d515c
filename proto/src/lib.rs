//! What the OIDC agent and its clients agree on: the IPC protocol, account configs, encrypted account files and the
//! oidc-agent directory. No runtime, no HTTP, no argument parser; everything else depends on this crate.

pub mod account;
pub mod assuan;
pub mod channel;
pub mod client_key;
pub mod config;
pub mod connect;
pub mod deadlines;
pub mod destination;
pub mod distinguished_name;
pub mod environment;
pub mod error_code;
pub mod fault_point;
pub mod files;
pub mod framing;
pub mod helpers;
pub mod home;
pub mod issuers;
pub mod json;
pub mod jwt;
pub mod message;
pub mod peer;
pub mod private_file;
pub mod proc_stat;
pub mod process;
pub mod rotation;
pub mod scope;
pub mod secret;
pub mod shell;
pub mod shortname;
pub mod socket;
pub mod timespan;
pub mod token;
pub mod trust;
pub mod vault;
pub mod wildcard;
