//! Which room answers which request: a flat table, and the C suite's texts.

use std::sync::Arc;

use oidc_proto::{
    message::{AgentStatus, Failure, IdTokenReply, IssuerInfo, IssuerInfos, Reply, Request, TokenReply},
    secret::IdToken,
    shortname::Shortname,
};

use super::{Handler, Peer};
use crate::{
    accounts::{Accounts, Added, CachedToken},
    login::Login,
};

/// Answers requests.
pub struct Dispatch {
    accounts: Accounts,
    login: Login,
}

impl Dispatch {
    /// Over these accounts and logins.
    pub fn new(accounts: Accounts, login: Login) -> Self {
        Self { accounts, login }
    }

    async fn answer(&self, request: Request) -> Result<Reply, Failure> {
        let answered_while_locked = matches!(
            request,
            Request::Check | Request::Unlock { .. } | Request::AccountInfo | Request::Reset(_)
        );
        if !answered_while_locked {
            self.accounts.require_unlocked()?;
        }
        let (accounts, login) = (&self.accounts, &self.login);
        match request {
            Request::Check => Ok(Reply::success()),
            Request::Status => Ok(Reply::success_with(self.status_text())),
            Request::StatusJson => Ok(Reply::success_with(self.status().to_info())),
            Request::LoadedAccounts => Ok(Reply::success_with(names(&accounts.names()))),
            Request::AccountInfo => Ok(Reply::success_with(self.account_info().await.to_info())),
            Request::AccessToken(request) => accounts.access_token(request).await.map(token),
            Request::IdToken(request) => accounts.id_token(request).await.map(id_token),
            Request::Add(request) => accounts.add(*request).await.map(added),
            Request::Remove { account } => self.remove(&account),
            Request::RemoveAll => {
                accounts.remove_all();
                Ok(Reply::success())
            }
            Request::Lock { password } => {
                accounts.lock(password).await?;
                Ok(Reply::success_with("Agent locked"))
            }
            Request::Unlock { password } => {
                accounts.unlock(password).await?;
                Ok(Reply::success_with("Agent unlocked"))
            }
            Request::Reset(request) => Ok(Reply::success_with(accounts.reset(request).await?.to_info())),
            Request::Passwd(request) => accounts.passwd(request).await.map(|()| Reply::success()),
            Request::Gen(request) => login.generate(*request).await,
            Request::Register(request) => login.register(*request).await,
            Request::CodeExchange(request) => login.code_exchange(request).await,
            Request::StateLookup { state } => login.state_lookup(&state).await,
            Request::Device(request) => login.device(request).await,
            Request::TermHttpServer { state } => Ok(login.term_http_server(state.as_deref())),
            Request::Scopes(query) => login.scopes(query).await,
            Request::Delete(config) => login.delete(*config).await,
            Request::DeleteClient(request) => login.delete_client(request).await,
            Request::Reauthenticate { account } => login.reauthenticate(&account).await,
            Request::FileWrite(request) => login.file_write(request),
            Request::FileRead { filename } => login.file_read(&filename),
            Request::FileRemove { filename } => Ok(login.file_remove(&filename)),
            other @ (Request::Mytoken(_) | Request::MytokenSupportedProviders(_)) => {
                Err(Failure::not_supported_yet(other.name()))
            }
        }
    }

    fn remove(&self, account: &str) -> Result<Reply, Failure> {
        let name: Shortname = account.parse().map_err(|_| Failure::account_not_loaded())?;
        if self.accounts.remove(&name) { Ok(Reply::success()) } else { Err(Failure::account_not_loaded()) }
    }

    fn status(&self) -> AgentStatus {
        AgentStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            command_line_options: self.accounts.deps().options.command_line(),
            loaded_accounts: self.accounts.names().into_iter().map(String::from).collect(),
            accounts: self.accounts.status(),
        }
    }

    /// What `status` of the C suite shows: a title, the version, the options, the loaded accounts.
    fn status_text(&self) -> String {
        let names = self.accounts.names();
        let rows = self.accounts.deps().options.rows();
        let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + 2;
        let rows: String =
            rows.iter().map(|(name, value)| format!("{:width$}{value}\n", format!("{name}:"))).collect();
        let loaded: Vec<&str> = names.iter().map(Shortname::as_str).collect();
        format!(
            "####################\n## oidc-agent status ##\n####################\n\nThis agent is running version {}.\n\n\
             {rows}\nNumber of loaded accounts: {}\nLoaded accounts: {}\n",
            env!("CARGO_PKG_VERSION"),
            loaded.len(),
            loaded.join(", ")
        )
    }

    /// Issuers of the configuration files and of the loaded accounts; while locked no account counts as loaded.
    async fn account_info(&self) -> IssuerInfos {
        let issuers = self.accounts.issuers().await;
        let locked = self.accounts.is_locked();
        let loaded = self.accounts.status();
        let is_loaded = |name: &str| !locked && loaded.iter().any(|account| account.name == name);
        let mut infos: Vec<(String, IssuerInfo)> = issuers
            .iter()
            .map(|issuer| {
                let accounts = issuer.accounts.iter().chain(&issuer.default_account);
                let mut accounts: Vec<_> =
                    accounts.map(|name| (name.to_string(), is_loaded(name.as_str()))).collect();
                accounts.dedup();
                (issuer.issuer.clone(), IssuerInfo { pubclient: issuer.pubclient.is_some(), accounts })
            })
            .collect();
        for account in &loaded {
            let known = infos
                .iter_mut()
                .find(|(issuer, _)| oidc_proto::account::same_issuer(issuer, &account.issuer));
            let info = match known {
                Some((_, info)) => info,
                None => {
                    infos.push((account.issuer.clone(), IssuerInfo::default()));
                    &mut infos.last_mut().expect("just pushed").1
                }
            };
            if !info.accounts.iter().any(|(name, _)| *name == account.name) {
                info.accounts.push((account.name.clone(), !locked));
            }
        }
        IssuerInfos(infos)
    }
}

impl Handler for Dispatch {
    async fn handle(&self, request: Request, _: Peer) -> Reply {
        self.answer(request).await.unwrap_or_else(Into::into)
    }

    /// While the agent is locked that is all it says, as the C agent does.
    fn refuse(&self, failure: Failure) -> Reply {
        self.accounts.require_unlocked().err().unwrap_or(failure).into()
    }

    async fn finish(&self) {
        self.accounts.settle().await;
    }
}

fn names(names: &[Shortname]) -> Vec<&str> {
    names.iter().map(Shortname::as_str).collect()
}

fn token(token: Arc<CachedToken>) -> Reply {
    Reply::Token(TokenReply {
        access_token: token.access_token.clone(),
        issuer: token.issuer.to_string(),
        expires_at: token.expires_at,
        scope: token.scope.as_deref().map(str::to_owned),
        warnings: token.warnings.clone(),
    })
}

fn id_token((id_token, issuer): (Arc<IdToken>, Arc<str>)) -> Reply {
    Reply::IdToken(IdTokenReply { id_token: (*id_token).clone(), issuer: issuer.to_string() })
}

fn added(added: Added) -> Reply {
    match added {
        Added::Loaded { lifetime: 0 } => Reply::success(),
        Added::Loaded { lifetime } => Reply::success_with(format!("Lifetime set to {lifetime} seconds")),
        Added::Already { lifetime: None } => Reply::success_with("account already loaded."),
        Added::Already { lifetime: Some(lifetime) } => {
            Reply::success_with(format!("account already loaded. Lifetime set to {lifetime} seconds."))
        }
    }
}
