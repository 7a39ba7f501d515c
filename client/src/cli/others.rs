//! The commands the C suite has no program for.

use std::{ffi::OsString, path::PathBuf};

use clap::{Parser, ValueEnum};
use oidc_proto::secret::SecretText;

use super::common::{Common, PasswordArgs};

/// Delete an account whose password is forgotten; asks no password
#[derive(Debug, Clone, Parser)]
#[command(
    override_usage = "oidc reset [OPTIONS] ACCOUNT... | --all",
    after_help = "\
Deletes the encrypted account file, whatever state it is in, and what belongs to it in the oidc-agent directory. \
If the agent holds the account unlocked, the refresh token is revoked and a dynamically registered client is \
deleted at the provider first; otherwise the command names what is left there. No agent is needed, none is started, \
and a locked agent does not matter. Afterwards `oidc gen ACCOUNT` makes the account anew.

If you only want another password and the agent still holds the account, `oidc passwd ACCOUNT` loses nothing."
)]
pub struct ResetArgs {
    /// Short names of the accounts
    #[arg(value_name = "ACCOUNT", required_unless_present = "all")]
    pub accounts: Vec<String>,

    /// Reset every account that `oidc list` shows
    #[arg(long, conflicts_with = "accounts")]
    pub all: bool,

    /// Do not ask for confirmation
    #[arg(short, long)]
    pub force: bool,

    /// Leave refresh token and client at the provider as they are
    #[arg(long)]
    pub keep_remote: bool,

    /// Only show what would be done
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    #[command(flatten)]
    pub common: Common,
}

/// Set a new password for an account file
#[derive(Debug, Clone, Parser)]
#[command(after_help = "\
Asks the old password. If it is forgotten and the agent holds the account unlocked, the copy in the agent is used \
after confirmation. A file of the C suite becomes one of ours unless --format says otherwise.")]
pub struct PasswdArgs {
    /// The account's short name
    #[arg(value_name = "ACCOUNT")]
    pub account: String,

    /// Format of the new file
    #[arg(long, value_enum, default_value = "native")]
    pub format: FormatArg,

    /// Use the copy that the agent holds unlocked, without asking the old password
    #[arg(long)]
    pub from_agent: bool,

    /// Do not ask for confirmation
    #[arg(short, long)]
    pub force: bool,

    /// Read the new password from an environment variable
    #[arg(long, value_name = "NAME", help_heading = "New password")]
    pub new_pw_env: Option<OsString>,

    /// Use the output of a shell command as the new password
    #[arg(long, value_name = "CMD", help_heading = "New password")]
    pub new_pw_cmd: Option<SecretText>,

    /// Use the first line of a file or pipe as the new password; - is standard input
    #[arg(long, value_name = "FILE", help_heading = "New password")]
    pub new_pw_file: Option<PathBuf>,

    #[command(flatten)]
    pub old: PasswordArgs,

    #[command(flatten)]
    pub common: Common,
}

/// The formats an account file can be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
    /// oidc-account/1
    Native,
    /// What the C suite reads
    OidcAgent,
}

/// List the accounts and whether the agent holds them
#[derive(Debug, Clone, Parser)]
pub struct ListArgs {
    /// Only those the agent holds
    #[arg(short = 'a', long)]
    pub loaded: bool,

    #[command(flatten)]
    pub common: Common,
}

/// Unload an account
#[derive(Debug, Clone, Parser)]
#[command(override_usage = "oidc remove [OPTIONS] ACCOUNT | --all")]
pub struct RemoveArgs {
    /// The account's short name
    #[arg(value_name = "ACCOUNT", required_unless_present = "all")]
    pub account: Option<String>,

    /// Unload all accounts
    #[arg(long, conflicts_with = "account")]
    pub all: bool,

    #[command(flatten)]
    pub common: Common,
}

/// Show the agent's state
#[derive(Debug, Clone, Parser)]
pub struct StatusArgs {
    #[command(flatten)]
    pub common: Common,
}

/// Lock the agent: it gives out nothing until it is unlocked
#[derive(Debug, Clone, Parser)]
pub struct LockArgs {
    #[command(flatten)]
    pub password: PasswordArgs,

    #[command(flatten)]
    pub common: Common,
}

/// Unlock the agent
#[derive(Debug, Clone, Parser)]
pub struct UnlockArgs {
    #[command(flatten)]
    pub password: PasswordArgs,

    #[command(flatten)]
    pub common: Common,
}

/// Start, stop or ask the agent that commands find without variables
#[derive(Debug, Clone, Parser)]
pub struct AgentArgs {
    /// What to do
    #[arg(value_enum)]
    pub action: AgentAction,

    /// Further arguments for `oidc-agent`, behind `--`
    #[arg(value_name = "ARGUMENT", num_args = 0..)]
    pub arguments: Vec<OsString>,

    #[command(flatten)]
    pub common: Common,
}

/// What to do with the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AgentAction {
    /// Start it, unless it runs
    Start,
    /// End it
    Stop,
    /// Ask it for its state
    Status,
}

/// Write man pages or a shell's completions
#[derive(Debug, Clone, Parser)]
pub struct GenerateArgs {
    /// What to write
    #[arg(value_enum)]
    pub what: Generated,

    /// Directory for the files, which are named as the shell or `man` looks for them
    #[arg(value_name = "DIRECTORY")]
    pub directory: PathBuf,

    #[command(flatten)]
    pub common: Common,
}

/// What `generate` can write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Generated {
    /// A page for each command and name
    Man,
    /// Completions for bash
    Bash,
    /// Completions for zsh
    Zsh,
    /// Completions for fish
    Fish,
}
