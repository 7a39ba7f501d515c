//! `oidc passwd`: its arguments.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Parser, ValueEnum};
use oidc_proto::secret::SecretText;

use crate::cli::options::{Common, FormatArg, KeyringArgs, PasswordArgs};

/// Set a new password for an account file
#[derive(Debug, Clone, Parser)]
#[command(after_help = "\
Asks the old password. If it is forgotten and the agent holds the account unlocked, the copy in the agent is used \
after confirmation; a recovery phrase does it too (docs/recovery.md). A file of the C suite becomes one of ours unless --format says otherwise.")]
pub struct PasswdArgs {
    /// The account's short name
    #[arg(value_name = "ACCOUNT")]
    pub account: String,

    /// Format of the new file
    #[arg(long, value_enum, default_value = "native")]
    pub format: FormatArg,

    /// Use the copy that the agent holds unlocked, without asking the old password
    #[arg(long, conflicts_with_all = ["recover", "add_recovery", "recovery_gpg", "remove_recovery"])]
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
    pub recovery: RecoveryArgs,

    #[command(flatten)]
    pub old: PasswordArgs,

    #[command(flatten)]
    pub keyring: KeyringArgs,

    #[command(flatten)]
    pub common: Common,
}

/// The other ways to what is in the file.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Recovery")]
pub struct RecoveryArgs {
    /// The password is forgotten: open the file with its recovery phrase, or with the OpenPGP key that may recover it
    #[arg(long, value_enum, value_name = "WITH", num_args = 0..=1, require_equals = true,
          default_missing_value = "phrase")]
    pub recover: Option<RecoverWith>,

    /// Read the recovery phrase from a file or pipe; - is standard input
    #[arg(long, value_name = "FILE", requires = "recover")]
    pub phrase_file: Option<PathBuf>,

    /// Make a recovery phrase, in place of the one that there may be, and show it once; the password stays
    #[arg(long, conflicts_with = "recover")]
    pub add_recovery: bool,

    /// Let an OpenPGP key recover the file; the password stays
    #[arg(long, value_name = "KEY_ID", conflicts_with = "recover")]
    pub recovery_gpg: Option<String>,

    /// Let nothing but the password open the file
    #[arg(long, conflicts_with_all = ["recover", "add_recovery", "recovery_gpg"])]
    pub remove_recovery: bool,
}

/// The words of `--recover`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RecoverWith {
    /// With the recovery phrase
    Phrase,
    /// With the OpenPGP key
    Gpg,
}

impl RecoveryArgs {
    /// Whether the ways in are to be changed, and not the password.
    pub fn is_wanted(&self) -> bool {
        self.add_recovery || self.remove_recovery || self.recovery_gpg.is_some()
    }
}
