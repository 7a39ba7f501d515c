//! Where the password of an account's file may be had again: only what the person told the client to pass on
//! (`--pw-store`, `--pw-env`, `--pw-cmd`, `--pw-file`). A typed password is never kept.

use std::{
    io::{self, BufRead, BufReader, Read},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use oidc_proto::{
    json::Object,
    message::{PasswordEntry, PasswordSources},
    secret::Password,
};
use serde_json::Value;
use zeroize::Zeroize;

use crate::clock::Clock;

/// How long a password command may take.
const COMMAND_DEADLINE: Duration = Duration::from_secs(30);

/// The longest password read from a command or file, in bytes.
const MAX_PASSWORD: u64 = 64 * 1024;

/// The sources of a `pw_entry` that need no person.
#[derive(Clone)]
pub struct PasswordSource(PasswordEntry);

impl PasswordSource {
    /// The entry, when it names a source that needs no person.
    pub fn new(entry: PasswordEntry) -> Option<Self> {
        let usable = [PasswordSources::MEMORY, PasswordSources::COMMAND, PasswordSources::FILE];
        usable.iter().any(|source| entry.sources.contains(*source)).then_some(Self(entry))
    }

    /// The password, from the first source that gives one, in the C suite's order: memory, command, file.
    /// Blocks, for a command up to half a minute.
    pub fn password(&self) -> Option<Password> {
        let entry = &self.0;
        let has = |source| entry.sources.contains(source);
        let remembered = entry.expires_at.is_none_or(|end| Clock::system().now().wall < end);
        let in_memory = || entry.password.clone().filter(|_| has(PasswordSources::MEMORY) && remembered);
        let command =
            || entry.command.as_deref().filter(|_| has(PasswordSources::COMMAND)).and_then(from_command);
        let file = || entry.pw_file.as_deref().filter(|_| has(PasswordSources::FILE)).and_then(from_file);
        in_memory().or_else(command).or_else(file)
    }

    /// For sealing under the agent's lock.
    pub fn to_value(&self) -> Value {
        Value::Object(self.0.to_object().members().clone())
    }

    /// What [`PasswordSource::to_value`] gave.
    pub fn from_object(object: &Object) -> Option<Self> {
        PasswordEntry::from_object(object).and_then(Self::new)
    }
}

/// The output of a shell command, one final newline dropped. `None` when it fails, says nothing or takes too long.
fn from_command(command: &str) -> Option<Password> {
    let mut child = Command::new("/bin/sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let output = child.stdout.take()?;
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut text = String::with_capacity(256);
        let read = output.take(MAX_PASSWORD).read_to_string(&mut text);
        // Nobody listens any more once the deadline is over.
        let _ = sender.send(read.map(|_| text));
    });
    let Ok(Ok(text)) = receiver.recv_timeout(COMMAND_DEADLINE) else {
        let _ = child.kill();
        let _ = child.wait();
        return None;
    };
    let succeeded = child.wait().is_ok_and(|status| status.success());
    without_newline(text).filter(|_| succeeded)
}

/// The first line of a file.
fn from_file(path: &str) -> Option<Password> {
    let first_line = || -> io::Result<String> {
        let mut line = String::with_capacity(256);
        BufReader::new(fs_err::File::open(path)?).take(MAX_PASSWORD).read_line(&mut line)?;
        Ok(line)
    };
    first_line().ok().and_then(without_newline)
}

fn without_newline(mut text: String) -> Option<Password> {
    let password = Password::from(text.strip_suffix('\n').unwrap_or(&text));
    text.zeroize();
    (!password.is_empty()).then_some(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(json: &str) -> Option<PasswordSource> {
        PasswordSource::from_object(&Object::parse(json.as_bytes()).expect("an object"))
    }

    #[test]
    fn takes_the_first_source_that_gives_a_password() {
        let source = entry(r#"{"account":"a","type":13,"password":"kept","command":"echo printed"}"#);
        assert_eq!(source.and_then(|source| source.password()), Some("kept".into()));
        let source =
            entry(r#"{"account":"a","type":13,"password":"kept","expires_at":1,"command":"echo printed"}"#);
        assert_eq!(source.and_then(|source| source.password()), Some("printed".into()));
    }

    #[test]
    fn a_command_that_fails_gives_none() {
        let source = entry(r#"{"account":"a","type":4,"command":"echo half; exit 3"}"#);
        assert_eq!(source.and_then(|source| source.password()), None);
    }

    #[test]
    fn prompting_alone_is_no_source() {
        assert!(entry(r#"{"account":"a","type":8,"password":"not meant to be kept"}"#).is_none());
    }
}
