//! `access_token` and `id_token`: from the cache where it can answer, else by one refresh for everybody who asks for
//! the same.

use std::{sync::Arc, time::Duration};

use oidc_proto::{
    error_code::ErrorCode,
    message::{Failure, IdTokenRequest, Target, TokenRequest, Validity},
    secret::IdToken,
};
use tokio::{sync::watch, time::Instant};

use super::{
    Accounts,
    account::{Account, Answer, Flight, Outcome},
    autoload::Asking,
    refresh,
    select::ByIssuer,
    token_cache::{CachedToken, Purpose},
};

/// How long a request waits for a refresh, its place in the queue of the account included. Longer than what the
/// provider module allows for one exchange.
const DEADLINE: Duration = Duration::from_secs(60);

impl Accounts {
    /// An access token, or why there is none.
    pub async fn access_token(&self, request: TokenRequest) -> Result<Arc<CachedToken>, Failure> {
        let asking = Asking::new(request.application_hint.as_deref(), request.prompt);
        let account = self.account_for(&request.target, &asking).await?;
        if account.confirm || self.deps().options.confirm {
            self.confirm_access_token(&account, &asking).await?;
        }
        let purpose = Purpose::new(request.scope.as_deref(), request.audience.as_deref());
        let min_valid = match request.validity {
            Validity::AtLeast(seconds) => Some(seconds),
            Validity::ForceNew => None,
        };
        if let Answer::Cached(token, near_its_end) = account.answer(&purpose, min_valid, self.now())? {
            if near_its_end {
                self.refresh_ahead(&account, &purpose);
            }
            return Ok(token);
        }
        self.refreshed(&account, purpose, min_valid).await.map(|refreshed| refreshed.token)
    }

    /// An ID token: always a new one, and only with the person's consent.
    pub async fn id_token(&self, request: IdTokenRequest) -> Result<(Arc<IdToken>, Arc<str>), Failure> {
        let asking = Asking::new(request.application_hint.as_deref(), request.prompt);
        let account = self.account_for(&request.target, &asking).await?;
        if !(account.always_allow_id_token || self.deps().options.always_allow_id_token) {
            self.confirm_id_token(&account, &asking).await?;
        }
        if account.confirm && matches!(request.target, Target::Issuer(_)) {
            self.confirm_access_token(&account, &asking).await?;
        }
        let purpose = Purpose::new(request.scope.as_deref(), None);
        let refreshed = self.refreshed(&account, purpose, None).await?;
        let Some(id_token) = refreshed.id_token else {
            return Err(Failure::new(
                ErrorCode::NotSupportedByProvider,
                format!("the provider of account '{}' sent no id token", account.name),
            )
            .with_info("An ID token comes only with the scope 'openid'."));
        };
        self.validate(&account, &id_token).await?;
        Ok((id_token, Arc::clone(&refreshed.token.issuer)))
    }

    async fn validate(&self, account: &Account, id_token: &IdToken) -> Result<(), Failure> {
        let config = account.with_open(|open| open.config.clone())?;
        let client_id = config.client_id.as_deref().unwrap_or_default();
        let checked = async {
            let provider = self.deps().providers.provider(&config)?;
            provider.validate_id_token(id_token, client_id, None, Instant::now() + DEADLINE).await
        };
        checked.await.map(drop).map_err(|error| error.to_failure(account.name.as_str(), &account.issuer))
    }

    /// The outcome of a refresh: of the one that is under way for this purpose, or of a new one.
    ///
    /// One that nobody waits for any more is not begun. One that has begun runs to its end even when nobody waits for it any more: the provider may have rotated
    /// the refresh token, and the new one must reach the disk.
    pub(super) async fn refreshed(
        &self,
        account: &Arc<Account>,
        purpose: Purpose,
        min_valid: Option<u64>,
    ) -> Outcome {
        let mut outcome = self.start_or_join(account, &purpose, min_valid);
        let ended = tokio::time::timeout(DEADLINE, outcome.wait_for(Option::is_some)).await;
        match ended {
            Ok(Ok(outcome)) => outcome.clone().unwrap_or_else(|| Err(interrupted(account))),
            Ok(Err(_)) => Err(interrupted(account)),
            Err(_) => Err(too_late(account)),
        }
    }

    /// A refresh that nobody waits for.
    fn refresh_ahead(&self, account: &Arc<Account>, purpose: &Purpose) {
        if let Flight::Started(outcome) = account.flight(purpose) {
            self.fly(account, purpose, None, outcome, true);
        }
    }

    fn start_or_join(
        &self,
        account: &Arc<Account>,
        purpose: &Purpose,
        min_valid: Option<u64>,
    ) -> watch::Receiver<Option<Outcome>> {
        match account.flight(purpose) {
            Flight::Joined(outcome) => outcome,
            Flight::Started(sender) => {
                let outcome = sender.subscribe();
                self.fly(account, purpose, min_valid, sender, false);
                outcome
            }
        }
    }

    fn fly(
        &self,
        account: &Arc<Account>,
        purpose: &Purpose,
        min_valid: Option<u64>,
        outcome: watch::Sender<Option<Outcome>>,
        wanted_by_nobody: bool,
    ) {
        let (accounts, account, purpose) = (self.clone(), Arc::clone(account), purpose.clone());
        self.0.tasks.spawn(async move {
            let flight = Landing { account: &account, purpose: &purpose };
            let _turn = tokio::select! {
                biased;
                turn = account.refreshing.lock() => turn,
                // Nobody waits any more, and nothing was begun.
                () = outcome.closed(), if !wanted_by_nobody => return,
            };
            let (deps, ending) = (accounts.deps(), &accounts.0.ending);
            let ended = refresh::refresh(&account, deps, ending, &purpose, min_valid).await;
            accounts.keep_saving(&account);
            // Before the outcome is known: who asks from now on gets an answer of their own.
            drop(flight);
            outcome.send_replace(Some(ended));
        });
    }

    async fn account_for(&self, target: &Target, asking: &Asking<'_>) -> Result<Arc<Account>, Failure> {
        self.require_unlocked()?;
        let name = match target {
            Target::Account(name) => name.parse().map_err(|_| Failure::account_not_found())?,
            Target::Issuer(issuer) => match self.by_issuer(issuer).await? {
                ByIssuer::Loaded(account) => return Ok(account),
                ByIssuer::Default(name) => name,
            },
        };
        match self.find(&name) {
            Some(account) => Ok(account),
            None => self.autoload(&name, asking).await,
        }
    }
}

/// Ends the flight, also when the refresh panics.
struct Landing<'a> {
    account: &'a Account,
    purpose: &'a Purpose,
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        self.account.landed(self.purpose);
    }
}

fn interrupted(account: &Account) -> Failure {
    Failure::new(ErrorCode::Internal, format!("the refresh of account '{}' was interrupted", account.name))
}

fn too_late(account: &Account) -> Failure {
    let (name, issuer) = (&account.name, &account.issuer);
    Failure::new(
        ErrorCode::ProviderTimeout,
        format!("no token for account '{name}' from {issuer} within {} seconds", DEADLINE.as_secs()),
    )
}
