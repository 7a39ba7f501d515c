//! A rotated refresh token that could not be put on the disk is kept, and tried again until it is there: also when its
//! account is unloaded meanwhile, or was never put on the list because of that.

use std::{sync::Arc, time::Duration};

use oidc_proto::{message::Failure, shortname::Shortname};
use tokio::time::sleep;

use super::{
    account::Account,
    held::{Held, Open},
    loaded::Accounts,
    refresh_tokens::Kept,
    renewal,
};

/// Between the first two tries, and at most between any two. The agent's end is another occasion.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

impl Accounts {
    /// Sees to it that an account's refresh token reaches the disk, if it has not.
    pub(super) fn keep_saving(&self, account: &Arc<Account>) {
        if !account.is_unsaved() || self.is_being_saved(account) {
            return;
        }
        self.note_unsaved(account);
        let (accounts, account) = (self.clone(), Arc::clone(account));
        self.0.saving.spawn(async move {
            let mut pause = AGAIN_AFTER;
            while accounts.is_being_saved(&account) {
                let ends = accounts.0.ending.run_until_cancelled(sleep(pause)).await.is_none();
                let tried = accounts.save(&account).await;
                let saved = !account.is_unsaved();
                if ends {
                    last_words(&account, &tried);
                }
                if saved || ends {
                    accounts.state().unsaved.retain(|other| !Arc::ptr_eq(other, &account));
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        });
    }

    /// Goes on with a refresh token that an earlier load of the account could not save.
    pub(super) fn take_over_unsaved(&self, name: &Shortname, open: &mut Open) {
        let unsaved = self.state().unsaved.clone();
        for account in unsaved.iter().filter(|account| account.name == *name) {
            // One that is sealed belongs to an agent that has just been locked: nothing will be loaded.
            let _ = account.with_open(|earlier| open.take_over(earlier));
        }
    }

    fn note_unsaved(&self, account: &Arc<Account>) {
        let tokens = account.with_open(|open| open.tokens.clone()).unwrap_or_default();
        let is_gone_on_from = |other: &Open| other.tokens.current().is_some_and(|it| tokens.is_spent(it));
        let mut state = self.state();
        // What an earlier load of the account could not save is spent by now.
        state.unsaved.retain(|other| {
            other.name != account.name || !other.with_open(|other| is_gone_on_from(other)).unwrap_or(false)
        });
        if let Some(lock) = &state.lock {
            account.seal(lock.public());
        }
        state.unsaved.push(Arc::clone(account));
    }

    fn is_being_saved(&self, account: &Arc<Account>) -> bool {
        self.state().unsaved.iter().any(|other| Arc::ptr_eq(other, account))
    }

    async fn save(&self, account: &Account) -> Result<(), Failure> {
        let _no_refresh = account.turn.lock().await;
        let file = renewal::look_at_file(account, self.deps()).await?;
        renewal::save_what_is_unsaved(account, &file).await
    }
}

/// What became of a refresh token that was not where it belongs when the agent ends.
fn last_words(account: &Account, tried: &Result<(), Failure>) {
    let name = &account.name;
    let kept = account.with_held(|held| match held {
        Held::Open(open) => (open.tokens.kept(), open.kept_at_hand),
        Held::Sealed(sealed) => sealed.kept(),
    });
    let (what, is_lost) = match kept {
        (Kept::Home, _) => ("was saved in its file", false),
        (Kept::Beside, _) => ("was saved beside its file", false),
        (Kept::ForNow, true) => (
            "could not be saved; it lies in the runtime directory, where the next 'oidc add' finds it",
            false,
        ),
        (Kept::ForNow | Kept::Nowhere, _) => {
            ("could not be saved anywhere: a new login will be needed", true)
        }
    };
    let text = format!("the new refresh token of account '{name}' {what}");
    if is_lost {
        tracing::error!(failure = ?tried.as_ref().err().map(|failure| &failure.error), "{text}");
    } else {
        tracing::warn!("{text}");
    }
}

#[cfg(test)]
mod tests {
    use oidc_proto::account::AccountConfig;

    use super::{
        super::{account::Flags, testing::Bench},
        *,
    };

    /// A load of the account that has come to a token by way of others, and may not write its file.
    fn unsaved(tokens: &[&str]) -> Arc<Account> {
        let config = AccountConfig { refresh_token: Some(tokens[0].into()), ..AccountConfig::default() };
        let mut open = Open::new(config);
        for token in &tokens[1..] {
            open.tokens.rotated((*token).into());
            open.tokens.not_stored(true);
        }
        Arc::new(Account::new("acc".parse().expect("a name"), open, Flags::default(), None))
    }

    #[tokio::test]
    async fn loads_that_cannot_be_saved_do_not_pile_up() {
        let bench = Bench::new();
        bench.accounts.keep_saving(&unsaved(&["rt-1", "rt-2"]));
        bench.accounts.keep_saving(&unsaved(&["rt-1", "rt-2", "rt-3"]));
        bench.accounts.keep_saving(&unsaved(&["other-1", "other-2"]));
        let waiting = bench.accounts.state().unsaved.clone();
        let newest = |account: &Arc<Account>| {
            account.with_open(|open| open.tokens.current().map(|token| token.expose().to_owned()))
        };
        let newest: Vec<_> = waiting.iter().map(|account| newest(account).expect("not locked")).collect();
        assert_eq!(newest, [Some("rt-3".to_owned()), Some("other-2".to_owned())]);
    }

    #[tokio::test]
    async fn what_comes_under_the_lock_waits_sealed() {
        let bench = Bench::new();
        bench.accounts.lock("sesame".into()).await.expect("locked");
        let account = unsaved(&["rt-1", "rt-2"]);
        bench.accounts.keep_saving(&account);
        assert!(account.with_open(|_| ()).is_err(), "in the open under the lock");
        assert!(account.is_unsaved());
        bench.accounts.unlock("sesame".into()).await.expect("unlocked");
        assert!(account.with_open(|open| open.tokens.is_unsaved()).expect("not locked"));
    }
}
