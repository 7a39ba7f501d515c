//! `state_lookup`: has the browser come back, and what came of it?

use std::sync::Arc;

use oidc_proto::message::{Failure, LookupStatus, Reply};

use super::{Login, code_login::CodeLogin, phase::Phase};

impl Login {
    /// The result of a login, once.
    ///
    /// A refusal, or an exchange that failed in the browser for good, is told as a failure: the C agent lets its client
    /// wait for ever.
    pub async fn state_lookup(&self, state: &str) -> Result<Reply, Failure> {
        let Some(login) = self.find_code_login(state) else { return Ok(not_found(state)) };
        match login.phase.get() {
            Phase::Open(_) => match login.noted() {
                None => Ok(not_found(state)),
                Some(failure) => {
                    login.stop_server();
                    Err(failure)
                }
            },
            Phase::Fetched => Ok(fetched_before()),
            Phase::Refused(failure) => {
                login.stop_server();
                Err(failure)
            }
            Phase::Unloaded(_) | Phase::Loaded | Phase::Token(_) => self.fetch(&login).await,
            Phase::Locked => Err(Failure::agent_locked()),
        }
    }

    /// The result, which counts as fetched from now on.
    pub(super) async fn fetch(&self, login: &Arc<CodeLogin>) -> Result<Reply, Failure> {
        let _one_at_a_time = login.exchanging.lock().await;
        if matches!(login.phase.get(), Phase::Fetched) {
            return Ok(fetched_before());
        }
        self.load(login).await?;
        let reply = self.result(login)?;
        login.stop_server();
        match reply {
            // An access token is given once, and nobody has to be told of it later.
            Reply::Token(_) => self.under_way().codes.remove(login),
            _ => login.phase.set(Phase::Fetched),
        }
        Ok(reply)
    }

    /// The result of a login that has succeeded. An account is asked for where it is loaded: it may have gone on to
    /// another refresh token, and is sealed there while the agent is locked.
    pub(super) fn result(&self, login: &CodeLogin) -> Result<Reply, Failure> {
        match login.phase.get() {
            Phase::Token(token) => Ok(Reply::Token(token)),
            Phase::Locked => Err(Failure::agent_locked()),
            _ => {
                let config = self.config_of(&login.purpose, &login.account);
                config.map(|config| Reply::Config(Box::new(config)))
            }
        }
    }
}

fn not_found(state: &str) -> Reply {
    let info = format!("No loaded account info found for state={state}");
    Reply::StateLookup { status: LookupStatus::NotFound, info }
}

fn fetched_before() -> Reply {
    let info = "Account config already retrieved".to_owned();
    Reply::StateLookup { status: LookupStatus::FoundButReceived, info }
}
