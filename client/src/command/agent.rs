//! `oidc agent start|stop|status`: the agent that commands find without variables.

use oidc_proto::{
    home::Home,
    message::{AgentStatus, Reply, Request},
    process::{Process, STILL_ENDING},
    shell,
    shortname::Shortname,
};
use serde_json::json;

use super::{Context, status};
use crate::{
    agent::{AgentError, start},
    cli::{
        UsageError,
        others::{AgentAction, AgentArgs},
    },
    error::Error,
};

/// Starts, stops or asks the agent.
pub fn run(args: &AgentArgs, context: &mut Context) -> Result<(), Error> {
    match args.action {
        AgentAction::Start => start_agent(args, context),
        AgentAction::Stop => stop(args, context),
        AgentAction::Status => status::run(context),
    }
}

fn start_agent(args: &AgentArgs, context: &mut Context) -> Result<(), Error> {
    let (socket, running) = if context.agent.call(&Request::Check).is_ok() {
        (context.agent.address()?, true)
    } else {
        let started = start::start(&args.arguments)?;
        if !started.said.is_empty() {
            context.output.note(&started.said);
        }
        (started.socket.display().to_string(), !started.is_own)
    };
    if context.output.json {
        let object = json!({"status": "success", "socket": socket, "started": !running});
        return Ok(context.output.json(&object)?);
    }
    let state = if running { "runs already at" } else { "started at" };
    Ok(context.output.line(&format!("oidc-agent {state} {socket}"))?)
}

/// Ends the agent that answers, whatever `OIDCD_PID` says: the kernel knows whose socket it is.
fn stop(args: &AgentArgs, context: &mut Context) -> Result<(), Error> {
    if !args.arguments.is_empty() {
        return Err(UsageError::new("`oidc agent stop` takes no further arguments").into());
    }
    let connection = context.agent.connect()?;
    let not_ended = |error| AgentError::End { path: connection.path.clone(), error };
    let process = Process::peer_of(&connection.stream).map_err(not_ended)?;
    let unsaved = unsaved(context);
    // An agent that ends waits for its clients.
    drop(connection.stream);
    process.end_agent(|| context.output.note(STILL_ENDING)).map_err(not_ended)?;
    for name in &unsaved {
        context.output.warning(&what_became_of(name));
    }
    let socket = context.agent.address()?;
    if context.output.json {
        return Ok(context.output.json(&json!({"status": "success", "socket": socket}))?);
    }
    Ok(context.output.line(&format!("oidc-agent at {socket} has ended"))?)
}

/// Accounts whose new refresh token the agent could not save so far. Other agents do not tell.
fn unsaved(context: &mut Context) -> Vec<Shortname> {
    let Ok(Reply::Success { info: Some(info) }) = context.agent.call(&Request::StatusJson) else {
        return Vec::new();
    };
    let accounts = AgentStatus::from_info(&info).unwrap_or_default().accounts;
    accounts
        .iter()
        .filter(|account| account.unsaved)
        .filter_map(|account| account.name.parse().ok())
        .collect()
}

/// The agent tries again at its end; where the token lies then decides whether the login goes on.
fn what_became_of(name: &Shortname) -> String {
    let at_hand = Home::find_or_create().ok().and_then(|home| home.at_hand(name));
    let begins = format!("the agent held a new refresh token of account '{name}' that it could not save");
    if let Some(path) = at_hand {
        let add = shell::command("oidc add", name.as_str());
        return format!("{begins}; it left it at {}, where `{add}` finds it", path.display());
    }
    let log_in = shell::command("oidc gen --reauthenticate", name.as_str());
    format!("{begins} until it was stopped; if the account fails now, `{log_in}` helps")
}
