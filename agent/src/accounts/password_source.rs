//! Where the password of an account's file may be had again: only what the person told the client to pass on
//! (`--pw-store`, `--pw-env`, `--pw-cmd`, `--pw-file`). A typed password is never kept.

pub(super) mod command;
pub(super) mod file;

use std::{io, process::Command, sync::atomic::AtomicUsize, sync::atomic::Ordering, time::Duration};

use oidc_proto::{
    json::Object,
    message::{PasswordEntry, PasswordSources},
    secret::Password,
};
use serde_json::Value;
use tracing::warn;
use zeroize::Zeroizing;

use crate::clock::{BootTime, Expiry, Moment};

/// How long a password command may take.
const COMMAND_DEADLINE: Duration = Duration::from_secs(30);

/// How long a file may take to be read: a network file system may have to wake up.
const FILE_DEADLINE: Duration = Duration::from_secs(10);

/// The longest output of a command, and the largest file, in bytes.
const MAX_LENGTH: usize = 64 * 1024;

/// Commands and files that are waited for at the same time. More of them would take the threads that files of accounts
/// need.
const MAX_WAITING: usize = 8;

/// Under the agent's lock: the end of the password's time by the boot clock, in milliseconds.
const FORGOTTEN_BY_BOOT: &str = "forgotten_by_boot";

/// The sources of a `pw_entry` that need no person.
#[derive(Clone)]
pub struct PasswordSource {
    entry: PasswordEntry,
    /// When the password in it is forgotten, by both clocks: one that is set prolongs nothing.
    forgotten: Option<Expiry>,
}

impl PasswordSource {
    /// The entry as it came at `now`, when it names a source that needs no person.
    pub fn new(entry: PasswordEntry, now: Moment) -> Option<Self> {
        let length = entry.expires_at.map(|end| Duration::from_secs(end.saturating_sub(now.wall)));
        Self { entry, forgotten: length.map(|length| Expiry::after(now, length)) }.known_at(now)
    }

    /// When the password in it is forgotten.
    pub fn forgotten(&self) -> Option<Expiry> {
        self.forgotten.filter(|_| self.entry.password.is_some())
    }

    /// What is left of it at `now`.
    pub fn known_at(self, now: Moment) -> Option<Self> {
        if self.forgotten.is_some_and(|end| end.is_over(now)) {
            self.without_password()
        } else {
            self.usable()
        }
    }

    /// What is left of it when the password itself is dropped: a command or a file to get it from.
    pub fn without_password(mut self) -> Option<Self> {
        (self.entry.password, self.forgotten) = (None, None);
        self.usable()
    }

    fn usable(self) -> Option<Self> {
        let sources = &self.entry.sources;
        let from_memory = self.entry.password.is_some() && sources.contains(PasswordSources::MEMORY);
        let others = [PasswordSources::COMMAND, PasswordSources::FILE];
        (from_memory || others.iter().any(|source| sources.contains(*source))).then_some(self)
    }

    /// The password, from the first source that gives one, in the C suite's order: memory, command, file.
    /// Blocks for up to [`COMMAND_DEADLINE`] and [`FILE_DEADLINE`]. What is wrong with a command or file is logged.
    pub fn password(&self) -> Option<Password> {
        let entry = &self.entry;
        let has = |source| entry.sources.contains(source);
        let in_memory = || entry.password.clone().filter(|_| has(PasswordSources::MEMORY));
        let command = || {
            let command = entry.command.as_ref().filter(|_| has(PasswordSources::COMMAND))?;
            waited_for("command", &entry.account, || {
                command::output(&mut command::shell(command.expose()), MAX_LENGTH, COMMAND_DEADLINE)
                    .map(without_newline)
            })
        };
        let file = || {
            let path = entry.pw_file.as_deref().filter(|_| has(PasswordSources::FILE))?;
            waited_for("file", &entry.account, || file::first_line(path, MAX_LENGTH as u64, FILE_DEADLINE))
        };
        in_memory().or_else(command).or_else(file)
    }

    /// For sealing under the agent's lock.
    pub fn to_value(&self) -> Value {
        let mut object = self.entry.to_object();
        if let Some(forgotten) = self.forgotten {
            object.insert(FORGOTTEN_BY_BOOT, forgotten.boot().as_millis());
        }
        object.into_value()
    }

    /// What [`PasswordSource::to_value`] gave.
    pub fn from_object(object: &Object) -> Option<Self> {
        let entry = PasswordEntry::from_object(object)?;
        let by_boot = object.integer(FORGOTTEN_BY_BOOT).and_then(|millis| u64::try_from(millis).ok());
        let forgotten = entry.expires_at.zip(by_boot).map(|(wall, millis)| {
            Expiry::after(Moment { wall, boot: BootTime::from_millis(millis) }, Duration::ZERO)
        });
        Self { entry, forgotten }.usable()
    }
}

/// The first line of what a program prints, as a password. Blocks for as long as `deadline`.
pub fn password_of_command(command: &mut Command, deadline: Duration) -> io::Result<Password> {
    let mut line = command::output(command, MAX_LENGTH, deadline)?;
    let end = line.iter().position(|byte| *byte == b'\n').unwrap_or(line.len());
    line.truncate(end);
    password(line)
}

/// The first line of a file, as a password. Blocks for as long as `deadline`.
pub fn password_of_file(path: &str, deadline: Duration) -> io::Result<Password> {
    file::first_line(path, MAX_LENGTH as u64, deadline).and_then(password)
}

/// The password from outside, unless too many are waited for already.
fn waited_for(
    source: &str,
    account: &str,
    read: impl FnOnce() -> io::Result<Zeroizing<Vec<u8>>>,
) -> Option<Password> {
    static WAITING: AtomicUsize = AtomicUsize::new(0);
    let outcome = if WAITING.fetch_add(1, Ordering::Relaxed) < MAX_WAITING {
        read().and_then(password)
    } else {
        Err(io::Error::other("too many password commands and files are waited for already"))
    };
    WAITING.fetch_sub(1, Ordering::Relaxed);
    outcome.inspect_err(|error| warn!(account, %error, "no password from the {source}")).ok()
}

fn without_newline(mut text: Zeroizing<Vec<u8>>) -> Zeroizing<Vec<u8>> {
    if text.last() == Some(&b'\n') {
        text.pop();
    }
    text
}

fn password(mut bytes: Zeroizing<Vec<u8>>) -> io::Result<Password> {
    let text = String::from_utf8(std::mem::take(&mut *bytes)).map_err(|error| {
        drop(Zeroizing::new(error.into_bytes()));
        io::Error::other("it is not UTF-8")
    })?;
    let password = Password::new(text);
    if password.is_empty() { Err(io::Error::other("it gave none")) } else { Ok(password) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    const START: u64 = 1_800_000_000;

    fn entry(json: &str, now: Moment) -> Option<PasswordSource> {
        let object = Object::parse(json.as_bytes()).expect("an object");
        PasswordSource::new(PasswordEntry::from_object(&object).expect("an entry"), now)
    }

    fn start() -> Moment {
        Moment { wall: START, boot: BootTime::default() }
    }

    #[test]
    fn takes_the_first_source_that_gives_a_password() {
        let source = r#"{"account":"a","type":13,"password":"kept","command":"echo printed"}"#;
        assert_eq!(entry(source, start()).and_then(|source| source.password()), Some("kept".into()));
        let source = r#"{"account":"a","type":13,"password":"kept","expires_at":1,"command":"echo printed"}"#;
        assert_eq!(entry(source, start()).and_then(|source| source.password()), Some("printed".into()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_password_is_kept_no_longer_because_the_clock_was_set() {
        let clock = Clock::simulated(START);
        let entry =
            entry(r#"{"account":"a","type":1,"password":"kept","expires_at":1800000600}"#, clock.now());
        let source = entry.expect("a source");
        clock.set_wall(-30 * 24 * 3600);
        tokio::time::advance(Duration::from_secs(599)).await;
        assert!(source.clone().known_at(clock.now()).is_some());
        // As it comes back from under the agent's lock.
        let sealed = Object::from_value(source.to_value()).expect("an object");
        let unsealed = PasswordSource::from_object(&sealed).expect("a source");
        assert!(unsealed.clone().known_at(clock.now()).is_some());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(source.known_at(clock.now()).is_none());
        assert!(unsealed.known_at(clock.now()).is_none());
    }

    #[test]
    fn without_the_password_the_other_ways_stay() {
        for (kinds, stays) in [(1, false), (4, true), (5, true), (9, false)] {
            let text =
                format!(r#"{{"account":"a","type":{kinds},"password":"kept","command":"echo printed"}}"#);
            let left = entry(&text, start()).expect("a source").without_password();
            assert_eq!(left.is_some(), stays, "{kinds}");
            assert!(left.is_none_or(|left| left.entry.password.is_none()), "{kinds}");
        }
    }

    #[test]
    fn a_command_that_fails_gives_none() {
        let source = entry(r#"{"account":"a","type":4,"command":"echo half; exit 3"}"#, start());
        assert_eq!(source.and_then(|source| source.password()), None);
    }

    #[test]
    fn prompting_alone_is_no_source() {
        assert!(entry(r#"{"account":"a","type":8,"password":"not meant to be kept"}"#, start()).is_none());
    }
}
