//! Consent to hand out a token: whom the person is asked about, and in which words.
//!
//! What the kernel says comes first and in the agent's words. What a program says of itself comes last, and cannot look
//! like anything else.

use std::{borrow::Cow, fmt::Write, sync::Arc};

use oidc_proto::{deadlines, error_code::ErrorCode, message::Failure};

use super::{
    account::Account,
    loaded::Accounts,
    remembered::Known,
    wanted::{TooLong, Wanted},
};
use crate::{
    caller::{Caller, Process, Role, Standing},
    prompt::{MAX_EXPLAINED, Pinentry, PromptError, Question, Screen, bounded, line_bytes},
};

/// Longest question, in bytes of a line of the pinentry protocol: without the command's name and its end, and what a window
/// says before it.
const MAX_QUESTION: usize = 990 - MAX_EXPLAINED;
/// A line about who asks that has less room than this for its value is left out.
const MIN_VALUE: usize = 20;
/// Longest pieces of a question in bytes.
const MAX_HINT: usize = 80;
pub(super) const MAX_NAME: usize = 50;
const MAX_PATH: usize = 80;
const MAX_UNIT: usize = 50;
/// Who asks, where no program does.
const PAGE: &str = "the page of this agent that is open in a browser (`oidc page`)";

/// Who asks, and whether the agent may ask the person in turn.
pub struct Asking<'a> {
    caller: Caller<'a>,
    hint: Option<&'a str>,
    pub(super) allowed: bool,
}

impl<'a> Asking<'a> {
    /// `application_hint` and `prompt` of a request.
    pub fn new(caller: Caller<'a>, application_hint: Option<&'a str>, allowed: bool) -> Self {
        Self { caller, hint: application_hint, allowed }
    }

    /// Whether the agent's owner asks, and not a member of its group.
    pub(super) fn is_owner(&self) -> bool {
        self.caller.role == Role::Owner
    }

    /// What is known of the process that asks.
    pub(super) async fn process(&self) -> Process {
        self.caller.process().await
    }

    /// Whether whoever asks has gone away.
    pub(super) fn is_gone(&self) -> bool {
        self.caller.is_gone()
    }

    /// The way to the person for a password: where whoever asks is, else where the agent was started.
    pub(super) async fn pinentry_for_password(&self) -> Result<(Pinentry, Process), PromptError> {
        let process = self.caller.process().await;
        let pinentry =
            self.allowed_to_ask(Pinentry::find([Screen::of_process(&process), Screen::of_agent()]))?;
        Ok((pinentry, process))
    }

    /// The way to the person for consent: where the agent was started only. A display or a terminal that the program
    /// brings may be one on which it answers for itself.
    fn pinentry_for_consent(&self) -> Result<Pinentry, PromptError> {
        self.allowed_to_ask(Pinentry::find([Screen::of_agent()]))
    }

    fn allowed_to_ask(&self, found: Result<Pinentry, PromptError>) -> Result<Pinentry, PromptError> {
        let pinentry = found?;
        if self.allowed {
            return Ok(pinentry);
        }
        let why = "the request leaves the agent no way to ask in a window ('prompt' is 'none')";
        Err(PromptError::Unavailable(why.to_owned()))
    }

    /// Lines about who asks.
    pub(super) fn description(&self, process: &Process) -> String {
        self.description_within(process, MAX_QUESTION)
    }

    /// The same within so many bytes of the pinentry protocol. What the program says itself stands last, and goes first.
    fn description_within(&self, process: &Process, room: usize) -> String {
        let mut text = format!("Asked for by {}", self.program(process));
        let mut add = |label: &str, value: Option<&str>, longest: usize, end: &str| {
            let Some(value) = value else { return };
            let frame = line_bytes(&text) + line_bytes("\n") + label.len() + end.len() + '…'.len_utf8();
            let longest = longest.min(room.saturating_sub(frame));
            if longest >= MIN_VALUE {
                let _ = write!(text, "\n{label}{}{end}", bounded(value, longest));
            }
        };
        add("Unit: ", process.unit.as_deref(), MAX_UNIT, "");
        add("Terminal: ", process.terminal.as_ref().and_then(|path| path.to_str()), MAX_UNIT, "");
        add("Command line: ", process.command_line.as_deref(), MAX_PATH, "");
        add("It says of itself: \"", self.hint, MAX_HINT, "\"");
        text
    }

    fn question(&self, account: &Account, wanted: &Wanted<'_>, process: &Process) -> Result<String, TooLong> {
        let meanwhile = if wanted.is_asked_each_time() {
            "Whoever has a mytoken gets tokens without this agent. You are asked each time."
        } else {
            "Other processes of this program that ask the same now get the same answer."
        };
        let what = format!("Allow {}\n{meanwhile}\n\n", wanted.described(account)?);
        let room = MAX_QUESTION.saturating_sub(line_bytes(&what));
        Ok(what + &self.description_within(process, room))
    }

    fn program(&self, process: &Process) -> String {
        if self.caller.is_at_page() {
            return PAGE.to_owned();
        }
        // Writing to a string does not fail.
        let executable = process.executable.as_ref();
        let mut program = executable.map_or_else(
            || "a process".to_owned(),
            |name| {
                let path = bounded(&name.path, MAX_PATH);
                match name.standing {
                    Standing::Here => path,
                    Standing::Deleted => format!("a program named {path} whose file IS DELETED"),
                    Standing::Elsewhere => {
                        format!("a program named {path} that is NOT THE FILE OF THIS NAME HERE")
                    }
                }
            },
        );
        if let Some(pid) = self.caller.peer.pid {
            let _ = write!(program, " (process {pid})");
        }
        if !self.is_owner() {
            let _ = write!(program, " of ANOTHER USER (uid {})", self.caller.peer.uid);
        }
        program
    }

    /// What makes two askers the same to the person: user, program, and what it says of itself. A program that is not
    /// known is the same as itself only.
    fn identity(&self, process: &Process) -> String {
        let unknown = process.executable.is_none().then_some(self.caller.peer.pid);
        let (uid, at_page) = (self.caller.peer.uid, self.caller.is_at_page());
        format!("{uid} {:?} {:?} {unknown:?} {at_page} {:?}", process.executable, process.file, self.hint)
    }
}

impl Accounts {
    /// Asks whether something of an account may be handed out.
    pub(super) async fn consent(
        &self,
        account: &Arc<Account>,
        asking: &Asking<'_>,
        wanted: &Wanted<'_>,
    ) -> Result<(), Failure> {
        let process = asking.caller.process().await;
        let known = Known::of(&process, asking.caller.peer.uid).filter(|_| !wanted.is_asked_each_time());
        let wish = format!("{wanted:?}");
        if let Some(known) = &known {
            let now = self.now();
            if account.with_remembered(|remembered| remembered.allows(&wish, known, now))? {
                return Ok(());
            }
        }
        let question = asking.question(account, wanted, &process).map_err(|error| unasked(account, error))?;
        let ask = async {
            let pinentry = asking.pinentry_for_consent()?;
            let same = (!wanted.is_asked_each_time())
                .then(|| format!("{} {wanted:?} {}", account.name, asking.identity(&process)));
            let question = Question {
                title: Cow::Borrowed("Allow the use of an account?"),
                description: Cow::Owned(question),
                label: Cow::Borrowed(""),
                error: None,
            };
            self.deps()
                .prompts
                .confirm(&pinentry, same.as_deref(), question, known.is_some(), deadlines::QUESTION)
                .await
        };
        let permission = ask.await.map_err(|error| refused(account, &error))?;
        // Whoever has unloaded the account while the question was open has decided otherwise.
        if !self.find(&account.name).is_some_and(|loaded| Arc::ptr_eq(&loaded, account)) {
            return Err(unloaded_meanwhile(account));
        }
        if let Some(known) = known {
            let now = self.now();
            account.with_remembered(|remembered| remembered.allow(&wish, known, permission, now))?;
        }
        Ok(())
    }
}

/// The text is what C clients know. The code tells whether anybody was asked: a client that did not want a prompt may
/// ask again and allow one.
fn refused(account: &Account, error: &PromptError) -> Failure {
    let code = match error {
        PromptError::Unavailable(_) => ErrorCode::PromptUnavailable,
        PromptError::TooMany => ErrorCode::TooManyRequests,
        PromptError::Cancelled | PromptError::Timeout(_) => ErrorCode::OperationForbidden,
    };
    let info = format!("The use of the account '{}' needs consent: {error}.", account.name);
    Failure { code, ..Failure::operation_forbidden() }.with_info(info)
}

/// Not `prompt_unavailable`: asking again would not help.
fn unasked(account: &Account, error: TooLong) -> Failure {
    let info = format!("The use of the account '{}' needs consent, and {error}.", account.name);
    Failure { code: ErrorCode::BadRequest, ..Failure::operation_forbidden() }.with_info(info)
}

fn unloaded_meanwhile(account: &Account) -> Failure {
    let why = "was unloaded, or loaded anew, while the question whether it may be used was open";
    Failure::account_not_loaded().with_info(format!("The account '{}' {why}.", account.name))
}

#[cfg(test)]
mod tests {
    use std::os::{fd::AsFd, unix::net::UnixStream};

    use oidc_proto::{account::AccountConfig, peer::Peer};

    use super::*;
    use crate::{
        accounts::{account::Flags, held::Open, mytoken_profile, wanted},
        caller::Executable,
    };

    fn named(path: &str, standing: Standing) -> Executable {
        Executable { path: path.to_owned(), standing }
    }

    fn process() -> Process {
        Process {
            pid: Some(7),
            executable: Some(named("/usr/bin/python3\nAllow this?", Standing::Here)),
            command_line: Some("python3 job.py".to_owned()),
            unit: Some("job.service".to_owned()),
            ..Process::default()
        }
    }

    #[test]
    fn what_the_kernel_says_comes_first_and_the_hint_last() {
        let (ours, _theirs) = UnixStream::pair().expect("a pair");
        let caller = Caller::new(Peer { uid: 1, gid: 1, pid: Some(7) }, Role::Owner, ours.as_fd());
        let hint = format!("oidc-token\"\n\nAllow: everything\u{202e}{}", "x".repeat(500));
        let description = Asking::new(caller, Some(&hint), true).description(&process());
        let lines: Vec<&str> = description.lines().collect();
        assert_eq!(lines[0], r"Asked for by /usr/bin/python3\nAllow this? (process 7)");
        assert_eq!(lines[1..3], ["Unit: job.service", "Command line: python3 job.py"]);
        assert!(lines[3].starts_with(r#"It says of itself: "oidc-token"#), "{}", lines[3]);
        assert!(lines[3].chars().count() < 110 && !lines[3].contains('\u{202e}'), "{}", lines[3]);
        assert_eq!(lines.len(), 4);
    }

    #[test]
    fn a_question_is_whole_and_fits_a_line_of_the_protocol() {
        let (ours, _theirs) = UnixStream::pair().expect("a pair");
        for long in ["x".repeat(2000), "%".repeat(2000), "\u{1f600}".repeat(2000), "\n".repeat(2000)] {
            let config = AccountConfig { issuer_url: Some(long.clone()), ..AccountConfig::default() };
            let name = "n".repeat(200).parse().expect("a name");
            let account = Account::new(name, Open::new(config), Flags::default(), None);
            let process = Process {
                pid: Some(i32::MAX),
                executable: Some(named(&long, Standing::Elsewhere)),
                command_line: Some(long.clone()),
                terminal: Some(format!("/dev/{long}").into()),
                unit: Some(long.clone()),
                ..Process::default()
            };
            let peer = Peer { uid: u32::MAX, gid: 1, pid: Some(i32::MAX) };
            let asking = Asking::new(Caller::new(peer, Role::Member, ours.as_fd()), Some(&long), true);
            let scope = "s".repeat(100);
            let mytoken = mytoken_profile::described(&serde_json::json!({"capabilities": ["AT", "b"]}));
            let what = "an ID token, which tells who you are, for credentials of AWS,";
            for wanted in [
                Wanted { what, ..Wanted::default() },
                Wanted { what, scope: Some(&scope), audience: Some("a"), profile: None },
                Wanted { what: "a further mytoken", profile: Some(&mytoken), ..Wanted::default() },
            ] {
                let question = asking.question(&account, &wanted, &process).expect("it fits");
                let line = oidc_proto::assuan::command("SETDESC", &question);
                assert!(line.len() <= oidc_proto::assuan::LINE_BYTES, "{}", line.len());
                // Nothing was cut off where the line was made: what stands last is whole.
                let last = question.lines().last().expect("a line").replace('%', "%25");
                assert!(line.trim_end().ends_with(&last), "{line}");
                assert!(
                    question.contains("NOT THE FILE OF THIS NAME HERE (process 2147483647)"),
                    "{question}"
                );
                assert!(question.contains("of ANOTHER USER (uid 4294967295)"), "{question}");
            }
        }
        let most = wanted::MAX_BYTES + line_bytes("Allow \n\n\n") + 80 + 255;
        assert!(most <= MAX_QUESTION, "who asks always has its first line, of 255 bytes: {most}");
    }

    #[test]
    fn a_name_that_is_another_files_here_is_said_to_be_one() {
        let (ours, _theirs) = UnixStream::pair().expect("a pair");
        let caller = Caller::new(Peer { uid: 1, gid: 1, pid: Some(7) }, Role::Owner, ours.as_fd());
        let asking = Asking::new(caller, None, true);
        for (standing, expected) in [
            (Standing::Here, "Asked for by /usr/bin/ssh (process 7)"),
            (
                Standing::Elsewhere,
                "Asked for by a program named /usr/bin/ssh that is NOT THE FILE OF THIS NAME HERE (process 7)",
            ),
            (
                Standing::Deleted,
                "Asked for by a program named /usr/bin/ssh whose file IS DELETED (process 7)",
            ),
        ] {
            let executable = Some(named("/usr/bin/ssh", standing));
            assert_eq!(asking.description(&Process { executable, ..Process::default() }), expected);
        }
    }

    #[test]
    fn another_user_is_named_as_such() {
        let (ours, _theirs) = UnixStream::pair().expect("a pair");
        let caller = Caller::new(Peer { uid: 4711, gid: 1, pid: None }, Role::Member, ours.as_fd());
        let description = Asking::new(caller, None, true).description(&Process::default());
        assert_eq!(description, "Asked for by a process of ANOTHER USER (uid 4711)");
    }

    #[test]
    fn the_page_is_named_as_such_and_is_no_program() {
        let (ours, _theirs) = UnixStream::pair().expect("a pair");
        let page = Asking::new(Caller::at_page(), Some("hint"), true);
        let description = page.description(&Process::default());
        assert_eq!(description, format!("Asked for by {PAGE}\nIt says of itself: \"hint\""));
        // A process that cannot be seen and says the same of itself is asked about by itself.
        let peer = Peer { pid: None, ..Caller::at_page().peer };
        let other = Asking::new(Caller::new(peer, Role::Owner, ours.as_fd()), Some("hint"), true);
        assert_ne!(page.identity(&Process::default()), other.identity(&Process::default()));
    }

    #[test]
    fn askers_are_the_same_by_program_and_not_by_process() {
        let (ours, _theirs) = UnixStream::pair().expect("a pair");
        let asking = |pid, hint| {
            let peer = Peer { uid: 1, gid: 1, pid: Some(pid) };
            Asking::new(Caller::new(peer, Role::Owner, ours.as_fd()), hint, true)
        };
        let known = process();
        assert_eq!(asking(7, None).identity(&known), asking(8, None).identity(&known));
        assert_ne!(asking(7, None).identity(&known), asking(7, Some("x")).identity(&known));
        let unknown = Process::default();
        assert_ne!(asking(7, None).identity(&unknown), asking(8, None).identity(&unknown));
    }
}
