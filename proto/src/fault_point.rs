//! Named steps, of storing a refresh token and of taking over from another version, at which a test lets the process end, as a power
//! failure would, or fail.
//!
//! Only with the feature `fault-points`, which no program that is delivered has: otherwise reaching a step does nothing.

use std::io;

/// The variable that says what happens where: `STEP`, or `STEP@FILE` for a step that does nothing before the file is
/// there. The process is ended as by `kill -9`, or with `stop:` before it, stopped; with `fail:` before it, the step fails.
#[cfg(feature = "fault-points")]
const FAULT_POINT: &str = "OIDC_FAULT_POINT";

/// Notes that a step was reached. `name` is a word or two, joined by a dash.
#[cfg(feature = "fault-points")]
pub fn reached(name: &str) {
    use rustix::process::{Signal, getpid, kill_process};

    let Some(wanted) = std::env::var(FAULT_POINT).ok() else { return };
    let (signal, wanted) =
        wanted.strip_prefix("stop:").map_or((Signal::KILL, wanted.as_str()), |step| (Signal::STOP, step));
    if is_armed(wanted, name) {
        kill_process(getpid(), signal).expect("a process may send signals to itself");
    }
}

/// The same for a step that may fail, and does where a test wants it.
#[cfg(feature = "fault-points")]
pub fn fails(name: &str) -> io::Result<()> {
    reached(name);
    let wanted = std::env::var(FAULT_POINT).unwrap_or_default();
    match wanted.strip_prefix("fail:") {
        Some(wanted) if is_armed(wanted, name) => {
            Err(io::Error::other(format!("a test wants '{name}' to fail")))
        }
        _ => Ok(()),
    }
}

#[cfg(feature = "fault-points")]
fn is_armed(wanted: &str, name: &str) -> bool {
    match wanted.split_once('@') {
        Some((step, file)) => step == name && std::path::Path::new(file).exists(),
        None => wanted == name,
    }
}

/// Notes that a step was reached: nothing happens.
#[cfg(not(feature = "fault-points"))]
pub fn reached(_: &str) {}

/// The same for a step that may fail: it does not.
#[cfg(not(feature = "fault-points"))]
pub fn fails(_: &str) -> io::Result<()> {
    Ok(())
}
