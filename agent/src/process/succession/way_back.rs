//! The way back: as long as this process has not begun to serve, it can execute the program before it again, with everything that was
//! handed over. Whoever comes first decides: the one that begins to serve, or what has gone wrong.

use std::{
    ffi::OsString,
    io,
    os::{
        fd::{AsFd, AsRawFd},
        unix::{net::UnixStream, process::CommandExt},
    },
    path::Path,
    process::Command,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::Duration,
};

use rustix::stdio::dup2_stdin;
use tracing::error;

use super::{
    super::arguments::inheriting,
    carrier::Handover,
    memory::{self, Memory},
    state,
};
use crate::{hardening::harden, settings::cli::Inherited};

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// How long it may take to begin to serve: nothing in it waits for anybody.
const PATIENCE: Duration = Duration::from_secs(10);
/// Of the thread that looks after that, in bytes.
const STACK: usize = 256 * 1024;

/// See the module.
#[derive(Debug)]
pub struct WayBack {
    /// Taken by whoever decides.
    handover: Mutex<Option<Handover>>,
    /// Of this process.
    arguments: Vec<OsString>,
}

impl WayBack {
    /// With everything that was handed over.
    pub fn new(handover: Handover, arguments: Vec<OsString>) -> Self {
        Self { handover: Mutex::new(Some(handover)), arguments }
    }

    /// Something of it; `None` when it was decided already.
    pub fn look<T>(&self, look: impl FnOnce(&Handover) -> io::Result<T>) -> io::Result<T> {
        self.handover().as_ref().map_or_else(|| Err(decided()), look)
    }

    /// From now on this process serves: there is no way back.
    pub fn close(&self) -> io::Result<Handover> {
        self.handover().take().ok_or_else(decided)
    }

    /// Goes back where this process has not begun to serve in time; ends when `served` is dropped.
    pub fn watch(self: &Arc<Self>, served: mpsc::Receiver<()>) -> io::Result<()> {
        let way_back = Arc::clone(self);
        let watch = move || {
            if served.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
                way_back.go("it did not begin to serve in time");
            }
        };
        thread::Builder::new().name("way back".to_owned()).stack_size(STACK).spawn(watch).map(drop)
    }

    /// Goes back. Returns only where that was decided otherwise, or fails: the agent is lost then.
    pub fn go(&self, reason: &str) {
        let Some(handover) = self.handover().take() else { return };
        error!(reason, version = VERSION, "this version cannot take over: back to the one before it");
        harden::hold_signals();
        let failed = go(handover, &self.arguments, reason);
        error!(error = %failed, "the version before it cannot be started again");
    }

    fn handover(&self) -> MutexGuard<'_, Option<Handover>> {
        // Nothing panics while it is held.
        self.handover.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn go(mut handover: Handover, arguments: &[OsString], reason: &str) -> io::Error {
    let reason = format!("version {VERSION} could not take over after all: {reason}");
    let write = || {
        let text = memory::read(&handover.memory)?;
        let state =
            state::returned(&text, &reason).ok_or_else(|| io::Error::other("it could not go on either"))?;
        Memory::sealed(&state)?.as_fd().try_clone_to_owned()
    };
    match write() {
        Ok(memory) => handover.memory = memory,
        Err(error) => return error,
    }
    // By its descriptor: another file lies at its path by now.
    let path = format!("/proc/self/fd/{}", handover.program.as_raw_fd());
    execute(Path::new(&path), arguments, &handover)
}

/// Executes a program in this process, with everything on its standard input. Returns only if that fails, with all as it was.
pub fn execute(program: &Path, own: &[OsString], handover: &Handover) -> io::Error {
    let (name, options) = inheriting(own, Inherited::Everything);
    let attempt = || {
        let (ours, theirs) = UnixStream::pair()?;
        handover.send(&ours)?;
        dup2_stdin(&theirs)?;
        Ok(())
    };
    let failed = match attempt() {
        Ok(()) => Command::new(program).arg0(name).args(options).exec(),
        Err(error) => error,
    };
    // The attempt had the next program find this as it is at a start.
    harden::ignore_broken_pipes();
    // What was on its way is closed with it.
    if let Err(error) = dup2_stdin(&handover.stdin) {
        error!(%error, "standard input is not as it was");
    }
    failed
}

fn decided() -> io::Error {
    io::Error::other("the version before this one goes on")
}
