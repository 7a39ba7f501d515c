//! `oidc agent upgrade`: a new version of the agent takes over from the one that runs.

use std::path::Path;

use oidc_proto::{
    error_code::ErrorCode,
    message::{AgentStatus, Failure, Reply, Request, UpgradeReport, UpgradeRequest},
};
use serde_json::json;

use crate::{
    agent::Agent,
    cli::usage::UsageError,
    context::{Context, error::Error},
};

/// Has the agent go on as another version, that of `program` or of the file that it was started from, and says as which.
pub fn upgrade(program: Option<&Path>, context: &mut Context) -> Result<(), Error> {
    let program = program.map(absolute).transpose()?;
    let report = match context.call(&Request::Upgrade(UpgradeRequest { program })) {
        Ok(Reply::Success { info: Some(info) }) => UpgradeReport::from_info(&info),
        Ok(_) => None,
        Err(error) if error.is_unknown_request() => return Err(not_known(&context.agent).into()),
        Err(error) => return Err(error),
    };
    let report = report.ok_or(Error::UnexpectedReply("upgrade"))?;
    let socket = context.agent.address()?;
    if context.output.json {
        let object = json!({
            "status": "success",
            "socket": socket,
            "version": report.version,
            "previous_version": report.previous_version,
            "program": report.program,
            "accounts": report.accounts,
            "locked": report.locked,
        });
        return Ok(context.output.json(&object)?);
    }
    Ok(context.output.line(&text(&report, &socket))?)
}

/// Nobody else knows what a relative path would be relative to.
fn absolute(path: &Path) -> Result<String, Error> {
    let absolute = std::path::absolute(path).ok().and_then(|path| path.to_str().map(str::to_owned));
    absolute.ok_or_else(|| {
        UsageError::new(format!("'{}' is no path that can be passed on", path.display())).into()
    })
}

fn text(report: &UpgradeReport, socket: &str) -> String {
    let versions = if report.version == report.previous_version {
        format!("version {} again", report.version)
    } else {
        format!("version {} after {}", report.version, report.previous_version)
    };
    let accounts = match report.accounts.len() {
        0 => "no account was loaded".to_owned(),
        1 => "one account is loaded as before".to_owned(),
        count => format!("{count} accounts are loaded as before"),
    };
    let locked = if report.locked { ", and it is locked as before" } else { "" };
    format!("oidc-agent at {socket} is {versions}; {accounts}{locked}")
}

/// What to do where the agent does not know the request.
fn not_known(agent: &Agent) -> Failure {
    let status = match agent.call(&Request::StatusJson) {
        Ok(Reply::Success { info: Some(info) }) => AgentStatus::from_info(&info),
        _ => None,
    };
    let which = match &status {
        Some(status) if status.confined_by.is_none() => {
            format!("the C suite's agent (version {})", status.version)
        }
        Some(status) => format!("version {} of the agent", status.version),
        None => "this agent".to_owned(),
    };
    let error = format!("{which} cannot hand anything over to another version");
    Failure::new(ErrorCode::UnknownRequest, error).with_info(
        "`oidc agent stop` ends it and `oidc agent start` starts the new one; accounts have to be loaded again then, for the \
         last time.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_became_of_it() {
        let report = |version: &str, accounts: usize, locked| UpgradeReport {
            version: version.into(),
            previous_version: "1.0".into(),
            accounts: vec!["a".into(); accounts],
            locked,
            ..UpgradeReport::default()
        };
        for (report, expected) in [
            (
                report("2.0", 2, false),
                "oidc-agent at /s is version 2.0 after 1.0; 2 accounts are loaded as before",
            ),
            (
                report("1.0", 1, true),
                "oidc-agent at /s is version 1.0 again; one account is loaded as before, and it is locked as before",
            ),
            (report("2.0", 0, false), "oidc-agent at /s is version 2.0 after 1.0; no account was loaded"),
        ] {
            assert_eq!(text(&report, "/s"), expected);
        }
    }

    #[test]
    fn a_path_is_passed_on_whole() {
        assert!(
            absolute(Path::new("x/agent"))
                .is_ok_and(|path| path.starts_with('/') && path.ends_with("/x/agent"))
        );
    }
}
