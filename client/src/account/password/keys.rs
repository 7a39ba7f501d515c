//! What the keys do while a line is typed that the kernel does not edit, because its own lines end at 4095 bytes.

use std::mem;

use rustix::termios::{SpecialCodeIndex, Termios};
use signal_hook::consts::{SIGINT, SIGQUIT};
use zeroize::Zeroizing;

use crate::process::signals::Signal;

/// The terminal's own keys, with those that are never set otherwise; 0 is none.
#[derive(Debug, Clone, Copy, Default)]
pub struct Keys {
    erase: u8,
    kill: u8,
    erase_word: u8,
    end: u8,
    interrupt: u8,
    quit: u8,
}

impl Keys {
    /// Those of a terminal. `signals` says whether its keys for signals arrive as keys, because the terminal does not
    /// control this process.
    pub fn of(modes: &Termios, signals: bool) -> Self {
        let code = |index: SpecialCodeIndex| modes.special_codes[index];
        let signal = |index| if signals { code(index) } else { 0 };
        Self {
            erase: code(SpecialCodeIndex::VERASE),
            kill: code(SpecialCodeIndex::VKILL),
            erase_word: code(SpecialCodeIndex::VWERASE),
            end: code(SpecialCodeIndex::VEOF),
            interrupt: signal(SpecialCodeIndex::VINTR),
            quit: signal(SpecialCodeIndex::VQUIT),
        }
    }

    fn meaning(self, byte: u8) -> Meaning {
        match byte {
            b'\n' | b'\r' => Meaning::Enter,
            // An end of file that was typed while the kernel still made lines arrives as 0.
            0 => Meaning::End,
            _ if byte == self.end => Meaning::End,
            _ if byte == self.interrupt => Meaning::Signal(SIGINT),
            _ if byte == self.quit => Meaning::Signal(SIGQUIT),
            _ if byte == self.kill => Meaning::EraseAll,
            _ if byte == self.erase_word => Meaning::EraseWord,
            0x08 | 0x7f => Meaning::Erase,
            _ if byte == self.erase => Meaning::Erase,
            _ => Meaning::Text,
        }
    }
}

enum Meaning {
    Text,
    Erase,
    EraseWord,
    EraseAll,
    Enter,
    End,
    Signal(Signal),
}

/// What a key did.
#[derive(Debug, PartialEq, Eq)]
pub enum Pressed {
    /// A byte was added; `false` if it did not fit.
    Added(bool),
    /// So many characters were taken away at the end.
    Erased(usize),
    /// The line is complete.
    Done,
    /// Ctrl-D, and nothing had been typed.
    Cancelled,
    /// A key for a signal.
    Signal(Signal),
}

/// A line while it is typed. Its buffer never grows, so it leaves no copies behind.
pub struct Typing {
    keys: Keys,
    typed: Zeroizing<Vec<u8>>,
    limit: usize,
    is_too_long: bool,
}

impl Typing {
    /// Nothing typed yet, and at most `limit` bytes to come.
    pub fn new(keys: Keys, limit: usize) -> Self {
        Self { keys, typed: Zeroizing::new(Vec::with_capacity(limit)), limit, is_too_long: false }
    }

    /// One byte from the terminal.
    pub fn press(&mut self, byte: u8) -> Pressed {
        match self.keys.meaning(byte) {
            Meaning::Text if self.typed.len() < self.limit => {
                self.typed.push(byte);
                Pressed::Added(true)
            }
            Meaning::Text => {
                self.is_too_long = true;
                Pressed::Added(false)
            }
            Meaning::Erase => {
                let before = self.typed.len();
                remove_last_character(&mut self.typed);
                Pressed::Erased(usize::from(self.typed.len() < before))
            }
            Meaning::EraseWord => self.erase_to(start_of_last_word(&self.typed)),
            Meaning::EraseAll => self.erase_to(0),
            Meaning::End if self.typed.is_empty() => Pressed::Cancelled,
            Meaning::Enter | Meaning::End => Pressed::Done,
            Meaning::Signal(signal) => Pressed::Signal(signal),
        }
    }

    /// What was typed; `None` if it did not fit.
    pub fn into_bytes(mut self) -> Option<Zeroizing<Vec<u8>>> {
        (!self.is_too_long).then(|| mem::take(&mut self.typed))
    }

    /// Whether nothing was typed.
    pub fn is_empty(&self) -> bool {
        self.typed.is_empty()
    }

    fn erase_to(&mut self, length: usize) -> Pressed {
        self.is_too_long &= length > 0;
        let erased = self.typed[length..].iter().filter(|byte| is_start(**byte)).count();
        self.typed.truncate(length);
        Pressed::Erased(erased)
    }
}

/// Whether a UTF-8 character begins with this byte.
fn is_start(byte: u8) -> bool {
    byte & 0xc0 != 0x80
}

/// One UTF-8 character, which may be several bytes.
fn remove_last_character(typed: &mut Vec<u8>) {
    while typed.pop().is_some_and(|byte| !is_start(byte)) {}
}

/// Words end at blanks, as the kernel has it.
fn start_of_last_word(typed: &[u8]) -> usize {
    let end = typed.iter().rposition(|byte| *byte != b' ').map_or(0, |at| at + 1);
    typed[..end].iter().rposition(|byte| *byte == b' ').map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: Keys = Keys { erase: 0x7f, kill: 0x15, erase_word: 0x17, end: 0x04, interrupt: 0, quit: 0 };

    /// Types `keys` until something ends the line.
    fn typed(typing: Keys, limit: usize, keys: &[u8]) -> Result<Option<String>, Pressed> {
        let mut typing = Typing::new(typing, limit);
        for key in keys {
            match typing.press(*key) {
                Pressed::Added(_) | Pressed::Erased(_) => {}
                Pressed::Done => {
                    let bytes = typing.into_bytes();
                    return Ok(bytes.map(|bytes| String::from_utf8(bytes.to_vec()).expect("UTF-8")));
                }
                end => return Err(end),
            }
        }
        panic!("no end of the line: {keys:?}");
    }

    #[test]
    fn a_line_can_be_corrected_while_it_is_typed() {
        for (keys, expected) in [
            (&b"secret\nrest"[..], "secret"),
            (b"secreX\x7ft\r", "secret"),
            (b"secreX\x08t\r", "secret"),
            (b"wrong\x15right\n", "right"),
            (b"two words \x17\x17right\n", "right"),
            (b"two  words\x17\n", "two  "),
            ("pä\u{7f}a\n".as_bytes(), "pa"),
            (b"\x7f\x17\x15\n", ""),
            (b"tail\x04", "tail"),
            (b"\x04", "cancelled"),
            (b"abc\x7f\x7f\x7f\x04", "cancelled"),
            (b"\0", "cancelled"),
            (b" \t a\n", " \t a"),
            (b"\x03\x1c\x1a\n", "\x03\x1c\x1a"),
        ] {
            match typed(KEYS, 64, keys) {
                Ok(text) => assert_eq!(text.as_deref(), Some(expected), "{keys:?}"),
                Err(end) => assert_eq!((end, expected), (Pressed::Cancelled, "cancelled"), "{keys:?}"),
            }
        }
    }

    #[test]
    fn keys_for_signals_are_no_text_where_the_terminal_sends_none() {
        let keys = Keys { interrupt: 0x03, quit: 0x1c, ..KEYS };
        assert_eq!(typed(keys, 64, b"abc\x03"), Err(Pressed::Signal(SIGINT)));
        assert_eq!(typed(keys, 64, b"abc\x1c"), Err(Pressed::Signal(SIGQUIT)));
    }

    #[test]
    fn a_line_that_does_not_fit_is_not_cut() {
        assert_eq!(typed(KEYS, 4, b"1234\n"), Ok(Some("1234".to_owned())));
        assert_eq!(typed(KEYS, 4, b"12345\n"), Ok(None));
        assert_eq!(typed(KEYS, 4, b"12345\x1567\n"), Ok(Some("67".to_owned())));
    }

    #[test]
    fn erasing_tells_how_many_characters() {
        let mut typing = Typing::new(KEYS, 64);
        for byte in "añ bö".bytes() {
            typing.press(byte);
        }
        assert_eq!(typing.press(0x7f), Pressed::Erased(1));
        assert_eq!(typing.press(0x17), Pressed::Erased(1));
        assert_eq!(typing.press(0x15), Pressed::Erased(3));
        assert_eq!(typing.press(0x7f), Pressed::Erased(0));
    }
}
