//! `oidc files`: the managed token files. The agent keeps them fresh; these commands check, show and write what it is told.

mod add;
mod check;
mod configuration;
mod edit;
mod explain;
mod import_osg;
mod reload;
mod remove;
mod renew;
mod show;
mod status;
mod wait;

use crate::{
    cli::table::{Entry, Group},
    context::Command,
};

/// All of them.
pub const GROUP: Group<Box<dyn Command>> = Group {
    name: "files",
    about: "Keep tokens ready in files for programs that read them there",
    after_help: "`oidc files add ACCOUNT PATH` is all that a first file takes. The configuration is files.toml in the \
                 oidc-agent directory, and files.d/*.toml beside it; docs/files.md has every key.",
    commands: &[
        Entry::of::<add::AddArgs>("add"),
        Entry::of::<status::StatusArgs>("status"),
        Entry::of::<wait::WaitArgs>("wait"),
        Entry::of::<renew::RenewArgs>("renew"),
        Entry::of::<explain::ExplainArgs>("explain"),
        Entry::of::<check::CheckArgs>("check"),
        Entry::of::<reload::ReloadArgs>("reload"),
        Entry::of::<remove::RemoveArgs>("remove"),
        Entry::of::<import_osg::ImportOsgArgs>("import-osg"),
    ],
};
