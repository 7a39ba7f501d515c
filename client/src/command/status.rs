//! `oidc status`: what the agent says about itself and its accounts.

use std::fmt::Write;

use clap::Parser;
use jiff::Timestamp;
use oidc_proto::{
    account::grant_type,
    message::{AccountStatus, AgentStatus, Condition, FilesQuery, FilesStatus, Reply, Request},
    shell,
};
use serde_json::{Value, json};

use crate::{
    cli::options::Common,
    context::{
        Command, Context,
        error::Error,
        expiry::{self, clock},
    },
};

/// The version of this program.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Show the agent's state
#[derive(Debug, Clone, Parser)]
pub struct StatusArgs {
    #[command(flatten)]
    pub common: Common,
}

impl Command for StatusArgs {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        show(context)
    }
}

/// Prints the agent's state. Starts no agent: one that was just started has no state worth asking for.
pub fn show(context: &mut Context) -> Result<(), Error> {
    let Reply::Success { info: Some(info) } = context.call(&Request::StatusJson)? else {
        return Err(Error::UnexpectedReply("status_json"));
    };
    let address = context.agent.address()?;
    let status = AgentStatus::from_info(&info).ok_or(Error::UnexpectedReply("status_json"))?;
    if context.output.json {
        return Ok(context.output.json(&to_json(&address, &info))?);
    }
    let mut text = text(&address, &status, Timestamp::now());
    if let Some(line) = managed_files(context) {
        push(&mut text, "Files   ", &line);
    }
    Ok(context.output.line(text.trim_end())?)
}

/// How it stands with managed files, where there are any. An agent that knows none, or is locked, says nothing of them.
fn managed_files(context: &mut Context) -> Option<String> {
    let reply = context.call(&Request::FilesStatus(FilesQuery::default())).ok()?;
    let Reply::Success { info: Some(info) } = reply else { return None };
    in_short(&FilesStatus::from_info(&info)?)
}

fn in_short(status: &FilesStatus) -> Option<String> {
    let all: usize = status.counts.values().sum();
    let fresh = status.counts.get(&Condition::Fresh).copied().unwrap_or(0);
    let refused = status.refused.is_some().then_some("their configuration on disk is not taken");
    let attention = (fresh < all).then(|| format!("{} of {all} managed files need attention", all - fresh));
    let told: Vec<_> = attention.into_iter().chain(refused.map(str::to_owned)).collect();
    match told.join("; ") {
        told if !told.is_empty() => Some(format!("{told}: run `oidc files status`")),
        _ => (all > 0).then(|| format!("{all} managed, all fresh")),
    }
}

/// The agent's own object, and where it is.
fn to_json(address: &str, info: &Value) -> Value {
    json!({"socket": address, "agent": info})
}

fn text(address: &str, status: &AgentStatus, now: Timestamp) -> String {
    let mut text = format!("Agent    {} at {address}\n", status.version);
    if let Some(line) = replaced(status) {
        push(&mut text, "Replaced", &line);
    }
    if !status.command_line_options.is_empty() {
        push(&mut text, "Options ", &status.command_line_options);
    }
    if let Some(by) = &status.confined_by {
        push(&mut text, "Confined", &if by.is_empty() { "no".to_owned() } else { by.join(", ") });
    }
    if status.offers_logins {
        push(&mut text, "Logins  ", "offered where an account needs a new one");
    }
    if status.loaded_accounts.is_empty() {
        text.push_str("Accounts none loaded\n");
    }
    for name in &status.loaded_accounts {
        let known = status.accounts.iter().find(|account| account.name == *name);
        push(&mut text, "Account ", name);
        for line in known.map(|account| details(account, now)).unwrap_or_default() {
            push(&mut text, "        ", &line);
        }
    }
    text
}

/// That a new version lies there already.
fn replaced(status: &AgentStatus) -> Option<String> {
    let program = status.program.as_ref().filter(|_| status.program_replaced)?;
    // Commands and agent are installed together.
    let version =
        if status.version == VERSION { String::new() } else { format!(" (commands: version {VERSION})") };
    Some(format!(
        "{program} is another file by now{version}: `oidc agent upgrade` goes on with it, and with what is loaded"
    ))
}

fn details(account: &AccountStatus, now: Timestamp) -> Vec<String> {
    let mut lines = vec![account.issuer.clone()];
    lines.extend(account.grant_type.as_deref().map(|grant| match (&account.subject_token, grant) {
        (Some(source), _) => format!("nobody logs in: exchanges a token from the {source}"),
        (None, grant_type::CLIENT_CREDENTIALS) => "nobody logs in: the client asks for itself".to_owned(),
        (None, grant_type::MYTOKEN) => match &account.mytoken_url {
            Some(server) => format!("holds a mytoken of {server}"),
            None => "holds a mytoken".to_owned(),
        },
        (None, other) => format!("nobody logs in: {other}"),
    }));
    lines.extend(account.login_needed.as_ref().map(|reason| {
        let log_in = shell::command("oidc gen --reauthenticate", &account.name);
        format!("login needed ({reason}): run `{log_in}`")
    }));
    if account.reload_needed {
        let add = shell::command("oidc add", &account.name);
        lines.push(format!("another program has changed its file since it was loaded: run `{add}`"));
    }
    lines.extend(
        account.client_refused.as_ref().map(|reason| format!("the provider refuses this client ({reason})")),
    );
    if account.unsaved {
        lines.push("its new refresh token could not be saved yet: do not stop the agent".to_owned());
    }
    lines.extend(expiry::chain(account, now));
    lines.extend(account.unloaded_at.map(|time| format!("unloaded at {}", clock(time, now))));
    lines
}

fn push(text: &mut String, label: &str, value: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{label} {value}");
}

#[cfg(test)]
mod tests {
    use oidc_proto::message::FileProblem;

    use super::*;

    #[test]
    fn an_agent_of_the_c_suite_has_names_only() {
        let status = AgentStatus {
            version: "5.3.3".into(),
            loaded_accounts: vec!["a".into(), "b".into()],
            ..AgentStatus::default()
        };
        assert_eq!(
            text("/s", &status, Timestamp::UNIX_EPOCH),
            "Agent    5.3.3 at /s\nAccount  a\nAccount  b\n"
        );
    }

    #[test]
    fn a_program_that_was_replaced_is_told_with_what_helps() {
        let mut status =
            AgentStatus { program: Some("/usr/bin/oidc-agent".into()), ..AgentStatus::default() };
        assert_eq!(replaced(&status), None);
        status.program_replaced = true;
        for (version, remark) in
            [("0.0.1", format!("(commands: version {VERSION})")), (VERSION, "by now:".into())]
        {
            status.version = version.into();
            let text = text("/s", &status, Timestamp::UNIX_EPOCH);
            let line =
                text.lines().find(|line| line.starts_with("Replaced /usr/bin/oidc-agent")).expect("told");
            assert!(line.contains("`oidc agent upgrade`") && line.contains(&remark), "{line}");
        }
    }

    #[test]
    fn managed_files_that_need_attention_are_told() {
        let status = |counts: &[(Condition, usize)], is_refused: bool| FilesStatus {
            counts: counts.iter().copied().collect(),
            refused: is_refused.then(|| FileProblem::new("configuration", "files.toml:3: mode", 0)),
            ..FilesStatus::default()
        };
        let (fresh, expired) = ((Condition::Fresh, 2), (Condition::Expired, 1));
        let told = |counts: &[_], is_refused| in_short(&status(counts, is_refused));
        assert_eq!(told(&[], false), None);
        assert_eq!(told(&[fresh], false).as_deref(), Some("2 managed, all fresh"));
        assert_eq!(
            told(&[fresh, expired], false).as_deref(),
            Some("1 of 3 managed files need attention: run `oidc files status`")
        );
        assert!(told(&[fresh], true).is_some_and(|text| text.contains("not taken: run")));
        assert!(told(&[expired], true).is_some_and(|text| text.contains("attention; their")));
    }

    #[test]
    fn a_refused_client_is_no_login_that_is_needed() {
        let account =
            AccountStatus { client_refused: Some("invalid_client".into()), ..AccountStatus::default() };
        let lines = details(&account, Timestamp::UNIX_EPOCH).join("\n");
        assert!(
            lines.contains("refuses this client (invalid_client)") && !lines.contains("login"),
            "{lines}"
        );
    }

    #[test]
    fn it_is_said_where_the_tokens_of_robots_come_from() {
        for (grant_type, subject_token, text) in [
            ("client_credentials", None, "the client asks for itself"),
            ("mytoken", None, "holds a mytoken of https://mt.example"),
            ("urn:x", Some("file /run/token"), "exchanges a token from the file /run/token"),
        ] {
            let account = AccountStatus {
                grant_type: Some(grant_type.into()),
                subject_token: subject_token.map(str::to_owned),
                mytoken_url: Some("https://mt.example".into()),
                ..AccountStatus::default()
            };
            let lines = details(&account, Timestamp::UNIX_EPOCH).join("\n");
            assert!(lines.contains(text), "{lines}");
        }
    }

    #[test]
    fn a_dying_login_is_pointed_out() {
        let account = AccountStatus {
            name: "a".into(),
            issuer: "https://op".into(),
            refresh_token_expires_at: Some(3600),
            login_needed: Some("invalid_grant".into()),
            ..AccountStatus::default()
        };
        let lines = details(&account, Timestamp::UNIX_EPOCH).join("\n");
        assert!(
            lines.contains("login needed (invalid_grant)") && lines.contains(": renew it soon"),
            "{lines}"
        );
    }
}
