//! A request finds that its account needs a new login: the person is offered one, where one is there.
//!
//! Nothing else waits for that, and of those who asked only who has the person before it: a program on a terminal waits for the
//! login and gets its token then, any other one fails at once while the offer stands.

use std::{borrow::Cow, sync::Arc, time::Duration};

use oidc_proto::{
    deadlines,
    error_code::ErrorCode,
    message::{Failure, Flow},
};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::{
    account::Account,
    consent::{Asking, MAX_NAME},
    loaded::Accounts,
    login_offers::{Ended, Offer, Offered, Outcome},
    token_cache::{CachedToken, Purpose},
    wanted::MAX_URL,
};
use crate::{
    caller::Process,
    prompt::{Buttons, Pinentry, PromptError, Question, Screen, bounded},
};

/// The longest reason for a login that is shown, in bytes.
const MAX_REASON: usize = 160;
/// How often a client is looked at whose request is not dropped with it; there is no event for its going away.
const CLIENT_CHECK: Duration = Duration::from_millis(250);
const BUTTONS: Buttons = Buttons { ok: "Log in", not_ok: None, cancel: "Not now" };
/// What is said where nobody waits for the login.
const IN_A_WINDOW: &str = "A window of the agent offers that login now. Ask again when it is done.\n";

/// What an offer is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// A loaded account. What asks for its token is dropped when the client goes away.
    Loaded,
    /// One that was not loaded because it needs a login; it is loaded after that. What asks is not dropped.
    ToBeLoaded,
}

impl Accounts {
    /// A token as [`Accounts::token_for`] gives it, after a new login where one is needed and the person wants it.
    pub(super) async fn token_or_login(
        &self,
        account: &Arc<Account>,
        purpose: Purpose,
        min_valid: Option<u64>,
        asking: &Asking<'_>,
    ) -> Result<Arc<CachedToken>, Failure> {
        match self.token_for(account, purpose.clone(), min_valid).await {
            Err(failure) if is_mended_by_login(&failure) => {
                let account = self.offer_login(account, asking, failure, Subject::Loaded).await?;
                self.token_for(&account, purpose, min_valid).await
            }
            answer => answer,
        }
    }

    /// Offers a new login because of `failure`, which is the answer where there is none. The account to go on with.
    pub(super) async fn offer_login(
        &self,
        account: &Arc<Account>,
        asking: &Asking<'_>,
        failure: Failure,
        subject: Subject,
    ) -> Result<Arc<Account>, Failure> {
        if !self.may_offer(account, asking) {
            return Err(failure);
        }
        let process = asking.process().await;
        let waits = process.terminal.is_some();
        let Some(outcome) = self.outcome(account, asking, &process, &failure, subject) else {
            return Err(failure);
        };
        if !waits {
            let told = format!("{}{IN_A_WINDOW}", failure.info.as_deref().unwrap_or_default());
            return Err(failure.with_info(told));
        }
        let gone = async {
            match subject {
                Subject::Loaded => std::future::pending().await,
                Subject::ToBeLoaded => {
                    while !asking.is_gone() {
                        sleep(CLIENT_CHECK).await;
                    }
                }
            }
        };
        let ended = tokio::select! {
            biased;
            ended = self.end_of(outcome) => ended?,
            () = gone => return Err(failure),
        };
        match ended {
            // Whoever has logged in may have loaded it anew.
            Ended::LoggedIn => Ok(self.find(&account.name).unwrap_or_else(|| Arc::clone(account))),
            Ended::TakenBack(why) => Err(*why),
            Ended::ToNothing(why) => {
                let told = format!("{}{why}\n", failure.info.as_deref().unwrap_or_default());
                Err(failure.with_info(told))
            }
        }
    }

    /// Whether this account can be logged in for anew, and whoever asks may have the person asked.
    fn may_offer(&self, account: &Account, asking: &Asking<'_>) -> bool {
        // Nobody logs in for a robot.
        let logs_in = || account.with_open(|open| Flow::of_robot(&open.config).is_none()).unwrap_or(false);
        self.deps().options.offers_logins() && asking.is_owner() && asking.allowed && logs_in()
    }

    /// The end of the offer that is open for the account, or of one that is made now. `None`: there is nobody to make one
    /// to, or not so soon again.
    fn outcome(
        &self,
        account: &Arc<Account>,
        asking: &Asking<'_>,
        process: &Process,
        failure: &Failure,
        subject: Subject,
    ) -> Option<Outcome> {
        let screen = Screen::of_process(process);
        // A job without a terminal or display of its own: nobody is there who would know what it is about.
        if process.terminal.is_none() && !screen.has_display() {
            return None;
        }
        let pinentry = Pinentry::find([screen, Screen::of_agent()]).ok()?;
        match self.0.offers.wish(&account.name, self.now().boot) {
            Offered::NotNow => None,
            Offered::Theirs(outcome) => Some(outcome),
            Offered::Ours(offer) => {
                let outcome = offer.subscribe();
                let description = description(account, failure, &asking.description(process));
                let (accounts, account) = (self.clone(), Arc::clone(account));
                tokio::spawn(async move {
                    let ended = accounts.conduct(&offer, &account, &pinentry, description, subject).await;
                    tracing::info!(account = %account.name, ?ended, "the offer of a new login is over");
                    offer.end(ended, accounts.now().boot);
                });
                Some(outcome)
            }
        }
    }

    /// Waits for the end of an offer, but not while the agent is locked.
    async fn end_of(&self, mut outcome: Outcome) -> Result<Ended, Failure> {
        let ends = Instant::now() + deadlines::QUESTION + deadlines::LOGIN;
        let mut changed = self.0.changed.subscribe();
        loop {
            self.require_unlocked()?;
            tokio::select! {
                biased;
                ended = outcome.wait_for(Option::is_some) => {
                    let ended = ended.ok().and_then(|ended| ended.clone());
                    return Ok(ended.unwrap_or_else(|| Ended::ToNothing("The offer of a new login was dropped.".into())));
                }
                _ = changed.changed() => {}
                () = sleep_until(ends) => {
                    return Ok(Ended::ToNothing("Nobody has logged in so far.".to_owned()));
                }
            }
        }
    }

    /// Makes an offer, and sees the person through the login.
    async fn conduct(
        &self,
        offer: &Offer,
        account: &Arc<Account>,
        pinentry: &Pinentry,
        description: String,
        subject: Subject,
    ) -> Ended {
        // On a terminal the question goes with whoever runs there; a window on the desktop stays.
        let unwanted = async {
            if pinentry.has_display() {
                std::future::pending::<()>().await;
            }
            offer.unwanted().await;
        };
        tokio::pin!(unwanted);
        let question = Question {
            title: Cow::Borrowed("Log in anew?"),
            description: Cow::Owned(description),
            label: Cow::Borrowed(""),
            error: None,
        };
        // A terminal shows one question at a time, whatever it is about.
        let windows = if pinentry.has_display() { &self.0.offers.windows } else { &self.deps().prompts };
        let before = match subject {
            Subject::Loaded => Some(Arc::clone(account)),
            Subject::ToBeLoaded => self.find(&account.name),
        };
        let answer = tokio::select! {
            biased;
            ended = self.needless(account, before.as_ref()) => return ended,
            () = &mut unwanted => return gone(),
            answer = windows.decide(pinentry, question, &BUTTONS, deadlines::QUESTION) => answer,
        };
        if let Err(error) = answer {
            return Ended::ToNothing(match error {
                PromptError::Cancelled => "The person does not want to log in now.".to_owned(),
                error => format!("The agent offered a new login, but {error}."),
            });
        }
        let Some(login) = self.login() else { return gone() };
        let login = login.log_in(Arc::clone(account), pinentry.clone());
        let done = tokio::select! {
            biased;
            done = timeout(deadlines::LOGIN, login) => done,
            // Under the agent's lock the login goes on, and is kept sealed.
            ended = self.overtaken(account, before.as_ref()) => return ended,
            () = &mut unwanted => return gone(),
        };
        match done {
            Ok(Ok(())) => self.load_after_login(account, subject),
            Ok(Err(failure)) => Ended::ToNothing(format!("The new login failed: {failure}.")),
            Err(_) => {
                let seconds = deadlines::LOGIN.as_secs();
                Ended::ToNothing(format!("The new login was not done within {seconds} seconds."))
            }
        }
    }

    fn load_after_login(&self, account: &Arc<Account>, subject: Subject) -> Ended {
        match subject {
            Subject::Loaded => Ended::LoggedIn,
            Subject::ToBeLoaded => match self.insert(Arc::clone(account)) {
                Ok(()) => Ended::LoggedIn,
                Err(failure) => Ended::TakenBack(Box::new(failure)),
            },
        }
    }

    /// Waits until the question is of no use any more: the account has another refresh token, the agent is locked, or the
    /// account is [overtaken](Self::overtaken).
    async fn needless(&self, account: &Arc<Account>, before: Option<&Arc<Account>>) -> Ended {
        let token = || account.with_open(|open| open.tokens.current().cloned());
        let (refused, mut changed) = (token(), self.0.changed.subscribe());
        loop {
            match (self.require_unlocked(), token()) {
                (Err(locked), _) => return Ended::TakenBack(Box::new(locked)),
                (Ok(()), now) if now != refused => return Ended::LoggedIn,
                _ => {}
            }
            tokio::select! {
                biased;
                ended = self.overtaken(account, before) => return ended,
                _ = changed.changed() => {}
            }
        }
    }

    /// Waits until under the account's name there is something else than before: it was loaded anew, or unloaded.
    async fn overtaken(&self, account: &Arc<Account>, before: Option<&Arc<Account>>) -> Ended {
        let mut changed = self.0.changed.subscribe();
        loop {
            match (self.find(&account.name), before) {
                (Some(now), before) if !before.is_some_and(|before| Arc::ptr_eq(before, &now)) => {
                    return Ended::LoggedIn;
                }
                (None, Some(_)) => return Ended::TakenBack(Box::new(unloaded_meanwhile(account))),
                _ => {}
            }
            // The sender lives as long as this does.
            let _ = changed.changed().await;
        }
    }
}

/// Whether a new login is what helps.
pub(super) fn is_mended_by_login(failure: &Failure) -> bool {
    matches!(failure.code, ErrorCode::LoginNeeded | ErrorCode::NoRefreshToken)
}

/// Nobody waits any more where the question is shown.
fn gone() -> Ended {
    Ended::ToNothing("Whoever asked for the token went away.".to_owned())
}

fn unloaded_meanwhile(account: &Account) -> Failure {
    Failure::account_not_loaded()
        .with_info(format!("The account '{}' was unloaded while a new login was offered.", account.name))
}

/// What the person decides on.
fn description(account: &Account, failure: &Failure, asker: &str) -> String {
    format!(
        "The account '{}' needs a new login at {}, because it says:\n{}\n\n{asker}",
        bounded(account.name.as_str(), MAX_NAME),
        bounded(&account.issuer, MAX_URL),
        bounded(&failure.error, MAX_REASON),
    )
}

#[cfg(test)]
mod tests;
