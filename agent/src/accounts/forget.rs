//! `reset` and `passwd`, ours: for a person who forgot the password of an account's file.

use std::time::Duration;

use oidc_proto::{
    account::AccountConfig,
    error_code::ErrorCode,
    message::{Failure, NewProtection, PasswdRequest, RemoteOutcome, ResetReport, ResetRequest},
    shortname::Shortname,
    vault::FileKey,
};
use tokio::{sync::OwnedMutexGuard, time::Instant};

use super::{Accounts, account::Account, held::Held, refresh};
use crate::provider::{Client, ClientConfiguration, ProviderError};

/// How long cleaning up at the provider may take altogether: whoever forgets an account does not wait for long.
const REMOTE_DEADLINE: Duration = Duration::from_secs(20);

impl Accounts {
    /// Unloads an account, after its refresh token was revoked and its client deleted at the provider, where the
    /// agent holds it unlocked and the person wants that. The client deletes the file: that works without an agent.
    ///
    /// Also answered while the agent is locked: then only the sealed copy is dropped.
    pub async fn reset(&self, request: ResetRequest) -> Result<ResetReport, Failure> {
        let name: Shortname = request.account.parse().map_err(|_| Failure::account_not_found())?;
        let _only_one = self.loading(&name).await?;
        let Some(account) = self.find(&name) else { return Ok(ResetReport::default()) };
        let report = match open_config(&account) {
            Some(config) => self.forget_at_provider(&account, config, request.keep_remote).await,
            None => ResetReport { issuer: Some(account.issuer.to_string()), ..ResetReport::default() },
        };
        self.forget(&name);
        tracing::info!(account = %name, "reset");
        Ok(report)
    }

    /// An account that is not refreshed as long as this is held: what it holds is the newest, and stays so.
    pub async fn at_rest(&self, name: &Shortname) -> Result<AtRest, Failure> {
        let Some(account) = self.find(name) else { return Ok(AtRest { config: None, _no_refresh: None }) };
        let no_refresh = account.at_rest().await?;
        Ok(AtRest { config: open_config(&account), _no_refresh: Some(no_refresh) })
    }

    async fn forget_at_provider(
        &self,
        account: &Account,
        config: AccountConfig,
        keep_remote: bool,
    ) -> ResetReport {
        let mut report = ResetReport {
            was_loaded: true,
            issuer: config.issuer_url.clone(),
            client_id: config.client_id.clone(),
            registration_client_uri: config.registration_client_uri.clone(),
            ..ResetReport::default()
        };
        if keep_remote {
            return report;
        }
        let deadline = Instant::now() + REMOTE_DEADLINE;
        // A refresh under way spends the token that would be revoked; its successor is what has to go.
        let cleaning = async {
            let _no_refresh = account.refreshing.lock().await;
            let config = open_config(account).unwrap_or(config);
            self.deps().issuers.look_again(&self.deps().home).await;
            let provider = self.deps().providers.provider(&config)?;
            report.refresh_token = match &config.refresh_token {
                Some(token) => outcome(provider.revoke(Client::of(&config), token, deadline).await),
                None => RemoteOutcome::NothingToDo,
            };
            report.client = match ClientConfiguration::of(&config) {
                Some(client) => outcome(provider.delete_client(client, deadline).await),
                None => RemoteOutcome::NothingToDo,
            };
            Ok::<(), ProviderError>(())
        };
        let failed = match tokio::time::timeout_at(deadline, cleaning).await {
            Ok(Ok(())) => return report,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("the provider did not answer within {} seconds", REMOTE_DEADLINE.as_secs()),
        };
        for part in [&mut report.refresh_token, &mut report.client] {
            if *part == RemoteOutcome::Skipped {
                *part = RemoteOutcome::Failed { reason: failed.clone() };
            }
        }
        report
    }

    /// Gives a loaded account's file a new password, or takes the key of a file that the client has rewritten.
    pub async fn passwd(&self, request: PasswdRequest) -> Result<(), Failure> {
        self.require_unlocked()?;
        let name: Shortname = request.account.parse().map_err(|_| Failure::account_not_found())?;
        let account = self.find(&name).ok_or_else(Failure::account_not_loaded)?;
        let _no_refresh = account.at_rest().await?;
        match request.protection {
            NewProtection::FileKey(text) => {
                let key = FileKey::from_text(&text);
                let key = key.map_err(|_| Failure::wrong_field("file_key", "the key of an account file"))?;
                account.with_open(|open| {
                    open.file_key = Some(key);
                    // The next look reads the file, and finds out which refresh token is newer.
                    open.stamp = None;
                })
            }
            NewProtection::Password { password, format } => {
                // Not to overwrite what another program put into the file.
                let file = refresh::look_at_file(&account, self.deps()).await?;
                let config = account.with_open(|open| match open.standing.refusal() {
                    Some(refusal) if open.standing.is_rekeyed() => Err(refusal.clone()),
                    _ => Ok(open.whole_config()),
                })??;
                let (key, stamp) = file.reprotect(config, password, format).await.map_err(|error| {
                    let error = format!("could not write the file of account '{name}': {error}");
                    Failure::new(ErrorCode::WriteFailed, error)
                })?;
                account.with_open(|open| {
                    open.file_key = Some(key);
                    open.stamp = stamp;
                    open.password_source = None;
                    open.tokens.written();
                })
            }
        }
    }
}

/// See [`Accounts::at_rest`].
pub struct AtRest {
    /// What a loaded account holds; `None` when it is not loaded, or the agent is locked.
    pub config: Option<AccountConfig>,
    _no_refresh: Option<OwnedMutexGuard<()>>,
}

fn open_config(account: &Account) -> Option<AccountConfig> {
    account.with_held(|held| match held {
        Held::Open(open) => Some(open.whole_config()),
        Held::Sealed(_) => None,
    })
}

fn outcome<T>(done: Result<T, ProviderError>) -> RemoteOutcome {
    match done {
        Ok(_) => RemoteOutcome::Done,
        Err(error) => RemoteOutcome::Failed { reason: error.to_string() },
    }
}
