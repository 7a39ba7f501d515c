//! What a file holds, or its first line, within a time.

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use zeroize::Zeroizing;

use crate::regular_file;

/// Threads that may be stuck in a file system that does not answer.
const MAX_READING: usize = 16;

/// The first line without its end, as [`content`] reads it.
pub fn first_line(path: &str, longest: u64, deadline: Duration) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut line = content(path, longest, deadline)?;
    let end = line.iter().position(|byte| *byte == b'\n').unwrap_or(line.len());
    line.truncate(end);
    Ok(line)
}

/// All of a file. Only of a regular file of at most `longest` bytes: nothing else has an end, or comes
/// by itself. Blocks until the deadline at most, even on a file system that does not answer.
pub fn content(path: &str, longest: u64, deadline: Duration) -> io::Result<Zeroizing<Vec<u8>>> {
    static READING: AtomicUsize = AtomicUsize::new(0);
    if READING.load(Ordering::Relaxed) >= MAX_READING {
        return Err(io::Error::other("earlier reads of such files have not come back"));
    }
    let (sender, receiver) = mpsc::channel();
    let path = PathBuf::from(path);
    let reading = move || {
        READING.fetch_add(1, Ordering::Relaxed);
        let line = read(&path, longest);
        READING.fetch_sub(1, Ordering::Relaxed);
        // Nobody listens any more once the deadline is over.
        let _ = sender.send(line);
    };
    thread::Builder::new().name("password-file".to_owned()).spawn(reading)?;
    receiver.recv_timeout(deadline).map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

fn read(path: &Path, longest: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = regular_file::open(path, longest)?;
    // One byte more, so that a full buffer is never moved.
    let capacity = usize::try_from(longest).map_err(io::Error::other)? + 1;
    let mut content = Zeroizing::new(Vec::with_capacity(capacity));
    file.take(longest).read_to_end(&mut content)?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLENTY: Duration = Duration::from_secs(30);

    fn text(path: &Path) -> Option<String> {
        let line = first_line(path.to_str()?, 100, PLENTY).ok()?;
        String::from_utf8(line.to_vec()).ok()
    }

    #[test]
    fn the_first_line_counts() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("password");
        for (content, line) in [("one\ntwo", "one"), ("one", "one"), ("", ""), ("\none", "")] {
            fs_err::write(&path, content).expect("written");
            assert_eq!(text(&path).as_deref(), Some(line), "{content:?}");
        }
        fs_err::write(&path, "x".repeat(101)).expect("written");
        assert_eq!(text(&path), None);
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let directory = tempfile::tempdir().expect("a directory");
        let pipe = directory.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("it runs");
        assert!(made.success());
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&pipe, &link).expect("linked");
        for path in [&pipe, &link, Path::new("/dev/zero"), Path::new("/dev/tty"), directory.path()] {
            assert_eq!(text(path), None, "{}", path.display());
        }
    }
}
