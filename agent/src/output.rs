//! The only place of this program that writes to standard output and, apart from the log, to standard error.

use std::io::{self, Write};

/// Writes a result. Whether the reader is still there is not our concern.
pub fn result(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Writes one line for the person.
pub fn message(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}
