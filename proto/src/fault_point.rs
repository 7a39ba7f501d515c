//! Named steps of storing a refresh token at which a test lets the process end, as a power failure would.
//!
//! Only with the feature `fault-points`, which no program that is delivered has: otherwise reaching a step does nothing.

/// The variable that names the step at which this process ends, as `kill -9` would end it.
#[cfg(feature = "fault-points")]
const ABORT_AT: &str = "OIDC_FAULT_POINT";

/// Notes that a step was reached. `name` is a word or two, joined by a dash.
#[cfg(feature = "fault-points")]
pub fn reached(name: &str) {
    let Some(wanted) = std::env::var_os(ABORT_AT) else { return };
    // An armed step waits for its file, so that a test can get everything else out of the way.
    let (step, armed_by) = match wanted.to_str().and_then(|wanted| wanted.split_once('@')) {
        Some((step, file)) => (step.to_owned(), Some(file.to_owned())),
        None => (wanted.to_string_lossy().into_owned(), None),
    };
    if step == name && armed_by.is_none_or(|file| std::path::Path::new(&file).exists()) {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}

/// Notes that a step was reached: nothing happens.
#[cfg(not(feature = "fault-points"))]
pub fn reached(_: &str) {}
