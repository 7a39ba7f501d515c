//! Asking in a window: one exchange with the `pinentry` program (the Assuan protocol of `gpg`).
//!
//! Only for `--pw-prompt=gui` and `oidc-prompt`; the agent has its own way to ask. Where the window is one on the terminal
//! (`pinentry-curses`, `pinentry-tty`), the program is told which terminal, as gpg tells it.

use std::{
    env,
    ffi::OsString,
    io::{self, IsTerminal, Read, Write},
    os::{fd::AsFd, unix::ffi::OsStringExt},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use oidc_proto::{
    assuan::{self, Answer, AssuanError, Replies},
    environment::without_secrets,
    secret::Password,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    termios::ttyname,
};

/// How long the program may take to answer what needs no person, and how long the person may take.
const PATIENCE: Patience = Patience { program: Duration::from_secs(30), person: Duration::from_secs(300) };

/// The commands that open a window and wait for the person.
const GETPIN: &str = "GETPIN";
const CONFIRM: &str = "CONFIRM";

/// Why pinentry gave no password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PinentryError {
    /// It cannot be run.
    #[error("cannot run pinentry: {0}")]
    Run(io::Error),
    /// The person pressed Cancel, or the window closed by itself.
    #[error("user cancelled password prompt")]
    Cancelled,
    /// It cannot show a window.
    #[error("pinentry could not ask: {0}")]
    Refused(AssuanError),
    /// It answers nothing, or nobody does.
    #[error("pinentry gave no answer in time")]
    TimedOut,
    /// It broke off.
    #[error("pinentry broke off: {0}")]
    Ended(io::Error),
    /// What was typed is not UTF-8.
    #[error("the answer is not valid UTF-8")]
    NotUtf8,
}

impl From<AssuanError> for PinentryError {
    fn from(error: AssuanError) -> Self {
        match error {
            AssuanError::Cancelled | AssuanError::NotConfirmed | AssuanError::Timeout => Self::Cancelled,
            error => Self::Refused(error),
        }
    }
}

/// Asks once for a secret. `reason`: what was wrong with the last answer.
pub fn ask(prompt: &str, reason: Option<&str>) -> Result<Password, PinentryError> {
    let question = Question { prompt, reason, ..Question::default() };
    ask_by(program(), PATIENCE, &terminal_options(), question)?.into_password().ok_or(PinentryError::NotUtf8)
}

/// The same in a window with this title, for as long as `person` at most. Without a label the field is called "Password".
pub fn ask_within(title: &str, text: &str, label: &str, person: Duration) -> Result<Password, PinentryError> {
    let label = Some(label).filter(|label| !label.is_empty());
    let question = Question { title: Some(title), prompt: text, label, ..Question::default() };
    let answer = ask_by(program(), Patience { person, ..PATIENCE }, &terminal_options(), question)?;
    answer.into_password().ok_or(PinentryError::NotUtf8)
}

/// Asks for a yes; a no is [`PinentryError::Cancelled`].
pub fn confirm(title: &str, text: &str, person: Duration) -> Result<(), PinentryError> {
    let question = Question { title: Some(title), prompt: text, is_yes_or_no: true, ..Question::default() };
    ask_by(program(), Patience { person, ..PATIENCE }, &terminal_options(), question).map(drop)
}

fn program() -> OsString {
    let program = env::var_os("OIDC_PINENTRY").filter(|name| !name.is_empty());
    program.unwrap_or_else(|| "pinentry".into())
}

#[derive(Clone, Copy, Default)]
struct Question<'a> {
    title: Option<&'a str>,
    prompt: &'a str,
    label: Option<&'a str>,
    reason: Option<&'a str>,
    is_yes_or_no: bool,
}

#[derive(Clone, Copy)]
struct Patience {
    program: Duration,
    person: Duration,
}

fn ask_by(
    program: OsString,
    patience: Patience,
    options: &[String],
    question: Question,
) -> Result<Answer, PinentryError> {
    let mut pinentry = Pinentry::start(program, patience)?;
    for option in options {
        match pinentry.command("OPTION", option) {
            // Not every pinentry knows every option, and the ones for windows need none.
            Ok(_) | Err(PinentryError::Refused(AssuanError::Refused(_))) => {}
            Err(error) => return Err(error),
        }
    }
    if let Some(title) = question.title {
        pinentry.command("SETTITLE", title)?;
    }
    pinentry.command("SETDESC", question.prompt)?;
    if question.is_yes_or_no {
        // A program that does not know them has buttons of its own.
        let _ = pinentry.command("SETOK", "Yes");
        let _ = pinentry.command("SETCANCEL", "No");
    } else {
        pinentry.command("SETPROMPT", question.label.unwrap_or("Password:"))?;
    }
    if let Some(reason) = question.reason {
        pinentry.command("SETERROR", reason)?;
    }
    let answer = pinentry.command(if question.is_yes_or_no { CONFIRM } else { GETPIN }, "");
    // It ends by itself when its input closes; BYE is a courtesy.
    let _ = pinentry.send("BYE", "");
    answer
}

/// What `pinentry-curses` has to know to find the terminal, and to be understood there.
fn terminal_options() -> Vec<String> {
    let locale = |name: &str| ["LC_ALL", name, "LANG"].into_iter().find_map(variable);
    [
        ("ttyname", terminal()),
        ("ttytype", variable("TERM")),
        ("lc-ctype", locale("LC_CTYPE")),
        ("lc-messages", locale("LC_MESSAGES")),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some(format!("{name}={}", value?)))
    .collect()
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Where the window is to be, if it is one on a terminal.
fn terminal() -> Option<String> {
    variable("GPG_TTY").or_else(own_terminal)
}

/// The path of the terminal that one of the standard streams is.
fn own_terminal() -> Option<String> {
    fn name(stream: impl AsFd + IsTerminal) -> Option<String> {
        let path = stream.is_terminal().then(|| ttyname(stream, Vec::new()).ok()).flatten()?;
        OsString::from_vec(path.into_bytes()).into_string().ok()
    }
    name(io::stdin()).or_else(|| name(io::stderr())).or_else(|| name(io::stdout()))
}

struct Pinentry {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    replies: Replies,
    patience: Patience,
}

impl Pinentry {
    fn start(program: OsString, patience: Patience) -> Result<Self, PinentryError> {
        let mut command = Command::new(program);
        command.envs(terminal().map(|path| ("GPG_TTY", path)));
        let mut child = without_secrets(&mut command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(PinentryError::Run)?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(PinentryError::Ended(io::ErrorKind::BrokenPipe.into()));
        };
        let mut pinentry = Self { child, input, output, replies: Replies::new(), patience };
        pinentry.answer(patience.program)?;
        Ok(pinentry)
    }

    fn command(&mut self, name: &str, argument: &str) -> Result<Answer, PinentryError> {
        self.send(name, argument).map_err(PinentryError::Ended)?;
        self.answer(if matches!(name, GETPIN | CONFIRM) {
            self.patience.person
        } else {
            self.patience.program
        })
    }

    fn send(&mut self, name: &str, argument: &str) -> io::Result<()> {
        self.input.write_all(assuan::command(name, argument).as_bytes())
    }

    fn answer(&mut self, within: Duration) -> Result<Answer, PinentryError> {
        let until = Instant::now() + within;
        loop {
            if let Some(answer) = self.replies.answer()? {
                return Ok(answer);
            }
            self.wait_until_readable(until)?;
            match self.output.read(self.replies.space()) {
                Ok(0) => return Err(PinentryError::Ended(io::ErrorKind::UnexpectedEof.into())),
                Ok(count) => self.replies.received(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(PinentryError::Ended(error)),
            }
        }
    }
}

impl Pinentry {
    fn wait_until_readable(&self, until: Instant) -> Result<(), PinentryError> {
        loop {
            let left = Timespec::try_from(until.saturating_duration_since(Instant::now())).ok();
            match poll(&mut [PollFd::new(&self.output, PollFlags::IN)], left.as_ref()) {
                Ok(0) => return Err(PinentryError::TimedOut),
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(PinentryError::Ended(errno.into())),
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const PASSWORD: Question = Question {
        title: None,
        prompt: "Password of 'a%b'",
        label: None,
        reason: Some("Wrong password."),
        is_yes_or_no: false,
    };

    /// Asks a pinentry made of a shell script, which answers GETPIN so; and everything that it heard.
    fn ask_script(answer: &str) -> (Result<String, PinentryError>, String) {
        let (asked, heard) = asked_by_script(answer, PASSWORD);
        let password = asked.and_then(|answer| answer.into_password().ok_or(PinentryError::NotUtf8));
        (password.map(|password| password.expose().to_owned()), heard)
    }

    fn asked_by_script(answer: &str, question: Question) -> (Result<Answer, PinentryError>, String) {
        let directory = tempfile::tempdir().expect("a directory");
        let (program, heard) = (directory.path().join("pinentry"), directory.path().join("heard"));
        let script = format!(
            "#!/bin/sh\necho 'OK ready'\nwhile read -r line; do\nprintf '%s\\n' \"$line\" >>{}\n\
             case \"$line\" in OPTION\\ unknown=*) echo 'ERR 83886254 Unknown option';;\nGETPIN|CONFIRM) {answer};;\n\
             *) echo OK;; esac\ndone\n",
            heard.display()
        );
        fs_err::write(&program, script).expect("written");
        fs_err::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).expect("executable");
        let options = ["unknown=1".to_owned(), "ttyname=/dev/pts/7".to_owned()];
        let asked = ask_by(program.into(), PATIENCE, &options, question);
        (asked, fs_err::read_to_string(heard).unwrap_or_default())
    }

    #[test]
    fn only_a_pressed_button_is_a_yes() {
        let question =
            Question { title: Some("t"), prompt: "Go on?", is_yes_or_no: true, ..Question::default() };
        let (asked, heard) = asked_by_script("echo OK", question);
        assert!(asked.is_ok());
        assert!(heard.contains("SETTITLE t\nSETDESC Go on?\nSETOK Yes\nSETCANCEL No\nCONFIRM\n"), "{heard}");
        for answer in ["echo 'ERR 83886179 Operation cancelled'", "echo 'ERR 83886194 Not confirmed'"] {
            let asked = asked_by_script(answer, question).0;
            assert!(matches!(asked, Err(PinentryError::Cancelled)), "{answer}");
        }
    }

    #[test]
    fn a_password_in_several_lines_is_put_together() {
        let (asked, heard) = ask_script("echo 'S note'; echo 'D fir%25'; echo 'D st'; echo OK");
        assert_eq!(asked.expect("an answer"), "fir%st");
        assert!(heard.contains("OPTION ttyname=/dev/pts/7\nSETDESC Password of 'a%25b'\n"), "{heard}");
        assert!(heard.contains("SETERROR Wrong password.\nGETPIN"), "{heard}");
    }

    #[test]
    fn what_is_no_answer_is_told_apart() {
        let asked = |answer| ask_script(answer).0;
        assert_eq!(asked("echo OK").expect("an empty answer"), "");
        let cancelled = asked("echo 'ERR 83886179 Operation cancelled <Pinentry>'");
        assert!(matches!(cancelled, Err(PinentryError::Cancelled)));
        assert!(matches!(asked("echo 'ERR 83886340 No display'"), Err(PinentryError::Refused(_))));
        assert!(matches!(asked("exec tr '\\0' x </dev/zero"), Err(PinentryError::Refused(_))));
        assert!(matches!(asked("exit 1"), Err(PinentryError::Ended(_))));
        assert!(matches!(asked("printf 'D \\377\\nOK\\n'"), Err(PinentryError::NotUtf8)));
        let missing = ask_by(
            "/no/such/pinentry".into(),
            PATIENCE,
            &[],
            Question { prompt: "?", ..Question::default() },
        );
        assert!(matches!(missing, Err(PinentryError::Run(_))));
    }

    #[test]
    fn a_program_that_says_nothing_is_not_waited_for() {
        let short = Patience { program: Duration::from_millis(20), person: Duration::from_millis(20) };
        let asked = ask_by("/bin/cat".into(), short, &[], Question { prompt: "?", ..Question::default() });
        assert!(matches!(asked, Err(PinentryError::TimedOut)));
    }
}
