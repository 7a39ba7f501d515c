//! What the person is shown of loaded accounts, beyond what every program may know.

use std::sync::Arc;

use oidc_proto::{
    message::{AccountStatus, Failure},
    scope::OFFLINE_ACCESS,
};

use super::{
    account::Account,
    loaded::Accounts,
    token_cache::{CachedToken, Purpose},
};

/// A loaded account as its person sees it.
pub struct Shown {
    /// What every program may know.
    pub status: AccountStatus,
    /// The scopes that a token of it can have, as far as its login tells: those to choose from.
    pub scopes: Vec<String>,
    /// The token for all of them that is held now, if it is valid. Not where the person is asked before a token is given
    /// out.
    pub token: Option<Arc<CachedToken>>,
}

impl Accounts {
    /// The loaded accounts, in load order; nobody is asked for anything. Fails while the agent is locked.
    pub fn shown(&self) -> Result<Vec<Shown>, Failure> {
        self.require_unlocked()?;
        self.loaded().iter().map(|account| self.shown_account(account)).collect()
    }

    fn shown_account(&self, account: &Account) -> Result<Shown, Failure> {
        let now = self.now();
        let asks = account.confirm || self.deps().options.confirm;
        let (scopes, token) = account.with_open(|open| {
            let scopes = open.config.granted_scope().unwrap_or_default().split_ascii_whitespace();
            let token = open.cache.find(&Purpose::default()).filter(|token| token.serves(0, now));
            (scopes.map(str::to_owned).collect::<Vec<_>>(), token.cloned())
        })?;
        Ok(Shown {
            status: AccountStatus { confirm: asks, ..account.status(now) },
            scopes: scopes.into_iter().filter(|scope| scope != OFFLINE_ACCESS).collect(),
            token: token.filter(|_| !asks),
        })
    }
}

#[cfg(test)]
mod tests {
    use oidc_proto::message::AddRequest;

    use super::{
        super::testing::{Bench, add_request},
        *,
    };
    use crate::{
        provider::testing::{Reply, Scripted},
        settings::options::Options,
    };

    async fn shown(options: Options, confirm: bool) -> Vec<Shown> {
        let op = Scripted::provider(|_| Reply::json(r#"{"access_token":"at","expires_in":3600}"#)).await;
        let bench = Bench::with(options);
        let mut request = AddRequest { confirm, ..add_request(&op.issuer(), "acc") };
        request.config.scope = Some("openid offline_access storage.read:/".into());
        bench.try_add(request).await.expect("loaded, with a first token");
        let shown = bench.accounts.shown().expect("not locked");
        bench.accounts.lock("sesame".into()).await.expect("locked");
        assert!(bench.accounts.shown().is_err(), "under the lock nothing is shown");
        shown
    }

    #[tokio::test]
    async fn a_token_is_shown_unless_the_person_is_asked_before_it_is_given_out() {
        let asking = Options { confirm: true, ..Options::default() };
        for (options, confirm, is_shown) in
            [(Options::default(), false, true), (Options::default(), true, false), (asking, false, false)]
        {
            let shown = shown(options, confirm).await;
            assert_eq!(shown[0].token.is_some(), is_shown, "{confirm}");
            assert_eq!(shown[0].status.confirm, !is_shown);
            assert_eq!(shown[0].scopes, ["openid", "storage.read:/"]);
        }
    }
}
