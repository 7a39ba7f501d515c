//! Handing a token to HTCondor's credd: `condor_store_cred`, with the token on its standard input and nowhere else.

use std::{ffi::OsString, path::PathBuf, process::Stdio, time::Duration};

use oidc_proto::files::{condor, entry::CondorSink};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
    time::timeout,
};

/// Why a token was not stored. Never holds it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no HTCondor here.
    #[error(
        "{} is neither on the agent's PATH nor in /usr/bin or /usr/sbin: is HTCondor installed here?",
        condor::PROGRAM
    )]
    NoProgram,
    /// It could not be run.
    #[error("cannot run {program}: {reason}")]
    Start {
        /// Which one.
        program: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// It was ended.
    #[error("{} did not end within {} s and was ended; does the credd answer?", condor::PROGRAM, condor::DEADLINE.as_secs())]
    Late,
    /// It said no.
    #[error("{} failed ({status}): {said}", condor::PROGRAM)]
    Failed {
        /// How it ended.
        status: String,
        /// Its last line.
        said: String,
    },
}

impl StoreError {
    /// For programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoProgram => "no_htcondor",
            Self::Start { .. } | Self::Late | Self::Failed { .. } => "condor_store_failed",
        }
    }
}

/// Stores a token for a service.
pub async fn store(sink: &CondorSink, token: &str) -> Result<(), StoreError> {
    store_in(sink, token, std::env::vars_os().collect(), condor::DEADLINE).await
}

async fn store_in(
    sink: &CondorSink,
    token: &str,
    environment: Vec<(OsString, OsString)>,
    deadline: Duration,
) -> Result<(), StoreError> {
    let path = environment.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.as_os_str());
    // Whoever stored it first said how HTCondor is reached; the agent may have been started without.
    let program = sink.program.clone().or_else(|| condor::find(path)).ok_or(StoreError::NoProgram)?;
    let mut command = Command::new(&program);
    command
        .args(sink.add())
        .env_clear()
        .envs(environment.iter().filter(|(name, _)| condor::is_for_condor(name)).cloned())
        .envs(sink.condor_config.as_ref().map(|file| ("CONDOR_CONFIG", file)))
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    let failed =
        |reason: std::io::Error| StoreError::Start { program: program.clone(), reason: reason.to_string() };
    let mut child = command.spawn().map_err(failed)?;
    let group = child.id();
    let Ok(ended) = timeout(deadline, hand_over(&mut child, token)).await else {
        end(group);
        drop(child.wait().await);
        return Err(StoreError::Late);
    };
    let (status, said) = ended.map_err(failed)?;
    if status.success() {
        return Ok(());
    }
    let said = last_line(&said, token);
    Err(StoreError::Failed { status: status.to_string(), said })
}

async fn hand_over(child: &mut Child, token: &str) -> std::io::Result<(std::process::ExitStatus, Vec<u8>)> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let write = async {
        if let Some(mut stdin) = stdin {
            // A program that does not read it says why, or succeeds without.
            let _ = stdin.write_all(token.as_bytes()).await;
        }
    };
    let ((), out, err, status) = tokio::join!(write, read(stdout), read(stderr), child.wait());
    // What went wrong stands on standard error, or else on standard output.
    Ok((status?, if err.is_empty() { out } else { err }))
}

/// The beginning of what is said; the rest is read and dropped, so that nobody waits for room.
async fn read(from: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut said = Vec::new();
    if let Some(mut from) = from {
        let _ = (&mut from).take(condor::MAX_OUTPUT).read_to_end(&mut said).await;
        let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
    }
    said
}

fn end(group: Option<u32>) {
    let group = group.and_then(|group| i32::try_from(group).ok()).and_then(rustix::process::Pid::from_raw);
    if let Some(group) = group {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}

/// The last line, on one line and without the token.
fn last_line(said: &[u8], token: &str) -> String {
    let line = condor::last_line(said, token);
    let visible = line.chars().map(|c| if c.is_control() { ' ' } else { c });
    visible.take(condor::MAX_TOLD).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use tempfile::TempDir;

    use super::*;

    const TOKEN: &str = "canary-token";

    /// A program in HTCondor's place; `$OUT` is a directory.
    fn played(script: &str) -> (TempDir, Vec<(OsString, OsString)>) {
        let directory = tempfile::tempdir().expect("a directory");
        let program = directory.path().join(condor::PROGRAM);
        let out = directory.path().display();
        fs_err::write(&program, format!("#!/bin/sh\nOUT='{out}'\n{script}\n")).expect("written");
        fs_err::set_permissions(&program, PermissionsExt::from_mode(0o755)).expect("set");
        let path =
            std::env::join_paths([directory.path(), "/usr/bin".as_ref(), "/bin".as_ref()]).expect("a path");
        let variables = [("PATH", path), ("SECRET", "canary".into()), ("_CONDOR_POOL", "here".into())];
        (directory, variables.map(|(name, value)| (name.into(), value)).into())
    }

    fn sink() -> CondorSink {
        CondorSink { service: "cms".to_owned(), handle: Some("read".to_owned()), ..CondorSink::default() }
    }

    async fn stored(script: &str) -> (TempDir, Result<(), StoreError>) {
        let (directory, environment) = played(script);
        let result = store_in(&sink(), TOKEN, environment, Duration::from_secs(10)).await;
        (directory, result)
    }

    #[tokio::test]
    async fn the_token_is_on_standard_input_alone() {
        let (directory, result) =
            stored("echo \"$@\" >$OUT/arguments; env >$OUT/environment; cat >$OUT/input").await;
        assert_eq!(result, Ok(()));
        let read = |name: &str| fs_err::read_to_string(directory.path().join(name)).expect("written");
        assert_eq!(read("arguments"), "add-oauth -s cms -H read -i - -P\n");
        assert_eq!(read("input"), TOKEN);
        let environment = read("environment");
        assert!(
            environment.contains("_CONDOR_POOL=here") && !environment.contains("canary"),
            "{environment}"
        );
    }

    #[tokio::test]
    async fn htcondor_is_reached_as_the_entry_says() {
        let (directory, _) = played("cat >/dev/null; echo \"$CONDOR_CONFIG\" >$OUT/config");
        let sink = CondorSink {
            program: Some(directory.path().join(condor::PROGRAM)),
            condor_config: Some("/mine".to_owned()),
            ..sink()
        };
        let environment =
            vec![("PATH".into(), "/usr/bin:/bin".into()), ("CONDOR_CONFIG".into(), "/other".into())];
        store_in(&sink, TOKEN, environment, Duration::from_secs(10)).await.expect("stored");
        assert_eq!(fs_err::read_to_string(directory.path().join("config")).expect("written"), "/mine\n");
    }

    #[tokio::test]
    async fn what_it_says_is_told_without_the_token() {
        let (_directory, result) = stored(
            "cat >/dev/null; echo first >&2; printf 'no credd: \\033[31mcanary-token\\n\\n' >&2; exit 3",
        )
        .await;
        let told = result.expect_err("refused").to_string();
        assert_eq!(told, "condor_store_cred failed (exit status: 3): no credd:  [31m[redacted]");
        let (_directory, result) = stored("exit 1").await;
        assert!(result.expect_err("refused").to_string().ends_with("it said nothing"));
    }

    #[tokio::test]
    async fn neither_silence_nor_a_flood_holds_anything_up() {
        let (_directory, environment) = played("sleep 60 & wait");
        let result = store_in(&sink(), TOKEN, environment, Duration::from_millis(300)).await;
        assert_eq!(result, Err(StoreError::Late));
        let (_directory, result) = stored("head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2").await;
        assert_eq!(result, Ok(()), "a program that reads nothing");
    }

    #[tokio::test]
    async fn a_machine_without_htcondor_is_said_to_be_one() {
        let directory = tempfile::tempdir().expect("a directory");
        let environment = vec![("PATH".into(), directory.path().into())];
        if condor::find(Some(directory.path().as_os_str())).is_none() {
            let result = store_in(&sink(), TOKEN, environment, Duration::from_secs(1)).await;
            assert_eq!(result, Err(StoreError::NoProgram));
        }
    }
}
