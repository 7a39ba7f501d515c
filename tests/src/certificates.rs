//! A certificate authority made on the spot, and a server certificate for this machine.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{faketime, programs::run, require::on_path};

/// Where the three files are.
#[derive(Debug, Clone)]
pub struct Certificates {
    /// The authority's certificate, for those who have to trust it.
    pub authority: PathBuf,
    /// The server's certificate, for `localhost` and 127.0.0.1.
    pub certificate: PathBuf,
    /// The server's key.
    pub key: PathBuf,
}

impl Certificates {
    /// Makes them in `directory` with the `openssl` command (3.0 or later).
    ///
    /// # Panics
    /// When that fails.
    pub fn make(directory: &Path) -> Self {
        Self::make_at(directory, "+0")
    }

    /// As [`Certificates::make`], but a day old where libfaketime is there: for programs whose clock is a bit slow.
    pub fn make_old(directory: &Path) -> Self {
        Self::make_at(directory, "-1d")
    }

    fn make_at(directory: &Path, time: &str) -> Self {
        let (authority, authority_key) = (directory.join("ca.pem"), directory.join("ca.key"));
        let (certificate, key) = (directory.join("server.pem"), directory.join("server.key"));
        let mut command = new_certificate("/CN=Authority of one test", &authority, &authority_key);
        command.args([
            "-addext",
            "basicConstraints=critical,CA:TRUE",
            "-addext",
            "keyUsage=critical,keyCertSign",
        ]);
        faketime::shift(&mut command, time);
        run(command).success();
        let mut command = new_certificate("/CN=localhost", &certificate, &key);
        command.arg("-CA").arg(&authority).arg("-CAkey").arg(&authority_key);
        command.args([
            "-addext",
            "subjectAltName=DNS:localhost,IP:127.0.0.1",
            "-addext",
            "basicConstraints=CA:FALSE",
        ]);
        faketime::shift(&mut command, time);
        run(command).success();
        Self { authority, certificate, key }
    }
}

/// Makes a certificate for 127.0.0.1 that is its own authority, with the `openssl` command; its file and its key's.
///
/// # Panics
/// When that fails.
pub fn self_signed(directory: &Path) -> (PathBuf, PathBuf) {
    let (certificate, key) = (directory.join("self.pem"), directory.join("self.key"));
    let mut command = new_certificate("/CN=127.0.0.1", &certificate, &key);
    command.args(["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:TRUE"]);
    run(command).success();
    (certificate, key)
}

fn new_certificate(subject: &str, certificate: &Path, key: &Path) -> Command {
    let mut command = Command::new(on_path("openssl").unwrap_or_else(|| "openssl".into()));
    command.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "3",
    ]);
    command.args(["-subj", subject]).arg("-out").arg(certificate).arg("-keyout").arg(key);
    command
}
