//! Options that several commands take, and the values they are made of.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, ValueEnum};
use oidc_proto::{environment::PASSWORD_VARIABLE, secret::SecretText};

use super::getopt::EXTENSIONS;
use crate::account::password::sources::{PromptMode, Sources};

/// Options under this heading are accepted and have no effect; whoever gives one is told so.
pub const WITHOUT_EFFECT: &str = "Without effect";

/// What every command takes.
#[derive(Debug, Clone, Default, Args)]
pub struct Common {
    /// Print the result as JSON on one line; errors too, on standard error
    #[arg(long, help_heading = EXTENSIONS)]
    pub json: bool,

    /// Never start an agent; the same as `OIDC_NO_AUTOSTART=1`
    #[arg(long, help_heading = EXTENSIONS)]
    pub no_autostart: bool,

    /// Encrypt what is said to the agent, for a socket that leads over a network; the same as `OIDC_SEALED=1`
    #[arg(long, help_heading = EXTENSIONS)]
    pub sealed: bool,
}

/// Options of the C suite's tools that are accepted and have no effect here.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = WITHOUT_EFFECT)]
pub struct WithoutEffect {
    /// Accepted and without effect
    #[arg(long, hide = true)]
    seccomp: bool,

    /// Accepted and without effect
    #[arg(short = 'g', long, hide = true)]
    debug: bool,

    /// Accepted and without effect
    #[arg(short, long, hide = true)]
    verbose: bool,
}

/// Where the password of an account file comes from.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Password")]
#[expect(clippy::struct_field_names, reason = "named after the options")]
pub struct PasswordArgs {
    /// Read the password from an environment variable
    #[arg(long, value_name = "NAME", num_args = 0..=1, require_equals = true,
          default_missing_value = PASSWORD_VARIABLE)]
    pub pw_env: Option<OsString>,

    /// Use the output of a shell command as the password
    #[arg(long, value_name = "CMD")]
    pub pw_cmd: Option<SecretText>,

    /// Use the first line of a file or pipe as the password; - is standard input
    #[arg(long, value_name = "FILE")]
    pub pw_file: Option<PathBuf>,

    /// Use a credential of the systemd unit that this runs in: a file in `$CREDENTIALS_DIRECTORY`
    #[arg(long, value_name = "NAME", help_heading = EXTENSIONS)]
    pub pw_credential: Option<OsString>,

    /// How to ask for the password [default: cli, and none with --prompt=none]
    #[arg(long, value_name = "MODE")]
    pub pw_prompt: Option<PromptArg>,
}

/// Whether the desktop's keyring keeps the password of the account file.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Password")]
pub struct KeyringArgs {
    /// Use the password that the desktop's keyring has, and let it keep the one that is used instead
    #[arg(long)]
    pub pw_keyring: bool,
}

impl KeyringArgs {
    /// The same sources, with the keyring if it is wanted.
    pub fn with(&self, sources: Sources) -> Sources {
        Sources { keyring: self.pw_keyring, ..sources }
    }
}

/// The words of `--pw-prompt`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum PromptArg {
    /// On the terminal
    #[default]
    Cli,
    /// In a window, by pinentry
    Gui,
    /// Never ask
    None,
}

impl PromptArg {
    /// The one of this word.
    pub fn named(word: &str) -> Option<Self> {
        Self::from_str(word, false).ok()
    }
}

impl PasswordArgs {
    /// The sources, in the order they are tried.
    pub fn sources(&self) -> Sources {
        Sources {
            variable: self.pw_env.clone(),
            command: self.pw_cmd.clone(),
            file: self.pw_file.clone(),
            credential: self.pw_credential.clone(),
            keyring: false,
            prompt: match self.pw_prompt.unwrap_or_default() {
                PromptArg::Cli => PromptMode::Terminal,
                PromptArg::Gui => PromptMode::Window,
                PromptArg::None => PromptMode::Never,
            },
        }
    }
}

/// The formats an account file can be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
    /// oidc-account/1
    Native,
    /// What the C suite reads
    OidcAgent,
}
