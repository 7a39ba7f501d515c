//! `oidc-agent-service`: the agent that every login of the user shares, for the shells' `eval`.

mod options;
pub mod running;
mod systemd;

use clap::{Parser, ValueEnum};

pub use options::Options;

use super::status;
use crate::{
    agent::Agent,
    cli::options::Common,
    context::{Command, Context, error::Error},
    say::exit::Exit,
};

/// Start, find, end or restart the agent that all logins share, for a shell: eval "$(oidc-agent-service use)"
#[derive(Debug, Clone, Parser)]
#[command(
    override_usage = "oidc-agent-service use | start | restart | restart-s | stop | kill | status",
    after_help = "\
Where systemd has the user unit oidc-agent.socket and no options are set, the agent is the unit's; else a daemon.

Settings: OIDC_AGENT, OIDC_AGENT_OPTS, START_AGENT_WITH_XSESSION and OIDC_AGENT_RESTART_WITH_SAME_OPTS, in the environment, \
in oidc-agent-service.options in the oidc-agent directory, or in /etc/oidc-agent/oidc-agent-service.options."
)]
pub struct ServiceArgs {
    /// What to do
    #[arg(value_enum)]
    pub action: ServiceAction,

    #[command(flatten)]
    pub common: Common,
}

/// What to do with the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ServiceAction {
    /// Start it, unless it runs, and print its variables
    Use,
    /// Start it and print its variables; an error if it runs
    Start,
    /// End it, start it and print its variables
    Restart,
    /// The same, and print nothing
    RestartS,
    /// End it
    #[value(alias = "kill")]
    Stop,
    /// Ask it for its state
    Status,
    /// `use`, unless the options say that a desktop session starts none
    #[value(hide = true)]
    StartFromX,
}

impl Command for ServiceArgs {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        let home = context.home().ok();
        let options = Options::find(home.as_ref(), &mut |what| context.output.warning(what));
        match self.action {
            ServiceAction::StartFromX if !options.starts_from_x => Ok(()),
            ServiceAction::Use | ServiceAction::StartFromX => {
                let running = running::use_or_start(&options, context)?;
                running::tell(&running, context)
            }
            ServiceAction::Start => {
                if let Some(running) = running::find(context)? {
                    let text = format!(
                        "an agent runs already at {}; `oidc-agent-service use` gives its variables, `oidc-agent-service \
                         restart` starts another one in its place",
                        running.socket.display()
                    );
                    return Err(Error::Other(Exit::Failure, text));
                }
                let running = running::start(&options, context)?;
                running::tell(&running, context)
            }
            ServiceAction::Restart => {
                let running = running::restart(options, context)?;
                running::tell(&running, context)
            }
            ServiceAction::RestartS => running::restart(options, context).map(drop),
            ServiceAction::Stop => {
                let ended = running::stop(context)?;
                running::tell_end(ended.as_ref(), context)
            }
            ServiceAction::Status => {
                context.agent = Agent::at_default_places();
                status::show(context)
            }
        }
    }
}
