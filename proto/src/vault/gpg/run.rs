//! One run of `gpg`: fed and read at the same time, bounded, and killed at its deadline.

use std::{
    io::{self, Read, Write},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use zeroize::Zeroizing;

use crate::{
    environment::without_secrets,
    vault::{GpgError, MAX_FILE_LEN, VaultError},
};

/// How often the end of the process is looked for after it has closed its output.
const POLL_EVERY: Duration = Duration::from_millis(5);
/// More status lines than this are of no interest, in bytes.
const MAX_STATUS_LEN: u64 = 64 * 1024;

/// Runs `gpg` with `input` on its standard input; what it wrote to its standard output, at most 1 MiB.
pub(super) fn run(
    arguments: &[&str],
    input: &[u8],
    deadline: Duration,
) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    run_program("gpg", arguments, input, deadline)
}

fn run_program(
    program: &str,
    arguments: &[&str],
    input: &[u8],
    deadline: Duration,
) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let deadline = Instant::now() + deadline;
    let mut child = Guard(
        without_secrets(&mut Command::new(program))
            .args(["--batch", "--no-tty", "--quiet", "--status-fd=2"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => GpgError::NotInstalled,
                kind => GpgError::NotRun(kind),
            })?,
    );
    let output = in_thread(read_bounded(child.0.stdout.take(), MAX_FILE_LEN as u64 + 1));
    let status = in_thread(read_bounded(child.0.stderr.take(), MAX_STATUS_LEN));
    let input = Zeroizing::new(input.to_vec());
    let stdin = child.0.stdin.take();
    // A gpg that stops reading has failed, and says so on its other outputs.
    let _fed = in_thread(move || stdin.map(|mut stdin| stdin.write_all(&input)));

    let output = until(deadline, &output)?.map_err(|error| GpgError::NotRun(error.kind()))?;
    if output.len() > MAX_FILE_LEN {
        return Err(VaultError::TooLarge);
    }
    let status = until(deadline, &status)?.map_err(|error| GpgError::NotRun(error.kind()))?;
    let exit = child.wait(deadline)?;
    if exit.success() { Ok(output) } else { Err(failure(&String::from_utf8_lossy(&status))) }
}

/// What gpg's status lines (its doc/DETAILS) say about a failure.
fn failure(status: &str) -> VaultError {
    let keywords: Vec<&str> = status
        .lines()
        .filter_map(|line| line.strip_prefix("[GNUPG:] "))
        .filter_map(|line| line.split(' ').next())
        .collect();
    let says = |keyword: &str| keywords.contains(&keyword);
    if says("INV_RECP") || says("NO_RECP") {
        GpgError::NoPublicKey.into()
    } else if says("DECRYPTION_KEY") || (says("NODATA") && !says("ENC_TO")) {
        // The session key was had, or there was none to be had.
        VaultError::Damaged("the OpenPGP message was changed or cut off")
    } else if says("ENC_TO") && (says("NO_SECKEY") || !says("KEY_CONSIDERED")) {
        GpgError::NoSecretKey.into()
    } else if says("ENC_TO") {
        GpgError::Locked.into()
    } else {
        GpgError::Failed.into()
    }
}

/// Kills the process when it is dropped before it ended.
struct Guard(Child);

impl Guard {
    fn wait(&mut self, deadline: Instant) -> Result<ExitStatus, GpgError> {
        loop {
            match self.0.try_wait() {
                Ok(Some(status)) => return Ok(status),
                Ok(None) if Instant::now() >= deadline => return Err(GpgError::Timeout),
                Ok(None) => thread::sleep(POLL_EVERY),
                Err(error) => return Err(GpgError::NotRun(error.kind())),
            }
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn in_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> mpsc::Receiver<T> {
    let (done, result) = mpsc::channel();
    // Nobody may be waiting any more.
    thread::spawn(move || drop(done.send(work())));
    result
}

fn until<T>(deadline: Instant, result: &mpsc::Receiver<T>) -> Result<T, GpgError> {
    result.recv_timeout(deadline.saturating_duration_since(Instant::now())).map_err(|error| match error {
        RecvTimeoutError::Timeout => GpgError::Timeout,
        RecvTimeoutError::Disconnected => GpgError::NotRun(io::ErrorKind::Other),
    })
}

/// Reads to the end, keeping at most `max` bytes; what comes after is read and dropped, so that nobody blocks on it.
fn read_bounded(
    pipe: Option<impl Read + Send + 'static>,
    max: u64,
) -> impl FnOnce() -> io::Result<Zeroizing<Vec<u8>>> + Send + 'static {
    move || {
        // At its full size from the start: a buffer that grows leaves copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(max).unwrap_or_default()));
        if let Some(mut pipe) = pipe {
            pipe.by_ref().take(max).read_to_end(&mut bytes)?;
            io::copy(&mut pipe, &mut io::sink())?;
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(60);

    fn program(name: &str) -> String {
        format!("{}/../tests/fixtures/programs/{name}", env!("CARGO_MANIFEST_DIR"))
    }

    fn run_for(program: &str, deadline: Duration) -> Result<usize, VaultError> {
        run_program(program, &[], &vec![b'x'; 300_000], deadline).map(|output| output.len())
    }

    #[test]
    fn a_program_that_never_ends_is_killed() {
        let began = Instant::now();
        assert_eq!(run_for(&program("hangs"), Duration::from_millis(100)), Err(GpgError::Timeout.into()));
        assert!(began.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn output_is_bounded() {
        assert_eq!(run_for(&program("floods"), DEADLINE), Err(VaultError::TooLarge));
    }

    #[test]
    fn input_that_nobody_reads_is_no_failure() {
        assert_eq!(run_for("true", DEADLINE), Ok(0));
    }

    #[test]
    fn other_failures_are_told_apart() {
        assert_eq!(run_for("/nonexistent/gpg", DEADLINE), Err(GpgError::NotInstalled.into()));
        assert_eq!(run_for("false", DEADLINE), Err(GpgError::Failed.into()));
    }
}
