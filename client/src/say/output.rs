//! The one place that prints.
//!
//! Results go to standard output and nothing else does; everything for the person goes to standard error, with
//! control characters escaped, because agents and providers choose some of those texts.
//!
//! With `--json`, standard output is one object (or array) and standard error is empty, or one object that says what
//! failed. Warnings are a member of either. Only a login that needs the person's browser says so first, by an object on
//! a line of its own.

use std::{
    env,
    io::{self, IsTerminal, Write},
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use oidc_proto::{account::AccountConfig, json::Object};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{
    dialect::Dialect,
    escape::{escaped, escaped_json},
};

const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";

/// What was remarked on the directory and its file system, until the result as JSON is written.
static REMARKS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// A remark on the directory or its file system, for the person.
pub fn say_remark(text: &str) {
    Output::standard(Dialect::Ours, false).warning(text);
}

/// The same with `--json`: it becomes one of the warnings.
pub fn keep_remark(text: &str) {
    remarks().push(text.to_owned());
}

fn remarks() -> MutexGuard<'static, Vec<String>> {
    REMARKS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is said of an error that ends a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// A stable name for programs.
    pub code: &'static str,
    /// What happened, to which account or file.
    pub text: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The command line cannot be understood; its text says so itself.
    pub is_usage: bool,
}

/// How good what a line tells is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// As it should be.
    Good,
    /// Neither good nor bad.
    Plain,
    /// Worth a look.
    Doubtful,
    /// To be mended.
    Bad,
}

impl Mark {
    fn colour(self) -> Option<&'static str> {
        match self {
            Self::Good => Some(GREEN),
            Self::Plain => None,
            Self::Doubtful => Some(YELLOW),
            Self::Bad => Some(RED),
        }
    }
}

/// Standard output and standard error of a command.
pub struct Output {
    stdout: Box<dyn Write>,
    stderr: Box<dyn Write>,
    /// In whose manner to speak.
    pub dialect: Dialect,
    /// Results and errors as JSON.
    pub json: bool,
    /// Not even an error is told, but for one of the command line: the exit status says it all.
    pub quiet: bool,
    /// Nothing is printed as a result: what is done is a step of another command.
    pub hides_results: bool,
    /// Whether standard output is a terminal: the C suite prints headers only there.
    pub to_terminal: bool,
    colour: bool,
    /// Whether results are coloured.
    result_colour: bool,
    /// Whether standard error is a terminal: nothing moves elsewhere.
    is_live: bool,
    /// Whether a line that will be overwritten is shown now.
    shows_transient: bool,
    /// Where an agent was started, for the member of that name of what is printed as JSON.
    agent_started: Option<String>,
    /// With `--json`: the result, until all warnings are known.
    result: Option<Value>,
    /// With `--json`: what is not as it should be.
    warnings: Vec<String>,
    /// With `--json`: what is not as it was asked for, though nothing is wrong.
    remarks: Vec<String>,
}

impl Output {
    /// The process's own streams.
    pub fn standard(dialect: Dialect, json: bool) -> Self {
        let (is_live, to_terminal) = (io::stderr().is_terminal(), io::stdout().is_terminal());
        let allowed = colour_allowed(|variable| env::var(variable).ok());
        Self {
            stdout: Box::new(io::stdout()),
            stderr: Box::new(io::stderr()),
            dialect,
            json,
            quiet: false,
            hides_results: false,
            to_terminal,
            colour: is_live && allowed,
            result_colour: to_terminal && allowed,
            is_live,
            shows_transient: false,
            agent_started: None,
            result: None,
            warnings: Vec::new(),
            remarks: Vec::new(),
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
            quiet: false,
            hides_results: false,
            to_terminal: false,
            colour: false,
            result_colour: false,
            is_live: false,
            shows_transient: false,
            agent_started: None,
            result: None,
            warnings: Vec::new(),
            remarks: Vec::new(),
        }
    }

    /// Whether a person reads messages as they come: on a terminal, and not of a program that takes the C suite's place.
    pub fn is_read_by_a_person(&self) -> bool {
        self.is_live && !self.json && self.dialect == Dialect::Ours
    }

    /// Whether prompts and messages on standard error are coloured.
    pub fn is_coloured(&self) -> bool {
        self.colour
    }

    /// Whether results are coloured by who prints them.
    pub fn has_result_colour(&self) -> bool {
        self.result_colour
    }

    /// A result exactly as it stands, in one write.
    pub fn result(&mut self, text: &str) -> io::Result<()> {
        if self.hides_results {
            return Ok(());
        }
        self.stdout.write_all(text.as_bytes())?;
        self.stdout.flush()
    }

    /// A result on a line of its own, control characters escaped.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        let line = format!("{}\n", escaped(text));
        self.result(&line)
    }

    /// A result on a line of its own that begins with a word whose colour says how good it is.
    pub fn marked_line(&mut self, mark: Mark, word: &str, text: &str) -> io::Result<()> {
        let (word, text) = (escaped(word), escaped(text));
        let line = match mark.colour().filter(|_| self.result_colour) {
            Some(colour) => format!("\u{1b}[{colour}m{word}\u{1b}[0m{text}\n"),
            None => format!("{word}{text}\n"),
        };
        self.result(&line)
    }

    /// The result as JSON, on one line; written by [`Output::finish`], because an object gets what is warned of.
    #[expect(clippy::unnecessary_wraps, reason = "as all that gives a result")]
    pub fn json(&mut self, value: &Value) -> io::Result<()> {
        self.result = Some(value.clone());
        Ok(())
    }

    /// An agent was started because none answered: a line for the person, a member `agent_started` in JSON.
    pub fn agent_started(&mut self, socket: &Path) {
        if self.json {
            self.agent_started = Some(socket.display().to_string());
        } else {
            self.note(&format!("Started oidc-agent at {}", socket.display()));
        }
    }

    /// Writes what has waited for the end.
    pub fn finish(&mut self) -> io::Result<()> {
        let Some(mut value) = self.result.take() else { return Ok(()) };
        if let Some(object) = value.as_object_mut() {
            self.complete(object);
        }
        let json = Zeroizing::new(value.to_string());
        let line = Zeroizing::new(format!("{}\n", escaped_json(&json)));
        self.result(&line)
    }

    /// Adds what happened on the way.
    fn complete(&mut self, object: &mut Map<String, Value>) {
        if let Some(socket) = self.agent_started.take() {
            object.insert("agent_started".to_owned(), socket.into());
        }
        self.warnings.append(&mut remarks());
        let warnings = self.warnings.drain(..).map(Value::from);
        match object.get_mut("warnings").and_then(Value::as_array_mut) {
            Some(known) => known.extend(warnings),
            None if warnings.len() > 0 => drop(object.insert("warnings".to_owned(), warnings.collect())),
            None => {}
        }
        if !self.remarks.is_empty() {
            object.insert("remarks".to_owned(), self.remarks.drain(..).collect());
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
        if !self.json {
            self.say(None, text);
        }
    }

    /// What the person may do next.
    pub fn hint(&mut self, text: &str) {
        if !self.json {
            self.say(Some(YELLOW), text);
        }
    }

    /// Something that is not as it should be, though the command goes on.
    pub fn warning(&mut self, text: &str) {
        if self.json {
            self.warnings.push(text.to_owned());
        } else {
            self.say(Some(YELLOW), &format!("Warning: {text}"));
        }
    }

    /// A warning for who sits at the terminal and may not know. A program that does it each day is not told.
    pub fn caution(&mut self, text: &str) {
        if self.is_live && !self.json {
            self.warning(text);
        }
    }

    /// Something that is not as it was asked for, and nothing that anybody has to mend.
    pub fn remark(&mut self, text: &str) {
        if self.json {
            self.remarks.push(text.to_owned());
        } else {
            self.say(None, text);
        }
    }

    /// What the person has to do now, or nothing goes on: also with `--json`, as an object on a line of its own.
    pub fn instruction(&mut self, text: &str, object: &Value) {
        if self.json {
            let _ = writeln!(self.stderr, "{object}").and_then(|()| self.stderr.flush());
        } else {
            self.say(None, text);
        }
    }

    /// Whether messages are coloured.
    pub fn has_colour(&self) -> bool {
        self.colour
    }

    /// A picture made of our own characters and colours, for the person.
    pub fn picture(&mut self, drawn: &str) {
        if self.json {
            return;
        }
        self.end_transient();
        let _ = self.stderr.write_all(drawn.as_bytes());
    }

    /// A line that the next one overwrites, such as a countdown. Only on a terminal.
    pub fn transient(&mut self, text: &str) {
        if self.is_live && !self.json {
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
    pub fn error(&mut self, report: &Report) {
        self.end_transient();
        if self.quiet && !report.is_usage {
            return;
        }
        if self.json {
            let mut object = Map::from_iter([
                ("status".to_owned(), "failure".into()),
                ("error_code".to_owned(), report.code.into()),
                ("error".to_owned(), report.text.as_str().into()),
                ("info".to_owned(), report.hint.as_deref().into()),
            ]);
            self.complete(&mut object);
            let object = Value::Object(object).to_string();
            let _ = writeln!(self.stderr, "{}", escaped_json(&object));
            return;
        }
        if report.is_usage {
            self.say(None, &report.text);
        } else {
            self.say(Some(RED), &format!("Error: {}", report.text));
        }
        if let Some(hint) = &report.hint {
            self.hint(hint);
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

/// What the environment says of colours: the C suite's rules.
fn colour_allowed(variable: impl Fn(&str) -> Option<String>) -> bool {
    match variable("OIDC_AGENT_NOCOLOR") {
        Some(value) => value.starts_with('0'),
        None => variable("NO_COLOR").is_none() && variable("TERM").as_deref() != Some("dumb"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_coloured_where_results_are() {
        use crate::testing::Captured;
        for (result_colour, expected) in [(false, "bad  x\n"), (true, "\u{1b}[31mbad\u{1b}[0m  x\n")] {
            let stdout = Captured::default();
            let stdout_of_it = Box::new(stdout.clone());
            let output = Output::new(Dialect::Ours, false, stdout_of_it, Box::new(io::sink()));
            let mut output = Output { result_colour, ..output };
            output.marked_line(Mark::Bad, "bad", "  x").expect("written");
            assert_eq!(stdout.text(), expected);
        }
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
