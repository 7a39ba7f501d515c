//! Asking the person at the terminal: `/dev/tty`, whatever standard input and output are.
//!
//! While a password is typed, echo, line editing and the terminal's signals are off and handled here, so that
//! Ctrl-C finds the terminal restored before the program ends.

use std::{
    fs::File,
    io::{self, Read, Write},
    mem,
};

use oidc_proto::secret::Password;
use rustix::termios::{self, LocalModes, OptionalActions, SpecialCodeIndex, Termios};
use zeroize::Zeroizing;

use crate::output::escaped;

/// The longest password that can be typed, in bytes; the buffer never grows, so it leaves no copies behind.
const MAX_PASSWORD: usize = 4096;
/// The longest other answer, in bytes.
const MAX_ANSWER: u64 = 4096;

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// Nobody to ask.
    #[error("there is no terminal to ask on")]
    NoTerminal,
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
    /// Ctrl-D, or the terminal went away.
    #[error("user cancelled password prompt")]
    Cancelled,
    /// What was typed is not UTF-8.
    #[error("the answer is not valid UTF-8")]
    NotUtf8,
    /// The terminal failed.
    #[error("cannot ask on the terminal: {0}")]
    Io(#[from] io::Error),
}

/// Whoever can be asked. A test gives answers of its own.
pub trait Asker {
    /// Whether there is somebody to ask. Decided without asking anything.
    fn is_there(&mut self) -> bool;
    /// Asks for a secret without echo; `prompt` is shown with `: ` behind it.
    fn secret(&mut self, prompt: &str) -> Result<Password, AskError>;
    /// Asks for one line with echo, shown with a blank behind it; without white space around it.
    fn line(&mut self, prompt: &str) -> Result<String, AskError>;
    /// Tells the person something between two questions.
    fn tell(&mut self, text: &str) -> Result<(), AskError>;
}

/// The terminal that controls this process, opened when it is first needed.
#[derive(Default)]
pub struct Terminal {
    tty: Option<File>,
    colour: bool,
}

impl Terminal {
    /// A terminal that shows prompts in cyan if `colour` is set.
    pub fn new(colour: bool) -> Self {
        Self { tty: None, colour }
    }

    fn tty(&mut self) -> Result<&mut File, AskError> {
        if self.tty.is_none() {
            let opened = fs_err::OpenOptions::new().read(true).write(true).open("/dev/tty");
            self.tty = Some(opened.map_err(|_| AskError::NoTerminal)?.into_file());
        }
        self.tty.as_mut().ok_or(AskError::NoTerminal)
    }

    fn show(&mut self, prompt: &str) -> Result<&mut File, AskError> {
        let prompt = escaped(prompt);
        let shown = if self.colour { format!("\u{1b}[36m{prompt}\u{1b}[0m") } else { prompt.into_owned() };
        let tty = self.tty()?;
        tty.write_all(shown.as_bytes())?;
        Ok(tty)
    }
}

impl Asker for Terminal {
    fn is_there(&mut self) -> bool {
        self.tty().is_ok()
    }

    fn secret(&mut self, prompt: &str) -> Result<Password, AskError> {
        let tty = self.show(&format!("{prompt}: "))?;
        let typed = {
            let mut quiet = Quiet::new(tty)?;
            read_secret(&mut quiet.tty)
        };
        tty.write_all(b"\n")?;
        typed
    }

    fn line(&mut self, prompt: &str) -> Result<String, AskError> {
        let tty = self.show(&format!("{prompt} "))?;
        read_line(tty)
    }

    fn tell(&mut self, text: &str) -> Result<(), AskError> {
        let tty = self.tty()?;
        Ok(writeln!(tty, "{}", escaped(text))?)
    }
}

/// A terminal without echo, line editing and signals, restored when dropped.
struct Quiet<'a> {
    tty: &'a File,
    before: Termios,
}

impl<'a> Quiet<'a> {
    fn new(tty: &'a File) -> io::Result<Self> {
        let before = termios::tcgetattr(tty)?;
        let mut quiet = before.clone();
        quiet.local_modes -= LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG;
        quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
        quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        // Flush: what was typed before the question was not an answer to it.
        termios::tcsetattr(tty, OptionalActions::Flush, &quiet)?;
        Ok(Self { tty, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        // Nothing better can be done when the terminal is gone.
        let _ = termios::tcsetattr(self.tty, OptionalActions::Now, &self.before);
    }
}

/// Reads up to Enter, byte by byte, with the keys people know from a terminal's line.
fn read_secret(input: &mut impl Read) -> Result<Password, AskError> {
    let mut typed = Zeroizing::new(Vec::with_capacity(MAX_PASSWORD));
    let mut key = Zeroizing::new([0]);
    loop {
        if read_key(input, &mut key)? == 0 {
            return Err(AskError::Cancelled);
        }
        match key[0] {
            0x03 => return Err(AskError::Interrupted),
            0x04 if typed.is_empty() => return Err(AskError::Cancelled),
            b'\n' | b'\r' | 0x04 => break,
            0x08 | 0x7f => remove_last_character(&mut typed),
            0x15 => typed.clear(),
            byte if typed.len() < MAX_PASSWORD => typed.push(byte),
            _ => {}
        }
    }
    let text = String::from_utf8(mem::take(&mut *typed)).map_err(|error| {
        drop(Zeroizing::new(error.into_bytes()));
        AskError::NotUtf8
    })?;
    Ok(Password::new(text))
}

fn read_key(input: &mut impl Read, key: &mut [u8; 1]) -> io::Result<usize> {
    loop {
        match input.read(key) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// One UTF-8 character, which may be several bytes.
fn remove_last_character(typed: &mut Vec<u8>) {
    while typed.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
}

fn read_line(input: &mut impl Read) -> Result<String, AskError> {
    let mut line = Vec::new();
    let mut key = [0];
    loop {
        let read = read_key(input, &mut key)?;
        match key[0] {
            _ if read == 0 && line.is_empty() => return Err(AskError::Cancelled),
            _ if read == 0 => break,
            b'\n' => break,
            byte if (line.len() as u64) < MAX_ANSWER => line.push(byte),
            _ => {}
        }
    }
    let line = String::from_utf8(line).map_err(|_| AskError::NotUtf8)?;
    Ok(line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &[u8]) -> Result<String, String> {
        match read_secret(&mut &*keys) {
            Ok(password) => Ok(password.expose().to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn a_password_can_be_corrected_while_typing() {
        for (keys, expected) in [
            (&b"secret\nrest"[..], "secret"),
            (b"secreX\x7ft\r", "secret"),
            (b"wrong\x15right\n", "right"),
            ("pä\u{7f}a\n".as_bytes(), "pa"),
            (b"\x7f\n", ""),
            (b"tail\x04", "tail"),
            (b" \t a\n", " \t a"),
        ] {
            assert_eq!(typed(keys).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn leaving_is_no_password() {
        assert_eq!(typed(b"abc\x03"), Err("interrupted".into()));
        assert_eq!(typed(b"\x04"), Err("user cancelled password prompt".into()));
        assert_eq!(typed(b"abc"), Err("user cancelled password prompt".into()));
        assert_eq!(typed(b"\xff\n"), Err("the answer is not valid UTF-8".into()));
    }

    #[test]
    fn a_password_is_bounded() {
        let keys = [vec![b'x'; MAX_PASSWORD + 10], b"\n".to_vec()].concat();
        assert_eq!(typed(&keys).map(|text| text.len()), Ok(MAX_PASSWORD));
    }

    #[test]
    fn an_answer_is_one_trimmed_line() {
        let mut input = &b" yes \nno\n"[..];
        assert_eq!(read_line(&mut input).ok().as_deref(), Some("yes"));
        assert_eq!(read_line(&mut input).ok().as_deref(), Some("no"));
        assert!(matches!(read_line(&mut input), Err(AskError::Cancelled)));
    }
}
