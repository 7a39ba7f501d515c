//! Ctrl-C, and requests to end, while something is unfinished at the provider: they are noted and dealt with at the
//! next pause, instead of ending the program in the middle of a step that must not be forgotten.

use std::{
    io::{self, Read},
    os::unix::net::UnixStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    flag,
    low_level::pipe,
};

use crate::password::AskError;

/// The signals that ask a program to end.
const SIGNALS: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];

/// Catches the signals that ask a program to end.
pub struct Interrupts {
    /// While set, such a signal ends the program at once.
    pass: Arc<AtomicBool>,
    /// Readable once a signal has come.
    came: UnixStream,
}

impl Interrupts {
    /// From now on signals are noted; they end the program unless they are [held](Self::hold).
    pub fn install() -> io::Result<Self> {
        let pass = Arc::new(AtomicBool::new(true));
        let (came, write) = UnixStream::pair()?;
        came.set_nonblocking(true)?;
        for signal in SIGNALS {
            flag::register_conditional_default(signal, Arc::clone(&pass))?;
            pipe::register(signal, write.try_clone()?)?;
        }
        Ok(Self { pass, came })
    }

    /// Whether signals wait for the next [`Self::wait`].
    pub fn hold(&self, hold: bool) {
        self.pass.store(!hold, Ordering::SeqCst);
    }

    /// Waits until the time is up or a signal comes, or has come.
    pub fn wait(&self, time: Duration) -> Result<(), AskError> {
        let deadline = Instant::now() + time;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left).ok();
            let mut watched = [PollFd::new(&self.came, PollFlags::IN)];
            match poll(&mut watched, timeout.as_ref()) {
                Ok(0) => return Ok(()),
                Ok(_) => break,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(io::Error::from(errno).into()),
            }
        }
        let mut noted = [0; 64];
        // Several signals count as one.
        while matches!((&self.came).read(&mut noted), Ok(read) if read > 0) {}
        Err(AskError::Interrupted)
    }
}

#[cfg(test)]
mod tests {
    use signal_hook::low_level::raise;

    use super::*;

    #[test]
    fn a_held_interrupt_ends_the_next_pause_only() {
        let interrupts = Interrupts::install().expect("handlers");
        interrupts.hold(true);
        assert!(interrupts.wait(Duration::ZERO).is_ok());
        raise(SIGINT).expect("a signal");
        assert!(matches!(interrupts.wait(Duration::from_secs(60)), Err(AskError::Interrupted)));
        assert!(interrupts.wait(Duration::ZERO).is_ok());
    }
}
