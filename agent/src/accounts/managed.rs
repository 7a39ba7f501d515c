//! Tokens for the agent's own use, above all for files that it keeps fresh: by the same way as everybody's, so that cache, the
//! one request for all, pauses and refusals are shared. Nobody is asked; why there is no token is told by what may be done.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use oidc_proto::{
    account::AccountConfig,
    destination::rule::Rule,
    error_code::ErrorCode,
    message::{Failure, IdTokenRequest, Target, TokenRequest, Validity},
    shell,
    shortname::Shortname,
};
use tokio::sync::watch;

use super::{
    account::Account,
    consent::Asking,
    loaded::Accounts,
    token_cache::{CachedToken, Purpose},
};
use crate::{caller::Caller, clock::Moment};

/// What is wanted.
#[derive(Debug, Clone)]
pub struct ManagedWish {
    /// Of which account.
    pub account: Shortname,
    /// Scopes, separated by blanks; `None` for those of the account.
    pub scope: Option<String>,
    /// Audiences, separated by blanks.
    pub audience: Option<String>,
    /// An ID token.
    pub id_token: bool,
    /// As in [`Validity`].
    pub validity: Validity,
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq)]
pub struct NoToken {
    /// What a client would be told.
    pub failure: Failure,
    /// What that means for whoever goes on trying.
    pub trouble: Trouble,
}

/// What a failure means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The account cannot be used without the person; the provider was not asked.
    Unmanaged,
    /// The person would have to allow this token; other tokens of the account go on.
    NeedsConsent,
    /// Only a login helps.
    LoginNeeded,
    /// Asking again does not help.
    Refused,
    /// It may pass. For how long the provider wants to be left alone.
    Passing(Option<Duration>),
}

/// An account as it is loaded now: another one after it was loaded again or logged in.
#[derive(Clone)]
pub struct Loading(Weak<Account>);

impl PartialEq for Loading {
    fn eq(&self, other: &Self) -> bool {
        self.0.ptr_eq(&other.0)
    }
}

impl Accounts {
    /// Tells when accounts were loaded or removed, the agent was locked or unlocked, or a login was taken again.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.0.changed.subscribe()
    }

    /// The account of this name, if it is loaded.
    pub fn loading_of(&self, name: &Shortname) -> Option<Loading> {
        self.find(name).map(|account| Loading(Arc::downgrade(&account)))
    }

    /// What is known of destinations for the issuer of a loaded account; the provider is not asked.
    pub async fn destination_rules(&self, name: &Shortname) -> Vec<Rule> {
        let Some(account) = self.find(name) else { return Vec::new() };
        let Ok(config) =
            account.with_open(|open| AccountConfig { refresh_token: None, ..open.config.clone() })
        else {
            return Vec::new();
        };
        self.deps().issuers.look_again(&self.deps().home).await;
        let provider = self.deps().providers.provider(&config);
        provider
            .map(|provider| provider.quirks(&provider.metadata_at_hand().unwrap_or_default()).destinations)
            .unwrap_or_default()
    }

    /// A token for the agent's own use, with its issuer and its life.
    pub async fn managed_token(&self, wish: ManagedWish) -> Result<Arc<CachedToken>, NoToken> {
        let account = self.unattended(&wish.account).await?;
        let purpose = Purpose::new(wish.scope.as_deref(), wish.audience.as_deref());
        let is_id_token = wish.id_token;
        let token = if is_id_token {
            self.managed_id_token(wish).await
        } else {
            self.managed_access_token(wish).await
        };
        token.map_err(|failure| {
            let of_consent = is_id_token && is_want_of_consent(failure.code);
            let trouble = if of_consent {
                Trouble::NeedsConsent
            } else {
                trouble(&account, &purpose, &failure, self.now())
            };
            let said = (trouble == Trouble::Refused)
                .then(|| account.with_open(|open| open.refusals.said(&purpose).cloned()).ok().flatten());
            // When others may ask the provider again is not when that is asked for again.
            NoToken { failure: said.flatten().unwrap_or(failure), trouble }
        })
    }

    /// The account, loaded if that needs nobody.
    pub async fn unattended(&self, name: &Shortname) -> Result<Arc<Account>, NoToken> {
        let asking = Asking::new(Caller::itself(), None, false);
        let found = self.account_for(&Target::Account(name.to_string()), &asking).await;
        let account = found.map_err(|failure| NoToken { trouble: Trouble::of(failure.code), failure })?;
        self.wants_consent(&account).map_or(Ok(account), Err)
    }

    /// Why a loaded account gives no token, as far as that is known without asking anybody.
    pub fn obstacle(&self, name: &Shortname) -> Option<NoToken> {
        let account = self.find(name)?;
        let refusal = || account.with_open(|open| open.standing.refusal().cloned()).ok().flatten();
        self.wants_consent(&account)
            .or_else(|| refusal().map(|failure| NoToken { failure, trouble: Trouble::LoginNeeded }))
    }

    fn wants_consent(&self, account: &Account) -> Option<NoToken> {
        if !account.confirm && !self.deps().options.confirm {
            return None;
        }
        let name = &account.name;
        let error = format!(
            "account '{name}' asks before each access token, which nobody answers for a managed file"
        );
        let add = shell::command("oidc add", name.as_str());
        let failure = Failure::new(ErrorCode::PromptUnavailable, error);
        let failure = failure.with_info(format!("Load it without --confirm: `{add}`."));
        Some(NoToken { failure, trouble: Trouble::Unmanaged })
    }

    async fn managed_access_token(&self, wish: ManagedWish) -> Result<Arc<CachedToken>, Failure> {
        let request = TokenRequest {
            scope: wish.scope,
            audience: wish.audience,
            validity: wish.validity,
            prompt: false,
            ..TokenRequest::new(Target::Account(wish.account.to_string()))
        };
        self.access_token(request, Caller::itself()).await
    }

    async fn managed_id_token(&self, wish: ManagedWish) -> Result<Arc<CachedToken>, Failure> {
        let target = Target::Account(wish.account.to_string());
        let request = IdTokenRequest {
            target,
            validity: wish.validity,
            scope: wish.scope,
            application_hint: None,
            prompt: false,
        };
        self.id_token(request, Caller::itself()).await
    }
}

/// Whether nobody has allowed what was asked for. The account itself can be used.
const fn is_want_of_consent(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::OperationForbidden | ErrorCode::PromptUnavailable | ErrorCode::PromptCancelled)
}

fn trouble(account: &Account, purpose: &Purpose, failure: &Failure, now: Moment) -> Trouble {
    let by_code = Trouble::of(failure.code);
    if matches!(by_code, Trouble::Unmanaged | Trouble::LoginNeeded) {
        return by_code;
    }
    let known = account.with_open(|open| {
        if open.paused(now.boot).is_some() {
            return Some(Trouble::Passing(open.asked_to_wait(now.boot)));
        }
        open.refusals
            .is_final(purpose)
            .map(|is_final| if is_final { Trouble::Refused } else { Trouble::Passing(None) })
    });
    known.ok().flatten().unwrap_or(by_code)
}

impl Trouble {
    /// As far as the code alone tells.
    fn of(code: ErrorCode) -> Self {
        match code {
            ErrorCode::AgentLocked
            | ErrorCode::AccountNotLoaded
            | ErrorCode::AccountNotFound
            | ErrorCode::PromptUnavailable
            | ErrorCode::PromptCancelled
            | ErrorCode::OperationForbidden
            | ErrorCode::WrongPassword
            | ErrorCode::DecryptionFailed => Self::Unmanaged,
            ErrorCode::LoginNeeded | ErrorCode::NoRefreshToken => Self::LoginNeeded,
            ErrorCode::BadRequest
            | ErrorCode::UnknownIssuer
            | ErrorCode::NotSupportedByProvider
            | ErrorCode::InvalidClient
            | ErrorCode::InvalidScope
            | ErrorCode::ProviderRefused => Self::Refused,
            _ => Self::Passing(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            source::played::Played,
            testing::{Bench, add_request, refused},
        },
        *,
    };
    use oidc_proto::message::AddRequest;

    fn wish(account: &str) -> ManagedWish {
        let account = account.parse().expect("a name");
        ManagedWish { account, scope: None, audience: None, id_token: false, validity: Validity::AtLeast(0) }
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_failure_means_is_told() {
        let bench = Bench::new();
        let of = async |bench: &Bench| {
            bench.accounts.managed_token(wish("acc")).await.map(drop).map_err(|no| no.trouble)
        };
        assert_eq!(of(&bench).await, Err(Trouble::Unmanaged), "no such account");
        for (status, code, trouble) in [
            (400, "invalid_grant", Trouble::LoginNeeded),
            (400, "invalid_scope", Trouble::Refused),
            (400, "invalid_target", Trouble::Refused),
            (401, "invalid_client", Trouble::Refused),
            (400, "temporarily_unavailable", Trouble::Passing(None)),
            (503, "server_error", Trouble::Passing(None)),
        ] {
            let bench = Bench::new();
            let played = Played::new(false, move |_| Err(refused(status, code)));
            bench.add_played(&played).await;
            // The second time the provider is not asked, and it means the same.
            assert_eq!([of(&bench).await, of(&bench).await], [Err(trouble), Err(trouble)], "{code}");
            let told = bench.accounts.managed_token(wish("acc")).await.expect_err("refused").failure;
            let tells_when = told.info.unwrap_or_default().contains("asked again in");
            assert!(trouble != Trouble::Refused || !tells_when, "{code}: nobody asks by itself");
            assert_eq!(played.asked().len(), 1, "{code}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_asked() {
        let bench = Bench::new();
        let request =
            AddRequest { confirm: true, plain_add: true, ..add_request("https://op.example", "acc") };
        bench.try_add(request).await.expect("loaded");
        let refused = bench.accounts.managed_token(wish("acc")).await.expect_err("it would have to ask");
        assert_eq!(
            (refused.failure.code, refused.trouble),
            (ErrorCode::PromptUnavailable, Trouble::Unmanaged)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn changes_are_told() {
        let bench = Bench::new();
        let mut changes = bench.accounts.changes();
        bench.add("https://op.example", "acc").await;
        changes.changed().await.expect("loaded");
        let (name, before) =
            ("acc".parse().expect("a name"), bench.accounts.loading_of(&"acc".parse().expect("a name")));
        bench.accounts.lock("sesame".into()).await.expect("locked");
        changes.changed().await.expect("locked");
        bench.accounts.unlock("sesame".into()).await.expect("unlocked");
        changes.changed().await.expect("unlocked");
        assert!(bench.accounts.loading_of(&name) == before && before.is_some(), "the same as before");
        bench.accounts.remove(&name);
        changes.changed().await.expect("removed");
        assert!(bench.accounts.loading_of(&name).is_none());
        bench.add("https://op.example", "acc").await;
        assert!(bench.accounts.loading_of(&name) != before);
    }
}
