//! What the C suite's key derivation takes without the C suite: libsodium's, called from Python, which needs no compiler.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result};
use oidc_tests::c_suite::CSuite;

use crate::suite::output_within;

/// `crypto_pwhash` with the C suite's numbers: Argon2id, 2 passes, 64 MiB. Prints nanoseconds.
const CALL: &str = "
import ctypes, sys, time
library = ctypes.CDLL(sys.argv[1])
library.sodium_init()
out, salt, password = ctypes.create_string_buffer(64), b'7' * 16, b'a password of usual length'
begin = time.perf_counter_ns()
failed = library.crypto_pwhash(out, ctypes.c_ulonglong(64), password, ctypes.c_ulonglong(len(password)), salt,
                               ctypes.c_ulonglong(2), ctypes.c_size_t(1 << 26), 2)
print(time.perf_counter_ns() - begin)
sys.exit(failed)
";

/// The library, and what calls it.
pub struct Libsodium {
    library: PathBuf,
    python: PathBuf,
}

impl Libsodium {
    /// The one beside the C suite; `None` without it or without Python.
    pub fn find() -> Option<Self> {
        let python = oidc_tests::require::python()?;
        let libraries = CSuite::find()?.libraries();
        let mut libraries = libraries.split(':').map(|path| PathBuf::from(path).join("libsodium.so.23"));
        Some(Self { library: libraries.find(|path| path.exists())?, python })
    }

    /// How long one derivation takes.
    pub fn derive(&self) -> Result<Duration> {
        let mut command = Command::new(&self.python);
        command.args(["-c", CALL]).arg(&self.library).stdin(Stdio::null());
        let said = output_within(command)?;
        let nanoseconds = said.lines().last().context("it said nothing")?.trim().parse()?;
        Ok(Duration::from_nanos(nanoseconds))
    }
}
