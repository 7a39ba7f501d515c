//! Accounts that get their tokens from other accounts of the agent, and so on: never in a ring.

use std::sync::Arc;

use oidc_proto::{
    account::AccountConfig, error_code::ErrorCode, message::Failure, shortname::Shortname, vault,
};

use super::{
    account::Account,
    loaded::Accounts,
    off_thread::off_thread,
    token_cache::{CachedToken, Purpose},
};

/// How many accounts may stand one behind the other.
const MOST: usize = 8;

impl Accounts {
    /// Fails where an account's tokens would come from itself, over any number of others. Those are followed that are loaded
    /// or could be without asking: no other one could be asked for a token.
    pub(super) async fn require_no_ring(
        &self,
        name: &Shortname,
        config: &AccountConfig,
    ) -> Result<(), Failure> {
        let mut chain = vec![name.to_string()];
        let mut next = source_of(config);
        while let Some(source) = next {
            let is_ring = chain.contains(&source);
            chain.push(source.clone());
            if is_ring || chain.len() > MOST {
                let what = if is_ring { "itself" } else { "too many others" };
                let text =
                    format!("account '{name}' would get its tokens from {what}: {}", chain.join(" <- "));
                return Err(Failure::new(ErrorCode::BadRequest, text));
            }
            let Ok(source) = source.parse() else { return Ok(()) };
            next = match self.find(&source) {
                Some(account) => account.with_open(|open| source_of(&open.config))?,
                None => self.in_clear(&source).await.and_then(|unlocked| source_of(&unlocked.account)),
            };
        }
        Ok(())
    }

    /// An account that is loaded, or that can be without a password.
    pub(super) async fn loaded_or_in_clear(&self, name: &Shortname) -> Result<Arc<Account>, Failure> {
        if let Some(account) = self.find(name) {
            return Ok(account);
        }
        let Some(unlocked) = self.in_clear(name).await else { return Err(Failure::account_not_loaded()) };
        self.autoload_in_clear(name, unlocked).await
    }

    /// A token that another account is to be given one for.
    pub(super) async fn token_of(
        &self,
        account: &Arc<Account>,
        purpose: Purpose,
        min_valid: u64,
    ) -> Result<Arc<CachedToken>, Failure> {
        use super::account::Answer;
        if let Answer::Cached(token, _) = account.answer(&purpose, Some(min_valid), self.now())? {
            return Ok(token);
        }
        self.obtained(account, purpose, Some(min_valid)).await.map(|obtained| obtained.token)
    }

    /// What an account's file holds, if it needs no password. One that cannot be read is none.
    pub(super) async fn in_clear(&self, name: &Shortname) -> Option<vault::Unlocked> {
        let (home, file) = (self.deps().home.clone(), name.clone());
        off_thread(move || vault::unlock_clear(&home.read(&file).ok()?).ok().flatten()).await
    }
}

fn source_of(config: &AccountConfig) -> Option<String> {
    config.subject_token.as_ref()?.account().map(str::to_owned)
}
