//! The lines that pinentry speaks: the Assuan protocol, client side, as far as asking one question needs it.

use std::io;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStdin, ChildStdout},
};
use zeroize::Zeroizing;

use super::text::is_format;

/// Longest line of the protocol, with its newline.
const LINE_BYTES: usize = 1000;

/// Codes of libgpg-error; the upper bits of what is sent name the program that says it.
const CODE_MASK: u32 = 0xffff;
const CODE_TIMEOUT: u32 = 62;
const CODES_CANCELLED: [u32; 3] = [99, 114, 198];

/// Why a command was not answered with `OK`.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("cancelled")]
    Cancelled,
    #[error("timeout")]
    Timeout,
    #[error("the prompt program failed with code {0}")]
    Refused(u32),
    #[error("the prompt program does not speak the pinentry protocol")]
    Malformed,
    #[error("the prompt program ended: {0}")]
    Ended(#[from] io::Error),
}

/// The data that came before `OK`.
#[derive(Default)]
pub(super) struct Answer(Zeroizing<Vec<u8>>);

impl Answer {
    pub(super) fn into_text(mut self) -> Result<String, super::PromptError> {
        String::from_utf8(std::mem::take(&mut *self.0)).map_err(|error| {
            drop(Zeroizing::new(error.into_bytes()));
            super::PromptError::Unavailable("the answer is not UTF-8".to_owned())
        })
    }
}

/// One conversation.
pub(super) struct Assuan {
    input: ChildStdin,
    output: ChildStdout,
    /// Received and not yet used; of fixed size, so that no copy of a password stays behind in a grown buffer.
    buffer: Zeroizing<Vec<u8>>,
}

impl Assuan {
    pub(super) fn over(child: &mut Child) -> Result<Self, Error> {
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Error::Malformed);
        };
        Ok(Self { input, output, buffer: Zeroizing::new(Vec::with_capacity(LINE_BYTES)) })
    }

    pub(super) async fn greeting(&mut self) -> Result<(), Error> {
        self.answer().await.map(drop)
    }

    /// Sends a command whose argument is escaped and cut to what fits a line.
    pub(super) async fn command(&mut self, name: &str, argument: &str) -> Result<Answer, Error> {
        let mut line = name.to_owned();
        if !argument.is_empty() {
            line.push(' ');
            escape(argument, &mut line);
        }
        line.push('\n');
        self.input.write_all(line.as_bytes()).await?;
        self.answer().await
    }

    pub(super) async fn bye(&mut self) {
        let _ = self.input.write_all(b"BYE\n").await;
    }

    async fn answer(&mut self) -> Result<Answer, Error> {
        let mut answer = Answer(Zeroizing::new(Vec::with_capacity(LINE_BYTES)));
        loop {
            let line = self.line().await?;
            match line.split(|byte| *byte == b' ').next() {
                Some(b"OK") => return Ok(answer),
                Some(b"ERR") => return Err(error_of(&line)),
                Some(b"D") => unescape(line.get(2..).unwrap_or_default(), &mut answer.0)?,
                Some(b"S" | b"#") => {}
                _ => return Err(Error::Malformed),
            }
        }
    }

    /// The next line without its newline.
    async fn line(&mut self) -> Result<Zeroizing<Vec<u8>>, Error> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line = Zeroizing::new(self.buffer[..end].to_vec());
                self.buffer.drain(..=end);
                return Ok(line);
            }
            let room = LINE_BYTES - self.buffer.len();
            if room == 0 {
                return Err(Error::Malformed);
            }
            if (&mut self.output).take(room as u64).read_buf(&mut *self.buffer).await? == 0 {
                return Err(Error::Ended(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }
}

/// `ERR CODE TEXT`; the text is the program's and not repeated.
fn error_of(line: &[u8]) -> Error {
    let code = line.split(|byte| *byte == b' ').nth(1);
    let code = code.and_then(|code| str::from_utf8(code).ok()?.parse::<u32>().ok());
    match code.map(|code| code & CODE_MASK) {
        Some(code) if CODES_CANCELLED.contains(&code) => Error::Cancelled,
        Some(CODE_TIMEOUT) => Error::Timeout,
        Some(code) => Error::Refused(code),
        None => Error::Malformed,
    }
}

/// Percent-escapes what would end or change the line. Control characters other than newlines and direction overrides,
/// which could make a window show something else than what is decided on, become `?`.
fn escape(text: &str, line: &mut String) {
    for c in text.chars() {
        let mut piece = [0; 4];
        let escaped = match c {
            '%' => "%25",
            '\n' => "%0A",
            _ if c.is_control() || is_format(c) => "?",
            _ => c.encode_utf8(&mut piece),
        };
        if line.len() + escaped.len() + 1 > LINE_BYTES {
            return;
        }
        line.push_str(escaped);
    }
}

fn unescape(data: &[u8], into: &mut Zeroizing<Vec<u8>>) -> Result<(), Error> {
    let mut rest = data;
    while let Some((&byte, tail)) = rest.split_first() {
        if into.len() == into.capacity() {
            return Err(Error::Malformed);
        }
        rest = tail;
        if byte != b'%' {
            into.push(byte);
            continue;
        }
        let (digits, tail) = rest.split_at_checked(2).ok_or(Error::Malformed)?;
        let digits = str::from_utf8(digits).map_err(|_| Error::Malformed)?;
        into.push(u8::from_str_radix(digits, 16).map_err(|_| Error::Malformed)?);
        rest = tail;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str) -> String {
        let mut line = String::new();
        escape(text, &mut line);
        line
    }

    #[test]
    fn nothing_can_leave_its_line() {
        assert_eq!(escaped("a\nSETDESC b\r%\u{1b}[31m\u{202e}ä"), "a%0ASETDESC b?%25?[31m?ä");
    }

    #[test]
    fn long_texts_are_cut_to_a_line() {
        assert!(escaped(&"ä%".repeat(5000)).len() < LINE_BYTES);
    }

    #[test]
    fn broken_escapes_are_refused() {
        for data in [&b"%"[..], b"%2", b"%zz", b"%\xff\xff"] {
            let mut into = Zeroizing::new(Vec::with_capacity(LINE_BYTES));
            assert!(unescape(data, &mut into).is_err(), "{data:?}");
        }
    }
}
