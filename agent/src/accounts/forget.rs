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

use super::{account::Account, held::Held, loaded::Accounts, renewal};
use crate::provider::{ClientConfiguration, ClientDeletion, OUT_OF_REACH, ProviderError};

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
            let _no_refresh = account.turn.lock().await;
            let config = open_config(account).unwrap_or(config);
            self.deps().issuers.look_again(&self.deps().home).await;
            let provider = self.deps().providers.provider(&config)?;
            report.refresh_token = match &config.refresh_token {
                Some(token) => outcome(self.deps().providers.revoke_login(&config, token, deadline).await),
                None => RemoteOutcome::NothingToDo,
            };
            report.client = match ClientConfiguration::of(&config) {
                Some(client) => {
                    let deleted = provider.delete_client(client, deadline).await;
                    if deleted.is_ok() {
                        self.deps().note_deleted(client.uri).await;
                    }
                    match deleted {
                        Ok(ClientDeletion::OutOfReach) => {
                            RemoteOutcome::Failed { reason: OUT_OF_REACH.to_owned() }
                        }
                        deleted => outcome(deleted),
                    }
                }
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
                    open.take_key(key);
                    // The next look reads the file, and finds out which refresh token is newer.
                    open.stamp = None;
                })
            }
            NewProtection::Password { password, format } => {
                // Not to overwrite what another program put into the file.
                let file = renewal::look_at_file(&account, self.deps()).await?;
                let (config, key) = account.with_open(|open| match open.standing.refusal() {
                    Some(refusal) if open.standing.is_rekeyed() => Err(refusal.clone()),
                    _ => Ok((open.whole_config(), open.file_key.clone())),
                })??;
                let (key, stamp) = file.reprotect(config, key, password, format).await.map_err(|error| {
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

#[cfg(test)]
mod tests {
    use oidc_proto::secret::Password;

    use super::super::{
        source::played::Played,
        testing::{Bench, granted},
    };
    use super::*;

    fn name() -> Shortname {
        "acc".parse().expect("a name")
    }

    /// Whether the account is loaded and whether the agent is locked; what is known about what there was at the provider.
    #[tokio::test(start_paused = true)]
    async fn a_reset_unloads_whatever_there_was() {
        for (is_loaded, is_locked, was_loaded) in
            [(true, false, true), (true, true, false), (false, false, false), (false, true, false)]
        {
            let bench = Bench::new();
            if is_loaded {
                bench.add("https://op.example", "acc").await;
            }
            if is_locked {
                bench.accounts.lock("sesame".into()).await.expect("locked");
            }
            let request = ResetRequest { account: "acc".into(), keep_remote: true };
            let report = bench.accounts.reset(request).await.expect("done");
            assert_eq!(report.was_loaded, was_loaded, "loaded: {is_loaded}, locked: {is_locked}");
            assert_eq!(report.issuer.is_some(), is_loaded, "loaded: {is_loaded}, locked: {is_locked}");
            assert!(bench.accounts.names().is_empty());
        }
    }

    /// What was done to the file before; whether it may be given a new password then.
    #[tokio::test(start_paused = true)]
    async fn a_new_password_never_overwrites_what_cannot_be_read() {
        for (is_rekeyed, token, code) in
            [(false, "rt-1", None), (false, "rt-7", None), (true, "", Some(ErrorCode::AccountNotLoaded))]
        {
            let bench = Bench::new();
            let file = bench.add_played(&Played::new(true, |_| Ok(granted("at", "")))).await;
            if is_rekeyed {
                file.rekey();
            } else {
                file.set_token(token);
            }
            let before = file.bytes();
            let protection = NewProtection::Password { password: Password::from("new"), format: None };
            let done = bench.accounts.passwd(PasswdRequest { account: "acc".into(), protection }).await;
            assert_eq!(done.err().map(|failure| failure.code), code, "{token}");
            if code.is_none() {
                let unlocked = oidc_proto::vault::unlock(&file.bytes(), &"new".into()).expect("it opens");
                assert_eq!(unlocked.account.refresh_token, Some(token.into()));
            } else {
                assert_eq!(file.bytes(), before);
            }
        }
    }

    /// What is asked for is waited for, and not for ever.
    #[tokio::test(start_paused = true)]
    async fn at_rest_is_when_nothing_is_asked_for() {
        let played = Played::new(true, |_| Ok(granted("at", "rt-2")));
        let bench = Bench::new();
        let _file = bench.add_played(&played).await;
        assert!(bench.accounts.at_rest(&name()).await.expect("at rest").config.is_some());
        played.hold();
        let accounts = bench.accounts.clone();
        let asking = tokio::spawn(async move {
            let request = super::super::testing::token_request("acc");
            accounts.access_token(request, crate::caller::Caller::unseen()).await.map(drop)
        });
        while played.asked().is_empty() {
            tokio::task::yield_now().await;
        }
        let refused = bench.accounts.at_rest(&name()).await.err().expect("it hangs");
        assert_eq!(refused.code, ErrorCode::ProviderTimeout);
        played.release(1);
        let rests = bench.accounts.at_rest(&name()).await.expect("at rest");
        assert_eq!(rests.config.and_then(|config| config.refresh_token), Some("rt-2".into()));
        asking.abort();
    }
}
