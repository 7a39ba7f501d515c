//! Unloads accounts when their lifetime is over.

use std::time::Duration;

use super::{Accounts, clock};

/// The longest sleep: the monotonic clock stands still while a laptop sleeps, the lifetimes do not.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// Runs as long as the agent.
pub async fn watch(accounts: Accounts) {
    loop {
        // Looking drops what is over, and with it the secrets.
        let next = accounts.loaded().iter().filter_map(|account| account.unload_at()).min();
        let changed = accounts.0.lifetimes_changed.notified();
        match next {
            None => changed.await,
            Some(end) => {
                let pause = Duration::from_secs(end.saturating_sub(clock::now())).min(LONGEST_SLEEP);
                // Either the next lifetime is over, or there is another one to look at.
                let _ = tokio::time::timeout(pause, changed).await;
            }
        }
    }
}
