//! Where the password of an account file comes from: a variable, a command, a file, or the person.
//!
//! The order and the exact values are the C suite's: the whole variable, the command's output less one newline, the
//! file's first line less its newline. A source that yields nothing is passed over.

use std::{
    env,
    ffi::{OsStr, OsString},
    path::{Component, Path, PathBuf},
};

use oidc_proto::secret::{Password, SecretText};
use zeroize::Zeroizing;

use super::{
    SOURCE_DEADLINE,
    asker::{AskError, Asker},
    command,
    error::PasswordError,
    file, pinentry,
};

const CREDENTIAL: &str = "--pw-credential";

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
    /// `--pw-cmd`: a shell command, which may have a password in it.
    pub command: Option<SecretText>,
    /// `--pw-file`.
    pub file: Option<PathBuf>,
    /// `--pw-credential`: the name of a file in `$CREDENTIALS_DIRECTORY`.
    pub credential: Option<OsString>,
    /// `--pw-keyring`: the keyring is asked before all others, and keeps what they gave.
    pub keyring: bool,
    /// `--pw-prompt`.
    pub prompt: PromptMode,
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
            && let Some(output) = command::output("--pw-cmd", command.expose(), SOURCE_DEADLINE)?
        {
            return utf8("--pw-cmd", output).map(Some);
        }
        if let Some(path) = &self.file {
            return utf8("--pw-file", file::first_line("--pw-file", path, SOURCE_DEADLINE)?).map(Some);
        }
        let Some(name) = &self.credential else { return Ok(None) };
        let path = credential(name, env::var_os("CREDENTIALS_DIRECTORY"))?;
        utf8(CREDENTIAL, file::first_line(CREDENTIAL, &path, SOURCE_DEADLINE)?).map(Some)
    }

    /// Asks the person once.
    pub fn ask(&self, asker: &mut dyn Asker, prompt: &str) -> Result<Password, PasswordError> {
        self.ask_again(asker, prompt, None)
    }

    /// Asks the person once more. `reason`: what was wrong with the last answer; it stands with the question.
    pub fn ask_again(
        &self,
        asker: &mut dyn Asker,
        prompt: &str,
        reason: Option<&str>,
    ) -> Result<Password, PasswordError> {
        let asked = match self.prompt {
            PromptMode::Terminal => {
                reason.map_or(Ok(()), |reason| asker.tell(reason)).and_then(|()| asker.secret(prompt))
            }
            PromptMode::Window => return Ok(pinentry::ask(prompt, reason)?),
            PromptMode::Never => Err(AskError::NotWanted),
        };
        asked.map_err(|error| match (error, self.nothing()) {
            (error @ (AskError::NoTerminal(_) | AskError::NotWanted), Some(reason)) => {
                PasswordError::Nothing(reason, error)
            }
            (error, _) => error.into(),
        })
    }

    /// Why the sources that were named, if any were, had no password: nobody would be asked else.
    fn nothing(&self) -> Option<String> {
        let variable = self
            .variable
            .as_ref()
            .map(|name| format!("--pw-env: the variable {} is not set", name.to_string_lossy()));
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

/// Where systemd has put a credential (systemd.exec(5), `LoadCredential=`).
fn credential(name: &OsStr, directory: Option<OsString>) -> Result<PathBuf, PasswordError> {
    let failed = |reason: &str| PasswordError::Source { origin: CREDENTIAL, reason: reason.to_owned() };
    let directory = directory.filter(|directory| !directory.is_empty()).ok_or_else(|| {
        failed("CREDENTIALS_DIRECTORY is not set: systemd sets it for a unit with LoadCredential= or SetCredential=")
    })?;
    match Path::new(name).components().collect::<Vec<_>>()[..] {
        [Component::Normal(only)] if only == name => Ok(Path::new(&directory).join(name)),
        _ => Err(failed("a credential has the name of a file, without a directory")),
    }
}

/// The text of a secret that an option names.
pub fn utf8(origin: &'static str, mut bytes: Zeroizing<Vec<u8>>) -> Result<Password, PasswordError> {
    match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(text) => Ok(Password::new(text)),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            Err(PasswordError::Source { origin, reason: "it is not valid UTF-8".into() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{account::password::terminal::Terminal, process::signals};

    fn read(sources: &Sources) -> Result<Option<Password>, PasswordError> {
        let _alone = signals::alone();
        sources.read()
    }

    fn text(sources: &Sources) -> Option<String> {
        read(sources).expect("a source").map(|password| password.expose().to_owned())
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
    fn a_source_that_is_no_text_is_refused() {
        let sources = Sources { command: Some("printf '\\377'".into()), ..Sources::default() };
        assert!(read(&sources).expect_err("no text").to_string().contains("--pw-cmd"));
    }

    #[test]
    fn a_credential_is_a_file_of_its_directory_and_of_no_other() {
        let place = |name: &str| credential(name.as_ref(), Some("/run/credentials/job".into()));
        assert_eq!(place("pw").expect("a name"), Path::new("/run/credentials/job/pw"));
        for name in ["", ".", "..", "../pw", "/etc/passwd", "a/b", "a/"] {
            assert!(place(name).is_err(), "{name}");
        }
        for directory in [None, Some(OsString::new())] {
            let error = credential("pw".as_ref(), directory).expect_err("no directory").to_string();
            assert!(error.contains("CREDENTIALS_DIRECTORY is not set"), "{error}");
        }
    }

    #[test]
    fn without_a_person_the_option_and_its_variable_are_named() {
        let sources = Sources {
            variable: Some("OIDC_TEST_SURELY_UNSET".into()),
            prompt: PromptMode::Never,
            ..Sources::default()
        };
        let asked = sources.ask(&mut Terminal::new(false), "Password");
        let text = asked.expect_err("nobody is asked").to_string();
        assert!(text.contains("--pw-env: the variable OIDC_TEST_SURELY_UNSET is not set"), "{text}");
        assert!(!text.contains("terminal"), "{text}");
    }
}
