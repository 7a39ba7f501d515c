//! Whoever can be asked, and why there may be no answer.

use std::io;

use oidc_proto::secret::Password;

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// Nobody to ask.
    #[error("there is no terminal to ask on ({0})")]
    NoTerminal(NoTerminal),
    /// An option says that nobody is to be asked.
    #[error("asking is switched off by --prompt=none or --pw-prompt=none")]
    NotWanted,
    /// Ctrl-C, or another signal that asks to end.
    #[error("interrupted")]
    Interrupted,
    /// Ctrl-D, or the terminal went away.
    #[error("user cancelled {0}")]
    Cancelled(Asked),
    /// More than can be typed.
    #[error("the answer is too long")]
    TooLong,
    /// What was typed is not UTF-8.
    #[error("the answer is not valid UTF-8")]
    NotUtf8,
    /// The terminal failed.
    #[error("cannot ask on the terminal: {0}")]
    Io(#[from] io::Error),
}

/// Why nobody can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoTerminal {
    /// Nothing leads to one.
    #[error("/dev/tty cannot be opened, and standard input is no terminal")]
    Nowhere,
    /// Answers could be read, but no question shown.
    #[error("standard input is one, but neither standard error nor standard output")]
    Unseen,
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// A password or another secret.
    Password,
    /// Anything else.
    Question,
}

impl std::fmt::Display for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The first is the C suite's.
        f.write_str(match self {
            Self::Password => "password prompt",
            Self::Question => "the question",
        })
    }
}

/// Whoever can be asked. A test gives answers of its own.
pub trait Asker {
    /// Whether there is somebody to ask, and else why not. Decided without asking anything.
    fn reach(&mut self) -> Result<(), AskError>;
    /// The same without a reason.
    fn is_there(&mut self) -> bool {
        self.reach().is_ok()
    }
    /// Asks for a secret without echo; `prompt` is shown with `: ` behind it.
    fn secret(&mut self, prompt: &str) -> Result<Password, AskError>;
    /// Asks for one line with echo, shown with a blank behind it; without white space around it.
    fn line(&mut self, prompt: &str) -> Result<String, AskError>;
    /// As [`Asker::line`], for lines that are pasted and may be longer than a terminal's own (4095 bytes).
    fn long_line(&mut self, prompt: &str) -> Result<String, AskError> {
        self.line(prompt)
    }
    /// Tells the person something between two questions.
    fn tell(&mut self, text: &str) -> Result<(), AskError>;
}
