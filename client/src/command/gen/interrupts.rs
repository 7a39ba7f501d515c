//! Ctrl-C, and requests to end, while something is unfinished at the provider: they are noted and dealt with at the
//! next pause, instead of ending the program in the middle of a step that must not be forgotten.

use std::{
    io,
    time::{Duration, Instant},
};

use crate::{
    account::password::asker::AskError,
    process::signals::{Held, Noted, Signals},
};

/// The signals that ask a program to end.
pub struct Interrupts {
    signals: &'static Signals,
    held: Option<Held>,
}

impl Interrupts {
    /// From now on signals can be [held](Self::hold); until then they end the program.
    pub fn install() -> io::Result<Self> {
        Ok(Self { signals: Signals::of_process()?, held: None })
    }

    /// Whether signals wait for the next [`Self::wait`]. One that has come meanwhile ends the program when they do so
    /// no more.
    pub fn hold(&mut self, hold: bool) {
        match (hold, &self.held) {
            (true, None) => self.held = Some(self.signals.hold()),
            (false, Some(_)) => self.held = None,
            _ => {}
        }
    }

    /// Waits until the time is up or a signal comes, or has come.
    pub fn wait(&self, time: Duration) -> Result<(), AskError> {
        let deadline = Instant::now() + time;
        loop {
            match self.signals.take() {
                Some(Noted::End(_)) => return Err(AskError::Interrupted),
                Some(Noted::Stop | Noted::Continue) => continue,
                None => {}
            }
            if Instant::now() >= deadline {
                return Ok(());
            }
            self.signals.wait(None, Some(deadline))?;
        }
    }
}

#[cfg(test)]
mod tests {
    use signal_hook::{consts::SIGINT, low_level::raise};

    use super::*;

    #[test]
    fn a_held_interrupt_ends_the_next_pause_only() {
        let _alone = crate::process::signals::alone();
        let mut interrupts = Interrupts::install().expect("handlers");
        interrupts.hold(true);
        assert!(interrupts.wait(Duration::ZERO).is_ok());
        raise(SIGINT).expect("a signal");
        assert!(matches!(interrupts.wait(Duration::from_secs(60)), Err(AskError::Interrupted)));
        assert!(interrupts.wait(Duration::ZERO).is_ok());
    }
}
