//! What is asked: the types of the C suite's `oidc-prompt`, and what their answers look like.

use std::time::Duration;

use clap::ValueEnum;
use zeroize::Zeroizing;

/// The longest that somebody is waited for, as in the agent.
const PATIENCE: u64 = 300;

/// The kinds of questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// A secret; it is printed
    Password,
    /// A text; it is printed
    Input,
    /// Several texts, which begin with INIT and the ITEMs; printed a line each
    Multiple,
    /// One of the ITEMs; it is printed
    Select,
    /// One of the ITEMs or another text; it is printed
    SelectOther,
    /// Yes or no: `yes` is printed, or the exit status is 1
    #[value(alias = "confirm-default-yes")]
    Confirm,
    /// The same; Enter says no
    ConfirmDefaultNo,
    /// Shows LABEL, an address to be opened; nothing is printed
    #[value(alias = "simple-link")]
    Link,
    /// Not here: it needs the page of a mytoken server
    #[value(hide = true)]
    MytokenConfirm,
}

/// A question.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// What is asked for.
    pub kind: Kind,
    /// Of the window.
    pub title: &'a str,
    /// What to read before answering.
    pub text: &'a str,
    /// What the answer is called.
    pub label: &'a str,
    /// What stands there already.
    pub init: &'a str,
    /// What there is to choose from.
    pub items: &'a [String],
    /// How long somebody is waited for.
    pub patience: Duration,
}

/// What came of a question.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// To be printed, with a line end.
    Text(Zeroizing<String>),
    /// Read, and nothing to print.
    Seen,
    /// No, or nobody.
    No,
}

impl Answer {
    /// A yes.
    pub fn yes() -> Self {
        Self::Text(Zeroizing::new("yes".to_owned()))
    }
}

/// Whole seconds as the C suite's programs give them; 0 and what is no number are the longest.
pub fn patience(seconds: &str) -> Duration {
    let seconds = seconds.parse().ok().filter(|seconds| (1..PATIENCE).contains(seconds));
    Duration::from_secs(seconds.unwrap_or(PATIENCE))
}
