//! `oidc-agent --kill`: ends the agent that the environment names.

use std::{
    env,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open},
};

use crate::{
    announce::{self, Dialect},
    output,
    server::bind::is_served,
};

/// How long an agent may take to end: it lets requests in hand finish first.
const PATIENCE_SECONDS: i64 = 12;

/// Ends it, waits for its end, removes what the C suite's agent leaves behind, and prints what unsets the variables.
pub fn run(dialect: Dialect, quiet: bool) -> ExitCode {
    match end(env::var("OIDCD_PID").ok()) {
        Ok(pid) => {
            if let Some(socket) = env::var_os("OIDC_SOCK").map(PathBuf::from) {
                remove_leftovers(&socket);
            }
            output::result(&announce::killed(dialect, quiet, &pid));
            ExitCode::SUCCESS
        }
        Err(text) => {
            output::message(&text);
            ExitCode::FAILURE
        }
    }
}

/// The pid as it was given. The texts of the failures are the C suite's.
fn end(variable: Option<String>) -> Result<String, String> {
    let text = variable.ok_or("OIDCD_PID not set, cannot kill Agent")?;
    // Not 0 and not negative: those mean whole groups of processes.
    let pid = text.parse().ok().filter(|pid| *pid > 0).and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| format!("OIDCD_PID not set to a valid pid: {text}"))?;
    let process = pidfd_open(pid, PidfdFlags::empty()).ok();
    kill_process(pid, Signal::TERM).map_err(|error| format!("kill: {}", describe(error)))?;
    if let Some(process) = process {
        let deadline = Timespec { tv_sec: PATIENCE_SECONDS, tv_nsec: 0 };
        let _ = poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&deadline));
    }
    Ok(text)
}

fn describe(error: Errno) -> String {
    match error {
        Errno::SRCH => "No such process".to_owned(),
        Errno::PERM => "Operation not permitted".to_owned(),
        other => other.to_string(),
    }
}

/// The C suite's agent leaves its socket and directory; ours does not.
fn remove_leftovers(socket: &Path) {
    let is_socket = socket.symlink_metadata().is_ok_and(|metadata| metadata.file_type().is_socket());
    if is_socket && !is_served(socket) && fs_err::remove_file(socket).is_ok() {
        let _ = socket.parent().map(fs_err::remove_dir);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_the_c_suites() {
        assert_eq!(end(None), Err("OIDCD_PID not set, cannot kill Agent".into()));
        for text in ["abc", "", "0", "-1"] {
            assert_eq!(end(Some(text.into())), Err(format!("OIDCD_PID not set to a valid pid: {text}")));
        }
        assert_eq!(end(Some("4194305".into())), Err("kill: No such process".into()));
    }
}
