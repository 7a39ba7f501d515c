//! `oidc lock` and `oidc unlock`, and `oidc-add -x` and `-X`.

use oidc_proto::message::Request;
use serde_json::json;

use super::{Context, remove::expect_success};
use crate::{cli::common::PasswordArgs, error::Error};

/// Locks the agent with a password typed twice, or with one from a source.
pub fn lock(args: &PasswordArgs, context: &mut Context) -> Result<(), Error> {
    let sources = args.sources();
    let given = sources.read()?;
    let was_given = given.is_some();
    let password = match given {
        Some(password) => password,
        None => sources.ask(context.asker.as_mut(), "Enter lock password")?,
    };
    if !was_given && sources.ask(context.asker.as_mut(), "Confirm lock password")? != password {
        return Err(Error::PasswordsDiffer);
    }
    if password.is_empty() {
        return Err(Error::EmptyPassword);
    }
    send(&Request::Lock { password }, context)
}

/// Unlocks the agent.
pub fn unlock(args: &PasswordArgs, context: &mut Context) -> Result<(), Error> {
    let sources = args.sources();
    let password = match sources.read()? {
        Some(password) => password,
        None => sources.ask(context.asker.as_mut(), "Enter lock password")?,
    };
    send(&Request::Unlock { password }, context)
}

fn send(request: &Request, context: &mut Context) -> Result<(), Error> {
    let info = expect_success(context.call(request)?, request.name())?;
    if context.output.json {
        return Ok(context.output.json(&json!({"status": "success", "info": info}))?);
    }
    context.output.line("success")?;
    if let Some(info) = info {
        context.output.note(&info);
    }
    Ok(())
}
