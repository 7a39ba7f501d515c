//! Where the password of an account file comes from: a variable, a command, a file, or the person.
//!
//! The order and the exact values are the C suite's: the whole variable, the command's output less one newline, the
//! file's first line less its newline. A source that yields nothing is passed over.

pub mod pinentry;
pub mod terminal;

use std::{
    env,
    ffi::OsString,
    io::{self, Read},
    path::PathBuf,
    process::{Command, Stdio},
};

use oidc_proto::{environment::without_secrets, secret::Password};
use zeroize::Zeroizing;

pub use terminal::{AskError, Asker, Terminal};

/// The variable `--pw-env` reads when it names none.
pub const DEFAULT_VARIABLE: &str = "OIDC_ENCRYPTION_PW";
/// How often a person may mistype.
pub const TRIES: usize = 3;
/// The most a source may yield, in bytes.
const MAX_PASSWORD: u64 = 64 * 1024;

/// How a person is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PromptMode {
    /// On the terminal.
    #[default]
    Terminal,
    /// In a window, by pinentry.
    Window,
    /// Not at all.
    Never,
}

/// The sources named on the command line, in the order they are tried; the person comes last.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// `--pw-env`: a variable's name.
    pub variable: Option<OsString>,
    /// `--pw-cmd`: a shell command.
    pub command: Option<String>,
    /// `--pw-file`.
    pub file: Option<PathBuf>,
    /// `--pw-prompt`.
    pub prompt: PromptMode,
}

/// Why no password could be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// The person could not be asked, or did not answer.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// Asking by pinentry failed.
    #[error(transparent)]
    Window(#[from] pinentry::PinentryError),
    /// The named sources have none, and nobody can be asked instead.
    #[error("no password: {0}, and there is no terminal to ask on")]
    Nothing(String),
    /// A named source cannot be used.
    #[error("cannot read the password from {origin}: {reason}")]
    Source {
        /// The option.
        origin: &'static str,
        /// What went wrong; holds nothing of the password.
        reason: String,
    },
}

impl Sources {
    /// The password from the first source that yields one; `None` when only the person is left to ask.
    ///
    /// Each source is used once: a pipe behind `--pw-cmd="cat <&3"` cannot be read twice.
    pub fn read(&self) -> Result<Option<Password>, PasswordError> {
        if let Some(name) = &self.variable
            && let Some(value) = env::var_os(name)
        {
            return utf8("--pw-env", Zeroizing::new(value.into_encoded_bytes())).map(Some);
        }
        if let Some(command) = &self.command
            && let Some(output) = command_output(command)?
        {
            return utf8("--pw-cmd", output).map(Some);
        }
        match &self.file {
            Some(path) => first_line(path).map(Some),
            None => Ok(None),
        }
    }

    /// Asks the person once.
    pub fn ask(&self, asker: &mut dyn Asker, prompt: &str) -> Result<Password, PasswordError> {
        let asked = match self.prompt {
            PromptMode::Terminal => asker.secret(prompt),
            PromptMode::Window => return Ok(pinentry::ask(prompt)?),
            PromptMode::Never => Err(AskError::NoTerminal),
        };
        asked.map_err(|error| match (error, self.nothing()) {
            (AskError::NoTerminal, Some(reason)) => PasswordError::Nothing(reason),
            (error, _) => error.into(),
        })
    }

    /// Why the sources that were named, if any were, had no password: nobody would be asked else.
    fn nothing(&self) -> Option<String> {
        let variable =
            self.variable.as_ref().map(|name| format!("the variable {} is not set", name.to_string_lossy()));
        let command = self.command.as_ref().map(|_| "the command of --pw-cmd gave none".to_owned());
        let reasons: Vec<_> = variable.into_iter().chain(command).collect();
        (!reasons.is_empty()).then(|| reasons.join(", "))
    }

    /// Whether a person can be asked at all.
    pub fn can_ask(&self, asker: &mut dyn Asker) -> bool {
        match self.prompt {
            PromptMode::Terminal => asker.is_there(),
            PromptMode::Window => true,
            PromptMode::Never => false,
        }
    }
}

/// Runs the command once by `/bin/sh -c`. Descriptors this process inherited stay open for it: `cat <&7` works.
fn command_output(command: &str) -> Result<Option<Zeroizing<Vec<u8>>>, PasswordError> {
    let failed = |error: io::Error| source_error("--pw-cmd", &error);
    let mut child = without_secrets(&mut Command::new("/bin/sh"))
        .args(["-c", command])
        .stdin(Stdio::inherit())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(failed)?;
    let mut output = Zeroizing::new(Vec::with_capacity(4096));
    if let Some(stdout) = child.stdout.take() {
        stdout.take(MAX_PASSWORD).read_to_end(&mut output).map_err(failed)?;
    }
    let succeeded = child.wait().map_err(failed)?.success();
    if output.last() == Some(&b'\n') {
        output.pop();
    }
    Ok((succeeded && !output.is_empty()).then_some(output))
}

fn first_line(path: &PathBuf) -> Result<Password, PasswordError> {
    let failed = |error: io::Error| source_error("--pw-file", &error);
    let mut content = Zeroizing::new(Vec::with_capacity(4096));
    fs_err::File::open(path)
        .and_then(|file| file.take(MAX_PASSWORD).read_to_end(&mut content))
        .map_err(failed)?;
    if let Some(end) = content.iter().position(|byte| *byte == b'\n') {
        content.truncate(end);
    }
    utf8("--pw-file", content)
}

fn utf8(origin: &'static str, mut bytes: Zeroizing<Vec<u8>>) -> Result<Password, PasswordError> {
    match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(text) => Ok(Password::new(text)),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            Err(PasswordError::Source { origin, reason: "it is not valid UTF-8".into() })
        }
    }
}

fn source_error(origin: &'static str, error: &io::Error) -> PasswordError {
    PasswordError::Source { origin, reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(sources: &Sources) -> Option<String> {
        sources.read().expect("a source").map(|password| password.expose().to_owned())
    }

    #[test]
    fn a_command_gives_its_output_less_one_newline() {
        let command = |line: &str| Sources { command: Some(line.into()), ..Sources::default() };
        assert_eq!(text(&command("echo ' pw '")).as_deref(), Some(" pw "));
        assert_eq!(text(&command("printf 'a\\nb\\n\\n'")).as_deref(), Some("a\nb\n"));
        assert_eq!(text(&command("true")), None);
        assert_eq!(text(&command("echo pw; exit 3")), None);
        assert!(command("printf '\\377'").read().is_err());
    }

    #[test]
    fn a_file_gives_its_first_line() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let sources = Sources { file: Some(file.path().into()), ..Sources::default() };
        for (content, expected) in [("pw\nmore\n", "pw"), ("pw", "pw"), ("pw\r\n", "pw\r"), ("", "")] {
            fs_err::write(file.path(), content).expect("a written file");
            assert_eq!(text(&sources).as_deref(), Some(expected));
        }
    }

    #[test]
    fn an_unset_variable_yields_to_the_next_source() {
        let sources = Sources {
            variable: Some("OIDC_TEST_SURELY_UNSET".into()),
            command: Some("echo second".into()),
            ..Sources::default()
        };
        assert_eq!(text(&sources).as_deref(), Some("second"));
        assert_eq!(text(&Sources { command: None, ..sources }), None);
    }

    #[test]
    fn a_missing_password_file_is_named() {
        let sources = Sources { file: Some("/nonexistent/pw".into()), ..Sources::default() };
        let error = sources.read().expect_err("no such file").to_string();
        assert!(error.contains("--pw-file") && error.contains("/nonexistent/pw"), "{error}");
    }
}
