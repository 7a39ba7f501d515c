//! The one place that prints.
//!
//! Results go to standard output and nothing else does; everything for the person goes to standard error, with
//! control characters escaped, because agents and providers choose some of those texts.

use std::{
    borrow::Cow,
    env,
    io::{self, IsTerminal, Write},
    path::Path,
};

use oidc_proto::{account::AccountConfig, json::Object, shortname::is_control};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::{cli::Dialect, error::Error};

const RED: &str = "31";
const YELLOW: &str = "33";

/// Standard output and standard error of a command.
pub struct Output {
    stdout: Box<dyn Write>,
    stderr: Box<dyn Write>,
    /// In whose manner to speak.
    pub dialect: Dialect,
    /// Results and errors as JSON.
    pub json: bool,
    /// Whether standard output is a terminal: the C suite prints headers only there.
    pub to_terminal: bool,
    colour: bool,
    /// Whether standard error is a terminal: nothing moves elsewhere.
    is_live: bool,
    /// Whether a line that will be overwritten is shown now.
    shows_transient: bool,
    /// Where an agent was started, for the member of that name of what is printed as JSON.
    agent_started: Option<String>,
}

impl Output {
    /// The process's own streams.
    pub fn standard(dialect: Dialect, json: bool) -> Self {
        Self {
            stdout: Box::new(io::stdout()),
            stderr: Box::new(io::stderr()),
            dialect,
            json,
            to_terminal: io::stdout().is_terminal(),
            colour: wants_colour(),
            is_live: io::stderr().is_terminal(),
            shows_transient: false,
            agent_started: None,
        }
    }

    /// Other streams, without colour.
    #[cfg(test)]
    pub fn new(dialect: Dialect, json: bool, stdout: Box<dyn Write>, stderr: Box<dyn Write>) -> Self {
        Self {
            stdout,
            stderr,
            dialect,
            json,
            to_terminal: false,
            colour: false,
            is_live: false,
            shows_transient: false,
            agent_started: None,
        }
    }

    /// A result exactly as it stands, in one write.
    pub fn result(&mut self, text: &str) -> io::Result<()> {
        self.stdout.write_all(text.as_bytes())?;
        self.stdout.flush()
    }

    /// A result on a line of its own, control characters escaped.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        let line = format!("{}\n", escaped(text));
        self.result(&line)
    }

    /// A result as JSON, on one line.
    pub fn json(&mut self, value: &Value) -> io::Result<()> {
        let line = format!("{}\n", self.with_start(value));
        self.result(&line)
    }

    /// An agent was started because none answered: a line for the person, a member `agent_started` in JSON.
    pub fn agent_started(&mut self, socket: &Path) {
        if self.json {
            self.agent_started = Some(socket.display().to_string());
        } else {
            self.note(&format!("Started oidc-agent at {}", socket.display()));
        }
    }

    fn with_start<'a>(&self, value: &'a Value) -> Cow<'a, Value> {
        match (&self.agent_started, value) {
            (Some(socket), Value::Object(members)) => {
                let mut members = members.clone();
                members.insert("agent_started".to_owned(), socket.clone().into());
                Cow::Owned(members.into())
            }
            _ => Cow::Borrowed(value),
        }
    }

    /// A decrypted account, a key a line as the C suite prints it; with `--json` on one line.
    pub fn account(&mut self, account: &AccountConfig) -> io::Result<()> {
        let line = account.to_json();
        if self.json {
            self.stdout.write_all(line.as_bytes())?;
            return self.result("\n");
        }
        let object = account.to_object();
        // Never grows, so it leaves no copies behind.
        let mut text = Zeroizing::new(Vec::with_capacity(line.len() + 4 * object.members().len() + 8));
        text.push(b'{');
        for (at, (key, value)) in object.members().iter().enumerate() {
            text.extend_from_slice(if at == 0 { b"\n\t" } else { b",\n\t" });
            serde_json::to_writer(&mut *text, key)?;
            text.extend_from_slice(b":\t");
            serde_json::to_writer(&mut *text, value)?;
        }
        text.extend_from_slice(b"\n}\n");
        self.stdout.write_all(&text)?;
        self.stdout.flush()
    }

    /// The text of a decrypted file, as it stands and with a line end; with `--json` on one line. A terminal is not
    /// given control characters.
    pub fn stored_text(&mut self, text: &[u8]) -> io::Result<()> {
        if self.json {
            if let Ok(object) = Object::parse(text) {
                self.stdout.write_all(object.to_json().as_bytes())?;
                return self.result("\n");
            }
        } else if self.to_terminal {
            let text = Zeroizing::new(String::from_utf8_lossy(text).into_owned());
            let shown = Zeroizing::new(escaped(&text).into_owned());
            return self.result(&Zeroizing::new(format!("{}\n", *shown)));
        }
        self.stdout.write_all(text)?;
        self.result("\n")
    }

    /// Something the person may want to know. Not an error if nobody reads it.
    pub fn note(&mut self, text: &str) {
        self.say(None, text);
    }

    /// What the person may do next.
    pub fn hint(&mut self, text: &str) {
        self.say(Some(YELLOW), text);
    }

    /// Something that is not as it should be, though the command goes on.
    pub fn warning(&mut self, text: &str) {
        self.say(Some(YELLOW), &format!("Warning: {text}"));
    }

    /// Whether messages are coloured.
    pub fn has_colour(&self) -> bool {
        self.colour
    }

    /// A picture made of our own characters and colours, for the person.
    pub fn picture(&mut self, drawn: &str) {
        self.end_transient();
        let _ = self.stderr.write_all(drawn.as_bytes());
    }

    /// A line that the next one overwrites, such as a countdown. Only on a terminal.
    pub fn transient(&mut self, text: &str) {
        if self.is_live {
            let _ = write!(self.stderr, "\r\u{1b}[K{}", escaped(text)).and_then(|()| self.stderr.flush());
            self.shows_transient = true;
        }
    }

    /// Removes the line that was to be overwritten.
    pub fn end_transient(&mut self) {
        if std::mem::take(&mut self.shows_transient) {
            let _ = write!(self.stderr, "\r\u{1b}[K").and_then(|()| self.stderr.flush());
        }
    }

    /// The one error that ends the command, with what to do about it.
    pub fn error(&mut self, error: &Error) {
        self.end_transient();
        if self.json {
            let object = json!({
                "status": "failure",
                "error_code": error.code(),
                "error": error.to_string(),
                "info": error.hint(),
            });
            let object = self.with_start(&object).into_owned();
            let _ = writeln!(self.stderr, "{object}");
            return;
        }
        let text = match error {
            Error::Usage(text) => text.to_string(),
            _ => format!("Error: {error}"),
        };
        self.say((!matches!(error, Error::Usage(_))).then_some(RED), &text);
        if let Some(hint) = error.hint() {
            self.hint(&hint);
        }
    }

    fn say(&mut self, colour: Option<&str>, text: &str) {
        self.end_transient();
        let text = escaped(text);
        // There is no place left to report a broken standard error to.
        let _ = match colour.filter(|_| self.colour) {
            Some(colour) => writeln!(self.stderr, "\u{1b}[{colour}m{text}\u{1b}[0m"),
            None => writeln!(self.stderr, "{text}"),
        };
    }
}

/// Whether prompts and messages on standard error are coloured: the C suite's rules.
pub fn wants_colour() -> bool {
    io::stderr().is_terminal() && colour_allowed(|variable| env::var(variable).ok())
}

fn colour_allowed(variable: impl Fn(&str) -> Option<String>) -> bool {
    match variable("OIDC_AGENT_NOCOLOR") {
        Some(value) => value.starts_with('0'),
        None => variable("NO_COLOR").is_none() && variable("TERM").as_deref() != Some("dumb"),
    }
}

/// Text for a terminal: control characters and those that reorder text are escaped, line feeds and tabs are kept.
pub fn escaped(text: &str) -> Cow<'_, str> {
    let harmful = |c: char| is_control(c) && !matches!(c, '\n' | '\t');
    if !text.contains(harmful) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if harmful(c) {
            escaped.extend(c.escape_unicode());
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// A value for a POSIX shell: as it stands where that is safe, else in single quotes.
pub fn shell_quoted(value: &str) -> Cow<'_, str> {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:@%+=,~".contains(&byte);
    if !value.is_empty() && !value.starts_with('~') && value.bytes().all(safe) {
        return Cow::Borrowed(value);
    }
    Cow::Owned(format!("'{}'", value.replace('\'', "'\\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_not_fooled() {
        assert_eq!(escaped("plain\n\ttext é"), "plain\n\ttext é");
        assert_eq!(escaped("a\u{1b}[2Jb\r\u{202e}"), "a\\u{1b}[2Jb\\u{d}\\u{202e}");
    }

    #[test]
    fn shell_values_are_quoted_only_where_needed() {
        assert_eq!(shell_quoted("eyJh.b-c_d~e/f+g=="), "eyJh.b-c_d~e/f+g==");
        assert_eq!(shell_quoted("https://op.example/realm"), "https://op.example/realm");
        assert_eq!(shell_quoted("x;reboot"), "'x;reboot'");
        assert_eq!(shell_quoted("a'b"), r"'a'\''b'");
        assert_eq!(shell_quoted(""), "''");
        assert_eq!(shell_quoted("~root"), "'~root'");
        assert_eq!(shell_quoted("$(x)"), "'$(x)'");
    }

    #[test]
    fn colour_follows_the_variables() {
        let with = |set: &[(&str, &str)]| {
            let set: Vec<(String, String)> =
                set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            colour_allowed(|name| set.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone()))
        };
        assert!(with(&[]));
        assert!(!with(&[("NO_COLOR", "")]));
        assert!(!with(&[("TERM", "dumb")]));
        assert!(!with(&[("OIDC_AGENT_NOCOLOR", "1")]));
        assert!(with(&[("OIDC_AGENT_NOCOLOR", "0"), ("NO_COLOR", "1"), ("TERM", "dumb")]));
    }
}
