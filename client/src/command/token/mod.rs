//! `oidc token` and `oidc-token`: one request, one reply, one write.

mod granted;
mod print;

use std::env;

use oidc_proto::{
    error_code::ErrorCode,
    message::{
        Failure, IdTokenRequest, MytokenProfile, MytokenRequest, Reply, Request, Target, TokenReply,
        TokenRequest, Validity,
    },
    shortname::Shortname,
};

use super::{Context, add, is_issuer, loaded_names};
use crate::{
    account_file::Sealed,
    agent::Agent,
    cli::{add::AddArgs, token::TokenArgs},
    error::Error,
};

/// Gets the token and prints it.
pub fn run(args: &TokenArgs, context: &mut Context) -> Result<(), Error> {
    if !is_issuer(&args.account) {
        args.account.parse::<Shortname>()?;
    }
    match obtain(args, context)? {
        Reply::Token(reply) => {
            report_shortfall(args, &reply, context)?;
            print::token(&args.format, &reply, &mut context.output)
        }
        Reply::IdToken(reply) => print::id_token(&reply, &mut context.output),
        Reply::Mytoken(answer) => print::mytoken(&answer, &mut context.output),
        _ => Err(Error::UnexpectedReply("access_token")),
    }
}

/// Asks the agent, loads the account on the terminal if that is what is missing, and asks again.
fn obtain(args: &TokenArgs, context: &mut Context) -> Result<Reply, Error> {
    // The agent shall not open a window while there is a terminal to ask on.
    let error = match context.call_or_start(&request(args, false)) {
        Err(error) => error,
        answer => return answer,
    };
    let (failure, error) = match error {
        Error::Failure(failure) if wants_account(failure.code) => (failure, None),
        error if error.is_no_agent() && context.agent.has_remote() => {
            (Box::new(Failure::account_not_found()), Some(error))
        }
        error => return Err(error),
    };
    if failure.code == ErrorCode::AccountNotFound
        && let Some(answer) = ask_remote(args)
    {
        return Ok(answer);
    }
    if let Some(error) = error {
        return Err(error);
    }
    if load_on_terminal(args, &failure, context)? {
        return context.call(&request(args, has_display()));
    }
    if failure.code != ErrorCode::AccountNotFound && has_display() {
        return context.call(&request(args, true)).map_err(|error| not_loaded(args, error));
    }
    Err(not_loaded(args, Error::Failure(failure)))
}

/// Whether an account that is not loaded may be what the agent means.
fn wants_account(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::AccountNotLoaded | ErrorCode::AccountNotFound | ErrorCode::PromptUnavailable)
}

/// The second try of the C suite: the agent at `OIDC_REMOTE_SOCK`, for short names only. Its failures are not shown,
/// the local one is.
fn ask_remote(args: &TokenArgs) -> Option<Reply> {
    if is_issuer(&args.account) {
        return None;
    }
    let answer = Agent::remote().ok()?.call(&request(args, true)).ok()?;
    (!matches!(answer, Reply::Failure(_))).then_some(answer)
}

/// Asks for the password on the terminal and loads the account. Whether that was possible at all.
fn load_on_terminal(args: &TokenArgs, failure: &Failure, context: &mut Context) -> Result<bool, Error> {
    if !context.asker.is_there() {
        return Ok(false);
    }
    let name = context.account(&args.account)?;
    let loaded = loaded_names(context.call(&Request::LoadedAccounts)?)?;
    if loaded.iter().any(|other| other == name.as_str()) {
        // It is loaded: the agent needs an answer of another kind, in a window.
        return Ok(false);
    }
    let home = context.home()?;
    let sealed = match Sealed::read(&home, &name) {
        // The agent's own directory may be another one; what it said counts.
        Err(Error::NoSuchAccount(_)) if failure.code != ErrorCode::AccountNotFound => return Ok(false),
        sealed => sealed?,
    };
    let info = add::load(&sealed, &home, &AddArgs::default(), context)?;
    if let Some(info) = info {
        context.output.note(&info);
    }
    Ok(true)
}

/// A program in a desktop session can be served by the agent's prompt.
fn has_display() -> bool {
    ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| env::var_os(name).is_some_and(|value| !value.is_empty()))
}

fn not_loaded(args: &TokenArgs, error: Error) -> Error {
    match error {
        Error::Failure(failure)
            if matches!(failure.code, ErrorCode::AccountNotLoaded | ErrorCode::PromptUnavailable) =>
        {
            Error::NotLoaded { failure, account: args.account.clone() }
        }
        other => other,
    }
}

fn request(args: &TokenArgs, prompt: bool) -> Request {
    let name = args.account.clone();
    let target = if is_issuer(&name) { Target::Issuer(name) } else { Target::Account(name) };
    let application_hint = Some(args.name.clone().unwrap_or_else(|| "oidc-token".to_owned()));
    if args.id_token {
        return Request::IdToken(IdTokenRequest { target, scope: None, application_hint, prompt });
    }
    if let Some(profile) = &args.mytoken {
        let profile = profile.clone().map(MytokenProfile::Name);
        return Request::Mytoken(MytokenRequest { account: args.account.clone(), profile, application_hint });
    }
    let validity = if args.force_new { Validity::ForceNew } else { Validity::AtLeast(args.time) };
    let scope = args.scope();
    let audience = args.audience();
    Request::AccessToken(TokenRequest { target, validity, scope, audience, application_hint, prompt })
}

/// Warns of a token that is not what was asked for, or refuses it.
fn report_shortfall(args: &TokenArgs, reply: &TokenReply, context: &mut Context) -> Result<(), Error> {
    let mut shortfall = granted::shortfall(args.scope().as_deref(), args.audience().as_deref(), reply);
    if args.strict && !args.force_new {
        shortfall.extend(granted::lifetime_shortfall(args.time, reply));
    }
    if args.strict && !shortfall.is_empty() {
        return Err(Error::NotGranted(shortfall.join("; ")));
    }
    for warning in &shortfall {
        context.output.warning(warning);
    }
    Ok(())
}

impl TokenArgs {
    /// The scopes as one text; a blank one means the provider's default.
    fn scope(&self) -> Option<String> {
        Some(self.scope.join(" ").trim().to_owned()).filter(|scope| !scope.is_empty())
    }

    /// The audiences as one text.
    fn audience(&self) -> Option<String> {
        self.aud.as_deref().map(str::trim).filter(|audience| !audience.is_empty()).map(str::to_owned)
    }
}
