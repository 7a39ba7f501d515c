//! The only place of this program that writes to standard output and, apart from the log, to standard error.

use std::io::{self, Write};

/// Writes a result. Whether the reader is still there is not our concern.
pub fn result(text: &str) {
    let _ = needed_result(text);
}

/// Writes a result that is of no use to anybody unless it arrives.
pub fn needed_result(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
}

/// Writes one line for the person.
pub fn message(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}
