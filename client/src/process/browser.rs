//! Opening a browser.

use std::{io, os::unix::process::CommandExt, process::Stdio};

use oidc_proto::environment::without_secrets;

/// Opens an address in the person's browser, and waits for nothing.
pub fn open(address: &str) -> io::Result<()> {
    // Runs the opener itself, not a shell: whatever stands in the address is one argument.
    let mut last_error = io::Error::from(io::ErrorKind::NotFound);
    for mut opener in open::commands(address) {
        without_secrets(&mut opener).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // Not to be ended by a Ctrl-C that is meant for this program.
        match opener.process_group(0).spawn() {
            Ok(_) => return Ok(()),
            Err(error) => last_error = error,
        }
    }
    Err(last_error)
}
