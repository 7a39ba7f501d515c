//! HTCondor's `condor_store_cred`, run by hand: with the token on its standard input, and for a bounded time.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::{ffi::OsStrExt, process::CommandExt},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use oidc_proto::files::{condor, entry::CondorSink};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::{cli::usage::UsageError, context::error::Error, say::exit::Exit};

/// What the stock program takes for other users, where a service stores for them.
const USER: &str = "CONDOR_VAULT_STORER_USER";

/// HTCondor's credd, as this user reaches it.
#[derive(Debug, Clone, Default)]
pub struct Credd {
    /// The user for whom is stored, where that is another.
    user: Option<OsString>,
}

impl Credd {
    /// In this process's environment.
    pub fn here() -> Result<Self, UsageError> {
        let user = env::var_os(USER).filter(|user| !user.is_empty());
        match &user {
            Some(user) if !is_user(user) => Err(UsageError::new(format!(
                "{USER} names no user: letters, digits, '.', '_', '-' and '@' do, a letter, a digit or '_' first"
            ))),
            _ => Ok(Self { user }),
        }
    }

    /// Whether tokens are stored for somebody else: nobody but whoever does it knows for whom.
    pub fn is_for_another(&self) -> bool {
        self.user.is_some()
    }

    /// What is stored, with how HTCondor is reached from here: the agent may have been started without.
    pub fn reached(sink: CondorSink) -> CondorSink {
        let config = env::var("CONDOR_CONFIG").ok().filter(|config| !config.is_empty());
        let absolute = |config: String| match std::path::absolute(&config) {
            Ok(path) if !config.eq_ignore_ascii_case("ONLY_ENV") => path.to_string_lossy().into_owned(),
            _ => config,
        };
        let program = condor::find(env::var_os("PATH").as_deref());
        CondorSink { program, condor_config: config.map(absolute), ..sink }
    }

    /// Settings of HTCondor that only this process's environment is known to have. What its daemons give their children is none.
    pub fn settings() -> Vec<String> {
        let names = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        let mut settings: Vec<_> = names
            .filter(|name| name.starts_with("_CONDOR_") && !name.starts_with("_CONDOR_ANCESTOR_"))
            .collect();
        settings.sort_unstable();
        settings
    }

    /// Stores a token.
    pub fn add(&self, sink: &CondorSink, token: &str) -> Result<(), Error> {
        let (status, said) = self.run(sink.add(), Some(token))?;
        if status.success() {
            return Ok(());
        }
        Err(Error::Other(
            Exit::Failure,
            format!(
                "{} did not store '{}' ({status}): {}",
                condor::PROGRAM,
                sink.credential(),
                last_line(&said, token)
            ),
        ))
    }

    /// Whether something is stored.
    pub fn has(&self, sink: &CondorSink) -> Result<bool, Error> {
        Ok(self.run(sink.query(), None)?.0.success())
    }

    /// Deletes what is stored.
    pub fn delete(&self, sink: &CondorSink) -> Result<(), Error> {
        let (status, said) = self.run(sink.delete(), None)?;
        if status.success() {
            return Ok(());
        }
        let text = format!(
            "{} did not delete '{}' ({status}): {}",
            condor::PROGRAM,
            sink.credential(),
            last_line(&said, "")
        );
        Err(Error::Other(Exit::Failure, text))
    }

    fn run(&self, mut arguments: Vec<OsString>, input: Option<&str>) -> Result<(ExitStatus, Vec<u8>), Error> {
        let program = condor::find(env::var_os("PATH").as_deref()).ok_or_else(no_htcondor)?;
        let failed = |error: io::Error| {
            Error::Other(Exit::Failure, format!("cannot run {}: {error}", program.display()))
        };
        if let Some(user) = &self.user {
            arguments.extend(["-u".into(), user.clone()]);
        }
        // A file without a name: nobody has to read while it is written.
        let said = unnamed().map_err(failed)?;
        let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
        let mut child = Command::new(&program)
            .args(arguments)
            .env_clear()
            .envs(env::vars_os().filter(|(name, _)| condor::is_for_condor(name)))
            .stdin(stdin)
            .stdout(said.try_clone().map_err(failed)?)
            .stderr(said.try_clone().map_err(failed)?)
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
            // A token is far smaller than a pipe, so this does not wait for the program; one that reads nothing says why.
            let _ = stdin.write_all(input.as_bytes());
        }
        let status = wait(&mut child).map_err(failed)?.ok_or_else(too_late)?;
        Ok((status, beginning(said).map_err(failed)?))
    }
}

/// Whether a text can only be a user, and no option.
fn is_user(text: &OsStr) -> bool {
    let bytes = text.as_bytes();
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-@".contains(byte);
    bytes.iter().all(allowed)
        && bytes.first().is_some_and(|first| first.is_ascii_alphanumeric() || *first == b'_')
}

/// Room for what it says; what does not fit is not written.
fn unnamed() -> io::Result<File> {
    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
    let file = memfd_create("condor_store_cred", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    ftruncate(&file, condor::MAX_OUTPUT)?;
    fcntl_add_seals(&file, SealFlags::GROW | SealFlags::SHRINK)?;
    Ok(file.into())
}

/// Until it ends, or is ended.
fn wait(child: &mut Child) -> io::Result<Option<ExitStatus>> {
    let end = Instant::now() + condor::DEADLINE;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= end {
            if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                let _ = kill_process_group(group, Signal::KILL);
            }
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// What was said; the file's position is shared with whoever wrote.
fn beginning(mut said: File) -> io::Result<Vec<u8>> {
    let length = said.stream_position()?.min(condor::MAX_OUTPUT);
    said.seek(SeekFrom::Start(0))?;
    let mut bytes = Vec::new();
    said.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The last line, without the token.
fn last_line(said: &[u8], token: &str) -> String {
    condor::last_line(said, token).chars().take(condor::MAX_TOLD).collect()
}

fn no_htcondor() -> Error {
    let text = format!(
        "{} is neither on the PATH nor in /usr/bin or /usr/sbin: this is done where jobs are submitted",
        condor::PROGRAM
    );
    Error::Other(Exit::Failure, text)
}

fn too_late() -> Error {
    let text = format!(
        "{} did not end within {} s and was ended; does the credd answer?",
        condor::PROGRAM,
        condor::DEADLINE.as_secs()
    );
    Error::Other(Exit::Failure, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_no_options() {
        for (text, is_one) in [
            ("me", true),
            ("me@site.example", true),
            ("-x y", false),
            ("a b", false),
            ("", false),
            ("ü", false),
        ] {
            assert_eq!(is_user(OsStr::new(text)), is_one, "{text}");
        }
    }
}
