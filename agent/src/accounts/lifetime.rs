//! Unloads accounts when their lifetime is over.

use std::time::Duration;

use super::Accounts;
use crate::clock::LONGEST_SLEEP;

/// Runs as long as the agent.
pub async fn watch(accounts: Accounts) {
    loop {
        // Looking drops what is over, and with it the secrets.
        let (loaded, now) = (accounts.loaded(), accounts.now());
        let lifetimes = loaded.iter().filter_map(|account| account.unload_at());
        let next = lifetimes.map(|end| end.remaining(now)).min();
        drop(loaded);
        let changed = accounts.0.lifetimes_changed.notified();
        match next {
            None => changed.await,
            Some(seconds) => {
                let pause = Duration::from_secs(seconds).min(LONGEST_SLEEP);
                // Either the next lifetime is over, or there is another one to look at.
                let _ = tokio::time::timeout(pause, changed).await;
            }
        }
    }
}
