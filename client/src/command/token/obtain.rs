//! A token from the agent, for every command that wants one. Loads the account where that is what is missing.

use oidc_proto::{
    error_code::ErrorCode,
    json::Object,
    message::{
        Failure, IdTokenReply, IdTokenRequest, MytokenProfile, MytokenRequest, Reply, Request, Target,
        TokenReply, TokenRequest, Validity,
    },
};

use super::{
    granted::{Asked, Grant},
    missing::{self, Offered},
};
use crate::{
    account::{
        error::AccountError,
        file::Sealed,
        issuer_url::{self, is_issuer},
    },
    agent::{Agent, AgentError, OIDC_REMOTE_SOCK},
    context::{
        Context, account_name,
        error::Error,
        load::{Loading, load},
    },
    process::display::has_display,
};

/// A token that is wanted.
#[derive(Debug, Clone)]
pub struct TokenQuery {
    /// Of which account; see [`target`].
    pub target: Target,
    /// Which token.
    pub wanted: Wanted,
    /// Name of the program that asks, which a person is shown.
    pub application_hint: String,
    /// Whether an account that is not loaded is loaded: with the password from the terminal, or by the agent's own
    /// prompt.
    pub autoload: bool,
    /// Who offers the person what is missing for the token besides: a login, or an account.
    pub offer: Offer,
    /// Whether the agent at `OIDC_REMOTE_SOCK` is asked where the one here does not answer or knows no such account. An
    /// issuer is not asked for there.
    pub remote: bool,
}

/// Who offers the person a login or an account that is missing, where the configuration wants it offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// This program on the terminal, or else the agent in a window.
    Here,
    /// The agent, in a window.
    ByAgent,
    /// Nobody.
    Nobody,
}

/// Which token.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// An access token.
    AccessToken {
        /// Scopes, separated by blanks; `None` for those of the account.
        scope: Option<String>,
        /// Audiences, separated by blanks.
        audience: Option<String>,
        /// How long it must still be valid.
        validity: Validity,
    },
    /// An ID token.
    IdToken {
        /// How long it must still be valid.
        validity: Validity,
    },
    /// A mytoken, by the named profile or the server's own choice.
    Mytoken {
        /// The profile's name.
        profile: Option<String>,
    },
}

/// A token, as it was wanted.
#[derive(Debug)]
pub enum Token {
    /// An access token.
    Access(Access),
    /// An ID token.
    Id(IdTokenReply),
    /// The answer of a mytoken server.
    Mytoken(Object),
}

/// An access token.
#[derive(Debug)]
pub struct Access {
    /// The token with its issuer, its scopes and when it expires.
    pub reply: TokenReply,
    /// What was asked for, and what was granted.
    pub grant: Grant,
}

/// Reads which account is meant: a short name, or an issuer as people paste it.
pub fn target(text: &str) -> Result<Target, Error> {
    if !is_issuer(text) {
        return Ok(Target::Account(account_name(text)?.to_string()));
    }
    let issuer = issuer_url::read(text).map_err(|reason| Error::NoIssuer(text.to_owned(), reason))?;
    Ok(Target::Issuer(issuer))
}

/// Asks the agent, loads the account on the terminal if that is what is missing, and asks again.
pub fn obtain(query: &TokenQuery, context: &mut Context) -> Result<Token, Error> {
    let reply = ask(query, context)?;
    match (&query.wanted, reply) {
        (Wanted::AccessToken { scope, audience, .. }, Reply::Token(reply)) => {
            let asked = Asked { scope: scope.clone(), audience: audience.clone() };
            let grant = Grant::of(asked, &reply);
            Ok(Token::Access(Access { reply, grant }))
        }
        (Wanted::IdToken { .. }, Reply::IdToken(reply)) => Ok(Token::Id(reply)),
        (Wanted::Mytoken { .. }, Reply::Mytoken(answer)) => Ok(Token::Mytoken(answer)),
        _ => Err(Error::UnexpectedReply(query.request(true).name())),
    }
}

fn ask(query: &TokenQuery, context: &mut Context) -> Result<Reply, Error> {
    let error = match ask_or_load(query, context) {
        Err(error) => error,
        answer => return answer,
    };
    let is_here = query.offer == Offer::Here && !context.output.json;
    match &error {
        Error::NoDefaultAccount(issuer) if is_here => {
            match missing::make_account(issuer, query.scope(), context)? {
                Some(name) => {
                    let target = Target::Account(name.to_string());
                    context.call(&TokenQuery { target, ..query.clone() }.request(false))
                }
                None => Err(error),
            }
        }
        Error::Failure(failure) if query.offer != Offer::Nobody && missing::is_login(failure) => {
            let offered =
                if is_here { missing::log_in(&query.target, failure, context)? } else { Offered::Not };
            match offered {
                Offered::Made => context.call(&query.request(false)),
                // The agent knows whether it was told to offer one, and where.
                Offered::Not if query.autoload && has_display() => context.call(&query.request(true)),
                Offered::Not | Offered::Declined => Err(error),
            }
        }
        _ => Err(error),
    }
}

fn ask_or_load(query: &TokenQuery, context: &mut Context) -> Result<Reply, Error> {
    // The agent shall not open a window while there is a terminal to ask on.
    let first = query.request(false);
    let second = query.second(context);
    // Where a second agent can be asked, none is started.
    let answer = if second.is_some() { context.call(&first) } else { context.call_or_start(&first) };
    let error = match answer {
        Err(error) => error,
        answer => return answer,
    };
    let asked = second.filter(|_| may_be_elsewhere(&error)).map(|second| ask_second(query, second));
    match asked {
        Some(Ok(reply)) => Ok(reply),
        Some(Err(reason)) => load_and_ask(query, error, context)
            .map_err(|error| Error::NotThereEither { error: Box::new(error), reason }),
        None => load_and_ask(query, error, context),
    }
}

/// Loads the account if that is what was missing, and asks again.
fn load_and_ask(query: &TokenQuery, error: Error, context: &mut Context) -> Result<Reply, Error> {
    let failure = match error {
        Error::Failure(failure) if query.autoload && wants_account(failure.code) => failure,
        error => return Err(error),
    };
    // A program in a desktop session can be served by the agent's prompt. Where consent can be asked for is known to the
    // agent: it may have a display, a terminal or a program for that.
    let may_ask = failure.code == ErrorCode::PromptUnavailable || has_display();
    if load_on_terminal(query, &failure, context)? {
        return context.call(&query.request(true));
    }
    if failure.code != ErrorCode::AccountNotFound && may_ask {
        return context.call(&query.request(true)).map_err(|error| not_loaded(query, error));
    }
    Err(not_loaded(query, Error::Failure(failure)))
}

/// Whether another agent may have the account.
fn may_be_elsewhere(error: &Error) -> bool {
    matches!(error, Error::Agent(_)) || error.failure_code() == Some(ErrorCode::AccountNotFound)
}

/// Whether an account that is not loaded may be what the agent means.
fn wants_account(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::AccountNotLoaded | ErrorCode::AccountNotFound | ErrorCode::PromptUnavailable)
}

/// The second try of the C suite: the agent at `OIDC_REMOTE_SOCK`. Its failure is told beside the local one.
fn ask_second(query: &TokenQuery, second: Result<Agent, AgentError>) -> Result<Reply, String> {
    let second = second.map_err(|error| error.to_string())?;
    let reply = second.call(&query.request(true)).map_err(|error| error.to_string())?;
    let Reply::Failure(failure) = reply else { return Ok(reply) };
    let address = second.address().unwrap_or_default();
    Err(format!("the agent at {address}, which {OIDC_REMOTE_SOCK} names, says: {}", Error::from(failure)))
}

/// Asks for the password on the terminal and loads the account. Whether that was possible at all.
fn load_on_terminal(query: &TokenQuery, failure: &Failure, context: &mut Context) -> Result<bool, Error> {
    if !context.asker.is_there() {
        return Ok(false);
    }
    let name = context.account(query.text())?;
    if context.loaded_accounts()?.iter().any(|other| other == name.as_str()) {
        // It is loaded: the agent needs an answer of another kind, in a window.
        return Ok(false);
    }
    let home = context.home()?;
    let sealed = match Sealed::read(&home, &name) {
        // The agent's own directory may be another one; what it said counts.
        Err(AccountError::NoSuchAccount(_)) if failure.code != ErrorCode::AccountNotFound => {
            return Ok(false);
        }
        sealed => sealed?,
    };
    if let Some(info) = load(&sealed, &home, &Loading::default(), context)? {
        context.output.note(&info);
    }
    Ok(true)
}

fn not_loaded(query: &TokenQuery, error: Error) -> Error {
    match error {
        // Also where only a prompt could have loaded it, which was not wanted.
        Error::Failure(failure)
            if failure.code == ErrorCode::AccountNotLoaded
                || failure.error == Failure::account_not_loaded().error =>
        {
            Error::NotLoaded { failure, account: query.text().to_owned() }
        }
        other => other,
    }
}

impl TokenQuery {
    /// The agent to ask second, which has other accounts: for short names only, as in the C suite.
    fn second(&self, context: &Context) -> Option<Result<Agent, AgentError>> {
        let is_wanted = self.remote && matches!(self.target, Target::Account(_));
        is_wanted.then(|| context.agent.second()).flatten()
    }

    /// Name or issuer.
    fn text(&self) -> &str {
        match &self.target {
            Target::Account(text) | Target::Issuer(text) => text,
        }
    }

    /// Which scopes are wanted.
    fn scope(&self) -> Option<&str> {
        match &self.wanted {
            Wanted::AccessToken { scope, .. } => scope.as_deref(),
            Wanted::IdToken { .. } | Wanted::Mytoken { .. } => None,
        }
    }

    /// `prompt` says whether the agent may ask the person for what is missing.
    fn request(&self, prompt: bool) -> Request {
        let target = self.target.clone();
        let application_hint = Some(self.application_hint.clone());
        match &self.wanted {
            Wanted::AccessToken { scope, audience, validity } => Request::AccessToken(TokenRequest {
                target,
                validity: *validity,
                scope: scope.clone(),
                audience: audience.clone(),
                application_hint,
                prompt,
            }),
            Wanted::IdToken { validity } => Request::IdToken(IdTokenRequest {
                target,
                validity: *validity,
                scope: None,
                application_hint,
                prompt,
            }),
            Wanted::Mytoken { profile } => Request::Mytoken(MytokenRequest {
                account: self.text().to_owned(),
                profile: profile.clone().map(MytokenProfile::Name),
                application_hint,
                prompt,
            }),
        }
    }
}
