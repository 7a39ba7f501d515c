//! Which room answers which request: a flat table, and the C suite's texts.

use oidc_proto::{
    home::Home,
    json::Object,
    message::{Failure, FilesStatus, IdTokenReply, Reply, Request, TokenReply},
    shortname::Shortname,
};

use super::{
    handler::{AtRest, Handler},
    report,
};
use crate::{
    accounts::{Accounts, Added, CachedToken, Given, HandedOn},
    caller::Caller,
    clock::Moment,
    files::Files,
    handed_on::{self, Unreadable},
    login::Login,
    page::Page,
};

/// Where the oidc-agent directory is, in what is handed on.
const HOME: &str = "home";

/// The oidc-agent directory of the process that has handed this on: it may be away at this moment, and is not to be made anew then.
pub fn home_of(held: &Object) -> Result<Home, Unreadable> {
    let path = handed_on::optional_path(held, HOME)?.ok_or_else(|| Unreadable::new(HOME))?;
    Ok(Home::found_before(path))
}

/// Answers requests.
pub struct Dispatch {
    accounts: Accounts,
    login: Login,
    page: Page,
    files: Files,
}

impl Dispatch {
    /// Over these accounts and logins, and the page that shows them; and the files that are kept fresh.
    pub fn new(accounts: Accounts, login: Login, page: Page, files: Files) -> Self {
        Self { accounts, login, page, files }
    }

    /// Takes over what [`Handler::hand_on`] gave, before anything is asked.
    pub fn take_over(&self, mut object: Object) -> Result<(), Unreadable> {
        self.accounts.take_over(HandedOn::read(handed_on::object(&mut object, "accounts")?)?);
        self.login.take_over(handed_on::object(&mut object, "logins")?)
    }

    async fn answer(&self, request: Request, caller: Caller<'_>) -> Result<Reply, Failure> {
        if !request.is_answered_while_locked() {
            self.accounts.require_unlocked()?;
        }
        let (accounts, login) = (&self.accounts, &self.login);
        // On the heap: most of them need many times what a token from the cache needs, which is asked for all the time.
        match request {
            Request::Check => Ok(Reply::success()),
            Request::Status => Ok(Reply::success_with(report::status_text(accounts))),
            Request::StatusJson => Ok(Reply::success_with(report::status(accounts).to_info())),
            Request::Reminder { account } => Ok(match accounts.reminder(&account) {
                Some(reminder) => Reply::success_with(reminder.to_info()),
                None => Reply::success(),
            }),
            Request::LoadedAccounts => Ok(Reply::success_with(names(&accounts.names()))),
            Request::AccountInfo => {
                Ok(Reply::success_with(Box::pin(report::account_info(accounts)).await.to_info()))
            }
            Request::AccessToken(request) => {
                let granted = accounts.access_token(request, caller).await?;
                Ok(token(&granted, accounts.deps().clock.now()))
            }
            Request::IdToken(request) => {
                Box::pin(accounts.id_token(request, caller)).await.map(|given| id_token(&given, None))
            }
            Request::Refused(request) => Ok(match Box::pin(accounts.refused(request, caller)).await? {
                Given::Access(granted, warning) => {
                    let now = accounts.deps().clock.now();
                    token_with(&granted, warning, now)
                }
                Given::Id(given, warning) => id_token(&given, warning),
            }),
            Request::Userinfo(request) => {
                Ok(Reply::success_with(Box::pin(accounts.userinfo(request, caller)).await?.to_info()))
            }
            Request::Clients(request) => {
                Ok(Reply::success_with(Box::pin(accounts.clients(request, caller)).await?.to_info()))
            }
            Request::AwsCredentials(request) => {
                Ok(Reply::AwsCredentials(Box::pin(accounts.aws_credentials(*request, caller)).await?))
            }
            Request::Add(request) => Box::pin(accounts.add_for(*request, caller)).await.map(added),
            Request::Remove { account } => self.remove(&account),
            Request::RemoveAll => {
                accounts.remove_all();
                Ok(Reply::success())
            }
            Request::Lock { password } => {
                Box::pin(accounts.lock(password)).await?;
                Ok(Reply::success_with("Agent locked"))
            }
            Request::Unlock { password } => {
                Box::pin(accounts.unlock(password)).await?;
                Ok(Reply::success_with("Agent unlocked"))
            }
            Request::Reset(request) => {
                Ok(Reply::success_with(Box::pin(accounts.reset(request)).await?.to_info()))
            }
            Request::Examine { account } => {
                Ok(Reply::success_with(Box::pin(accounts.examine(&account)).await?.to_info()))
            }
            Request::Passwd(request) => Box::pin(accounts.passwd(request)).await.map(|()| Reply::success()),
            Request::Page(request) => self.page.page(request),
            Request::Gen(request) => Box::pin(login.generate(*request)).await,
            Request::Register(request) => Box::pin(login.register(*request)).await,
            Request::CodeExchange(request) => Box::pin(login.code_exchange(request)).await,
            Request::StateLookup { state } => Box::pin(login.state_lookup(&state)).await,
            Request::Device(request) => Box::pin(login.device(request)).await,
            Request::TermHttpServer { state } => Ok(login.term_http_server(state.as_deref())),
            Request::Scopes(query) => Box::pin(login.scopes(query)).await,
            Request::Provider(request) => Box::pin(login.provider_report(request)).await,
            Request::IssuerKeys(request) => {
                Box::pin(accounts.issuer_keys(request)).await.map(Reply::success_with)
            }
            Request::Introspect(request) => {
                Ok(Reply::success_with(Box::pin(accounts.introspect(request)).await?.to_info()))
            }
            Request::Delete(config) => Box::pin(login.delete(*config)).await,
            Request::DeleteClient(request) => Box::pin(login.delete_client(request)).await,
            Request::Reauthenticate { account } => Box::pin(login.reauthenticate(&account)).await,
            Request::FileWrite(request) => login.file_write(request),
            Request::FileRead { filename } => login.file_read(&filename),
            Request::FileRemove { filename } => login.file_remove(&filename),
            Request::FilesStatus(query) => {
                self.files.ready().await;
                Box::pin(self.files.status(&query)).await.map(told)
            }
            Request::FilesRenew { name } => {
                self.files.ready().await;
                Box::pin(self.files.renew(name.as_deref())).await.map(told)
            }
            Request::FilesReload => Box::pin(self.files.reload()).await.map(told),
            Request::FilesWait(request) => {
                self.files.ready().await;
                Box::pin(self.files.wait(&request)).await.map(told)
            }
            Request::Mytoken(request) => {
                Box::pin(accounts.mytoken(request, caller)).await.map(Reply::Mytoken)
            }
            // Answered by the version that takes over.
            Request::Upgrade(_) => Err(Failure::unknown_request()),
            Request::MytokenSupportedProviders(query) => {
                Box::pin(login.mytoken_supported_providers(query)).await
            }
        }
    }

    fn remove(&self, account: &str) -> Result<Reply, Failure> {
        let name: Shortname = account.parse().map_err(|_| Failure::account_not_loaded())?;
        if self.accounts.remove(&name) { Ok(Reply::success()) } else { Err(Failure::account_not_loaded()) }
    }
}

impl Handler for Dispatch {
    async fn handle(&self, request: Request, caller: Caller<'_>) -> Reply {
        self.answer(request, caller).await.unwrap_or_else(Into::into)
    }

    /// While the agent is locked that is all it says, as the C agent does.
    fn refuse(&self, failure: Failure) -> Reply {
        self.accounts.require_unlocked().err().unwrap_or(failure).into()
    }

    async fn hang_up(&self) {
        // What is wrong is told by `files_status`.
        let _ = self.files.reload().await;
    }

    fn at_rest(&self) -> Result<Box<dyn AtRest + '_>, String> {
        self.login.still()?;
        Ok(Box::new((self.files.still()?, self.accounts.still()?)))
    }

    /// Sessions of the web page end with this process.
    fn hand_on(&self) -> Object {
        let mut object = Object::default();
        object.insert(HOME, handed_on::path_to_value(self.accounts.deps().home.path()));
        object.insert("accounts", self.accounts.hand_on().into_value());
        object.insert("logins", self.login.hand_on().into_value());
        object
    }

    async fn finish(&self) {
        self.page.stop();
        self.files.stop();
        self.accounts.settle().await;
    }
}

#[allow(clippy::needless_pass_by_value, reason = "for `map`")]
fn told(status: FilesStatus) -> Reply {
    Reply::success_with(status.to_info())
}

fn names(names: &[Shortname]) -> Vec<&str> {
    names.iter().map(Shortname::as_str).collect()
}

fn token(token: &CachedToken, now: Moment) -> Reply {
    token_with(token, None, now)
}

/// With a warning besides its own.
fn token_with(token: &CachedToken, warning: Option<String>, now: Moment) -> Reply {
    Reply::Token(TokenReply {
        access_token: token.access_token.clone(),
        issuer: token.issuer.to_string(),
        expires_at: token.expires_at(now),
        scope: token.scope.as_deref().map(str::to_owned),
        warnings: token.warnings.iter().cloned().chain(warning).collect(),
        refresh_token: None,
    })
}

fn id_token(token: &CachedToken, warning: Option<String>) -> Reply {
    Reply::IdToken(IdTokenReply {
        id_token: token.access_token.expose().into(),
        issuer: token.issuer.to_string(),
        warnings: warning.into_iter().collect(),
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Room is taken, and overwritten afterwards, for every request.
    #[test]
    fn a_request_takes_little_room_before_it_needs_more() {
        const MOST: usize = 2048;
        fn size<A, F: Future>(_: impl Fn(A) -> F) -> usize {
            size_of::<F>()
        }
        let handling =
            size(|(it, request, caller): (&'static Dispatch, _, Caller<'static>)| it.handle(request, caller));
        assert!(handling <= MOST, "{handling} bytes");
    }
}
