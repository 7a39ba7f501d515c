//! `oidc-prompt`: asks the person one question, and prints the answer.
//!
//! In a window where there is a display and a program for it, else on the terminal; passwords, and a yes where there is no such
//! program, also by pinentry.

mod dialog;
mod question;
mod terminal;

use clap::Parser;
use zeroize::Zeroizing;

use self::{
    dialog::Dialog,
    question::{Answer, Kind, Question, patience},
};
use crate::{
    account::password::pinentry::{self, PinentryError},
    cli::options::Common,
    context::{Command, Context, error::Error},
    process::{browser, display::has_display},
    say::exit::Exit,
};

/// Ask the person a question, and print the answer
#[derive(Debug, Clone, Parser)]
#[command(
    override_usage = "oidc-prompt TYPE TITLE [TEXT [LABEL [TIMEOUT [INIT [ITEM...]]]]]",
    after_help = "\
Who says no, goes away or gives no answer in TIMEOUT seconds (300 at most) is answered for by the exit status 1, and nothing is \
printed. Windows are those of zenity, kdialog or yad; a password, and a yes where none of them is there, is asked for by pinentry."
)]
pub struct PromptArgs {
    /// What is asked for
    #[arg(value_enum, value_name = "TYPE")]
    kind: Kind,

    /// Title of the window
    #[arg(value_name = "TITLE", default_value = "oidc-agent")]
    title: String,

    /// What to read before answering
    #[arg(value_name = "TEXT", default_value = "", hide_default_value = true)]
    text: String,

    /// What the answer is called; the address for `link`
    #[arg(value_name = "LABEL", default_value = "", hide_default_value = true)]
    label: String,

    /// Seconds
    #[arg(value_name = "TIMEOUT", default_value = "0", hide_default_value = true)]
    timeout: String,

    /// What stands there already
    #[arg(value_name = "INIT", default_value = "", hide_default_value = true)]
    init: String,

    /// What there is to choose from
    #[arg(value_name = "ITEM", num_args = 0..)]
    items: Vec<String>,

    #[command(flatten)]
    common: Common,
}

impl Command for PromptArgs {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        let question = Question {
            kind: self.kind,
            title: &self.title,
            text: &self.text,
            label: &self.label,
            // The image of a code to be scanned is of no use on a terminal or beside an address.
            init: if self.kind == Kind::Link { "" } else { &self.init },
            items: &self.items,
            patience: patience(&self.timeout),
        };
        match answer(&question, context)? {
            Answer::Text(text) => Ok(context.output.result(&Zeroizing::new(format!("{}\n", *text)))?),
            Answer::Seen => Ok(()),
            Answer::No => Err(Error::Told(Exit::Failure)),
        }
    }
}

fn answer(question: &Question, context: &mut Context) -> Result<Answer, Error> {
    let needs_choice = matches!(question.kind, Kind::Select) && question.items.is_empty();
    if needs_choice {
        return Err(Error::Other(Exit::Failure, "there is nothing to choose from: give ITEMs".to_owned()));
    }
    if question.kind == Kind::MytokenConfirm {
        let text = "the page of a mytoken server cannot be shown here; open it in a browser";
        return Err(Error::Other(Exit::Failure, text.to_owned()));
    }
    if question.kind == Kind::Link && has_display() && question.label.starts_with("https://") {
        // Shown all the same: it may open nowhere that the person sees.
        let _ = browser::open(question.label);
    }
    if has_display() {
        if question.kind == Kind::Password
            && let Some(answer) = by_pinentry(question)?
        {
            return Ok(answer);
        }
        // A pinentry knows nothing of a "no" that Enter says.
        let dialog = Dialog::find();
        if dialog.is_none()
            && question.kind == Kind::Confirm
            && let Some(answer) = by_pinentry(question)?
        {
            return Ok(answer);
        }
        if let Some(dialog) = dialog {
            let answer = dialog.ask(question);
            return answer
                .map_err(|error| Error::Other(Exit::Failure, format!("cannot ask in a window: {error}")));
        }
    }
    let nowhere = match terminal::ask(question, context.asker.as_mut()) {
        Ok(answer) => return Ok(answer),
        Err(error) => error,
    };
    if matches!(question.kind, Kind::Password | Kind::Confirm)
        && let Some(answer) = by_pinentry(question)?
    {
        return Ok(answer);
    }
    Err(nowhere.into())
}

/// `None`: there is no pinentry that could ask.
fn by_pinentry(question: &Question) -> Result<Option<Answer>, Error> {
    let text = if question.text.is_empty() { question.label } else { question.text };
    let asked = if question.kind == Kind::Confirm {
        pinentry::confirm(question.title, text, question.patience).map(|()| Answer::yes())
    } else {
        let password = pinentry::ask_within(question.title, text, question.label, question.patience);
        password.map(|password| Answer::Text(Zeroizing::new(password.expose().to_owned())))
    };
    match asked {
        Ok(answer) => Ok(Some(answer)),
        Err(PinentryError::Cancelled | PinentryError::TimedOut) => Ok(Some(Answer::No)),
        Err(PinentryError::Run(_) | PinentryError::Refused(_) | PinentryError::Ended(_)) => Ok(None),
        Err(error) => Err(Error::Other(Exit::Failure, error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use crate::{say::exit::Exit, testing::Bench};

    /// What is printed where somebody at the terminal types these lines.
    fn printed(line: &[&str], typed: &[&str]) -> Result<String, Exit> {
        let line: Vec<_> = ["oidc-prompt"].iter().chain(line).copied().collect();
        let ran = Bench::new().with_person(typed).run(&line);
        ran.result.map(|()| ran.stdout.clone()).map_err(|error| error.exit())
    }

    #[test]
    fn each_type_prints_what_the_c_suites_prints() {
        if crate::process::display::has_display() {
            return;
        }
        let text = |text: &str| Ok(text.to_owned());
        assert_eq!(printed(&["password", "t", "text", "Password"], &["s3cret"]), text("s3cret\n"));
        assert_eq!(printed(&["input", "t", "text", "Name", "30", "me"], &[""]), text("me\n"));
        assert_eq!(printed(&["input", "t", "text", "Name"], &["$(x)"]), text("$(x)\n"));
        for (kind, typed, expected) in [
            ("confirm", "", true),
            ("confirm-default-yes", "n", false),
            ("confirm-default-no", "", false),
            ("confirm-default-no", "yes", true),
        ] {
            let expected = if expected { text("yes\n") } else { Err(Exit::Failure) };
            assert_eq!(printed(&[kind, "t", "text"], &[typed]), expected, "{kind} {typed:?}");
        }
        let items = ["t", "text", "Which", "0", "", "one", "two"];
        let select: Vec<_> = ["select"].iter().chain(&items).copied().collect();
        assert_eq!(printed(&select, &["3", "2"]), text("two\n"));
        let other: Vec<_> = ["select-other"].iter().chain(&items).copied().collect();
        assert_eq!(printed(&other, &["three"]), text("three\n"));
        assert_eq!(
            printed(&["multiple", "t", "text", "Uris", "0", "a", "b"], &["x", "y", ""]),
            text("x\ny\n")
        );
        assert_eq!(printed(&["multiple", "t", "text", "Uris", "0", "a", "b"], &[""]), text("a\nb\n"));
        assert_eq!(printed(&["link", "t", "text", "https://op.example"], &[]), text(""));
        assert_eq!(printed(&["input", "t", "text"], &[]), Err(Exit::Failure), "who goes away says nothing");
    }

    #[test]
    fn what_cannot_be_asked_is_said() {
        assert_eq!(printed(&["select", "t", "text"], &[]), Err(Exit::Failure));
        assert_eq!(printed(&["mytoken-confirm", "t", "text"], &[]), Err(Exit::Failure));
    }
}
