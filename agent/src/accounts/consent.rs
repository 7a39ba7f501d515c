//! Consent to hand out a token: whom the person is asked about, and in which words.
//!
//! What the kernel says comes first and in the agent's words. What a program says of itself comes last, and cannot look
//! like anything else.

use std::{borrow::Cow, fmt::Write, sync::Arc};

use oidc_proto::{deadlines, error_code::ErrorCode, message::Failure};

use super::{account::Account, loaded::Accounts, remembered::Known};
use crate::{
    caller::{Caller, Process, Role},
    prompt::{Pinentry, PromptError, Question, Screen, bounded},
};

/// Longest pieces of a question in bytes; together they fit a line of the pinentry protocol.
const MAX_HINT: usize = 80;
pub(super) const MAX_NAME: usize = 50;
const MAX_URL: usize = 80;
const MAX_PATH: usize = 80;
const MAX_SCOPE: usize = 80;
const MAX_PROFILE: usize = 160;
const MAX_UNIT: usize = 50;
/// Who asks, where no program does.
const PAGE: &str = "the page of this agent that is open in a browser (`oidc page`)";

/// Who asks, and whether the agent may ask the person in turn.
pub struct Asking<'a> {
    caller: Caller<'a>,
    hint: Option<&'a str>,
    pub(super) allowed: bool,
}

/// What is wanted. Two that differ in anything are two questions, also where the words that are shown are cut off.
#[derive(Debug, Default)]
pub(super) struct Wanted<'a> {
    /// In the agent's words.
    pub what: &'static str,
    pub scope: Option<&'a str>,
    pub audience: Option<&'a str>,
    /// What a mytoken shall be allowed, in words.
    pub profile: Option<&'a str>,
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
        let mut lines = vec![format!("Asked for by {}", self.program(process))];
        let mut add = |label: &str, value: Option<&str>, longest| {
            lines.extend(value.map(|value| format!("{label}: {}", bounded(value, longest))));
        };
        add("Unit", process.unit.as_deref(), MAX_UNIT);
        add("Terminal", process.terminal.as_ref().and_then(|path| path.to_str()), MAX_UNIT);
        add("Command line", process.command_line.as_deref(), MAX_PATH);
        lines.extend(self.hint.map(|hint| format!("It says of itself: \"{}\"", bounded(hint, MAX_HINT))));
        lines.join("\n")
    }

    fn question(&self, subject: &str, process: &Process) -> String {
        let meanwhile = "The answer counts for all of this program that ask the same meanwhile.";
        format!("Allow {subject}?\n{meanwhile}\n\n{}", self.description(process))
    }

    fn program(&self, process: &Process) -> String {
        if self.caller.is_at_page() {
            return PAGE.to_owned();
        }
        // Writing to a string does not fail.
        let executable = process.executable.as_deref();
        let mut program = executable.map_or_else(|| "a process".to_owned(), |path| bounded(path, MAX_PATH));
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
        let known = Known::of(&process, asking.caller.peer.uid);
        let wish = format!("{wanted:?}");
        if let Some(known) = &known {
            let now = self.now();
            if account.with_remembered(|remembered| remembered.allows(&wish, known, now))? {
                return Ok(());
            }
        }
        let ask = async {
            let pinentry = asking.pinentry_for_consent()?;
            let same = format!("{} {wanted:?} {}", account.name, asking.identity(&process));
            let question = Question {
                title: Cow::Borrowed("Allow the use of an account?"),
                description: Cow::Owned(asking.question(&subject(account, wanted), &process)),
                label: Cow::Borrowed(""),
                error: None,
            };
            self.deps()
                .prompts
                .confirm(&pinentry, &same, question, known.is_some(), deadlines::QUESTION)
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

/// What the person decides on.
fn subject(account: &Account, wanted: &Wanted<'_>) -> String {
    let mut subject = format!(
        "{} of the account '{}' ({})",
        wanted.what,
        bounded(account.name.as_str(), MAX_NAME),
        bounded(&account.issuer, MAX_URL)
    );
    for (label, value) in [("scope", wanted.scope), ("audience", wanted.audience)] {
        if let Some(value) = value {
            let _ = write!(subject, " with the {label} '{}'", bounded(value, MAX_SCOPE));
        }
    }
    if let Some(profile) = wanted.profile {
        let _ = write!(subject, " ({})", bounded(profile, MAX_PROFILE));
    }
    subject
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

fn unloaded_meanwhile(account: &Account) -> Failure {
    let why = "was unloaded, or loaded anew, while the question whether it may be used was open";
    Failure::account_not_loaded().with_info(format!("The account '{}' {why}.", account.name))
}

#[cfg(test)]
mod tests {
    use std::os::{fd::AsFd, unix::net::UnixStream};

    use oidc_proto::{account::AccountConfig, peer::Peer};

    use super::*;
    use crate::accounts::{account::Flags, held::Open};

    fn process() -> Process {
        Process {
            pid: Some(7),
            executable: Some("/usr/bin/python3\nAllow this?".to_owned()),
            command_line: Some("python3 job.py".to_owned()),
            unit: Some("job.service".to_owned()),
            ..Process::default()
        }
    }

    const WANTED: Wanted<'static> =
        Wanted { what: "an access token", scope: Some("a\nb"), audience: None, profile: None };

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
    fn a_question_fits_a_line_of_the_protocol() {
        let (ours, _theirs) = UnixStream::pair().expect("a pair");
        for long in ["x".repeat(2000), "%".repeat(2000), "\u{1f600}".repeat(2000), "\n".repeat(2000)] {
            let config = AccountConfig { issuer_url: Some(long.clone()), ..AccountConfig::default() };
            let name = "n".repeat(200).parse().expect("a name");
            let account = Account::new(name, Open::new(config), Flags::default(), None);
            let process = Process {
                pid: Some(i32::MAX),
                executable: Some(long.clone()),
                command_line: Some(long.clone()),
                terminal: Some(format!("/dev/{long}").into()),
                unit: Some(long.clone()),
                ..Process::default()
            };
            let peer = Peer { uid: u32::MAX, gid: 1, pid: Some(i32::MAX) };
            let asking = Asking::new(Caller::new(peer, Role::Member, ours.as_fd()), Some(&long), true);
            for wanted in [
                Wanted { scope: Some(&long), audience: Some(&long), ..WANTED },
                Wanted { what: "a further mytoken", profile: Some(&long), ..Wanted::default() },
            ] {
                let question = asking.question(&subject(&account, &wanted), &process);
                let escapes = 2 * question.chars().filter(|c| matches!(c, '\n' | '%')).count();
                assert!("SETDESC ".len() + question.len() + escapes < 1000, "{}", question.len() + escapes);
            }
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
