//! What all steps of `oidc gen` work with.

use oidc_proto::{
    account::AccountConfig,
    home::{Home, HomeError},
    issuers::Issuers,
    message::{AgentStatus, ProviderQuery, Reply, Request},
    shortname::Shortname,
};

use serde_json::json;

use super::{arguments::GenArgs, desk::Desk, dialogue::Dialogue, provider::Provider};
use crate::{
    cli::usage::UsageError,
    context::{self, Context, error::Error},
    say::{dialect::Dialect, exit::Exit},
};

/// What all steps work with.
pub struct Session<'a> {
    pub args: &'a GenArgs,
    pub context: &'a mut Context,
    pub desk: &'a mut dyn Desk,
    pub dialogue: Dialogue,
    pub issuers: Issuers,
    /// The login was by device: the C suite then says less at its end.
    pub by_device: bool,
    /// The agent is of release 4 of the C suite: it finds a provider only by an issuer with a slash at its end.
    pub needs_slash: bool,
    /// The provider that was asked for last, by what, and what is known of it.
    pub known: Option<(ProviderQuery, Provider)>,
    /// What is to be said at the end, because it says how the account is other than asked for.
    pub remarks: Vec<String>,
}

impl Session<'_> {
    /// Makes sure that an agent runs and is not locked, before anybody is asked anything.
    pub fn meet_agent(&mut self) -> Result<(), Error> {
        if let Reply::Success { info: Some(info) } = self.context.call_or_start(&Request::StatusJson)? {
            let version = AgentStatus::from_info(&info).map(|status| status.version).unwrap_or_default();
            self.needs_slash = version.starts_with("4.");
        }
        Ok(())
    }

    /// The oidc-agent directory, made if there is none.
    pub fn home(&mut self) -> Result<Home, Error> {
        if self.context.home.is_none() {
            self.context.home = Some(Home::find_or_create()?);
        }
        self.context.home()
    }

    /// The account named on the command line; `missing` is the error without one.
    pub fn named(&self, missing: &str) -> Result<&str, Error> {
        self.args.account.as_deref().ok_or_else(|| self.wrong_options(missing))
    }

    /// Options that contradict each other: exit code 64, and 1 under the C suite's name.
    pub fn wrong_options(&self, text: &str) -> Error {
        match self.context.output.dialect {
            Dialect::Ours => UsageError::new(format!("oidc gen: {text}")).into(),
            Dialect::CSuite | Dialect::Htgettoken => Error::Other(Exit::Failure, text.to_owned()),
        }
    }

    /// How far things are, for the person: on standard output only where scripts of the C suite's users expect it.
    pub fn progress(&mut self, text: &str) -> Result<(), Error> {
        let output = &mut self.context.output;
        if output.dialect == Dialect::CSuite && !self.args.login.only_at && !output.json {
            return Ok(output.line(text)?);
        }
        output.note(text);
        Ok(())
    }

    /// The agent waits for the person: `oidc-gen` says so.
    pub fn accepted(&mut self) -> Result<(), Error> {
        if self.context.output.dialect == Dialect::CSuite { self.progress("accepted") } else { Ok(()) }
    }

    /// Another program will finish the login.
    pub fn handed_over(&mut self) -> Result<(), Error> {
        let output = &mut self.context.output;
        if output.json { Ok(output.json(&json!({"status": "accepted"}))?) } else { Ok(()) }
    }

    /// The account as every agent understands it: 4.x looks for the scopes under their old name.
    pub fn for_agent(&self, account: &AccountConfig) -> AccountConfig {
        let mut account = account.clone();
        account.issuer_url = self.issuer_for_agent(&account);
        if account.scope.is_none() {
            account.scope.clone_from(&account.auth_scope);
        }
        account
    }

    /// What is known of the account's provider. The agent is asked the first time only.
    pub fn provider(&mut self, account: &AccountConfig) -> Result<Provider, Error> {
        let query = ProviderQuery {
            issuer: self.issuer_for_agent(account),
            config_endpoint: account.config_endpoint.clone(),
            cert_path: account.cert_path.clone(),
        };
        if let Some((asked, known)) = &self.known
            && *asked == query
        {
            return Ok(known.clone());
        }
        let provider = Provider::ask(self.context, query.clone())?;
        self.known = Some((query, provider.clone()));
        Ok(provider)
    }

    fn issuer_for_agent(&self, account: &AccountConfig) -> Option<String> {
        let mut issuer = account.issuer_url.clone()?;
        if self.needs_slash && !issuer.ends_with('/') {
            issuer.push('/');
        }
        Some(issuer)
    }
}

/// A name that an account file can have.
pub fn account_name(text: &str) -> Result<Shortname, Error> {
    let name = context::account_name(text)?;
    if name.is_listed() { Ok(name) } else { Err(HomeError::Reserved(name).into()) }
}
