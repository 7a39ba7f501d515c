//! Asking in a window: one exchange with the `pinentry` program (the Assuan protocol of `gpg`).
//!
//! Only for `--pw-prompt=gui`; the agent has its own way to ask.

use std::{
    env,
    fmt::Write as _,
    io::{self, BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use oidc_proto::{environment::without_secrets, secret::Password};
use zeroize::Zeroizing;

/// Lines of the Assuan protocol are at most this long, in bytes.
const MAX_LINE: usize = 1000;
/// The code for "the person pressed Cancel", without the part that names its source.
const CANCELLED: u32 = 99;

/// Why pinentry gave no password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PinentryError {
    /// It cannot be run.
    #[error("cannot run pinentry: {0}")]
    Run(io::Error),
    /// The person pressed Cancel.
    #[error("user cancelled password prompt")]
    Cancelled,
    /// It cannot show a window, or broke off.
    #[error("pinentry could not ask")]
    Refused,
}

/// Asks once for a secret.
pub fn ask(prompt: &str) -> Result<Password, PinentryError> {
    let mut pinentry = Pinentry::start()?;
    pinentry.command(&format!("SETDESC {}", encode(prompt)))?;
    pinentry.command("SETPROMPT Password:")?;
    let answer = pinentry.command("GETPIN");
    // It ends by itself when its input closes; BYE is a courtesy.
    let _ = pinentry.command("BYE");
    Ok(answer?.unwrap_or_else(|| Password::new(String::new())))
}

struct Pinentry {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Pinentry {
    fn start() -> Result<Self, PinentryError> {
        let program = env::var_os("OIDC_PINENTRY").unwrap_or_else(|| "pinentry".into());
        let mut child = without_secrets(&mut Command::new(program))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(PinentryError::Run)?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(PinentryError::Refused);
        };
        let mut pinentry = Self { child, input, output: BufReader::new(output) };
        pinentry.reply()?;
        Ok(pinentry)
    }

    /// Sends one line; the data of the answer, if it has any.
    fn command(&mut self, line: &str) -> Result<Option<Password>, PinentryError> {
        writeln!(self.input, "{line}").map_err(|_| PinentryError::Refused)?;
        self.reply()
    }

    fn reply(&mut self) -> Result<Option<Password>, PinentryError> {
        let mut data = None;
        loop {
            let mut line = Zeroizing::new(String::with_capacity(2 * MAX_LINE));
            let read = self.output.read_line(&mut line).map_err(|_| PinentryError::Refused)?;
            let line = line.trim_end_matches(['\r', '\n']);
            match line.split_once(' ').unwrap_or((line, "")) {
                _ if read == 0 => return Err(PinentryError::Refused),
                ("OK", _) => return Ok(data),
                ("D", text) => data = Some(decode(text).ok_or(PinentryError::Refused)?),
                ("ERR", text) if is_cancelled(text) => return Err(PinentryError::Cancelled),
                ("ERR", _) => return Err(PinentryError::Refused),
                _ => {}
            }
        }
    }
}

impl Drop for Pinentry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The low 16 bits of an error are its code.
fn is_cancelled(text: &str) -> bool {
    text.split(' ')
        .next()
        .and_then(|code| code.parse::<u32>().ok())
        .is_some_and(|code| code & 0xffff == CANCELLED)
}

fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '%' | '\u{0}'..='\u{1f}' => {
                let _ = write!(encoded, "%{:02X}", u32::from(c));
            }
            _ => encoded.push(c),
        }
    }
    encoded
}

fn decode(text: &str) -> Option<Password> {
    let mut decoded = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let mut digit = || char::from(bytes.next()?).to_digit(16);
            let (high, low) = (digit()?, digit()?);
            decoded.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(std::mem::take(&mut *decoded)).ok().map(Password::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_survives_the_protocol() {
        assert_eq!(encode("a%b\nc"), "a%25b%0Ac");
        assert_eq!(decode("a%25b%0Ac").map(|text| text.expose().to_owned()).as_deref(), Some("a%b\nc"));
        assert!(decode("%2").is_none());
        assert!(decode("%zz").is_none());
    }

    #[test]
    fn cancel_is_known_from_any_source() {
        assert!(is_cancelled("83886179 Operation cancelled <Pinentry>"));
        assert!(!is_cancelled("83886340 No pinentry <Pinentry>"));
        assert!(!is_cancelled("text"));
    }
}
