//! Asking the person who sits at a display, through pinentry. Only for requests whose client has no terminal.
//!
//! Every question has a deadline. Dropping the future takes the question back: the window closes at once.

mod assuan;

use std::{ffi::OsString, process::Stdio, time::Duration};

use oidc_proto::secret::Password;
use tokio::{
    process::{Child, Command},
    time::timeout,
};

use self::assuan::{Answer, Assuan};

/// The variable that names another program than `pinentry`.
pub const PROGRAM_VARIABLE: &str = "OIDC_PINENTRY";

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
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
}

/// What to ask. Texts may come from anybody: they are escaped, and shortened where they are too long for a window.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// What it is about, for the window's title.
    pub title: &'a str,
    /// Who wants what, with every detail the person needs to decide. Several lines are fine.
    pub description: &'a str,
    /// The label of the input field.
    pub label: &'a str,
    /// What went wrong with the last answer.
    pub error: Option<&'a str>,
}

/// A program that speaks the pinentry protocol.
#[derive(Debug, Clone)]
pub struct Pinentry {
    program: OsString,
}

impl Pinentry {
    /// The program to ask with: `$OIDC_PINENTRY`, else `pinentry` if there is a display.
    pub fn find() -> Result<Self, PromptError> {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        if let Some(program) = variable(PROGRAM_VARIABLE) {
            return Ok(Self { program });
        }
        if variable("WAYLAND_DISPLAY").or_else(|| variable("DISPLAY")).is_none() {
            return Err(PromptError::Unavailable("there is no display".to_owned()));
        }
        Ok(Self::at("pinentry"))
    }

    /// A program by name or path.
    pub fn at(program: impl Into<OsString>) -> Self {
        Self { program: program.into() }
    }

    /// Asks for a password.
    pub async fn password(
        &self,
        question: Question<'_>,
        deadline: Duration,
    ) -> Result<Password, PromptError> {
        let answer = self.ask(question, "GETPIN", deadline).await?;
        Ok(Password::new(answer.into_text()?))
    }

    /// Asks for a yes; a no is [`PromptError::Cancelled`].
    pub async fn confirm(&self, question: Question<'_>, deadline: Duration) -> Result<(), PromptError> {
        self.ask(question, "CONFIRM", deadline).await.map(drop)
    }

    async fn ask(
        &self,
        question: Question<'_>,
        command: &str,
        deadline: Duration,
    ) -> Result<Answer, PromptError> {
        let mut child = self.spawn()?;
        let conversation = async {
            let mut assuan = Assuan::over(&mut child)?;
            assuan.greeting().await?;
            // Own deadline first: the window closes by itself even if this process is stopped.
            let _ = assuan.command("SETTIMEOUT", &deadline.as_secs().to_string()).await;
            assuan.command("SETTITLE", question.title).await?;
            assuan.command("SETDESC", question.description).await?;
            assuan.command("SETPROMPT", question.label).await?;
            if let Some(error) = question.error {
                assuan.command("SETERROR", error).await?;
            }
            let answer = assuan.command(command, "").await?;
            assuan.bye().await;
            Ok(answer)
        };
        match timeout(deadline, conversation).await {
            Ok(Err(assuan::Error::Cancelled)) => Err(PromptError::Cancelled),
            Ok(Err(assuan::Error::Timeout)) | Err(_) => Err(PromptError::Timeout(deadline)),
            Ok(result) => result.map_err(|error| PromptError::Unavailable(error.to_string())),
        }
    }

    fn spawn(&self) -> Result<Child, PromptError> {
        let mut command = Command::new(&self.program);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        command.spawn().map_err(|error| {
            PromptError::Unavailable(format!("cannot run '{}': {error}", self.program.to_string_lossy()))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt, path::PathBuf, time::Instant};

    use super::*;

    const PLENTY: Duration = Duration::from_secs(30);
    const QUESTION: Question<'static> =
        Question { title: "oidc-agent", description: "Password of\n'a%b'", label: "Password", error: None };

    /// A pinentry made of a shell script; what it was told is in `heard`.
    struct Fake {
        directory: tempfile::TempDir,
    }

    impl Fake {
        /// `answer` is what it says to the command that opens the window.
        fn new(answer: &str) -> Self {
            let fake = Self { directory: tempfile::tempdir().expect("temporary directory") };
            let script = format!(
                "#!/bin/sh\necho 'OK Pleased to meet you'\nwhile read -r line; do\nprintf '%s\\n' \"$line\" >> {heard}\n\
                 case \"$line\" in GETPIN|CONFIRM) {answer};; BYE) echo OK; exit;; *) echo OK;; esac\ndone\n",
                heard = fake.heard().display()
            );
            fs_err::write(fake.program(), script).expect("written");
            fs_err::set_permissions(fake.program(), std::fs::Permissions::from_mode(0o700))
                .expect("executable");
            fake
        }

        fn program(&self) -> PathBuf {
            self.directory.path().join("pinentry")
        }

        fn heard(&self) -> PathBuf {
            self.directory.path().join("heard")
        }

        async fn password(&self, deadline: Duration) -> Result<Password, PromptError> {
            Pinentry::at(self.program()).password(QUESTION, deadline).await
        }
    }

    #[tokio::test]
    async fn a_password_is_unescaped() {
        let fake = Fake::new("echo 'S note'; echo 'D se%25cret%0Aline'; echo OK");
        let password = fake.password(PLENTY).await.expect("an answer");
        assert_eq!(password.expose(), "se%cret\nline");
        let heard = fs_err::read_to_string(fake.heard()).expect("heard");
        assert!(heard.contains("SETDESC Password of%0A'a%25b'\n"), "{heard}");
    }

    #[tokio::test]
    async fn an_empty_password_is_one() {
        assert!(Fake::new("echo OK").password(PLENTY).await.expect("an answer").is_empty());
    }

    #[tokio::test]
    async fn closing_the_window_is_told_apart() {
        let cancelled = Fake::new("echo 'ERR 83886179 Operation cancelled <Pinentry>'");
        assert!(matches!(cancelled.password(PLENTY).await, Err(PromptError::Cancelled)));
        let timeout = Fake::new("echo 'ERR 83886142 Timeout <Pinentry>'");
        assert!(matches!(timeout.password(PLENTY).await, Err(PromptError::Timeout(_))));
        let broken = Fake::new("echo 'ERR 83886340 No display'");
        assert!(matches!(broken.password(PLENTY).await, Err(PromptError::Unavailable(_))));
        let gone = Fake::new("exit 1");
        assert!(matches!(gone.password(PLENTY).await, Err(PromptError::Unavailable(_))));
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
        let asked = Fake::new("exec sleep 60").password(Duration::from_millis(200)).await;
        assert!(matches!(asked, Err(PromptError::Timeout(_))));
        assert!(started.elapsed() < Duration::from_secs(10));
    }

    #[tokio::test]
    async fn a_hostile_program_cannot_fill_the_memory() {
        let fake = Fake::new("exec tr '\\0' x < /dev/zero");
        assert!(matches!(fake.password(PLENTY).await, Err(PromptError::Unavailable(_))));
    }

    #[tokio::test]
    async fn a_missing_program_is_named() {
        let error = Pinentry::at("/no/such/pinentry").confirm(QUESTION, PLENTY).await.expect_err("missing");
        assert!(error.to_string().contains("/no/such/pinentry"), "{error}");
    }
}
