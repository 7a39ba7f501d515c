//! What a file holds that is a secret, or its first line: a regular file, or a pipe (`<(...)`, standard input).
//!
//! Anything else (a device, a directory) is refused, and a pipe is waited for no longer than a deadline: whoever
//! opened it for writing may never write.

use std::{
    fs::File,
    io::{self, Read},
    os::fd::{AsFd, BorrowedFd},
    path::Path,
    time::{Duration, Instant},
};

use rustix::fs::{FileType, Mode, OFlags, fstat};
use zeroize::Zeroizing;

use super::{MAX_PASSWORD, asker::AskError, error::PasswordError};
use crate::process::signals::{Noted, Signals};

/// The name that stands for standard input.
pub const STANDARD_INPUT: &str = "-";

/// The first line of the file at `path`, less its newline; `origin` is the option that names the file.
pub fn first_line(
    origin: &'static str,
    path: &Path,
    wait: Duration,
) -> Result<Zeroizing<Vec<u8>>, PasswordError> {
    read(origin, path, wait, Extent::Line)
}

/// The whole file at `path`, of at most 64 KiB; `origin` is the option that names the file.
pub fn content(
    origin: &'static str,
    path: &Path,
    wait: Duration,
) -> Result<Zeroizing<Vec<u8>>, PasswordError> {
    read(origin, path, wait, Extent::Whole)
}

/// How much of a file is the secret.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    Line,
    Whole,
}

fn read(
    origin: &'static str,
    path: &Path,
    wait: Duration,
    extent: Extent,
) -> Result<Zeroizing<Vec<u8>>, PasswordError> {
    let until = Instant::now() + wait;
    if path.as_os_str() == STANDARD_INPUT {
        return read_open(io::stdin().as_fd(), until, extent)
            .map_err(|error| error.at(origin, "standard input", extent));
    }
    let failed = |error: Failed| error.at(origin, &path.display().to_string(), extent);
    // A FIFO without a writer must not hold up the opening.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file =
        rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| failed(Failed::Io(errno.into())))?;
    read_open(file.as_fd(), until, extent).map_err(failed)
}

/// Why there is no line.
enum Failed {
    Interrupted,
    Io(io::Error),
    Kind,
    TooLong,
    TimedOut,
}

impl Failed {
    fn at(self, origin: &'static str, name: &str, extent: Extent) -> PasswordError {
        let reason = match self {
            Self::Interrupted => return AskError::Interrupted.into(),
            Self::Io(error) => format!("{name}: {error}"),
            Self::Kind => format!("{name} is neither a regular file nor a pipe"),
            Self::TooLong if extent == Extent::Whole => {
                format!("{name} is longer than {MAX_PASSWORD} bytes")
            }
            Self::TooLong => format!("the first line of {name} is longer than {MAX_PASSWORD} bytes"),
            Self::TimedOut => format!("nothing was written to {name} in time"),
        };
        PasswordError::Source { origin, reason }
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Reads byte by byte: the lines that follow the first may be somebody else's.
fn read_open(file: BorrowedFd<'_>, until: Instant, extent: Extent) -> Result<Zeroizing<Vec<u8>>, Failed> {
    let kind = FileType::from_raw_mode(fstat(file).map_err(io::Error::from)?.st_mode);
    let signals = match kind {
        FileType::RegularFile => None,
        FileType::Fifo | FileType::Socket => Some(Signals::of_process()?),
        _ => return Err(Failed::Kind),
    };
    let _held = signals.map(Signals::hold);
    let mut file = File::from(file.try_clone_to_owned()?);
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_PASSWORD));
    let mut byte = Zeroizing::new([0]);
    loop {
        if let Some(signals) = signals
            && !wait_for(&file, signals, until)?
        {
            continue;
        }
        match file.read(byte.as_mut()) {
            Ok(0) => return Ok(line),
            Ok(_) if byte[0] == b'\n' && extent == Extent::Line => return Ok(line),
            Ok(_) if line.len() == MAX_PASSWORD => return Err(Failed::TooLong),
            Ok(_) => line.push(byte[0]),
            Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether there is something to be read now.
fn wait_for(file: &File, signals: &Signals, until: Instant) -> Result<bool, Failed> {
    if let Some(Noted::End(_)) = signals.take() {
        return Err(Failed::Interrupted);
    }
    if signals.wait(Some(file.as_fd()), Some(until))? {
        return Ok(true);
    }
    if Instant::now() >= until { Err(Failed::TimedOut) } else { Ok(false) }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::ffi::OsStrExt, process::Command};

    use rustix::fs::{CWD, mkfifoat};

    use super::*;
    use crate::process::signals;

    const LONG: Duration = Duration::from_secs(30);

    fn read(path: &Path, wait: Duration) -> Result<String, String> {
        let _alone = signals::alone();
        let line = first_line("--pw-file", path, wait).map_err(|error| error.to_string())?;
        Ok(String::from_utf8(line.to_vec()).expect("UTF-8"))
    }

    #[test]
    fn a_file_gives_its_first_line() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        for (content, expected) in [("pw\nmore\n", "pw"), ("pw", "pw"), ("pw\r\n", "pw\r"), ("", "")] {
            fs_err::write(file.path(), content).expect("a written file");
            assert_eq!(read(file.path(), LONG).as_deref(), Ok(expected));
        }
        fs_err::write(file.path(), vec![b'x'; MAX_PASSWORD + 1]).expect("a written file");
        assert!(read(file.path(), LONG).expect_err("too long").contains("longer than 65536 bytes"));
        let all = content("--client-key-file", file.path(), LONG).map_err(|error| error.to_string());
        assert!(all.expect_err("too long").ends_with("is longer than 65536 bytes"));
        fs_err::write(file.path(), "a\nb\n").expect("a written file");
        assert_eq!(*content("--client-key-file", file.path(), LONG).expect("read"), b"a\nb\n");
    }

    #[test]
    fn a_fifo_is_read_when_somebody_writes_and_left_when_nobody_does() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("fifo");
        mkfifoat(CWD, path.as_os_str().as_bytes(), Mode::from_raw_mode(0o600)).expect("a FIFO");
        let error = read(&path, Duration::from_millis(50)).expect_err("nobody writes");
        assert!(error.contains("--pw-file") && error.contains("in time"), "{error}");
        let script = format!("echo pw >'{}'", path.display());
        let mut writer = Command::new("sh").args(["-c", &script]).spawn().expect("a shell");
        assert_eq!(read(&path, LONG).as_deref(), Ok("pw"));
        writer.wait().expect("ended");
    }

    #[test]
    fn what_is_no_file_is_refused_by_name() {
        for path in ["/dev/zero", "/dev/null", "/", "/nonexistent/pw"] {
            let error = read(Path::new(path), LONG).expect_err("no password file");
            assert!(error.contains("--pw-file") && error.contains(path), "{error}");
        }
    }
}
