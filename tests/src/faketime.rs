//! Another time for a program: libfaketime (Debian package `faketime`), loaded into it.

use std::{path::PathBuf, process::Command};

/// The library, where this machine has it.
pub fn library() -> Option<PathBuf> {
    let mut directories = fs_err::read_dir("/usr/lib").ok()?.flatten();
    directories.find_map(|entry| {
        let library = entry.path().join("faketime/libfaketime.so.1");
        library.exists().then_some(library)
    })
}

/// Lets `command` see the time that is `offset` from now, written as libfaketime reads it: `-1d`, `+120s`. Does nothing where
/// the library is missing.
pub fn shift(command: &mut Command, offset: &str) {
    if let Some(library) = library() {
        command.env("LD_PRELOAD", library).env("FAKETIME", offset);
    }
}
