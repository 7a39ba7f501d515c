//! Where the password of an account's file may be had again: only what the person told the client to pass on
//! (`--pw-store`, `--pw-env`, `--pw-cmd`, `--pw-file`). A typed password is never kept.

mod command;
mod file;

use std::{io, sync::atomic::AtomicUsize, sync::atomic::Ordering, time::Duration};

use oidc_proto::{
    json::Object,
    message::{PasswordEntry, PasswordSources},
    secret::Password,
};
use serde_json::Value;
use tracing::warn;
use zeroize::Zeroizing;

use crate::clock::{BootTime, Clock, Expiry};

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
    /// When the password in it is no longer used, by both clocks: one that is set prolongs nothing.
    forgotten: Option<Expiry>,
    clock: Clock,
}

impl PasswordSource {
    /// The entry, when it names a source that needs no person.
    pub fn new(entry: PasswordEntry) -> Option<Self> {
        let usable = [PasswordSources::MEMORY, PasswordSources::COMMAND, PasswordSources::FILE];
        usable
            .iter()
            .any(|source| entry.sources.contains(*source))
            .then(|| Self::with_clock(entry, Clock::system()))
    }

    fn with_clock(entry: PasswordEntry, clock: Clock) -> Self {
        let now = clock.now();
        let forgotten =
            entry.expires_at.map(|end| Expiry::after(now, Duration::from_secs(end.saturating_sub(now.wall))));
        Self { entry, forgotten, clock }
    }

    /// The password, from the first source that gives one, in the C suite's order: memory, command, file.
    /// Blocks for up to [`COMMAND_DEADLINE`] and [`FILE_DEADLINE`]. What is wrong with a command or file is logged.
    pub fn password(&self) -> Option<Password> {
        let entry = &self.entry;
        let has = |source| entry.sources.contains(source);
        let remembered = self.forgotten.is_none_or(|end| !end.is_over(self.clock.now()));
        let in_memory = || entry.password.clone().filter(|_| has(PasswordSources::MEMORY) && remembered);
        let command = || {
            let command = entry.command.as_ref().filter(|_| has(PasswordSources::COMMAND))?;
            waited_for("command", &entry.account, || {
                command::output(command.expose(), MAX_LENGTH, COMMAND_DEADLINE).map(without_newline)
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
        let mut source = PasswordEntry::from_object(object).and_then(Self::new)?;
        let by_boot = object.integer(FORGOTTEN_BY_BOOT).and_then(|millis| u64::try_from(millis).ok());
        if let Some((forgotten, millis)) = source.forgotten.as_mut().zip(by_boot) {
            *forgotten = forgotten.no_later_than(BootTime::from_millis(millis));
        }
        Some(source)
    }
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

    #[tokio::test(start_paused = true)]
    async fn a_password_is_kept_no_longer_because_the_clock_was_set() {
        let clock = Clock::simulated(1_800_000_000);
        let entry = entry(r#"{"account":"a","type":1,"password":"kept","expires_at":1800000600}"#);
        let source = PasswordSource::with_clock(entry.expect("a source").entry, clock.clone());
        clock.set_wall(-30 * 24 * 3600);
        tokio::time::advance(Duration::from_secs(599)).await;
        assert_eq!(source.password(), Some("kept".into()));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(source.password(), None);

        // Nor because the agent was locked meanwhile.
        let mut sealed = source.to_value();
        sealed["expires_at"] = (1_u64 << 40).into();
        let sealed = Object::from_value(sealed).expect("an object");
        assert!(PasswordSource::from_object(&sealed).expect("a source").password().is_none());
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
