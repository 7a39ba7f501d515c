//! What a program says on standard input: in bounds, and in time.

use std::{
    io::{self, IsTerminal},
    os::fd::AsFd,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::{Errno, read as read_bytes},
    stdio,
};
use zeroize::Zeroizing;

use crate::{context::error::Error, say::exit::Exit};

/// How long a program may take to say what it wants. A person who types may take as long as it likes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Reads until the end, or until `is_complete` says so; at most `longest` bytes.
pub fn read(longest: usize, is_complete: impl Fn(&[u8]) -> bool) -> Result<Zeroizing<Vec<u8>>, Error> {
    let deadline = (!io::stdin().is_terminal()).then(|| Instant::now() + PATIENCE);
    read_from(stdio::stdin(), deadline, longest, is_complete)
        .map_err(|error| Error::Other(Exit::Failure, format!("standard input cannot be read: {error}")))
}

fn read_from(
    input: impl AsFd,
    deadline: Option<Instant>,
    longest: usize,
    is_complete: impl Fn(&[u8]) -> bool,
) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut read = Zeroizing::new(Vec::new());
    let mut chunk = Zeroizing::new([0; 4096]);
    while !is_complete(&read) {
        if let Some(deadline) = deadline {
            wait(&input, deadline)?;
        }
        // Not by the buffered standard input: what it holds back would not be waited for.
        let count = match read_bytes(&input, &mut chunk[..]) {
            Err(Errno::INTR) => continue,
            count => count?,
        };
        if count == 0 {
            break;
        }
        if read.len() + count > longest {
            return Err(io::Error::other(format!("more than {longest} bytes came")));
        }
        read.extend_from_slice(&chunk[..count]);
    }
    Ok(read)
}

fn wait(input: &impl AsFd, deadline: Instant) -> io::Result<()> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut waiting = [PollFd::new(input, PollFlags::IN)];
        let patience = Timespec::try_from(left).map_err(io::Error::other)?;
        match poll(&mut waiting, Some(&patience)) {
            Err(Errno::INTR) => {}
            Ok(0) => return Err(io::Error::new(io::ErrorKind::TimedOut, "nothing came in time")),
            Ok(_) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, os::unix::net::UnixStream};

    use super::*;

    #[test]
    fn input_ends_with_what_is_complete_its_end_a_bound_or_a_deadline() {
        let soon = || Some(Instant::now() + Duration::from_millis(50));
        let (mut ours, theirs) = UnixStream::pair().expect("a pair");
        ours.write_all(b"a\n\n").expect("written");
        let read = read_from(&theirs, soon(), 100, |read| read.ends_with(b"\n\n")).expect("complete");
        assert_eq!(read.as_slice(), b"a\n\n");
        ours.write_all(&[b'x'; 101]).expect("written");
        assert!(
            read_from(&theirs, soon(), 100, |_| false).is_err_and(|error| error.to_string().contains("100"))
        );
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let late = read_from(&theirs, soon(), 100, |_| false).expect_err("nothing comes");
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
        drop(ours);
        assert!(read_from(&theirs, soon(), 100, |_| false).expect("the end").is_empty());
    }
}
