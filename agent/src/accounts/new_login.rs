//! An account goes on with a new login that the agent had the person make: in memory, in its file, and with its first token.

use std::sync::Arc;

use oidc_proto::{
    account::{AccountConfig, login_end},
    deadlines,
    message::Failure,
};
use tokio::time::Instant;

use super::{
    account::Account,
    held::Held,
    loaded::Accounts,
    obtain,
    renewal::{Renewal, Successor, take_login},
    token_cache::Purpose,
};
use crate::provider::TokenResponse;

impl Accounts {
    /// Goes on with the refresh token of `login`. Everything else of the account stays: key and password of its file, how long
    /// it stays loaded, when the person is asked. It runs to its end whoever waits for it.
    ///
    /// An account that was given up meanwhile, with its file, does not come back: its new login is revoked.
    pub async fn renew_login(
        &self,
        account: &Arc<Account>,
        login: AccountConfig,
        token: Option<TokenResponse>,
    ) -> Result<(), Failure> {
        let (accounts, account) = (self.clone(), Arc::clone(account));
        self.complete(async move { accounts.take_new_login(&account, login, token).await }).await
    }

    async fn take_new_login(
        &self,
        account: &Arc<Account>,
        mut login: AccountConfig,
        token: Option<TokenResponse>,
    ) -> Result<(), Failure> {
        let _turn = account.turn.lock().await;
        let deps = self.deps();
        let new = login.refresh_token.take().ok_or_else(Failure::no_refresh_token)?;
        let ends_at = login_end::of(&login, &new);
        let had_file = account.with_open(|open| open.stamp.is_some())?;
        let renewal = Renewal::begin(account, deps).await?;
        let successor = renewal.keep_login(account, new.clone(), login.clone(), ends_at).await?;
        if had_file && successor.has_no_file() && !self.is_listed(account) {
            let deadline = Instant::now() + deadlines::PROVIDER;
            if let Err(error) = deps.providers.revoke_login(&login, &new, deadline).await {
                tracing::warn!(account = %account.name, %error, "a login of an account that was given up is not revoked");
            }
            return Err(Failure::account_not_loaded());
        }
        account.with_held(|held| {
            if let Held::Open(open) = held {
                open.has_another_token();
                take_login(&mut open.config, &login);
                login_end::note(&mut open.config, &new, ends_at);
            }
        });
        let kept = match token {
            Some(mut token) => {
                token.refresh_token = None;
                let now = deps.clock.now();
                let kept = obtain::keep(account, &Purpose::default(), None, token, now, Some(successor));
                kept.map(drop)
            }
            None => note(account, successor),
        };
        self.keep_saving(account);
        self.0.changed.send_replace(());
        kept
    }

    /// Whether it is this one that is loaded under its name.
    fn is_listed(&self, account: &Arc<Account>) -> bool {
        self.find(&account.name).is_some_and(|loaded| Arc::ptr_eq(&loaded, account))
    }
}

fn note(account: &Account, successor: Successor) -> Result<(), Failure> {
    account.with_held(|held| match held {
        Held::Open(open) => successor.note(account, open),
        Held::Sealed(sealed) => sealed.put_away_rotated(successor.to_put_away()),
    });
    successor.must_be_safe(account)
}

#[cfg(test)]
mod tests {
    use oidc_proto::{error_code::ErrorCode, message::AddRequest, secret::RefreshToken};

    use super::super::{
        source::played::Played,
        testing::{Bench, File, granted, refused},
    };
    use super::*;

    /// A played provider that takes no refresh token but that of the new login.
    async fn dead() -> (Bench, File, Arc<Account>) {
        let played = Played::new(true, |question| match question.secret.map(RefreshToken::expose) {
            Some("rt-new") => Ok(granted("at-2", "")),
            _ => Err(refused(400, "invalid_grant")),
        });
        let bench = Bench::new();
        let file = bench.add_played(&played).await;
        assert_eq!(bench.token("acc").await.expect_err("dead").code, ErrorCode::LoginNeeded);
        let account = bench.accounts.find(&"acc".parse().expect("a name")).expect("loaded");
        (bench, file, account)
    }

    fn login(account: &Account) -> AccountConfig {
        let config = account.with_open(|open| open.whole_config()).expect("not locked");
        AccountConfig {
            refresh_token: Some("rt-new".into()),
            auth_scope: Some("openid a".into()),
            refresh_scope: Some("openid".into()),
            ..config
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_account_goes_on_with_it_in_memory_and_in_its_file() {
        for with_token in [true, false] {
            let (bench, file, account) = dead().await;
            let token = with_token.then(|| granted("at-1", "rt-new"));
            bench.accounts.renew_login(&account, login(&account), token).await.expect("taken");
            assert!(account.is_usable().expect("not locked"));
            let token = bench.token("acc").await.expect("a token");
            assert_eq!(token.access_token.expose(), if with_token { "at-1" } else { "at-2" });
            let stored = file.account();
            assert_eq!(stored.refresh_token, Some("rt-new".into()));
            assert_eq!((stored.login_scope(), stored.granted_scope()), (Some("openid a"), Some("openid")));
            bench.held(|open| {
                assert_eq!(open.config.refresh_scope.as_deref(), Some("openid"));
                assert!(open.file_key.is_some() && open.tokens.rotates() != Some(true));
            });
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_the_files_key_it_lies_beside_the_file() {
        let (bench, file, _) = dead().await;
        bench.accounts.remove(&"acc".parse().expect("a name"));
        let request = AddRequest { config: file.account(), plain_add: true, ..AddRequest::default() };
        bench.try_add(request).await.expect("loaded");
        let account = bench.accounts.find(&"acc".parse().expect("a name")).expect("loaded");
        bench.accounts.renew_login(&account, login(&account), None).await.expect("taken");
        assert_eq!(file.token(), "rt-1");
        let home = &bench.accounts.deps().home;
        let beside = oidc_proto::rotation::beside(home, &account.name, &"rt-1".into());
        assert_eq!(beside.ok().flatten(), Some("rt-new".into()));
        assert!(!account.is_unsaved());
    }

    #[tokio::test(start_paused = true)]
    async fn under_the_agents_lock_it_is_not_taken_yet() {
        let (bench, file, account) = dead().await;
        let login = login(&account);
        bench.accounts.lock("sesame".into()).await.expect("locked");
        let refused = bench.accounts.renew_login(&account, login.clone(), None).await.expect_err("locked");
        assert_eq!((refused.code, file.token().as_str()), (ErrorCode::AgentLocked, "rt-1"));
        bench.accounts.unlock("sesame".into()).await.expect("unlocked");
        bench.accounts.renew_login(&account, login, None).await.expect("taken");
        assert_eq!(file.token(), "rt-new");
    }

    #[tokio::test(start_paused = true)]
    async fn an_account_that_was_given_up_with_its_file_does_not_come_back() {
        let (bench, file, account) = dead().await;
        file.delete();
        bench.accounts.forget(&account.name);
        let refused = bench.accounts.renew_login(&account, login(&account), None).await.expect_err("gone");
        assert_eq!(refused.code, ErrorCode::AccountNotLoaded);
        assert!(
            bench.accounts.names().is_empty() && !bench.accounts.deps().home.file(&account.name).exists()
        );
    }
}
