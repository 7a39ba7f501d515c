//! A yes that may last: once, for five minutes, or for one process; and the windows that ask for it.
//!
//! Only a pressed "OK" button is ever a yes. A pinentry has three buttons, and some say the same for the third one as
//! others for "no": so the third leads to the next question, and a "no" that is taken for it costs one more "no".

use std::{borrow::Cow, time::Duration};

use tokio::time::Instant;

use super::pinentry::{Buttons, Pinentry, PromptError, Question, Said};

/// For how long [`Permission::ForMinutes`] is given.
pub const MINUTES: Duration = Duration::from_secs(5 * 60);

/// What the person allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// This time.
    Once,
    /// For [`MINUTES`], to whatever runs the same program file.
    ForMinutes,
    /// To this process as long as it runs.
    ForProcess,
}

/// Longest of what the windows say before the question, in bytes of a line of the protocol.
pub const MAX_EXPLAINED: usize = 105;

/// One window after the other, and what its "OK" means.
const WINDOWS: [(Permission, Buttons, Option<&str>); 3] = [
    (Permission::Once, Buttons { ok: "Allow once", not_ok: Some("Allow longer..."), cancel: "Deny" }, None),
    (
        Permission::ForMinutes,
        Buttons { ok: "For 5 minutes", not_ok: Some("For this process..."), cancel: "Deny" },
        Some("Nothing is allowed yet. For 5 minutes: whatever runs this program file and asks for the same."),
    ),
    (
        Permission::ForProcess,
        Buttons { ok: "While it runs", not_ok: None, cancel: "Deny" },
        Some("Nothing is allowed yet. This process alone, asking for the same, as long as it runs."),
    ),
];

impl Pinentry {
    /// Asks for a yes, and where it `may_last`, for how long. A no is [`PromptError::Cancelled`].
    pub async fn permission(
        &self,
        question: &Question<'_>,
        may_last: bool,
        deadline: Duration,
    ) -> Result<Permission, PromptError> {
        let until = Instant::now() + deadline;
        if !may_last {
            return self.confirm(question.clone(), deadline).await.map(|()| Permission::Once);
        }
        for (permission, buttons, explained) in WINDOWS {
            // In the description: pinentry on a terminal shows no error beside a question.
            let description = match explained {
                Some(explained) => Cow::Owned(format!("{explained}\n\n{}", question.description)),
                None => question.description.clone(),
            };
            let question = Question { description, ..question.clone() };
            let left = until.saturating_duration_since(Instant::now());
            match self.choose(question, &buttons, left).await {
                Ok(Said::Ok) => return Ok(permission),
                Ok(Said::NotOk) => {}
                Err(PromptError::Timeout(_)) => return Err(PromptError::Timeout(deadline)),
                Err(error) => return Err(error),
            }
        }
        Err(PromptError::Cancelled)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};

    const PLENTY: Duration = Duration::from_secs(30);
    const NOT_OK: &str = "echo 'ERR 83886194 Not confirmed'";
    const CANCEL: &str = "echo 'ERR 83886179 Operation cancelled'";

    /// Answers one window after the other like this.
    fn answering(answers: &[&str]) -> Fake {
        let cases = answers.iter().enumerate().map(|(at, answer)| format!("{at}) {answer};; "));
        let cases = cases.collect::<Vec<_>>().concat();
        Fake::new(&format!(
            "echo >> \"$0.asked\"; case $(($(wc -l < \"$0.asked\") - 1)) in {cases} *) echo ERR 1;; esac"
        ))
    }

    async fn asked(fake: &Fake, may_last: bool) -> Result<Permission, PromptError> {
        Pinentry::at(fake.program()).permission(&QUESTION, may_last, PLENTY).await
    }

    #[tokio::test]
    async fn only_ok_is_a_yes() {
        for (answers, expected) in [
            (&["echo OK"][..], Some(Permission::Once)),
            (&[CANCEL], None),
            (&[NOT_OK, "echo OK"], Some(Permission::ForMinutes)),
            (&[NOT_OK, CANCEL], None),
            (&[NOT_OK, NOT_OK, "echo OK"], Some(Permission::ForProcess)),
            (&[NOT_OK, NOT_OK, NOT_OK], None),
            (&["exit 1"], None),
        ] {
            let fake = answering(answers);
            assert_eq!(asked(&fake, true).await.ok(), expected, "{answers:?}");
            let heard = fs_err::read_to_string(fake.heard()).expect("heard");
            assert_eq!(heard.matches("CONFIRM").count(), answers.len(), "{heard}");
        }
    }

    #[test]
    fn explanations_are_as_short_as_said() {
        for (_, _, explained) in WINDOWS {
            let text = format!("{}\n\n", explained.unwrap_or_default());
            assert!(super::super::line_bytes(&text) <= MAX_EXPLAINED, "{text}");
        }
    }

    #[tokio::test]
    async fn what_cannot_last_is_not_offered_to() {
        let fake = answering(&[NOT_OK, "echo OK"]);
        assert!(matches!(asked(&fake, false).await, Err(PromptError::Cancelled)));
        let heard = fs_err::read_to_string(fake.heard()).expect("heard");
        assert!(!heard.contains("SETNOTOK"), "{heard}");
    }

    #[tokio::test]
    async fn every_window_names_who_asks() {
        let fake = answering(&[NOT_OK, NOT_OK, "echo OK"]);
        asked(&fake, true).await.expect("a yes");
        let heard = fs_err::read_to_string(fake.heard()).expect("heard");
        assert_eq!(heard.matches("Password of%0A'a%25b'\n").count(), WINDOWS.len(), "{heard}");
        let covered = "SETDESC Nothing is allowed yet. For 5 minutes: whatever runs this program file";
        assert!(heard.contains(covered) && !heard.contains("SETERROR"), "{heard}");
        assert!(heard.contains("SETOK Allow once\n") && heard.contains("SETCANCEL Deny\n"), "{heard}");
    }
}
