//! `oidc helper NAME`: tokens for programs that ask in a way of their own. A helper is a file: how its program asks, and how it
//! wants the answer. What it asks the agent for is the same for all ([`hand_over`]).
//!
//! A helper that fails leaves standard output empty, unless its program wants to be told of failures there.

pub mod arguments;
mod aws;
mod cargo;
mod curl_header;
mod generic;
mod git;
mod google;
pub mod hand_over;
mod htcondor;
mod input;
mod kubectl;
mod pasted;
mod rclone;

use crate::{
    cli::table::{Entry, Group},
    context::Command,
};

/// Every helper.
pub const GROUP: Group<Box<dyn Command>> = Group {
    name: "helper",
    about: "Give tokens to git, kubectl, rclone and other programs, in the way each of them asks",
    after_help: "`oidc helper NAME --account ACCOUNT --print-config` prints what to paste into the program's configuration. \
                 `oidc help helper NAME` tells more. Without --account, helpers.toml in the oidc-agent directory says which \
                 account is for which host.",
    commands: &[
        Entry::of::<git::GitArgs>("git").also("git-credential-oidc"),
        Entry::of::<kubectl::KubectlArgs>("kubectl"),
        Entry::of::<rclone::RcloneArgs>("rclone"),
        Entry::of::<generic::GenericArgs>("generic").also("oidc-credential-helper"),
        Entry::of::<google::GoogleArgs>("google"),
        Entry::of::<curl_header::CurlHeaderArgs>("curl-header"),
        Entry::of::<aws::AwsArgs>("aws"),
        Entry::of::<htcondor::HtcondorArgs>("htcondor").also("condor_credential_storer_oidc"),
        Entry::of::<cargo::CargoArgs>("cargo").also("cargo-credential-oidc"),
    ],
};
