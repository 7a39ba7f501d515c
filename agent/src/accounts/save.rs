//! A rotated refresh token that could not be put on the disk is kept, and tried again until it is there: also when its
//! account is unloaded meanwhile, or was never put on the list because of that.

use std::{sync::Arc, time::Duration};

use oidc_proto::{message::Failure, shortname::Shortname};
use tokio::time::sleep;

use super::{
    Accounts,
    account::Account,
    held::{Held, Open},
    refresh,
};

/// Between two tries. The agent's end is another occasion.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

impl Accounts {
    /// Sees to it that an account's refresh token reaches the disk, if it has not.
    pub(super) fn keep_saving(&self, account: &Arc<Account>) {
        if !account.with_held(|held| is_unsaved(held)) || self.is_being_saved(account) {
            return;
        }
        self.state().unsaved.push(Arc::clone(account));
        let (accounts, account) = (self.clone(), Arc::clone(account));
        self.0.tasks.spawn(async move {
            while accounts.is_being_saved(&account) {
                let ends = accounts.0.ending.run_until_cancelled(sleep(AGAIN_AFTER)).await.is_none();
                let saved = accounts.save(&account).await.is_ok();
                if saved || ends {
                    accounts.state().unsaved.retain(|other| !Arc::ptr_eq(other, &account));
                }
            }
        });
    }

    /// Goes on with a refresh token that an earlier load of the account could not save.
    pub(super) fn take_over_unsaved(&self, name: &Shortname, open: &mut Open) {
        let unsaved = self.state().unsaved.clone();
        for account in unsaved.iter().filter(|account| account.name == *name) {
            // One that is sealed belongs to an agent that has just been locked: nothing will be loaded.
            let _ = account.with_open(|earlier| open.succeed(earlier));
        }
    }

    fn is_being_saved(&self, account: &Arc<Account>) -> bool {
        self.state().unsaved.iter().any(|other| Arc::ptr_eq(other, account))
    }

    async fn save(&self, account: &Account) -> Result<(), Failure> {
        let _no_refresh = account.refreshing.lock().await;
        let file = refresh::look_at_file(account, self.deps()).await?;
        refresh::save_what_is_unsaved(account, &file).await
    }
}

fn is_unsaved(held: &Held) -> bool {
    match held {
        Held::Open(open) => open.tokens.is_unsaved(),
        Held::Sealed(sealed) => sealed.is_unsaved(),
    }
}
