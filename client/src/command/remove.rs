//! `oidc remove`, and `oidc-add -r` and `-R`.

use oidc_proto::message::{Reply, Request};
use serde_json::json;

use super::Context;
use crate::{cli::others::RemoveArgs, error::Error};

/// Unloads one account or all.
pub fn run(args: &RemoveArgs, context: &mut Context) -> Result<(), Error> {
    match &args.account {
        Some(account) => remove(account, context),
        None => remove_all(context),
    }
}

/// Unloads an account. Its file need not exist: an account may outlive it in the agent.
pub fn remove(account: &str, context: &mut Context) -> Result<(), Error> {
    let name = context.account(account)?;
    expect_success(context.call(&Request::Remove { account: name.to_string() })?, "remove")?;
    report(context, &json!({"status": "success", "account": name}))
}

/// Unloads all accounts.
pub fn remove_all(context: &mut Context) -> Result<(), Error> {
    expect_success(context.call(&Request::RemoveAll)?, "remove_all")?;
    report(context, &json!({"status": "success"}))
}

/// Whether a reply is a plain success; what it tells besides.
pub fn expect_success(reply: Reply, request: &'static str) -> Result<Option<String>, Error> {
    match reply {
        Reply::Success { info } => Ok(info.and_then(|info| info.as_str().map(str::to_owned))),
        _ => Err(Error::UnexpectedReply(request)),
    }
}

/// Prints `success`, or the object.
fn report(context: &mut Context, object: &serde_json::Value) -> Result<(), Error> {
    if context.output.json {
        return Ok(context.output.json(object)?);
    }
    Ok(context.output.line("success")?)
}
