//! Storing a token for HTCondor's jobs, and having the agent keep it fresh.

use oidc_proto::{
    error_code::ErrorCode,
    home::Home,
    message::{FilesQuery, FilesStatus, Reply, Request, Target, Validity},
};

use super::{credd::Credd, memory::Memory, specification::Specification};
use crate::{
    command::token::obtain::{Access, Offer, Token, TokenQuery, Wanted, obtain},
    context::{Context, error::Error},
};

/// For how many seconds a token is good that is stored: jobs start later.
const MIN_VALID: u64 = 600;

/// What was done.
#[derive(Debug)]
pub struct Stored {
    /// When the token ends, in seconds since the epoch.
    pub expires_at: Option<u64>,
    /// Whether the agent stores it again in time.
    pub is_kept: bool,
    /// Settings of HTCondor that the agent may lack when it stores it again; `is_kept` is false where there are any.
    pub lacking: Vec<String>,
    /// What was not granted, and the like.
    pub warnings: Vec<String>,
}

/// Whether what is stored is what is wanted and will stay so: nothing needs to be done.
pub fn is_kept(wanted: &Specification, memory: &Memory, credd: &Credd, context: &mut Context) -> bool {
    if memory.find(&wanted.sink).as_ref() != Some(wanted) || credd.is_for_another() {
        return false;
    }
    let status = match context.call(&Request::FilesStatus(FilesQuery::default())) {
        Ok(Reply::Success { info: Some(info) }) => FilesStatus::from_info(&info),
        _ => None,
    };
    let credential = wanted.sink.credential();
    let is_fresh = status.is_some_and(|status| {
        let ours = status.entries.iter().find(|entry| entry.condor.as_ref() == Some(&credential));
        ours.is_some_and(|entry| entry.state.as_str() == "fresh" && entry.account == wanted.account.as_str())
    });
    is_fresh && credd.has(&wanted.sink).unwrap_or(false)
}

/// Stores it and remembers what it was. What cannot be remembered is not stored.
pub fn store(
    wanted: &Specification,
    home: &Home,
    credd: &Credd,
    context: &mut Context,
) -> Result<Stored, Error> {
    if !credd.is_for_another() {
        let mut memory = Memory::read(home)?;
        memory.put(wanted)?;
        memory.check(home)?;
    }
    let access = token(wanted, context)?;
    credd.add(&wanted.sink, access.reply.access_token.expose())?;
    let warnings = access.grant.shortfall(&access.reply);
    let is_kept = !credd.is_for_another()
        && remember(wanted, home, context).map_err(|error| {
            let text = format!("the token is stored, but nobody stores it again before it ends: {error}");
            Error::Other(error.exit(), text)
        })?;
    let lacking = if is_kept { Credd::settings() } else { Vec::new() };
    Ok(Stored {
        expires_at: access.reply.expires_at,
        is_kept: is_kept && lacking.is_empty(),
        lacking,
        warnings,
    })
}

fn token(wanted: &Specification, context: &mut Context) -> Result<Access, Error> {
    let query = TokenQuery {
        target: Target::Account(wanted.account.to_string()),
        wanted: Wanted::AccessToken {
            scope: wanted.scope.clone(),
            audience: wanted.audience.clone(),
            validity: Validity::AtLeast(MIN_VALID),
        },
        application_hint: "HTCondor".to_owned(),
        autoload: true,
        offer: Offer::ByAgent,
        remote: false,
    };
    match obtain(&query, context)? {
        Token::Access(access) => Ok(access),
        Token::Id(_) | Token::Mytoken(_) => Err(Error::UnexpectedReply("access_token")),
    }
}

/// Writes it down and tells the agent. Whether the agent keeps it fresh from now on; what it does not take is not left there.
fn remember(wanted: &Specification, home: &Home, context: &mut Context) -> Result<bool, Error> {
    let before = Memory::change(home, |memory| {
        let before = memory.find(&wanted.sink);
        memory.put(wanted)?;
        Ok(before)
    })?;
    let told = reload(context);
    if told.is_err() {
        Memory::change(home, |memory| {
            if let Some(before) = &before {
                return memory.put(before);
            }
            memory.remove(&wanted.sink);
            Ok(())
        })?;
    }
    told
}

/// Has the agent read its configuration. Whether it is one that has any; its refusal is an error.
pub fn reload(context: &mut Context) -> Result<bool, Error> {
    match context.call(&Request::FilesReload) {
        Ok(_) => Ok(true),
        Err(error) if error.failure_code() == Some(ErrorCode::FilesConfiguration) => Err(error),
        Err(_) => Ok(false),
    }
}
