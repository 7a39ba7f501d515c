//! `oidc reset`: gives an account up whose password is forgotten. Asks no password, needs no agent, starts none.

mod plan;
mod report;

use clap::Parser;
use oidc_proto::{
    home::{Deleted, Home},
    issuers,
    message::{RemoteOutcome, Reply, Request, ResetReport, ResetRequest},
    shell,
    shortname::Shortname,
};
use plan::Plan;
use report::Outcome;
use serde_json::json;

use crate::{
    account::{
        file::{LOCK_TIMEOUT, is_foreign},
        password::keyring,
    },
    cli::options::Common,
    context::{
        Command, Context,
        agent_state::{self, AgentState},
        error::Error,
    },
};

/// Delete an account whose password is forgotten; asks no password
#[derive(Debug, Clone, Parser)]
#[command(
    override_usage = "oidc reset [OPTIONS] ACCOUNT... | --all",
    after_help = "\
Deletes the encrypted account file, whatever state it is in, what belongs to it in the oidc-agent directory, and its password in \
the desktop's keyring. \
If the agent holds the account unlocked, the refresh token is revoked and a dynamically registered client is \
deleted at the provider first; otherwise the command names what is left there. No agent is needed, none is started, \
and a locked agent does not matter. Afterwards `oidc gen ACCOUNT` makes the account anew.

If you only want another password and the agent still holds the account, `oidc passwd ACCOUNT` loses nothing."
)]
pub struct ResetArgs {
    /// Short names of the accounts
    #[arg(value_name = "ACCOUNT", required_unless_present = "all")]
    pub accounts: Vec<String>,

    /// Reset every account that `oidc list` shows
    #[arg(long, conflicts_with = "accounts")]
    pub all: bool,

    /// Do not ask for confirmation
    #[arg(short, long)]
    pub force: bool,

    /// Leave refresh token and client at the provider as they are
    #[arg(long)]
    pub keep_remote: bool,

    /// Only show what would be done
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    #[command(flatten)]
    pub common: Common,
}

impl Command for ResetArgs {
    fn common(&self) -> &Common {
        &self.common
    }

    /// Shows what will be lost, asks, and resets the accounts. A failure with one account does not stop the others.
    fn run(&self, context: &mut Context) -> Result<(), Error> {
        let home = context.home()?;
        let agent = agent_state::ask(context);
        let plans = names(self, &home)?
            .into_iter()
            .map(|name| Plan::of(&home, name, &agent))
            .collect::<Result<Vec<_>, _>>()?;
        if self.dry_run {
            return show(&plans, self, context);
        }
        if !self.force && !plans.is_empty() {
            confirm(&plans, self, context)?;
        }
        let outcomes = plans.into_iter().map(|plan| reset(plan, self, &home, context)).collect();
        finish(outcomes, context)
    }
}

fn names(args: &ResetArgs, home: &Home) -> Result<Vec<Shortname>, Error> {
    if args.all {
        let names = home.list()?;
        return Ok(names.into_iter().filter(|name| !is_foreign(home, name)).collect());
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

/// First the provider, while the agent still knows the secrets; then the file. What was done is told even where the
/// last step fails.
fn reset(plan: Plan, args: &ResetArgs, home: &Home, context: &mut Context) -> Outcome {
    let (remote, remark) = match plan.agent {
        AgentState::Loaded => ask_to_reset(&plan.name, args.keep_remote, context),
        // Nothing can be done at the provider, but what the agent holds must not be of use once it is unlocked.
        AgentState::Locked => ask_to_drop(&plan.name, context),
        _ => (ResetReport::default(), None),
    };
    let deleted = delete(home, &plan.name);
    let keyring = deleted.is_ok().then(|| keyring::clear(&plan.name, &plan.path));
    let listing = deleted.as_ref().ok().and_then(|_| issuers::remove_account(home, &plan.name).err());
    let remarks =
        remark.into_iter().chain(listing.map(|error| format!("issuer.config is left as it was: {error}")));
    let (keyring_cleared, in_keyring) = match keyring {
        Some(Err(error)) => (false, Some(format!("the keyring may still have the old password: {error}"))),
        Some(Ok(is_cleared)) => (is_cleared, None),
        None => (false, None),
    };
    let remarks = remarks.chain(in_keyring);
    let (deleted, error) = match deleted {
        Ok(deleted) => (deleted, None),
        Err(error) => (Deleted::default(), Some(error)),
    };
    Outcome {
        file_deleted: deleted.file || remote.file_deleted,
        leftovers_deleted: deleted.leftovers,
        keyring_cleared,
        remarks: remarks.collect(),
        keep_remote: args.keep_remote,
        remote,
        plan,
        error,
    }
}

fn delete(home: &Home, name: &Shortname) -> Result<Deleted, Error> {
    let lock = home.lock(name, LOCK_TIMEOUT)?;
    Ok(home.delete(lock)?)
}

/// What a locked agent did: it drops the account that it holds sealed. If it did not, why.
fn ask_to_drop(name: &Shortname, context: &mut Context) -> (ResetReport, Option<String>) {
    let request = Request::Reset(ResetRequest { account: name.to_string(), keep_remote: true });
    match context.call(&request) {
        Ok(Reply::Success { info }) => {
            let report = info.as_ref().and_then(ResetReport::from_info).unwrap_or_default();
            // It tells the issuer of an account that it held.
            let remark = report
                .issuer
                .is_some()
                .then(|| "the locked agent held the account, and dropped it".to_owned());
            (report, remark)
        }
        _ => (
            ResetReport::default(),
            Some(format!(
                "the agent may still hold the account; once it is unlocked, run `{}`",
                shell::command("oidc remove", name.as_str())
            )),
        ),
    }
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
    if !error.is_unknown_request() {
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
fn finish(outcomes: Vec<Outcome>, context: &mut Context) -> Result<(), Error> {
    if context.output.json {
        let accounts: Vec<_> = outcomes.iter().map(Outcome::to_json).collect();
        let is_done = outcomes.iter().all(|outcome| outcome.error.is_none());
        let status = if is_done { "success" } else { "failure" };
        context.output.json(&json!({"status": status, "dry_run": false, "accounts": accounts}))?;
    } else {
        for outcome in &outcomes {
            context.output.line(&outcome.text())?;
        }
    }
    outcomes.into_iter().find_map(|outcome| outcome.error).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use oidc_proto::message::{AgentStatus, Failure};
    use serde_json::Value;

    use super::*;
    use crate::{say::exit::Exit, testing::Bench};

    fn status(names: &[&str]) -> Reply {
        let loaded_accounts = names.iter().map(ToString::to_string).collect();
        Reply::success_with(AgentStatus { loaded_accounts, ..AgentStatus::default() }.to_info())
    }

    fn agent_with_account(request: &Request) -> Reply {
        match request {
            Request::StatusJson => status(&["acc"]),
            Request::Reset(request) => Reply::success_with(
                ResetReport {
                    was_loaded: true,
                    issuer: Some("https://op.example/".into()),
                    client_id: Some("client-1".into()),
                    refresh_token: RemoteOutcome::Done,
                    client: if request.keep_remote { RemoteOutcome::Skipped } else { RemoteOutcome::Done },
                    ..ResetReport::default()
                }
                .to_info(),
            ),
            _ => Failure::unknown_request().into(),
        }
    }

    #[test]
    fn without_an_agent_the_file_goes_and_the_rest_is_named() {
        let bench = Bench::new().with_account("acc").with_account("other").with_person(&["y"]);
        let ran = bench.run(&["oidc", "reset", "acc"]);
        assert!(ran.result.is_ok(), "{ran:?}");
        assert!(!bench.file("acc").exists() && bench.file("other").exists());
        assert!(ran.asked[0].contains("none runs"), "{ran:?}");
        assert!(ran.stdout.contains("Left at") && ran.stdout.contains("oidc gen acc"), "{ran:?}");
        assert_eq!(bench.home().list().expect("a list").len(), 1);
    }

    #[test]
    fn an_agent_with_the_account_revokes_first() {
        let bench = Bench::new().with_account("acc").with_agent(agent_with_account);
        let ran = bench.run(&["oidc", "reset", "--force", "acc"]);
        assert!(ran.stdout.contains("Revoked") && !ran.stdout.contains("Left at"), "{ran:?}");
        assert!(!bench.file("acc").exists());
        let expected = Request::Reset(ResetRequest { account: "acc".into(), keep_remote: false });
        assert_eq!(bench.requests().pop(), Some(expected));
    }

    #[test]
    fn keep_remote_is_passed_on_and_what_stays_is_named() {
        let bench = Bench::new().with_account("acc").with_agent(agent_with_account);
        let ran = bench.run(&["oidc", "reset", "-f", "--keep-remote", "acc"]);
        assert!(ran.stdout.contains("Left at https://op.example/:\n  the client client-1"), "{ran:?}");
    }

    #[test]
    fn a_locked_agent_of_the_c_suite_keeps_the_account_and_that_is_said() {
        let bench = Bench::new().with_account("acc").with_agent(|_| Failure::agent_locked().into());
        let ran = bench.run(&["oidc", "reset", "--force", "acc"]);
        assert!(ran.result.is_ok() && !bench.file("acc").exists());
        assert!(ran.stdout.contains("oidc remove acc"), "{ran:?}");
    }

    #[test]
    fn a_locked_agent_of_ours_drops_the_account() {
        let bench = Bench::new().with_account("acc").with_agent(|request| match request {
            Request::Reset(_) => Reply::success_with(
                ResetReport { issuer: Some("https://op.example/".into()), ..ResetReport::default() }
                    .to_info(),
            ),
            _ => Failure::agent_locked().into(),
        });
        let ran = bench.run(&["oidc", "reset", "--force", "acc"]);
        assert!(ran.result.is_ok() && !bench.file("acc").exists());
        assert!(ran.stdout.contains("dropped it") && !ran.stdout.contains("oidc remove"), "{ran:?}");
        assert!(ran.stdout.contains("Left at https://op.example/"), "{ran:?}");
    }

    #[test]
    fn what_was_done_is_told_where_the_file_cannot_be_deleted() {
        let bench = Bench::new().with_account("acc").with_account("other").with_agent(agent_with_account);
        // What stands in the place of the kept refresh token is nothing that could be deleted.
        fs_err::create_dir(bench.file(".acc.rotated")).expect("a directory");
        for line in [&["oidc", "reset", "-f", "acc", "other"][..], &["oidc", "reset", "-f", "--json", "acc"]]
        {
            let ran = bench.run(line);
            assert_eq!(ran.result.expect_err("not all is deleted").exit(), Exit::File);
            let told =
                if line.contains(&"--json") { r#""refresh_token":{"outcome":"done"}"# } else { "Revoked" };
            assert!(ran.stdout.contains(told) && ran.stdout.contains(".acc.rotated"), "{}", ran.stdout);
        }
        assert!(!bench.file("other").exists());
    }

    /// Where the file is gone its hidden files are found, also those of a name that is too long to be part of theirs.
    #[test]
    fn what_is_left_of_a_long_name_goes_too() {
        let name = "n".repeat(250);
        let bench = Bench::new();
        let rotated = bench.home().rotated_path(&name.parse().expect("a name"));
        fs_err::write(&rotated, b"{}").expect("written");
        let ran = bench.run(&["oidc", "reset", "--force", &name]);
        assert!(ran.result.is_ok() && !rotated.exists(), "{ran:?}");
    }

    #[test]
    fn an_agent_of_the_c_suite_forgets_the_account() {
        let bench = Bench::new().with_account("acc").with_agent(|request| match request {
            Request::StatusJson => status(&["acc"]),
            Request::Remove { .. } => Reply::success(),
            _ => Failure::unknown_request().into(),
        });
        let ran = bench.run(&["oidc", "reset", "--force", "--json", "acc"]);
        let value: Value = serde_json::from_str(&ran.stdout).expect("JSON");
        let account = &value["accounts"][0];
        assert_eq!((&account["file_deleted"], &account["agent"]), (&true.into(), &"loaded".into()));
        assert_eq!(account["client"]["outcome"], "skipped");
        assert_eq!(bench.requests().pop(), Some(Request::Remove { account: "acc".into() }));
    }

    #[test]
    fn damaged_and_unreadable_files_go_too() {
        let bench = Bench::new()
            .with_file("damaged", b"{")
            .with_file("big", &vec![b'x'; 2 << 20])
            .with_account("deaf");
        let permissions = std::fs::Permissions::from_mode(0o000);
        fs_err::set_permissions(bench.file("deaf"), permissions).expect("changed");
        let ran = bench.run(&["oidc", "reset", "--force", "damaged", "big", "deaf"]);
        assert!(ran.result.is_ok(), "{ran:?}");
        assert!(bench.home().list().expect("a list").is_empty());
    }

    #[test]
    fn what_is_no_account_is_refused_and_left() {
        let bench = Bench::new().with_account("acc").with_file("issuer.config", b"{}");
        fs_err::create_dir(bench.file("directory")).expect("a directory");
        for name in ["issuer.config", "directory", "absent", "../acc", ".hidden"] {
            assert!(bench.run(&["oidc", "reset", "--force", name]).result.is_err(), "{name}");
        }
        assert!(bench.file("acc").exists() && bench.file("issuer.config").exists());
        assert!(bench.file("directory").exists());
    }

    #[test]
    fn of_a_link_the_link_itself_goes() {
        let bench = Bench::new().with_account("acc");
        for (name, target) in [("link", bench.file("acc")), ("dangling", "/nonexistent".into())] {
            symlink(target, bench.file(name)).expect("a link");
            assert!(bench.run(&["oidc", "reset", "--force", name]).result.is_ok(), "{name}");
            assert!(bench.file(name).symlink_metadata().is_err(), "{name}");
        }
        assert!(bench.file("acc").exists());
    }

    #[test]
    fn one_bad_name_stops_before_anything_is_deleted() {
        let bench = Bench::new().with_account("acc");
        assert!(bench.run(&["oidc", "reset", "--force", "acc", "absent"]).result.is_err());
        assert!(bench.file("acc").exists());
    }

    #[test]
    fn only_a_yes_deletes() {
        for answer in ["", "n", "quit"] {
            let bench = Bench::new().with_account("acc").with_person(&[answer]);
            let error = bench.run(&["oidc", "reset", "acc"]).result.expect_err("declined");
            assert_eq!(error.exit(), Exit::Refused);
            assert!(bench.file("acc").exists());
        }
        let bench = Bench::new().with_account("acc");
        let error = bench.run(&["oidc", "reset", "acc"]).result.expect_err("nobody to ask");
        assert!(matches!(error, Error::NeedsForce(_)) && bench.file("acc").exists());
    }

    #[test]
    fn all_are_those_that_are_listed() {
        let bench =
            Bench::new().with_account("acc").with_file("notes", b"mine").with_agent(agent_with_account);
        let ran = bench.run(&["oidc", "reset", "--force", "--all"]);
        assert!(ran.result.is_ok(), "{ran:?}");
        assert!(!bench.file("acc").exists() && bench.file("notes").exists());
    }

    #[test]
    fn a_dry_run_only_shows() {
        let bench = Bench::new().with_account("acc").with_agent(agent_with_account);
        let ran = bench.run(&["oidc", "reset", "--dry-run", "--all"]);
        assert!(ran.stdout.contains("will revoke") && bench.file("acc").exists(), "{ran:?}");
        assert_eq!(bench.requests(), [Request::StatusJson]);
    }
}
