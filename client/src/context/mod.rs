//! What every command is, and what it works with: the agent, the directory, the person and the output; and the steps
//! that several commands take.

pub mod agent_state;
mod config;
pub mod error;
pub mod expiry;
pub mod file_key;
pub mod load;

use std::fmt::Debug;

use oidc_proto::{
    home::{Home, HomeError},
    issuers::Issuers,
    message::{Reply, Request},
    secret::Password,
    shortname::Shortname,
};

use crate::{
    account::{
        issuer_url::{self, is_issuer},
        password::{
            NEW_TRIES,
            asker::{AskError, Asker},
            sources::Sources,
        },
    },
    agent::{Agent, start},
    cli::options::Common,
    say::output::Output,
};
use error::Error;

/// Why a new password is asked for once more.
const EMPTY: &str = "An empty password protects nothing; Ctrl-C ends without one.";
const DIFFERENT: &str = "Encryption passwords did not match.";

/// What a command works with.
pub struct Context {
    /// Where results and messages go.
    pub output: Output,
    /// How to reach the agent.
    pub agent: Agent,
    /// The person.
    pub asker: Box<dyn Asker>,
    /// The oidc-agent directory, once it was needed.
    pub home: Option<Home>,
    /// Every program with all its options, for what describes them.
    pub programs: fn() -> Vec<clap::Command>,
}

/// A command: what its arguments say, and what it does.
pub trait Command: Debug {
    /// The options every command takes.
    fn common(&self) -> &Common;

    /// The secrets that stand on the command line.
    fn secrets(&self) -> Vec<&str> {
        Vec::new()
    }

    /// Does it.
    fn run(&self, context: &mut Context) -> Result<(), Error>;
}

impl<A: Command + 'static> From<A> for Box<dyn Command> {
    fn from(arguments: A) -> Self {
        Box::new(arguments)
    }
}

impl Context {
    /// The oidc-agent directory.
    pub fn home(&mut self) -> Result<Home, Error> {
        if self.home.is_none() {
            self.home = Some(Home::find()?);
        }
        self.home.clone().ok_or_else(|| HomeError::NoDirectory.into())
    }

    /// Asks the agent; a failure is an error.
    pub fn call(&mut self, request: &Request) -> Result<Reply, Error> {
        match self.agent.call(request)? {
            Reply::Failure(failure) => Err(failure.into()),
            reply => Ok(reply),
        }
    }

    /// Asks the agent, and starts one if none answers and that is wanted.
    pub fn call_or_start(&mut self, request: &Request) -> Result<Reply, Error> {
        match self.call(request) {
            Err(error) if error.is_no_agent() && self.agent.may_start() => {
                self.start_agent()?;
                self.call(request)
            }
            answer => answer,
        }
    }

    /// Asks the agent for something that is done or not; what it says besides.
    pub fn expect_success(&mut self, request: &Request) -> Result<Option<String>, Error> {
        match self.call(request)? {
            Reply::Success { info } => Ok(info.and_then(|info| info.as_str().map(str::to_owned))),
            _ => Err(Error::UnexpectedReply(request.name())),
        }
    }

    /// Starts an agent, waits for its socket and says so: whoever expected another one, with other accounts, will want
    /// to know.
    pub fn start_agent(&mut self) -> Result<(), Error> {
        let started = start::start(&[])?;
        if started.is_own {
            self.output.agent_started(&started.socket);
        }
        if !started.said.is_empty() {
            self.output.note(&started.said);
        }
        Ok(())
    }

    /// The names of the loaded accounts, in load order.
    pub fn loaded_accounts(&mut self) -> Result<Vec<String>, Error> {
        loaded_names(self.call(&Request::LoadedAccounts)?)
    }

    /// The same; starts an agent if none answers and that is wanted.
    pub fn loaded_accounts_or_start(&mut self) -> Result<Vec<String>, Error> {
        loaded_names(self.call_or_start(&Request::LoadedAccounts)?)
    }

    /// The account named on the command line: a short name, or an issuer URL with a default account.
    pub fn account(&mut self, text: &str) -> Result<Shortname, Error> {
        if !is_issuer(text) {
            return account_name(text);
        }
        let issuer = issuer_url::read(text).map_err(|reason| Error::NoIssuer(text.to_owned(), reason))?;
        let issuers = Issuers::load(self.home().ok().as_ref());
        issuers.default_account(&issuer).ok_or(Error::NoDefaultAccount(issuer))
    }

    /// A new password for an account file: from a source, or typed twice.
    pub fn new_password(
        &mut self,
        sources: &Sources,
        prompt: &str,
        confirmation: &str,
    ) -> Result<Password, Error> {
        if let Some(password) = sources.read()? {
            return not_empty(password);
        }
        let (mut reason, mut error) = (None, Error::EmptyPassword);
        for _ in 0..NEW_TRIES {
            let password = sources.ask_again(self.asker.as_mut(), prompt, reason)?;
            if password.is_empty() {
                (reason, error) = (Some(EMPTY), Error::EmptyPassword);
            } else if sources.ask(self.asker.as_mut(), confirmation)? == password {
                return Ok(password);
            } else {
                (reason, error) = (Some(DIFFERENT), Error::PasswordsDiffer);
            }
        }
        Err(error)
    }

    /// A yes-or-no question that only a clear yes answers with yes.
    pub fn confirm(&mut self, question: &str, what: &'static str) -> Result<bool, Error> {
        match self.asker.line(&format!("{question} [y/N]")) {
            Ok(answer) => Ok(matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes")),
            Err(AskError::NoTerminal(_)) => Err(Error::NeedsForce(what)),
            Err(error) => Err(error.into()),
        }
    }
}

fn not_empty(password: Password) -> Result<Password, Error> {
    if password.is_empty() { Err(Error::EmptyPassword) } else { Ok(password) }
}

/// A short name. The protocol takes two texts for no text at all, so no agent could be asked for an account of such a
/// name.
pub fn account_name(text: &str) -> Result<Shortname, Error> {
    let name: Shortname = text.parse()?;
    match name.as_str() {
        "null" | "(null)" => Err(Error::NotAName(name)),
        _ => Ok(name),
    }
}

/// Reads the reply to `loaded_accounts`.
fn loaded_names(reply: Reply) -> Result<Vec<String>, Error> {
    match reply {
        Reply::Success { info: Some(serde_json::Value::Array(names)) } => {
            Ok(names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect())
        }
        // 4.x has no `info` when nothing is loaded.
        Reply::Success { info: None } => Ok(Vec::new()),
        _ => Err(Error::UnexpectedReply("loaded_accounts")),
    }
}
