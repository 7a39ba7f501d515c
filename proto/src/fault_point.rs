//! Named steps of storing a refresh token at which a test lets the process end, as a power failure would.
//!
//! Only with the feature `fault-points`, which no program that is delivered has: otherwise reaching a step does nothing.

/// The variable that says what happens where: `STEP`, or `STEP@FILE` for a step that does nothing before the file is
/// there. The process is ended as by `kill -9`, or with `stop:` before it, stopped.
#[cfg(feature = "fault-points")]
const FAULT_POINT: &str = "OIDC_FAULT_POINT";

/// Notes that a step was reached. `name` is a word or two, joined by a dash.
#[cfg(feature = "fault-points")]
pub fn reached(name: &str) {
    use rustix::process::{Signal, getpid, kill_process};

    let Some(wanted) = std::env::var(FAULT_POINT).ok() else { return };
    let (signal, wanted) =
        wanted.strip_prefix("stop:").map_or((Signal::KILL, wanted.as_str()), |step| (Signal::STOP, step));
    let (step, is_armed) = match wanted.split_once('@') {
        Some((step, file)) => (step, std::path::Path::new(file).exists()),
        None => (wanted, true),
    };
    if step == name && is_armed {
        kill_process(getpid(), signal).expect("a process may send signals to itself");
    }
}

/// Notes that a step was reached: nothing happens.
#[cfg(not(feature = "fault-points"))]
pub fn reached(_: &str) {}
