//! `oidc add` and `oidc-add`.

use clap::Parser;
use oidc_proto::timespan::seconds;

use super::common::{Common, PasswordArgs};

/// Decrypt an account file and load the account into the agent
#[derive(Debug, Clone, Default, Parser)]
#[command(
    override_usage = "oidc add [OPTIONS] ACCOUNT|ISSUER_URL\n       oidc add [OPTIONS] -l | -a | -R | -x | -X"
)]
pub struct AddArgs {
    /// An account's short name, or an issuer URL for that issuer's default account
    #[arg(value_name = "ACCOUNT|ISSUER_URL")]
    pub account: Option<String>,

    /// Unload the account after this many seconds (also 30m, 8h)
    #[arg(short = 't', long, value_name = "TIME", value_parser = seconds)]
    pub lifetime: Option<u64>,

    /// Ask the person each time a program wants a token
    #[arg(short, long)]
    pub confirm: bool,

    /// Give out ID tokens without asking the person
    #[arg(long)]
    pub always_allow_idtoken: bool,

    /// Load the account anew if it is loaded already, with what is asked for now
    #[arg(short, long)]
    pub force: bool,

    /// Load the account without asking the provider for a token
    #[arg(long)]
    pub skip_check: bool,

    /// Let the agent keep the password, for TIME seconds or as long as the account is loaded
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "0",
          value_parser = seconds, help_heading = "Password")]
    pub pw_store: Option<u64>,

    /// Use the agent at `OIDC_REMOTE_SOCK` (`host` or `host:port`)
    #[arg(long)]
    pub remote: bool,

    #[command(flatten)]
    pub password: PasswordArgs,

    #[command(flatten)]
    pub instead: InsteadArgs,

    #[command(flatten)]
    pub common: Common,
}

/// What to do instead of loading an account.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Instead of adding")]
pub struct InsteadArgs {
    /// List the account files
    #[arg(short, long)]
    pub list: bool,

    /// List the loaded accounts
    #[arg(short = 'a', long)]
    pub loaded: bool,

    /// Unload all accounts
    #[arg(short = 'R', long)]
    pub remove_all: bool,

    /// Lock the agent
    #[arg(short = 'x', long)]
    pub lock: bool,

    /// Unlock the agent
    #[arg(short = 'X', long)]
    pub unlock: bool,

    /// Decrypt the account file and print it
    #[arg(short, long)]
    pub print: bool,

    /// Unload the account
    #[arg(short, long)]
    pub remove: bool,
}

/// `oidc-add`: the same, and what the C suite's takes besides.
#[derive(Debug, Clone, Parser)]
#[command(
    about = "Load an account into the agent, or see to its accounts",
    override_usage = "oidc-add [OPTION...] ACCOUNT_SHORTNAME | -a | -l | -x | -X | -R"
)]
pub struct CSuiteAddArgs {
    #[command(flatten)]
    pub add: AddArgs,

    /// Accepted: an OpenPGP file keeps its recipients anyway
    #[arg(long, aliases = ["pw-pgp", "gpg", "pgp"], value_name = "KEY_ID", hide = true)]
    pub pw_gpg: Option<String>,

    /// Accepted and without effect
    #[arg(long, hide = true)]
    pub pw_keyring: bool,

    /// Accepted and without effect
    #[arg(long, hide = true)]
    pub seccomp: bool,

    /// Accepted and without effect
    #[arg(short = 'g', long, hide = true)]
    pub debug: bool,

    /// Accepted and without effect
    #[arg(short, long, hide = true)]
    pub verbose: bool,
}

impl From<CSuiteAddArgs> for AddArgs {
    fn from(mut args: CSuiteAddArgs) -> Self {
        args.add.common.note_without_effect([
            (args.pw_gpg.is_some(), "--pw-gpg"),
            (args.pw_keyring, "--pw-keyring"),
            (args.seccomp, "--seccomp"),
            (args.debug, "--debug"),
            (args.verbose, "--verbose"),
        ]);
        args.add
    }
}

impl AddArgs {
    /// Whether an account is needed and not named.
    pub fn lacks_account(&self) -> bool {
        let instead = &self.instead;
        let needs_none =
            instead.list || instead.loaded || instead.remove_all || instead.lock || instead.unlock;
        self.account.is_none() && !needs_none
    }
}
