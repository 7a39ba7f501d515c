//! The table of commands, and a file for each of them: its arguments and what it does.

mod add;
mod agent;
mod condor;
mod config;
mod doctor;
mod exec;
mod files;
mod r#gen;
mod generate;
mod helper;
mod inspect;
#[cfg(test)]
mod json_tests;
mod keychain;
mod list;
mod lock;
mod orphans;
mod page;
mod passwd;
mod prompt;
mod provider;
mod remove;
mod reset;
mod service;
mod status;
mod token;
mod unlock;
mod whoami;

use crate::{
    cli::table::{Entry, Table},
    context::Command,
    say::dialect::Dialect,
};

/// Every command under its names.
pub static TABLE: Table<Box<dyn Command>> = Table {
    commands: &[
        Entry::of::<token::arguments::TokenCommand>("token").or_one_word(token_of),
        Entry::of::<exec::arguments::ExecArgs>("exec"),
        Entry::of::<add::AddArgs>("add"),
        Entry::of::<r#gen::arguments::GenArgs>("gen"),
        Entry::of::<remove::RemoveArgs>("remove"),
        Entry::of::<list::ListArgs>("list"),
        Entry::of::<passwd::arguments::PasswdArgs>("passwd"),
        Entry::of::<reset::ResetArgs>("reset"),
        Entry::of::<inspect::arguments::InspectArgs>("inspect"),
        Entry::of::<status::StatusArgs>("status"),
        Entry::of::<doctor::DoctorArgs>("doctor"),
        Entry::of::<page::PageArgs>("page"),
        Entry::of::<whoami::WhoamiArgs>("whoami"),
        Entry::of::<provider::ProviderArgs>("provider"),
        Entry::of::<orphans::OrphansArgs>("orphans"),
        Entry::of::<lock::LockArgs>("lock"),
        Entry::of::<unlock::UnlockArgs>("unlock"),
        Entry::of::<agent::AgentArgs>("agent"),
        Entry::of::<exec::renewer::RenewerArgs>("renew-for-exec").hidden(),
        Entry::of::<config::ConfigArgs>("config"),
        Entry::of::<generate::GenerateArgs>("generate").hidden(),
    ],
    groups: &[files::GROUP, condor::GROUP, helper::GROUP],
    c_suite: &[
        Entry::as_of_c_suite::<token::arguments::CSuiteTokenArgs, token::arguments::TokenCommand>(
            "oidc-token",
        )
        .or_one_word(token_of),
        Entry::as_of_c_suite::<r#gen::arguments::CSuiteGenArgs, r#gen::arguments::GenArgs>("oidc-gen"),
        Entry::as_of_c_suite::<add::CSuiteAddArgs, add::AddArgs>("oidc-add"),
        Entry::of::<service::ServiceArgs>("oidc-agent-service"),
        Entry::of::<keychain::KeychainArgs>("oidc-keychain").verbatim(),
        Entry::of::<prompt::PromptArgs>("oidc-prompt"),
        Entry::as_of_c_suite::<exec::tokensh::TokenshArgs, exec::arguments::ExecArgs>("oidc-tokensh")
            .speaking(Dialect::Ours),
        Entry::as_of_c_suite::<exec::httokensh::HttokenshArgs, exec::arguments::ExecArgs>("httokensh")
            .speaking(Dialect::Htgettoken)
            .with_defaults_in(exec::httokensh::DEFAULTS)
            .hidden(),
    ],
};

fn token_of(account: String) -> Box<dyn Command> {
    token::arguments::TokenCommand::of(account).into()
}

/// Every program with its commands and options, for what describes them.
pub fn programs() -> Vec<clap::Command> {
    crate::cli::tree::programs(&TABLE)
}
