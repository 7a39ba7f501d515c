//! `oidc agent start|stop|status`: the agent that commands find without variables.

use std::process::{Command as Process, Stdio};

use oidc_proto::{message::Request, socket::OIDC_SOCK};
use serde_json::json;

use super::{Context, status};
use crate::{
    agent::start,
    cli::others::{AgentAction, AgentArgs},
    error::Error,
    exit::Exit,
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
    let running = context.agent.call(&Request::Check).is_ok();
    let socket =
        if running { context.agent.address()? } else { start::start(&args.arguments)?.display().to_string() };
    if context.output.json {
        let object = json!({"status": "success", "socket": socket, "started": !running});
        return Ok(context.output.json(&object)?);
    }
    let state = if running { "runs already at" } else { "started at" };
    Ok(context.output.line(&format!("oidc-agent {state} {socket}"))?)
}

/// Runs `oidc-agent --kill`, which ends the process named by `OIDCD_PID` and waits for its end.
fn stop(args: &AgentArgs, context: &mut Context) -> Result<(), Error> {
    // An agent that does not answer has left its process id to somebody else.
    context.call(&Request::Check)?;
    let socket = context.agent.address()?;
    let mut kill = Process::new(start::program().0);
    if std::env::var_os("OIDCD_PID").is_none() {
        let pid = start::pid(&socket).ok_or_else(|| unknown_pid(&socket))?;
        kill.env("OIDCD_PID", pid).env(OIDC_SOCK, &socket);
    }
    let kill = kill.arg("--kill").args(&args.arguments).stdout(Stdio::null());
    let status = kill.status().map_err(|error| Error::Run { program: "oidc-agent".to_owned(), error })?;
    if !status.success() {
        return Err(Error::Other(Exit::Failure, format!("oidc-agent --kill ended with {status}")));
    }
    if context.output.json {
        return Ok(context.output.json(&json!({"status": "success", "socket": socket}))?);
    }
    Ok(context.output.line(&format!("oidc-agent at {socket} has ended"))?)
}

fn unknown_pid(socket: &str) -> Error {
    let text = format!(
        "the agent at {socket} was not started by `oidc agent start`; if it is a systemd service, run \
         `systemctl --user stop oidc-agent`"
    );
    Error::Other(Exit::Failure, text)
}
