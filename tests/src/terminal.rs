//! A person at a terminal: reads prompts, types answers.

use std::process::Command;

use rexpect::{
    process::WaitStatus,
    reader::Options,
    session::{PtySession, spawn_with_options},
};

/// Milliseconds to wait for a text: a key derivation and a busy machine fit in.
const DEADLINE: u64 = 30_000;

/// A program on a pseudo-terminal.
pub struct Terminal {
    session: PtySession,
    seen: String,
}

impl Terminal {
    /// Starts `command` on a terminal of its own.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(command: Command) -> Self {
        let options = Options::new().timeout_ms(Some(DEADLINE)).strip_ansi_escape_codes(true);
        let session = spawn_with_options(command, options).expect("a program on a pseudo-terminal");
        Self { session, seen: String::new() }
    }

    /// Waits until `text` appears; what came before it is returned.
    ///
    /// # Panics
    /// When the program ends or the deadline passes without it.
    pub fn expect(&mut self, text: &str) -> String {
        let before = self.session.exp_string(text);
        let before = before.unwrap_or_else(|error| panic!("no {text:?} after {:?}: {error}", self.seen));
        self.seen.push_str(&before);
        self.seen.push_str(text);
        before
    }

    /// Types a line.
    ///
    /// # Panics
    /// When the terminal is gone.
    pub fn type_line(&mut self, line: &str) {
        self.session.send_line(line).expect("a terminal that takes input");
    }

    /// Types a text and no Enter.
    ///
    /// # Panics
    /// When the terminal is gone.
    pub fn type_text(&mut self, text: &str) {
        self.session.send(text).and_then(|_| self.session.flush()).expect("a terminal that takes input");
    }

    /// Types control and a letter.
    ///
    /// # Panics
    /// When the terminal is gone.
    pub fn type_control(&mut self, letter: char) {
        self.session.send_control(letter).expect("a terminal that takes input");
    }

    /// Waits for the end: the exit code (128 plus the signal where one ended it) and everything that was shown.
    ///
    /// # Panics
    /// When the program goes on until the deadline.
    pub fn finish(mut self) -> (i32, String) {
        let rest =
            self.session.exp_eof().unwrap_or_else(|error| panic!("no end after {:?}: {error}", self.seen));
        self.seen.push_str(&rest);
        let code = match self.session.process().wait() {
            Ok(WaitStatus::Exited(_, code)) => code,
            Ok(WaitStatus::Signaled(_, signal, _)) => 128 + signal as i32,
            other => panic!("the program did not end: {other:?}"),
        };
        (code, self.seen)
    }
}
