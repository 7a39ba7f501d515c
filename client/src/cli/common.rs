//! Options that several commands take, and the values they are made of.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, ValueEnum};
use oidc_proto::{environment::PASSWORD_VARIABLE, secret::SecretText};

use super::getopt::EXTENSIONS;
use crate::password::{PromptMode, Sources};

/// What every command takes.
#[derive(Debug, Clone, Default, Args)]
pub struct Common {
    /// Print the result as JSON on one line; errors too, on standard error
    #[arg(long, help_heading = EXTENSIONS)]
    pub json: bool,

    /// Never start an agent; the same as `OIDC_NO_AUTOSTART=1`
    #[arg(long, help_heading = EXTENSIONS)]
    pub no_autostart: bool,

    /// Options of the C suite that were given and have no effect here.
    #[arg(skip)]
    pub without_effect: Vec<&'static str>,
}

impl Common {
    /// Notes which options have no effect, of those that are given.
    pub fn note_without_effect<const N: usize>(&mut self, options: [(bool, &'static str); N]) {
        let given = options.into_iter().filter(|(is_given, _)| *is_given).map(|(_, option)| option);
        self.without_effect.extend(given);
    }
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

    /// How to ask for the password [default: cli, and none with --prompt=none]
    #[arg(long, value_name = "MODE")]
    pub pw_prompt: Option<PromptArg>,
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

impl PasswordArgs {
    /// The sources, in the order they are tried.
    pub fn sources(&self) -> Sources {
        Sources {
            variable: self.pw_env.clone(),
            command: self.pw_cmd.clone(),
            file: self.pw_file.clone(),
            prompt: match self.pw_prompt.unwrap_or_default() {
                PromptArg::Cli => PromptMode::Terminal,
                PromptArg::Gui => PromptMode::Window,
                PromptArg::None => PromptMode::Never,
            },
        }
    }
}

/// Reads the name of a shell variable that may be printed before a `=` for `eval`.
pub fn variable_name(text: &str) -> Result<String, String> {
    let valid = text.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
    if valid && !text.is_empty() && !text.starts_with(|c: char| c.is_ascii_digit()) {
        Ok(text.to_owned())
    } else {
        Err("not a variable's name: letters, digits and _ only, and no digit first".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_for_the_shell_cannot_carry_commands() {
        assert!(variable_name("OIDC_AT").is_ok());
        for text in ["", "1A", "A;reboot", "A B", "A=1", "$(x)"] {
            assert!(variable_name(text).is_err(), "{text}");
        }
    }
}
