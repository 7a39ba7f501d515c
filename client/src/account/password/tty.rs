//! One question on a terminal: its modes, the prompt, what is typed, and the signals that come meanwhile.
//!
//! Echo is off *before* the prompt is shown, so that an answer that comes at once is not seen; and what was typed
//! before is not thrown away, so that it is not lost. The keys for signals stay signals. Whatever ends the question,
//! the terminal is as it was.

use std::{
    fs::File,
    io::{self, IsTerminal, Read, Write},
    os::fd::{AsFd, OwnedFd},
};

use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
    termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcsetattr},
};
use zeroize::Zeroizing;

use super::{
    asker::{AskError, Asked, NoTerminal},
    keys::{Keys, Pressed, Typing},
};
use crate::process::{
    kinship::Kinship,
    signals::{Noted, Signals},
};

/// The longest short answer, in bytes: the kernel's lines are no longer.
const LINE_BYTES: usize = 4096;
/// The longest secret or pasted line, in bytes.
const LONG_BYTES: usize = 64 * 1024;

/// How an answer is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// A short line, edited by the kernel.
    Line,
    /// A line of any length that people paste, shown as it comes.
    LongLine,
    /// Shown nowhere.
    Secret,
}

impl Manner {
    fn limit(self) -> usize {
        if self == Self::Line { LINE_BYTES } else { LONG_BYTES }
    }

    fn asked(self) -> Asked {
        if self == Self::Secret { Asked::Password } else { Asked::Question }
    }
}

/// A terminal with somebody at it.
pub struct Tty {
    input: File,
    output: File,
    /// Whether its keys for signals reach this process.
    controls_us: bool,
}

impl Tty {
    /// `/dev/tty`, whatever standard input and output are. Where there is none (`su -c`, `setsid`), standard input if
    /// it is a terminal and the prompt can be seen.
    pub fn find() -> Result<Self, AskError> {
        if let (Ok(input), Ok(output)) = (open_to_read("/dev/tty"), open("/dev/tty", OFlags::WRONLY)) {
            return Ok(Self { input: input.into(), output: output.into(), controls_us: true });
        }
        let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
        let output = [stderr.as_fd(), stdout.as_fd()].into_iter().find(IsTerminal::is_terminal);
        if !stdin.is_terminal() {
            return Err(AskError::NoTerminal(NoTerminal::Nowhere));
        }
        let output = output.ok_or(AskError::NoTerminal(NoTerminal::Unseen))?;
        // It may be somebody else's, whom `su` has made us: then what is inherited has to do.
        let input = open_to_read("/proc/self/fd/0").or_else(|_| copy(&stdin))?;
        Ok(Self {
            controls_us: tcgetpgrp(&stdin) != Err(Errno::NOTTY),
            input: input.into(),
            output: copy(output)?.into(),
        })
    }

    /// Shows a text.
    pub fn show(&self, text: &[u8]) -> io::Result<()> {
        (&self.output).write_all(text)
    }

    /// Shows the prompt and reads the answer, without what ended it.
    pub fn ask(&self, prompt: &[u8], manner: Manner) -> Result<Zeroizing<Vec<u8>>, AskError> {
        let signals = Signals::of_process()?;
        let before = tcgetattr(&self.input).map_err(io::Error::from)?;
        loop {
            // In the background the kernel stops us here, until somebody brings us to the foreground. Nothing is held
            // yet: a request to end ends us.
            tcsetattr(&self.input, OptionalActions::Now, &before).map_err(io::Error::from)?;
            let ended = {
                let _held = (signals.hold(), signals.hold_stops());
                let modes = Modes::set(self, &before, manner)?;
                signals.forget_stops();
                self.show(prompt)?;
                let ended = self.read(&modes, manner, signals);
                drop(modes);
                // The kernel shows the newline that ends a line; everything else leaves the cursor behind the prompt.
                if manner != Manner::Line || !matches!(ended, Ok(Ended::Typed(_))) {
                    let _ = self.show(b"\n");
                }
                ended
            };
            match ended? {
                Ended::Typed(typed) => return Ok(typed),
                Ended::Stop => Signals::stop(),
                Ended::Continued => {}
            }
        }
    }

    /// Whether the terminal is ours to change.
    fn is_foreground(&self) -> bool {
        !self.controls_us || Kinship::own().is_some_and(|own| own.group == own.foreground)
    }

    fn read(&self, modes: &Modes, manner: Manner, signals: &Signals) -> Result<Ended, AskError> {
        let mut typing = Typing::new(modes.keys, manner.limit());
        loop {
            match signals.take() {
                Some(Noted::End(_)) => return Err(AskError::Interrupted),
                Some(Noted::Stop) => return Ok(Ended::Stop),
                Some(Noted::Continue) => return Ok(Ended::Continued),
                None => {}
            }
            let byte = match self.next(signals)? {
                Input::Byte(byte) => byte,
                Input::None => continue,
                // The kernel hands out a line without its end when Ctrl-D is typed behind it.
                Input::End if manner == Manner::Line && !typing.is_empty() => return Ended::typed(typing),
                Input::End => return Err(AskError::Cancelled(manner.asked())),
            };
            let pressed = typing.press(byte);
            if manner == Manner::LongLine {
                self.echo(byte, &pressed)?;
            }
            match pressed {
                Pressed::Added(_) | Pressed::Erased(_) => {}
                Pressed::Done => return Ended::typed(typing),
                Pressed::Cancelled => return Err(AskError::Cancelled(manner.asked())),
                Pressed::Signal(_) => return Err(AskError::Interrupted),
            }
        }
    }

    /// Waits for a byte or a signal.
    fn next(&self, signals: &Signals) -> io::Result<Input> {
        if !signals.wait(Some(self.input.as_fd()), None)? {
            return Ok(Input::None);
        }
        let mut byte = Zeroizing::new([0]);
        match (&self.input).read(byte.as_mut()) {
            Ok(0) => Ok(Input::End),
            Ok(_) => Ok(Input::Byte(byte[0])),
            Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {
                Ok(Input::None)
            }
            // The other side of a pseudo-terminal is gone.
            Err(error) if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => Ok(Input::End),
            Err(error) => Err(error),
        }
    }

    /// Shows what a key did, as the kernel would.
    fn echo(&self, byte: u8, pressed: &Pressed) -> io::Result<()> {
        match pressed {
            Pressed::Added(true) if byte >= b' ' => self.show(&[byte]),
            Pressed::Added(false) => self.show(b"\x07"),
            Pressed::Erased(count) => self.show(&b"\x08 \x08".repeat(*count)),
            _ => Ok(()),
        }
    }
}

/// For reading that never blocks: what was there may be gone, to a shell that had the terminal meanwhile.
fn open_to_read(path: &str) -> io::Result<OwnedFd> {
    open(path, OFlags::RDONLY | OFlags::NONBLOCK)
}

fn open(path: &str, flags: OFlags) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(path, flags | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?)
}

fn copy(stream: impl AsFd) -> io::Result<OwnedFd> {
    stream.as_fd().try_clone_to_owned()
}

/// What came from the terminal.
enum Input {
    Byte(u8),
    End,
    /// Nothing, but perhaps a signal.
    None,
}

/// How a question ended.
enum Ended {
    Typed(Zeroizing<Vec<u8>>),
    Stop,
    Continued,
}

impl Ended {
    fn typed(typing: Typing) -> Result<Self, AskError> {
        typing.into_bytes().map(Self::Typed).ok_or(AskError::TooLong)
    }
}

/// The modes for one question; what they were is restored when this is dropped.
struct Modes<'a> {
    tty: &'a Tty,
    before: &'a Termios,
    keys: Keys,
    changed: bool,
}

impl<'a> Modes<'a> {
    fn set(tty: &'a Tty, before: &'a Termios, manner: Manner) -> io::Result<Self> {
        if manner == Manner::Line {
            return Ok(Self { tty, before, keys: Keys::default(), changed: false });
        }
        let mut modes = before.clone();
        modes.local_modes -= LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON;
        if !tty.controls_us {
            // Its signals go to others: they would leave this program behind, reading.
            modes.local_modes -= LocalModes::ISIG;
        }
        modes.special_codes[SpecialCodeIndex::VMIN] = 1;
        modes.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(&tty.input, OptionalActions::Now, &modes)?;
        Ok(Self { tty, before, keys: Keys::of(before, !tty.controls_us), changed: true })
    }
}

impl Drop for Modes<'_> {
    fn drop(&mut self) {
        // In the background it is the shell's, which has set its own modes.
        if self.changed && self.tty.is_foreground() {
            // Nothing better can be done when the terminal is gone.
            let _ = tcsetattr(&self.tty.input, OptionalActions::Now, self.before);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use rustix::{
        io::dup,
        pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    };

    use super::*;

    /// A terminal, and the other end of it.
    fn pair() -> (Tty, File) {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("ready");
        let name = ptsname(&master, Vec::new()).expect("a name");
        let slave = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("opened");
        let output = dup(&slave).expect("a copy").into();
        (Tty { input: slave.into(), output, controls_us: false }, master.into())
    }

    fn local_modes(tty: &Tty) -> LocalModes {
        tcgetattr(&tty.input).expect("a terminal").local_modes
    }

    #[test]
    fn the_terminal_is_restored_whatever_happens() {
        let (tty, _master) = pair();
        let before = local_modes(&tty);
        for manner in [Manner::Secret, Manner::LongLine] {
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                let before = tcgetattr(&tty.input).expect("a terminal");
                let _modes = Modes::set(&tty, &before, manner).expect("a terminal");
                assert!(!local_modes(&tty).intersects(LocalModes::ECHO | LocalModes::ICANON));
                panic!("on purpose");
            }));
            assert!(panicked.is_err());
            assert_eq!(local_modes(&tty), before);
        }
    }

    #[test]
    fn what_was_typed_before_the_question_is_its_answer() {
        let _alone = crate::process::signals::alone();
        let (tty, mut master) = pair();
        master.write_all(b"first\nsecond\nthird line\n").expect("typed");
        for (manner, expected) in
            [(Manner::Secret, &b"first"[..]), (Manner::Line, b"second"), (Manner::LongLine, b"third line")]
        {
            assert_eq!(**tty.ask(b"? ", manner).expect("an answer"), *expected);
        }
    }
}
