//! One request to an account's source at a time, and one for everybody who wants the same.
//!
//! Whoever asks waits for [`deadlines::TOKEN`] at most, the place in the account's queue included, whether the request was
//! begun by somebody else or not. The request itself goes on: a provider that answers later has rotated the refresh token
//! all the same.

use std::sync::Arc;

use oidc_proto::{deadlines, error_code::ErrorCode, message::Failure};

use super::{
    account::Account,
    loaded::Accounts,
    obtain::obtain,
    pending::{Outcome, Pending},
    token_cache::Purpose,
};

impl Accounts {
    /// The outcome of a request: of the one that is under way for this purpose, or of a new one.
    ///
    /// One that nobody waits for any more is not begun. One that has begun runs to its end even when nobody waits for it
    /// any more: the provider may have rotated the refresh token, and the new one must reach the disk.
    pub(super) async fn obtained(
        &self,
        account: &Arc<Account>,
        purpose: Purpose,
        min_valid: Option<u64>,
    ) -> Outcome {
        let (pending, begun) = account.join_or_begin(&purpose, min_valid);
        let mut outcome = pending.subscribe();
        if begun {
            self.run(account, pending, false);
        }
        let ended = tokio::time::timeout(deadlines::TOKEN, outcome.wait_for(Option::is_some)).await;
        match ended {
            Ok(Ok(outcome)) => outcome.clone().unwrap_or_else(|| Err(interrupted(account))),
            Ok(Err(_)) => Err(interrupted(account)),
            Err(_) => Err(too_late(account)),
        }
    }

    /// A token that nobody waits for.
    pub(super) fn obtain_ahead(&self, account: &Arc<Account>, purpose: &Purpose) {
        // Whatever is under way already brings a successor.
        let (pending, begun) = account.join_or_begin(purpose, Some(u64::MAX));
        if begun {
            self.run(account, pending, true);
        }
    }

    fn run(&self, account: &Arc<Account>, pending: Arc<Pending>, wanted_by_nobody: bool) {
        let (accounts, account) = (self.clone(), Arc::clone(account));
        self.0.tasks.spawn(async move {
            let ends = Ends { account: &account, pending: &pending };
            let _turn = tokio::select! {
                biased;
                turn = account.turn.lock() => turn,
                // Nobody waits any more, and nothing was begun.
                () = pending.unwanted(), if !wanted_by_nobody => return,
            };
            let ended = obtain(&account, &accounts, &accounts.0.ending, &pending).await;
            accounts.keep_saving(&account);
            // Before the outcome is known: who asks from now on gets an answer of their own.
            drop(ends);
            pending.end(ended);
        });
    }
}

/// Takes a request from the list of those under way, also when it panics.
struct Ends<'a> {
    account: &'a Account,
    pending: &'a Arc<Pending>,
}

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.account.ended(self.pending);
    }
}

fn interrupted(account: &Account) -> Failure {
    Failure::new(
        ErrorCode::Internal,
        format!("the request for a token of account '{}' was interrupted", account.name),
    )
}

fn too_late(account: &Account) -> Failure {
    if let Some(why) = account.held_up() {
        return why;
    }
    let (name, issuer) = (&account.name, &account.issuer);
    let error = format!(
        "no answer yet from {issuer} for account '{name}' within {} seconds",
        deadlines::TOKEN.as_secs()
    );
    Failure::new(ErrorCode::ProviderTimeout, error).with_info(
        "The agent goes on waiting for an answer that may hold a new refresh token. Ask again in a moment.",
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use oidc_proto::message::{AddRequest, TokenRequest, Validity};
    use tokio::{task::JoinSet, time::Instant};

    use super::super::{
        source::played::Played,
        testing::{Bench, granted, token_request},
    };
    use crate::caller::Caller;

    use super::*;

    /// Both kinds of source: one whose secret is renewed, and one without.
    fn kinds() -> [Played; 2] {
        [true, false].map(|renews| Played::new(renews, |_| Ok(granted("at", ""))))
    }

    fn wanting(validity: Validity) -> TokenRequest {
        TokenRequest { validity, ..token_request("acc") }
    }

    async fn until_asked(played: &Played, count: usize) {
        while played.asked().len() < count {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_herd_costs_one_request() {
        for played in kinds() {
            let bench = Bench::new();
            let _file = bench.add_played(&played).await;
            played.hold();
            let mut herd = JoinSet::new();
            for _ in 0..100 {
                let accounts = bench.accounts.clone();
                herd.spawn(async move {
                    accounts.access_token(token_request("acc"), Caller::unseen()).await.is_ok()
                });
            }
            until_asked(&played, 1).await;
            played.release(100);
            assert!(herd.join_all().await.into_iter().all(|served| served), "{played:?}");
            assert_eq!(played.asked().len(), 1);
        }
    }

    /// Whoever joins a request, or waits behind one that hangs, waits for no longer than whoever began it.
    #[tokio::test(start_paused = true)]
    async fn each_way_to_wait_for_a_hanging_provider_has_an_end() {
        for played in kinds() {
            let bench = Bench::new();
            let file = bench.add_played(&played).await;
            played.hold();
            let mut waiting = JoinSet::new();
            for validity in
                [Validity::AtLeast(0), Validity::AtLeast(60), Validity::ForceNew, Validity::ForceNew]
            {
                let accounts = bench.accounts.clone();
                waiting.spawn(async move {
                    let began = Instant::now();
                    let ended = accounts.access_token(wanting(validity), Caller::unseen()).await;
                    (ended.expect_err("it hangs").code, began.elapsed())
                });
            }
            until_asked(&played, 1).await;
            tokio::time::advance(Duration::from_secs(10)).await;
            // `add --force` of the same account.
            let accounts = bench.accounts.clone();
            let request = AddRequest { config: file.account(), replace: true, ..AddRequest::default() };
            waiting.spawn(async move {
                let began = Instant::now();
                (accounts.add(request).await.expect_err("it hangs").code, began.elapsed())
            });
            for (code, waited) in waiting.join_all().await {
                assert_eq!(code, ErrorCode::ProviderTimeout, "{played:?}");
                assert!(waited <= deadlines::TOKEN + Duration::from_secs(1), "{played:?}: {waited:?}");
            }
            // What was sent is waited for, and is there when it comes.
            let asked = played.asked().len();
            played.release(10);
            bench.token("acc").await.expect("a token");
            assert!(played.asked().len() <= asked + 1, "{played:?}");
        }
    }
}
