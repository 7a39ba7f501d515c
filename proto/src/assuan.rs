//! The lines that pinentry speaks: the Assuan protocol, client side, as far as asking one question needs it.
//!
//! No I/O: agent and client move the bytes, each in its own way.

use zeroize::Zeroizing;

use crate::{
    secret::Password,
    shortname::{is_control, is_format},
};

/// Longest line of the protocol, in bytes with its newline.
pub const LINE_BYTES: usize = 1000;
/// The longest answer, in bytes. Its buffer never grows, so that it leaves no copies behind.
pub const ANSWER_BYTES: usize = 8 * 1024;

/// Codes of libgpg-error; the upper bits of what is sent name the program that says it.
const CODE_MASK: u32 = 0xffff;
const CODE_TIMEOUT: u32 = 62;
const CODE_NOT_CONFIRMED: u32 = 114;
const CODES_CANCELLED: [u32; 2] = [99, 198];

/// Why a command was not answered with `OK`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AssuanError {
    /// The person closed the window, or said no.
    #[error("cancelled")]
    Cancelled,
    /// The person pressed the button of `SETNOTOK`; where there is none, some programs say this instead of "cancelled".
    #[error("not confirmed")]
    NotConfirmed,
    /// The program's own deadline passed.
    #[error("timeout")]
    Timeout,
    /// Any other code.
    #[error("the prompt program failed with code {0}")]
    Refused(u32),
    /// Not a line of the protocol, or one beyond its bounds.
    #[error("the prompt program does not speak the pinentry protocol")]
    Malformed,
}

/// A command as one line with its newline. The argument is percent-escaped and cut to what fits the line.
///
/// Control characters other than newlines, and those that reorder or hide text, become `?`: a window must not show
/// something else than what is decided on.
pub fn command(name: &str, argument: &str) -> String {
    let mut line = name.to_owned();
    if !argument.is_empty() {
        line.push(' ');
        escape(argument, &mut line);
    }
    line.push('\n');
    line
}

fn escape(text: &str, line: &mut String) {
    for c in text.chars() {
        let mut piece = [0; 4];
        let escaped = match c {
            '%' => "%25",
            '\n' => "%0A",
            _ if is_control(c) || is_format(c) => "?",
            _ => c.encode_utf8(&mut piece),
        };
        if line.len() + escaped.len() + 1 > LINE_BYTES {
            return;
        }
        line.push_str(escaped);
    }
}

/// The data that came before `OK`: that of all its `D` lines.
pub struct Answer(Zeroizing<Vec<u8>>);

impl Answer {
    /// The data as a password; `None` if it is not UTF-8.
    pub fn into_password(mut self) -> Option<Password> {
        match String::from_utf8(std::mem::take(&mut *self.0)) {
            Ok(text) => Some(Password::new(text)),
            Err(error) => {
                drop(Zeroizing::new(error.into_bytes()));
                None
            }
        }
    }
}

/// What the program says, put together from the bytes as they come.
///
/// ```
/// # use oidc_proto::assuan::Replies;
/// let mut replies = Replies::new();
/// let said = b"OK ready\n";
/// replies.space()[..said.len()].copy_from_slice(said);
/// replies.received(said.len());
/// assert!(matches!(replies.answer(), Ok(Some(_))));
/// assert!(matches!(replies.answer(), Ok(None)));
/// ```
pub struct Replies {
    buffer: Zeroizing<[u8; LINE_BYTES]>,
    /// How many bytes of the buffer are in use.
    held: usize,
    data: Zeroizing<Vec<u8>>,
}

impl Replies {
    /// Nothing was said yet.
    pub fn new() -> Self {
        Self { buffer: Zeroizing::new([0; LINE_BYTES]), held: 0, data: fresh_data() }
    }

    /// Where the next bytes are to be read to. Never empty after [`Self::answer`] has said that there is none.
    pub fn space(&mut self) -> &mut [u8] {
        &mut self.buffer[self.held..]
    }

    /// So many bytes were read to [`Self::space`].
    pub fn received(&mut self, count: usize) {
        self.held = (self.held + count).min(LINE_BYTES);
    }

    /// The answer to the last command; `None` if more has to be read first.
    pub fn answer(&mut self) -> Result<Option<Answer>, AssuanError> {
        while let Some(end) = self.buffer[..self.held].iter().position(|byte| *byte == b'\n') {
            let said = read_line(&self.buffer[..end], &mut self.data);
            self.buffer.copy_within(end + 1..self.held, 0);
            self.held -= end + 1;
            if said? {
                return Ok(Some(Answer(std::mem::replace(&mut self.data, fresh_data()))));
            }
        }
        if self.held == LINE_BYTES { Err(AssuanError::Malformed) } else { Ok(None) }
    }
}

impl Default for Replies {
    fn default() -> Self {
        Self::new()
    }
}

fn fresh_data() -> Zeroizing<Vec<u8>> {
    Zeroizing::new(Vec::with_capacity(ANSWER_BYTES))
}

/// Whether the line ends an answer.
fn read_line(line: &[u8], data: &mut Zeroizing<Vec<u8>>) -> Result<bool, AssuanError> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match line.split(|byte| *byte == b' ').next() {
        Some(b"OK") => Ok(true),
        Some(b"ERR") => Err(error_of(line)),
        Some(b"D") => unescape(line.get(2..).unwrap_or_default(), data).map(|()| false),
        Some(b"S") => Ok(false),
        _ if line.starts_with(b"#") => Ok(false),
        _ => Err(AssuanError::Malformed),
    }
}

/// `ERR CODE TEXT`; the text is the program's and not repeated.
fn error_of(line: &[u8]) -> AssuanError {
    let code = line.split(|byte| *byte == b' ').nth(1);
    let code = code.and_then(|code| str::from_utf8(code).ok()?.parse::<u32>().ok());
    match code.map(|code| code & CODE_MASK) {
        Some(code) if CODES_CANCELLED.contains(&code) => AssuanError::Cancelled,
        Some(CODE_NOT_CONFIRMED) => AssuanError::NotConfirmed,
        Some(CODE_TIMEOUT) => AssuanError::Timeout,
        Some(code) => AssuanError::Refused(code),
        None => AssuanError::Malformed,
    }
}

fn unescape(text: &[u8], into: &mut Zeroizing<Vec<u8>>) -> Result<(), AssuanError> {
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        if into.len() == into.capacity() {
            return Err(AssuanError::Malformed);
        }
        rest = tail;
        if byte != b'%' {
            into.push(byte);
            continue;
        }
        let (digits, tail) = rest.split_at_checked(2).ok_or(AssuanError::Malformed)?;
        let hex = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let (Some(high), Some(low)) = (hex(digits[0]), hex(digits[1])) else {
            return Err(AssuanError::Malformed);
        };
        into.push(high << 4 | low);
        rest = tail;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feeds `said` in pieces of `size` bytes; the first answer.
    fn answer(said: &[u8], size: usize) -> Result<Option<Answer>, AssuanError> {
        let mut replies = Replies::new();
        for piece in said.chunks(size) {
            let mut piece = piece;
            while !piece.is_empty() {
                let space = replies.space();
                let fits = space.len().min(piece.len());
                space[..fits].copy_from_slice(&piece[..fits]);
                replies.received(fits);
                piece = &piece[fits..];
                if let Some(answer) = replies.answer()? {
                    return Ok(Some(answer));
                }
            }
        }
        Ok(None)
    }

    fn text(said: &[u8]) -> Result<Option<String>, AssuanError> {
        let found = answer(said, 3)?;
        Ok(found.map(|answer| answer.into_password().expect("UTF-8").expose().to_owned()))
    }

    #[test]
    fn answers_are_put_together_from_all_their_lines() {
        for (said, expected) in [
            (&b"OK\n"[..], Ok(Some(""))),
            (b"OK Pleased to meet you\n", Ok(Some(""))),
            (
                b"D first\nD  second\nS note\n# remark\n#\nD %0athird%25\nOK\n",
                Ok(Some("first second\nthird%")),
            ),
            (b"D\r\nOK\r\n", Ok(Some(""))),
            (b"D pw\n", Ok(None)),
            (b"D pw\nOK", Ok(None)),
            (b"ERR 83886179 Operation cancelled <Pinentry>\n", Err(AssuanError::Cancelled)),
            (b"ERR 83886194 Not confirmed\n", Err(AssuanError::NotConfirmed)),
            (b"ERR 83886142 Timeout <Pinentry>\n", Err(AssuanError::Timeout)),
            (b"ERR 83886340 No display\n", Err(AssuanError::Refused(260))),
            (b"ERR what\n", Err(AssuanError::Malformed)),
            (b"INQUIRE what\n", Err(AssuanError::Malformed)),
            (b"OKAY\n", Err(AssuanError::Malformed)),
            (b"\n", Err(AssuanError::Malformed)),
            (b"D %\nOK\n", Err(AssuanError::Malformed)),
            (b"D %2\nOK\n", Err(AssuanError::Malformed)),
            (b"D %zz\nOK\n", Err(AssuanError::Malformed)),
            (b"D %+1\nOK\n", Err(AssuanError::Malformed)),
        ] {
            assert_eq!(text(said), expected.map(|text| text.map(str::to_owned)), "{said:?}");
        }
    }

    #[test]
    fn what_is_said_is_bounded() {
        assert_eq!(text(&[b'x'; LINE_BYTES]), Err(AssuanError::Malformed));
        let line = [b"D ".as_slice(), &[b'x'; LINE_BYTES - 3], b"\n"].concat();
        assert_eq!(text(&line.repeat(1 + ANSWER_BYTES / (LINE_BYTES - 3))), Err(AssuanError::Malformed));
    }

    #[test]
    fn an_answer_that_is_not_utf8_is_no_password() {
        let answer = answer(b"D \xff\nOK\n", 1).expect("lines").expect("an answer");
        assert!(answer.into_password().is_none());
    }

    #[test]
    fn nothing_can_leave_its_line() {
        let line = command("SETDESC", "a\nSETDESC b\r%\u{1b}[31m\u{202e}ä");
        assert_eq!(line, "SETDESC a%0ASETDESC b?%25?[31m?ä\n");
        assert_eq!(command("GETPIN", ""), "GETPIN\n");
        let long = command("SETDESC", &"ä%".repeat(5000));
        assert!(long.len() <= LINE_BYTES && long.ends_with('\n'));
    }

    proptest! {
        #[test]
        fn any_password_comes_back_in_any_pieces(password in "\\PC{0,300}", size in 1_usize..2000) {
            let escaped: Vec<_> = password.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let lines: Vec<_> = escaped.chunks(300).map(|piece| format!("D {}\n", piece.concat())).collect();
            let said = format!("{}OK\n", lines.concat());
            let found = answer(said.as_bytes(), size).expect("lines").expect("an answer");
            let found = found.into_password().expect("UTF-8");
            prop_assert_eq!(found.expose(), password.as_str());
        }

        #[test]
        fn any_bytes_are_survived(said: Vec<u8>, size in 1_usize..2000) {
            drop(answer(&said, size));
        }
    }
}
