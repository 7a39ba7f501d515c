//! The user unit of the agent, where systemd runs the session and has one.

use std::{env, path::Path, process::Command, time::Duration};

use crate::{context::error::Error, process::bounded, say::exit::Exit};

const SERVICE: &str = "oidc-agent.service";
const SOCKET: &str = "oidc-agent.socket";
/// How long systemd may take to say something.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it may take to end an agent, which finishes what it has begun.
const ENDING: Duration = Duration::from_secs(400);
/// What a person sets for an agent of their own: a unit does not know it.
const SETTINGS: [&str; 2] = ["OIDC_CONFIG_DIR", "OIDC_USER_CONFIG"];

/// Whether the unit is there and would serve this environment.
pub fn is_there() -> bool {
    let runs = env::var_os("XDG_RUNTIME_DIR")
        .is_some_and(|runtime| Path::new(&runtime).join("systemd/private").exists());
    let is_own = SETTINGS.iter().any(|name| env::var_os(name).is_some());
    runs && !is_own && asked(&["cat", SOCKET], PATIENCE).is_ok()
}

/// The agent's process, if the unit runs.
pub fn main_pid() -> Option<i32> {
    let said = asked(&["show", "--property=MainPID", "--value", SERVICE], PATIENCE).ok()?;
    said.trim().parse().ok().filter(|pid| *pid > 0)
}

/// Starts socket and agent.
pub fn start() -> Result<(), Error> {
    done(&["start", SOCKET, SERVICE], PATIENCE)
}

/// Ends both, so that no client starts the agent again.
pub fn stop() -> Result<(), Error> {
    done(&["stop", SOCKET, SERVICE], ENDING)
}

/// Ends the agent and starts it.
pub fn restart() -> Result<(), Error> {
    done(&["restart", SERVICE], ENDING)
}

fn done(arguments: &[&str], within: Duration) -> Result<(), Error> {
    let command = format!("systemctl --user {}", arguments.join(" "));
    asked(arguments, within).map(drop).map_err(|reason| {
        Error::Other(
            Exit::Failure,
            format!("`{command}` failed: {reason}; `systemctl --user status oidc-agent` says more"),
        )
    })
}

fn asked(arguments: &[&str], within: Duration) -> Result<String, String> {
    let mut systemctl = Command::new("systemctl");
    systemctl.arg("--user").args(arguments).stderr(std::process::Stdio::null());
    let ended = bounded::run(&mut systemctl, b"", within).map_err(|error| error.to_string())?;
    if ended.status.success() {
        Ok(String::from_utf8_lossy(&ended.output).into_owned())
    } else {
        Err(ended.status.to_string())
    }
}
