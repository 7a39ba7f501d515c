//! `oidc condor`: tokens for HTCondor's jobs. What was stored once is remembered, so that the agent stores it again in time.
//!
//! [`keep`] is the act itself, for `oidc condor store` and for the program that `condor_submit` runs; [`memory`] is where it is
//! remembered, [`credd`] HTCondor's side.

pub mod credd;
mod forget;
pub mod keep;
pub mod memory;
pub mod specification;
mod store;

use crate::{
    cli::table::{Entry, Group},
    context::Command,
};

/// Every command for HTCondor.
pub const GROUP: Group<Box<dyn Command>> = Group {
    name: "condor",
    about: "Store tokens in HTCondor's credd for jobs, and keep them fresh there",
    after_help: "A submit file names the service: `use_oauth_services = SERVICE`. What `oidc helper htcondor --print-config` prints \
                 has condor_submit store by itself what a job needs.",
    commands: &[Entry::of::<store::StoreArgs>("store"), Entry::of::<forget::ForgetArgs>("forget")],
};
