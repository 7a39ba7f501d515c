//! Questions: asked one at a time, with a default, and again with the reason when an answer makes no sense.

use oidc_proto::secret::Password;

use super::arguments::AnswerArgs;
use crate::{
    account::password::asker::{AskError, Asker},
    cli::options::PromptArg,
    context::{Context, error::Error},
    say::dialect::Dialect,
};

const NEEDED: &str = "An answer is needed; Ctrl-C ends without one.";

/// Whether and how a person is asked.
#[derive(Debug, Clone, Copy)]
pub struct Dialogue {
    may_ask: bool,
    answer: Option<Answer>,
}

/// What answers yes-or-no questions instead of the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Default,
    Yes,
    No,
}

/// A question for a text.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// What is asked for, as the prompt shows it.
    pub label: &'a str,
    /// The option that would have answered it.
    pub option: &'a str,
    /// What Enter answers.
    pub default: Option<&'a str>,
}

impl Dialogue {
    /// As the options say.
    pub fn new(args: &AnswerArgs) -> Self {
        let answer = match args {
            AnswerArgs { confirm_default: true, .. } => Some(Answer::Default),
            AnswerArgs { confirm_yes: true, .. } => Some(Answer::Yes),
            AnswerArgs { confirm_no: true, .. } => Some(Answer::No),
            _ => None,
        };
        Self { may_ask: args.prompt != Some(PromptArg::None), answer }
    }

    /// Whether there is somebody to ask.
    pub fn can_ask(self, context: &mut Context) -> bool {
        self.may_ask && context.asker.is_there()
    }

    /// Asks until `read` takes the answer; its error is the reason shown for asking again.
    pub fn ask<T>(
        self,
        context: &mut Context,
        question: &Question,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, Error> {
        self.expect_person(context, question)?;
        let prompt = match question.default {
            Some(default) => format!("{} [{default}]:", question.label),
            None => format!("{}:", question.label),
        };
        loop {
            let answer = context.asker.line(&prompt)?;
            let answer = if answer.is_empty() { question.default.unwrap_or_default() } else { &answer };
            let reason = match read(answer) {
                _ if answer.is_empty() => NEEDED.to_owned(),
                Ok(value) => return Ok(value),
                Err(reason) => reason,
            };
            context.asker.tell(&reason)?;
        }
    }

    /// Asks for a secret, which may be empty.
    pub fn ask_secret(self, context: &mut Context, question: &Question) -> Result<Password, Error> {
        self.expect_person(context, question)?;
        Ok(context.asker.secret(question.label)?)
    }

    /// Asks for a secret until there is one.
    pub fn ask_needed_secret(self, context: &mut Context, question: &Question) -> Result<Password, Error> {
        loop {
            let secret = self.ask_secret(context, question)?;
            if !secret.is_empty() {
                return Ok(secret);
            }
            context.asker.tell(NEEDED)?;
        }
    }

    /// Asks a yes-or-no question; `Enter` is `default`. `quit` declines everything.
    pub fn confirm(self, context: &mut Context, question: &str, default: bool) -> Result<bool, Error> {
        match self.answer {
            Some(Answer::Default) => return Ok(default),
            Some(Answer::Yes) => return Ok(true),
            Some(Answer::No) => return Ok(false),
            None => {}
        }
        let choice = if default { "[Yes/no/quit]" } else { "[No/yes/quit]" };
        let dialect = context.output.dialect;
        loop {
            match read_confirmation(dialect, context.asker.as_mut(), &format!("{question} {choice}:"))? {
                Some(Reply::Yes) => return Ok(true),
                Some(Reply::No) => return Ok(false),
                Some(Reply::Quit) => return Err(Error::Declined),
                Some(Reply::Enter) => return Ok(default),
                None => context.asker.tell("Please answer yes, no or quit.")?,
            }
        }
    }

    fn expect_person(self, context: &mut Context, question: &Question) -> Result<(), Error> {
        let Question { label, option, .. } = question;
        if !self.may_ask {
            // The C suite's sentence.
            return Err(Error::CannotAsk(format!(
                "Required argument {label} not given. Please enable a prompt mode or pass {label} to the '--{option}' \
                 option."
            )));
        }
        context.asker.reach().map_err(|error| {
            Error::CannotAsk(format!("{label} is not given, and {error}: use the option '--{option}'."))
        })
    }
}

enum Reply {
    Yes,
    No,
    Quit,
    Enter,
}

/// Under the C suite's names only the full words count, in lower case; anything else is what Enter would be: a script
/// that answers `y` there does not say yes.
fn read_confirmation(dialect: Dialect, asker: &mut dyn Asker, prompt: &str) -> Result<Option<Reply>, Error> {
    let answer = match asker.line(prompt) {
        Err(error @ AskError::NoTerminal(_)) => {
            let text = format!(
                "{error}, and this needs an answer: {} Use --confirm-yes, --confirm-no or \
                 --confirm-default.",
                prompt.split(" [").next().unwrap_or(prompt)
            );
            return Err(Error::CannotAsk(text));
        }
        answer => answer?,
    };
    if dialect == Dialect::CSuite {
        return Ok(Some(match answer.as_str() {
            "yes" => Reply::Yes,
            "no" => Reply::No,
            "quit" => Reply::Quit,
            _ => Reply::Enter,
        }));
    }
    Ok(match answer.to_ascii_lowercase().as_str() {
        "yes" | "y" => Some(Reply::Yes),
        "no" | "n" => Some(Reply::No),
        "quit" | "q" => Some(Reply::Quit),
        "" => Some(Reply::Enter),
        _ => None,
    })
}
