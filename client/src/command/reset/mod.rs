//! `oidc reset`: gives an account up whose password is forgotten. Asks no password, needs no agent, starts none.

mod plan;
mod report;

use oidc_proto::{
    home::Home,
    issuers,
    message::{RemoteOutcome, Reply, Request, ResetReport, ResetRequest},
    shortname::Shortname,
};
use plan::{AgentState, Plan};
use report::Outcome;
use serde_json::json;

use super::{Context, is_unknown_request};
use crate::{
    account_file::LOCK_TIMEOUT,
    cli::{UsageError, others::ResetArgs},
    error::Error,
};

/// Shows what will be lost, asks, and resets the accounts. A failure with one account does not stop the others.
pub fn run(args: &ResetArgs, context: &mut Context) -> Result<(), Error> {
    let home = context.home()?;
    let agent = plan::ask_agent(context);
    let plans = names(args, &home)?
        .into_iter()
        .map(|name| Plan::of(&home, name, &agent))
        .collect::<Result<Vec<_>, _>>()?;
    if args.dry_run {
        return show(&plans, args, context);
    }
    if !args.force && !plans.is_empty() {
        confirm(&plans, args, context)?;
    }
    let results: Vec<_> = plans.into_iter().map(|plan| reset(plan, args, &home, context)).collect();
    finish(results, context)
}

fn names(args: &ResetArgs, home: &Home) -> Result<Vec<Shortname>, Error> {
    if args.all {
        return Ok(home.list()?);
    }
    if args.accounts.is_empty() {
        let text = "oidc reset: name the accounts, or give --all".to_owned();
        return Err(UsageError::Text(text).into());
    }
    args.accounts.iter().map(|text| Ok(text.parse::<Shortname>()?)).collect()
}

/// `--dry-run`.
fn show(plans: &[Plan], args: &ResetArgs, context: &mut Context) -> Result<(), Error> {
    if context.output.json {
        let accounts: Vec<_> = plans.iter().map(Plan::to_json).collect();
        let object = json!({"status": "success", "dry_run": true, "accounts": accounts});
        return Ok(context.output.json(&object)?);
    }
    for plan in plans {
        context.output.line(&plan.text(args.keep_remote))?;
    }
    Ok(context.output.line("Nothing was changed.")?)
}

fn confirm(plans: &[Plan], args: &ResetArgs, context: &mut Context) -> Result<(), Error> {
    if !context.asker.is_there() {
        return Err(Error::NeedsForce("reset"));
    }
    for plan in plans {
        context.asker.tell(&plan.text(args.keep_remote))?;
    }
    let question = match plans {
        [plan] => format!("Reset '{}'?", plan.name),
        several => format!("Reset these {} accounts?", several.len()),
    };
    if context.confirm(&question, "reset")? { Ok(()) } else { Err(Error::Declined) }
}

/// First the provider, while the agent still knows the secrets; then the file.
fn reset(plan: Plan, args: &ResetArgs, home: &Home, context: &mut Context) -> Result<Outcome, Error> {
    let (remote, remark) = match plan.agent {
        AgentState::Loaded => ask_to_reset(&plan.name, args.keep_remote, context),
        _ => (ResetReport::default(), None),
    };
    let lock = home.lock(&plan.name, LOCK_TIMEOUT)?;
    let deleted = home.delete(lock)?;
    let listing = issuers::remove_account(home, &plan.name).err();
    let remarks =
        remark.into_iter().chain(listing.map(|error| format!("issuer.config is left as it was: {error}")));
    Ok(Outcome {
        file_deleted: deleted.file || remote.file_deleted,
        leftovers_deleted: deleted.leftovers,
        remarks: remarks.collect(),
        keep_remote: args.keep_remote,
        remote,
        plan,
    })
}

/// What the agent did; and if it did not do all, why.
fn ask_to_reset(name: &Shortname, keep_remote: bool, context: &mut Context) -> (ResetReport, Option<String>) {
    let request = Request::Reset(ResetRequest { account: name.to_string(), keep_remote });
    let error = match context.call(&request) {
        Ok(Reply::Success { info }) => {
            return (info.as_ref().and_then(ResetReport::from_info).unwrap_or_default(), None);
        }
        Ok(_) => Error::UnexpectedReply("reset"),
        Err(error) => error,
    };
    if !is_unknown_request(&error) {
        let reason = RemoteOutcome::Failed { reason: error.to_string() };
        let report = ResetReport { refresh_token: reason.clone(), client: reason, ..ResetReport::default() };
        return (report, Some(format!("the agent could not reset the account: {error}")));
    }
    // An agent of the C suite: it can at least forget the account.
    let removed = context.call(&Request::Remove { account: name.to_string() });
    let remark = match removed {
        Ok(_) => {
            "this agent cannot revoke anything for an account that is reset; it has unloaded it".to_owned()
        }
        Err(error) => format!("the agent still holds the account: {error}"),
    };
    (ResetReport::default(), Some(remark))
}

/// Prints every outcome, then ends with the first error.
fn finish(results: Vec<Result<Outcome, Error>>, context: &mut Context) -> Result<(), Error> {
    let (mut outcomes, mut first_error) = (Vec::new(), None);
    for result in results {
        match result {
            Ok(outcome) => outcomes.push(outcome),
            Err(error) if first_error.is_none() => first_error = Some(error),
            Err(error) => context.output.error(&error),
        }
    }
    if context.output.json {
        let accounts: Vec<_> = outcomes.iter().map(Outcome::to_json).collect();
        let status = if first_error.is_none() { "success" } else { "failure" };
        context.output.json(&json!({"status": status, "dry_run": false, "accounts": accounts}))?;
    } else {
        for outcome in &outcomes {
            context.output.line(&outcome.text())?;
        }
    }
    first_error.map_or(Ok(()), Err)
}
