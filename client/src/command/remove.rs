//! `oidc remove`, and `oidc-add -r` and `-R`.

use clap::Parser;
use oidc_proto::message::Request;
use serde_json::json;

use crate::{
    cli::options::Common,
    context::{Command, Context, error::Error},
};

/// Unload an account
#[derive(Debug, Clone, Parser)]
#[command(override_usage = "oidc remove [OPTIONS] ACCOUNT | --all")]
pub struct RemoveArgs {
    /// The account's short name
    #[arg(value_name = "ACCOUNT", required_unless_present = "all")]
    pub account: Option<String>,

    /// Unload all accounts
    #[arg(long, conflicts_with = "account")]
    pub all: bool,

    #[command(flatten)]
    pub common: Common,
}

impl Command for RemoveArgs {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        match &self.account {
            Some(account) => remove(account, context),
            None => remove_all(context),
        }
    }
}

/// Unloads an account. Its file need not exist: an account may outlive it in the agent.
pub fn remove(account: &str, context: &mut Context) -> Result<(), Error> {
    let name = context.account(account)?;
    context.expect_success(&Request::Remove { account: name.to_string() })?;
    report(context, &json!({"status": "success", "account": name}))
}

/// Unloads all accounts.
pub fn remove_all(context: &mut Context) -> Result<(), Error> {
    context.expect_success(&Request::RemoveAll)?;
    report(context, &json!({"status": "success"}))
}

/// Prints `success`, or the object.
fn report(context: &mut Context, object: &serde_json::Value) -> Result<(), Error> {
    if context.output.json {
        return Ok(context.output.json(object)?);
    }
    Ok(context.output.line("success")?)
}
