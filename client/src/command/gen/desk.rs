//! What a login needs of the machine: time, signals, a browser, and the size of the terminal. Tests bring their own.

use std::{
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

use rustix::termios::tcgetwinsize;
use url::Url;

use super::interrupts::Interrupts;
use crate::{
    account::password::asker::AskError,
    process::{browser, display::has_display},
};

/// The machine that the person sits at.
pub trait Desk {
    /// Whether a browser can show a window.
    fn has_display(&self) -> bool;
    /// Opens a browser there.
    fn open(&mut self, url: &Url) -> io::Result<()>;
    /// The time.
    fn now(&self) -> Instant;
    /// Waits; ends at once with [`AskError::Interrupted`] on Ctrl-C or a request to end.
    fn wait(&mut self, time: Duration) -> Result<(), AskError>;
    /// From now on Ctrl-C and requests to end wait for the next [`Desk::wait`] (`true`), or end the program (`false`).
    fn hold_interrupts(&mut self, hold: bool) -> io::Result<()>;
    /// Columns and rows of the terminal behind standard error, if it is one.
    fn terminal_size(&self) -> Option<(usize, usize)>;
}

/// This machine.
#[derive(Default)]
pub struct Machine {
    interrupts: Option<Interrupts>,
}

impl Desk for Machine {
    fn has_display(&self) -> bool {
        has_display()
    }

    fn open(&mut self, url: &Url) -> io::Result<()> {
        browser::open(url.as_str())
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wait(&mut self, time: Duration) -> Result<(), AskError> {
        if let Some(interrupts) = &self.interrupts {
            interrupts.wait(time)
        } else {
            std::thread::sleep(time);
            Ok(())
        }
    }

    fn hold_interrupts(&mut self, hold: bool) -> io::Result<()> {
        if self.interrupts.is_none() && hold {
            self.interrupts = Some(Interrupts::install()?);
        }
        if let Some(interrupts) = &mut self.interrupts {
            interrupts.hold(hold);
        }
        Ok(())
    }

    fn terminal_size(&self) -> Option<(usize, usize)> {
        let stderr = io::stderr();
        let size = stderr.is_terminal().then(|| tcgetwinsize(&stderr).ok()).flatten()?;
        // A terminal that does not tell is taken for the smallest that people use.
        let or = |number: u16, usual: usize| if number == 0 { usual } else { number.into() };
        Some((or(size.ws_col, 80), or(size.ws_row, 24)))
    }
}
