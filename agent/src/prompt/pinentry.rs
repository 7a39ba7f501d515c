//! A program that speaks the pinentry protocol, and what it is to ask.

use std::{borrow::Cow, ffi::OsString, process::Stdio, time::Duration};

use oidc_proto::{
    assuan::{Answer, AssuanError},
    secret::Password,
};
use tokio::{
    process::{Child, Command},
    time::timeout,
};

use super::{
    assuan::{self, Assuan},
    screen::Screen,
};

/// The variable that names another program than `pinentry`. Set to nothing, the agent asks nobody.
pub const PROGRAM_VARIABLE: &str = "OIDC_PINENTRY";

/// Why there is no answer.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum PromptError {
    /// No display, no prompt program, or it does not work.
    #[error("cannot ask: {0}")]
    Unavailable(String),
    /// The person closed the window, or said no.
    #[error("the prompt was cancelled")]
    Cancelled,
    /// Nobody answered in time.
    #[error("nobody answered the prompt within {} seconds", .0.as_secs())]
    Timeout(Duration),
    /// The person cannot answer all of that.
    #[error("too many questions wait for an answer already")]
    TooMany,
}

/// What to ask. Texts of others are to be [bounded](super::bounded) before; whatever would break a line of the protocol is escaped.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// What it is about, for the window's title.
    pub title: Cow<'a, str>,
    /// Who wants what, with every detail the person needs to decide. Several lines are fine.
    pub description: Cow<'a, str>,
    /// The label of the input field.
    pub label: Cow<'a, str>,
    /// What went wrong with the last answer.
    pub error: Option<Cow<'a, str>>,
}

/// What is written on the buttons.
#[derive(Debug, Clone, Copy)]
pub struct Buttons {
    /// The one that Enter presses.
    pub ok: &'static str,
    /// A third one.
    pub not_ok: Option<&'static str>,
    /// The one that closes the window.
    pub cancel: &'static str,
}

/// Which button was pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    Ok,
    /// The third one; or a "no", where a program says the same for both.
    NotOk,
}

impl Question<'_> {
    pub(super) fn to_owned(&self) -> Question<'static> {
        let own = |text: &Cow<'_, str>| Cow::Owned(text.clone().into_owned());
        Question {
            title: own(&self.title),
            description: own(&self.description),
            label: own(&self.label),
            error: self.error.as_ref().map(own),
        }
    }
}

/// No answer, or a "no".
enum Unanswered {
    NotOk,
    Other(PromptError),
}

impl From<PromptError> for Unanswered {
    fn from(error: PromptError) -> Self {
        Self::Other(error)
    }
}

impl From<Unanswered> for PromptError {
    fn from(error: Unanswered) -> Self {
        match error {
            Unanswered::NotOk => Self::Cancelled,
            Unanswered::Other(error) => error,
        }
    }
}

/// A program that speaks the pinentry protocol, and where it is to ask.
#[derive(Debug, Clone)]
pub struct Pinentry {
    program: OsString,
    screen: Screen,
}

impl Pinentry {
    /// The program to ask with at the first of these places where somebody can be asked: `$OIDC_PINENTRY`, else
    /// `pinentry`.
    pub fn find(screens: impl IntoIterator<Item = Screen>) -> Result<Self, PromptError> {
        let screen = screens.into_iter().find(|screen| !screen.is_none());
        let unavailable = |why: &str| Err(PromptError::Unavailable(why.to_owned()));
        match (std::env::var_os(PROGRAM_VARIABLE), screen) {
            (Some(program), _) if program.is_empty() => {
                unavailable("OIDC_PINENTRY is set to nothing where the agent was started")
            }
            // What the person has chosen may need neither display nor terminal.
            (Some(program), screen) => Ok(Self { program, screen: screen.unwrap_or_default() }),
            (None, Some(screen)) => Ok(Self { program: "pinentry".into(), screen }),
            (None, None) => unavailable(
                "there is neither a display nor a terminal to ask on (DISPLAY, WAYLAND_DISPLAY and GPG_TTY are \
                 not set where the agent was started)",
            ),
        }
    }

    /// A program by name or path.
    pub fn at(program: impl Into<OsString>) -> Self {
        Self { program: program.into(), screen: Screen::default() }
    }

    /// Whether it has a display to open windows on, and not a terminal alone.
    pub fn has_display(&self) -> bool {
        self.screen.has_display()
    }

    /// The variables that lead other programs to that display.
    pub fn display(&self) -> &[(String, String)] {
        &self.screen.variables
    }

    /// Asks with two buttons. The one that cancels is [`PromptError::Cancelled`].
    pub async fn decide(
        &self,
        question: Question<'_>,
        buttons: &Buttons,
        deadline: Duration,
    ) -> Result<(), PromptError> {
        match self.choose(question, buttons, deadline).await? {
            Said::Ok => Ok(()),
            Said::NotOk => Err(PromptError::Cancelled),
        }
    }

    /// Asks for a password.
    pub async fn password(
        &self,
        question: Question<'_>,
        deadline: Duration,
    ) -> Result<Password, PromptError> {
        let answer = self.ask(question, None, "GETPIN", deadline).await?;
        answer.into_password().ok_or_else(|| PromptError::Unavailable("the answer is not UTF-8".to_owned()))
    }

    /// Asks for a yes; a no is [`PromptError::Cancelled`].
    pub async fn confirm(&self, question: Question<'_>, deadline: Duration) -> Result<(), PromptError> {
        Ok(self.ask(question, None, "CONFIRM", deadline).await.map(drop)?)
    }

    /// Asks with these buttons. The one that cancels is [`PromptError::Cancelled`].
    pub(super) async fn choose(
        &self,
        question: Question<'_>,
        buttons: &Buttons,
        deadline: Duration,
    ) -> Result<Said, PromptError> {
        match self.ask(question, Some(buttons), "CONFIRM", deadline).await {
            Ok(_) => Ok(Said::Ok),
            Err(Unanswered::NotOk) => Ok(Said::NotOk),
            Err(Unanswered::Other(error)) => Err(error),
        }
    }

    async fn ask(
        &self,
        question: Question<'_>,
        buttons: Option<&Buttons>,
        command: &str,
        deadline: Duration,
    ) -> Result<Answer, Unanswered> {
        let mut child = self.spawn()?;
        let conversation = async {
            let mut assuan = Assuan::over(&mut child)?;
            assuan.greeting().await?;
            for (name, value) in self.options() {
                // Not every program knows every option.
                let _ = assuan.command("OPTION", &format!("{name}={value}")).await;
            }
            // Own deadline first: the window closes by itself even if this process is stopped.
            let _ = assuan.command("SETTIMEOUT", &deadline.as_secs().to_string()).await;
            assuan.command("SETTITLE", &question.title).await?;
            assuan.command("SETDESC", &question.description).await?;
            assuan.command("SETPROMPT", &question.label).await?;
            if let Some(buttons) = buttons {
                let labels = [
                    ("SETOK", Some(buttons.ok)),
                    ("SETNOTOK", buttons.not_ok),
                    ("SETCANCEL", Some(buttons.cancel)),
                ];
                for (name, label) in labels {
                    if let Some(label) = label {
                        // A program that does not know it has buttons of its own.
                        let _ = assuan.command(name, label).await;
                    }
                }
            }
            if let Some(error) = &question.error {
                assuan.command("SETERROR", error).await?;
            }
            let answer = assuan.command(command, "").await?;
            assuan.bye().await;
            Ok(answer)
        };
        match timeout(deadline, conversation).await {
            Ok(Err(assuan::Error::Said(AssuanError::Cancelled))) => Err(PromptError::Cancelled.into()),
            Ok(Err(assuan::Error::Said(AssuanError::NotConfirmed))) => Err(Unanswered::NotOk),
            Ok(Err(assuan::Error::Said(AssuanError::Timeout))) | Err(_) => {
                Err(PromptError::Timeout(deadline).into())
            }
            Ok(result) => result.map_err(|error| PromptError::Unavailable(error.to_string()).into()),
        }
    }

    /// Where to ask, as gpg-agent tells it to pinentry.
    fn options(&self) -> impl Iterator<Item = (&'static str, String)> {
        let Screen { display, terminal, terminal_type, character_locale, message_locale, .. } = &self.screen;
        let terminal = terminal.as_ref().map(|path| path.display().to_string());
        let terminal_type = terminal_type.clone().filter(|_| terminal.is_some());
        let options = [
            ("display", display.clone()),
            ("ttyname", terminal),
            ("ttytype", terminal_type),
            ("lc-ctype", character_locale.clone()),
            ("lc-messages", message_locale.clone()),
        ];
        options.into_iter().filter_map(|(name, value)| value.map(|value| (name, value)))
    }

    fn spawn(&self) -> Result<Child, PromptError> {
        let mut command = Command::new(&self.program);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        command.envs(self.screen.variables.iter().map(|(name, value)| (name, value)));
        if let Some(terminal) = &self.screen.terminal {
            command.env("GPG_TTY", terminal);
        }
        command.spawn().map_err(|error| {
            PromptError::Unavailable(format!(
                "the prompt program '{}' cannot be run: {error}",
                self.program.to_string_lossy()
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::{super::testing::*, *};

    const PLENTY: Duration = Duration::from_secs(30);

    async fn password(fake: &Fake, deadline: Duration) -> Result<Password, PromptError> {
        Pinentry::at(fake.program()).password(QUESTION, deadline).await
    }

    #[tokio::test]
    async fn a_password_is_unescaped() {
        let fake = Fake::new("echo 'S note'; echo 'D se%25cret%0Aline'; echo OK");
        let password = password(&fake, PLENTY).await.expect("an answer");
        assert_eq!(password.expose(), "se%cret\nline");
        let heard = fs_err::read_to_string(fake.heard()).expect("heard");
        assert!(heard.contains("SETDESC Password of%0A'a%25b'\n"), "{heard}");
    }

    #[tokio::test]
    async fn all_lines_of_an_answer_count() {
        let fake = Fake::new("echo 'D one%20'; echo 'S note'; echo 'D two%0A'; echo 'D three'; echo OK");
        assert_eq!(password(&fake, PLENTY).await.expect("an answer").expose(), "one two\nthree");
        let endless =
            Fake::new("while :; do echo D xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done");
        assert!(matches!(password(&endless, PLENTY).await, Err(PromptError::Unavailable(_))));
    }

    #[tokio::test]
    async fn the_program_learns_where_the_person_is() {
        let fake = Fake::new("echo \"GPG_TTY=$GPG_TTY DISPLAY=$DISPLAY\" >> \"$0.environment\"; echo OK");
        let screen = Screen {
            variables: vec![("DISPLAY".to_owned(), ":7".to_owned())],
            display: Some(":7".to_owned()),
            terminal: Some("/dev/pts/99".into()),
            terminal_type: Some("xterm".to_owned()),
            character_locale: Some("C.UTF-8".to_owned()),
            message_locale: None,
        };
        let pinentry = Pinentry { screen, ..Pinentry::at(fake.program()) };
        pinentry.confirm(QUESTION, PLENTY).await.expect("a yes");
        let heard = fs_err::read_to_string(fake.heard()).expect("heard");
        let options =
            "OPTION display=:7\nOPTION ttyname=/dev/pts/99\nOPTION ttytype=xterm\nOPTION lc-ctype=C.UTF-8\n";
        assert!(heard.starts_with(options), "{heard}");
        let environment = fs_err::read_to_string(fake.program().with_extension("environment"));
        assert_eq!(environment.expect("written"), "GPG_TTY=/dev/pts/99 DISPLAY=:7\n");
    }

    #[test]
    fn nowhere_to_ask_is_said_in_words() {
        let error = Pinentry::find([Screen::default()]).expect_err("nowhere");
        assert!(error.to_string().contains("neither a display nor a terminal"), "{error}");
    }

    #[tokio::test]
    async fn an_empty_password_is_one() {
        assert!(password(&Fake::new("echo OK"), PLENTY).await.expect("an answer").is_empty());
    }

    #[tokio::test]
    async fn closing_the_window_is_told_apart() {
        let cancelled = Fake::new("echo 'ERR 83886179 Operation cancelled <Pinentry>'");
        assert!(matches!(password(&cancelled, PLENTY).await, Err(PromptError::Cancelled)));
        let timeout = Fake::new("echo 'ERR 83886142 Timeout <Pinentry>'");
        assert!(matches!(password(&timeout, PLENTY).await, Err(PromptError::Timeout(_))));
        let broken = Fake::new("echo 'ERR 83886340 No display'");
        assert!(matches!(password(&broken, PLENTY).await, Err(PromptError::Unavailable(_))));
        let gone = Fake::new("exit 1");
        assert!(matches!(password(&gone, PLENTY).await, Err(PromptError::Unavailable(_))));
    }

    #[tokio::test]
    async fn a_no_is_no_yes() {
        let pinentry = Pinentry::at(Fake::new("echo 'ERR 83886194 Not confirmed'").program());
        assert!(pinentry.confirm(QUESTION, PLENTY).await.is_err());
        let yes = Fake::new("echo OK");
        Pinentry::at(yes.program()).confirm(QUESTION, PLENTY).await.expect("a yes");
    }

    #[tokio::test]
    async fn a_deadline_is_kept() {
        let started = Instant::now();
        let asked = password(&Fake::new("exec sleep 60"), Duration::from_millis(200)).await;
        assert!(matches!(asked, Err(PromptError::Timeout(_))));
        assert!(started.elapsed() < Duration::from_secs(10));
    }

    #[tokio::test]
    async fn a_hostile_program_cannot_fill_the_memory() {
        let fake = Fake::new("exec tr '\\0' x < /dev/zero");
        assert!(matches!(password(&fake, PLENTY).await, Err(PromptError::Unavailable(_))));
    }

    #[tokio::test]
    async fn a_missing_program_is_named() {
        let error = Pinentry::at("/no/such/pinentry").confirm(QUESTION, PLENTY).await.expect_err("missing");
        assert!(error.to_string().contains("/no/such/pinentry"), "{error}");
    }
}
