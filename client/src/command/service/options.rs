//! `oidc-agent-service.options`: shell assignments, read without a shell.
//!
//! A variable of the environment wins, then the person's file, then the system's. Words in quotes, comments, `export` and
//! `$NAME` are understood; a line that needs more of a shell is passed over, and said.

use std::{
    env,
    ffi::OsString,
    io::{self, Read},
    path::Path,
};

use fs_err::{File, os::unix::fs::OpenOptionsExt};
use oidc_proto::{home::Home, issuers::SYSTEM_DIRECTORY};
use rustix::fs::OFlags;

const FILE_NAME: &str = "oidc-agent-service.options";
/// The longest file, in bytes.
const MAX_LEN: u64 = 256 * 1024;
const NAMES: [&str; 4] =
    ["OIDC_AGENT", "OIDC_AGENT_OPTS", "START_AGENT_WITH_XSESSION", "OIDC_AGENT_RESTART_WITH_SAME_OPTS"];

/// What the files and the environment say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// The agent's program; `None`: ours.
    pub program: Option<String>,
    /// Arguments for it.
    pub arguments: Vec<OsString>,
    /// Whether `start-from-x` starts one.
    pub starts_from_x: bool,
    /// Whether `restart` repeats the options of the agent that runs.
    pub repeats: bool,
}

impl Options {
    /// Reads them; `tell` hears of the lines that are passed over.
    pub fn find(home: Option<&Home>, tell: &mut dyn FnMut(&str)) -> Self {
        let home = home.map(Home::path);
        let directories = home.into_iter().chain([Path::new(SYSTEM_DIRECTORY)]);
        let files: Vec<_> = directories.map(|directory| read(&directory.join(FILE_NAME), tell)).collect();
        Self::of(|name| {
            let in_files = || files.iter().find_map(|file| value(file, name));
            env::var(name).ok().or_else(in_files)
        })
    }

    fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let text = |name: &str| variable(name).filter(|value| !value.is_empty());
        // As from a shell, where they stand without quotes.
        let words = text("OIDC_AGENT_OPTS").unwrap_or_default();
        Self {
            program: text("OIDC_AGENT"),
            arguments: words.split_whitespace().map(OsString::from).collect(),
            starts_from_x: text("START_AGENT_WITH_XSESSION").is_none_or(|value| value == "True"),
            repeats: text("OIDC_AGENT_RESTART_WITH_SAME_OPTS").is_none_or(|value| value == "True"),
        }
    }
}

type Assignments = Vec<(String, String)>;

/// The last one counts.
fn value(file: &Assignments, name: &str) -> Option<String> {
    file.iter().rfind(|(known, _)| known == name).map(|(_, value)| value.clone())
}

fn read(path: &Path, tell: &mut dyn FnMut(&str)) -> Assignments {
    let text = match text(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            tell(&format!("{} is left out: {error}", path.display()));
            return Vec::new();
        }
    };
    parse(&text, &mut |line, what| {
        tell(&format!("{}, line {line}: {what}; the line is left out", path.display()));
    })
}

/// Without waiting for who writes into a pipe.
fn text(path: &Path) -> io::Result<String> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut text = String::new();
    file.take(MAX_LEN + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_LEN {
        return Err(io::Error::other(format!("it is longer than {MAX_LEN} bytes")));
    }
    Ok(text)
}

fn parse(text: &str, tell: &mut dyn FnMut(usize, &str)) -> Assignments {
    let mut assignments = Vec::new();
    for (at, line) in text.lines().enumerate() {
        match assignment(line) {
            Ok(Some((name, value))) if NAMES.contains(&name.as_str()) => assignments.push((name, value)),
            Ok(Some((name, _))) => tell(at + 1, &format!("nothing here reads the variable {name}")),
            Ok(None) => {}
            Err(what) => tell(at + 1, what),
        }
    }
    assignments
}

/// `None`: an empty line, or a comment.
fn assignment(line: &str) -> Result<Option<(String, String)>, &'static str> {
    const NO_ASSIGNMENT: &str = "it is no assignment such as OIDC_AGENT_OPTS=\"--lifetime 3600\"";
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let line = line.strip_prefix("export ").map_or(line, str::trim_start);
    let (name, rest) = line.split_once('=').ok_or(NO_ASSIGNMENT)?;
    if !is_name(name) {
        return Err(NO_ASSIGNMENT);
    }
    let (value, rest) = word(rest)?;
    let rest = rest.trim_start().trim_start_matches(';').trim_start();
    if rest.is_empty() || rest.starts_with('#') {
        Ok(Some((name.to_owned(), value)))
    } else {
        Err(NO_ASSIGNMENT)
    }
}

fn is_name(text: &str) -> bool {
    let is_part = |byte: u8| byte == b'_' || byte.is_ascii_alphanumeric();
    !text.is_empty() && !text.starts_with(|c: char| c.is_ascii_digit()) && text.bytes().all(is_part)
}

/// One word of a shell, and what follows it.
fn word(text: &str) -> Result<(String, &str), &'static str> {
    let (mut value, mut rest) = (String::new(), text);
    loop {
        let Some(first) = rest.chars().next() else { return Ok((value, rest)) };
        match first {
            ' ' | '\t' | ';' => return Ok((value, rest)),
            '\'' => {
                let end = rest[1..].find('\'').ok_or("a quote is not closed")?;
                value.push_str(&rest[1..=end]);
                rest = &rest[end + 2..];
            }
            '"' => rest = double_quoted(&rest[1..], &mut value)?,
            '\\' => {
                let escaped = rest[1..].chars().next().ok_or("it goes on in the next line")?;
                value.push(escaped);
                rest = &rest[1 + escaped.len_utf8()..];
            }
            '$' => rest = variable(rest, &mut value)?,
            '`' | '(' | ')' | '<' | '>' | '|' | '&' => return Err("it needs a shell"),
            other => {
                value.push(other);
                rest = &rest[other.len_utf8()..];
            }
        }
    }
}

fn double_quoted<'a>(text: &'a str, value: &mut String) -> Result<&'a str, &'static str> {
    let mut rest = text;
    loop {
        let first = rest.chars().next().ok_or("a quote is not closed")?;
        match first {
            '"' => return Ok(&rest[1..]),
            '\\' => {
                let escaped = rest[1..].chars().next().ok_or("a quote is not closed")?;
                if !matches!(escaped, '"' | '\\' | '$' | '`') {
                    value.push('\\');
                }
                value.push(escaped);
                rest = &rest[1 + escaped.len_utf8()..];
            }
            '$' => rest = variable(rest, value)?,
            '`' => return Err("it needs a shell"),
            other => {
                value.push(other);
                rest = &rest[other.len_utf8()..];
            }
        }
    }
}

/// `$NAME` or `${NAME}`; nothing where it is not set.
fn variable<'a>(text: &'a str, value: &mut String) -> Result<&'a str, &'static str> {
    let after = &text[1..];
    let (name, rest) = if let Some(inner) = after.strip_prefix('{') {
        inner.split_once('}').ok_or("a brace is not closed")?
    } else {
        let end = after.find(|c: char| c != '_' && !c.is_ascii_alphanumeric()).unwrap_or(after.len());
        after.split_at(end)
    };
    if !is_name(name) {
        return Err("it needs a shell");
    }
    value.push_str(&env::var(name).unwrap_or_default());
    Ok(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_are_read_as_a_shell_reads_them() {
        let path = env::var("PATH").expect("a path");
        for (line, expected) in [
            ("", Ok(None)),
            ("  # OIDC_AGENT=x", Ok(None)),
            ("OIDC_AGENT=/usr/bin/oidc-agent # the default", Ok(Some("/usr/bin/oidc-agent"))),
            ("export OIDC_AGENT='a b'", Ok(Some("a b"))),
            (r#"OIDC_AGENT="a \"b\" \x";"#, Ok(Some(r#"a "b" \x"#))),
            (r"OIDC_AGENT=a\ b", Ok(Some("a b"))),
            ("OIDC_AGENT=", Ok(Some(""))),
            ("OIDC_AGENT=\"$PATH\"", Ok(Some(path.as_str()))),
            ("OIDC_AGENT=${PATH}", Ok(Some(path.as_str()))),
            ("OIDC_AGENT='$PATH'", Ok(Some("$PATH"))),
            ("OIDC_AGENT=$(touch x)", Err(())),
            ("OIDC_AGENT=`touch x`", Err(())),
            ("OIDC_AGENT=\"`touch x`\"", Err(())),
            ("OIDC_AGENT=${PATH:-x}", Err(())),
            ("OIDC_AGENT='x", Err(())),
            ("OIDC_AGENT=x touch y", Err(())),
            ("if true; then", Err(())),
            ("1A=x", Err(())),
        ] {
            let read = assignment(line).map(|found| found.map(|(_, value)| value)).map_err(|_| ());
            assert_eq!(read, expected.map(|value| value.map(str::to_owned)), "{line}");
        }
    }

    #[test]
    fn a_pipe_without_a_writer_holds_nobody_up() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join(FILE_NAME);
        let mut told = Vec::new();
        assert_eq!(read(&path, &mut |what| told.push(what.to_owned())), []);
        assert!(told.is_empty(), "no file is nothing to tell: {told:?}");
        let made = std::process::Command::new("mkfifo").arg(&path).status().expect("mkfifo");
        assert!(made.success());
        assert_eq!(read(&path, &mut |what| told.push(what.to_owned())), []);
        assert!(told.concat().contains("no file"), "{told:?}");
    }

    #[test]
    fn the_last_one_counts_and_what_is_left_out_is_told() {
        let mut told = Vec::new();
        let text = "OIDC_AGENT_OPTS=--confirm\nFOO=1\nif x\nOIDC_AGENT_OPTS='--lifetime 60'\n";
        let file = parse(text, &mut |line, _| told.push(line));
        assert_eq!(value(&file, "OIDC_AGENT_OPTS").as_deref(), Some("--lifetime 60"));
        assert_eq!(told, [2, 3]);
        let options = Options::of(|name| value(&file, name));
        assert_eq!(options.arguments, ["--lifetime", "60"]);
        assert!(options.starts_from_x && options.repeats && options.program.is_none());
        let none = Options::of(|name| (name != "OIDC_AGENT_OPTS").then(|| "False".to_owned()));
        assert!(!none.starts_from_x && !none.repeats);
    }

    proptest::proptest! {
        #[test]
        fn any_line_is_read_without_panic(line in r#"(OIDC_AGENT=)?[a-zA-Z$"'`\\{}() #;=é]{0,30}"#) {
            let _ = assignment(&line);
        }
    }
}
