//! Another program, run to its end within a time: what it says, and how it ended.

use std::{
    io::{self, Read, Write},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use oidc_proto::environment::without_secrets;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use zeroize::Zeroizing;

/// The most that is read of what it says, in bytes.
const LONGEST: usize = 64 * 1024;
/// How often to look whether it has ended, once its output is closed.
const POLL: Duration = Duration::from_millis(5);

/// A program that has ended.
#[derive(Debug)]
pub struct Ended {
    /// How.
    pub status: ExitStatus,
    /// What it wrote to standard output; overwritten when dropped, for it may be a password.
    pub output: Zeroizing<Vec<u8>>,
}

/// Runs it, with `input` (no more than a pipe holds) as its standard input. It is ended when its time is up:
/// [`io::ErrorKind::TimedOut`].
pub fn run(command: &mut Command, input: &[u8], within: Duration) -> io::Result<Ended> {
    let until = Instant::now() + within;
    without_secrets(command).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = Running(command.spawn()?);
    if let Some(mut stdin) = running.0.stdin.take() {
        // Who does not read it has closed its end.
        let _ = stdin.write_all(input);
    }
    let mut stdout = running.0.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let mut output = Zeroizing::new(Vec::with_capacity(LONGEST));
    let mut piece = Zeroizing::new([0; 1024]);
    loop {
        let left = Timespec::try_from(until.saturating_duration_since(Instant::now())).ok();
        match poll(&mut [PollFd::new(&stdout, PollFlags::IN)], left.as_ref()) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        match stdout.read(&mut piece[..])? {
            0 => break,
            count if output.len() + count > LONGEST => return Err(io::ErrorKind::FileTooLarge.into()),
            count => output.extend_from_slice(&piece[..count]),
        }
    }
    loop {
        if let Some(status) = running.0.try_wait()? {
            return Ok(Ended { status, output });
        }
        if Instant::now() >= until {
            return Err(io::ErrorKind::TimedOut.into());
        }
        thread::sleep(POLL);
    }
}

/// A program that does not outlive the wait for it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_says_and_how_it_ends_is_told() {
        let ended = run(&mut Command::new("cat"), b"text", Duration::from_secs(20)).expect("run");
        assert_eq!((ended.status.success(), &ended.output[..]), (true, &b"text"[..]));
        let ended = run(&mut Command::new("false"), b"", Duration::from_secs(20)).expect("run");
        assert!(!ended.status.success());
    }

    #[test]
    fn who_takes_too_long_or_says_too_much_is_ended() {
        let error = run(Command::new("sleep").arg("60"), b"", Duration::from_millis(50)).expect_err("late");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let error =
            run(Command::new("cat").arg("/dev/zero"), b"", Duration::from_secs(20)).expect_err("much");
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }
}
