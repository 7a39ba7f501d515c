//! `oidc agent start|stop|status|upgrade`: the agent that commands find without variables.

mod upgrade;

use std::{ffi::OsString, path::PathBuf};

use clap::{Parser, ValueEnum};
use oidc_proto::{
    home::Home,
    message::{AgentStatus, Reply, Request},
    process::{Process, STILL_ENDING},
    shell,
    shortname::Shortname,
};
use serde_json::json;

use super::status;
use crate::{
    agent::{AgentError, start},
    cli::{options::Common, usage::UsageError},
    context::{Command, Context, error::Error},
};

/// Start, stop, ask or upgrade the agent that commands find without variables
#[derive(Debug, Clone, Parser)]
pub struct AgentArgs {
    /// What to do
    #[arg(value_enum)]
    pub action: AgentAction,

    /// Further arguments for `oidc-agent`, behind `--`
    #[arg(value_name = "ARGUMENT", num_args = 0..)]
    pub arguments: Vec<OsString>,

    /// With `upgrade`: the program to go on with, instead of the file that the agent was started from
    #[arg(long, value_name = "PATH")]
    pub program: Option<PathBuf>,

    #[command(flatten)]
    pub common: Common,
}

/// What to do with the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AgentAction {
    /// Start it, unless it runs
    Start,
    /// End it
    Stop,
    /// Ask it for its state
    Status,
    /// Have a new version go on with everything that is loaded
    Upgrade,
}

impl Command for AgentArgs {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        if self.program.is_some() && self.action != AgentAction::Upgrade {
            return Err(UsageError::new("`--program` goes with `oidc agent upgrade` only").into());
        }
        match self.action {
            AgentAction::Start => start_agent(self, context),
            AgentAction::Stop => stop(self, context),
            AgentAction::Status => status::show(context),
            AgentAction::Upgrade => {
                if !self.arguments.is_empty() {
                    let text = "`oidc agent upgrade` takes no further arguments: how the agent was started goes on to count";
                    return Err(UsageError::new(text).into());
                }
                upgrade::upgrade(self.program.as_deref(), context)
            }
        }
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
    end(context)?;
    let socket = context.agent.address()?;
    if context.output.json {
        return Ok(context.output.json(&json!({"status": "success", "socket": socket}))?);
    }
    Ok(context.output.line(&format!("oidc-agent at {socket} has ended"))?)
}

/// Ends the agent that answers, and waits for its end; which process it was.
pub fn end(context: &mut Context) -> Result<i32, Error> {
    // While an agent starts, the kernel names the process that began to listen, which hands the socket on and ends. Whoever
    // has answered something is the one that stays; so this goes first.
    let unsaved = unsaved(context);
    let connection = context.agent.connect()?;
    let not_ended = |error| AgentError::End { path: connection.path.clone(), error };
    let process = Process::peer_of(&connection.stream).map_err(not_ended)?;
    // An agent that ends waits for its clients.
    drop(connection.stream);
    let pid = process.end_agent(|| context.output.note(STILL_ENDING)).map_err(not_ended)?;
    for name in &unsaved {
        context.output.warning(&what_became_of(name));
    }
    Ok(pid)
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
