//! `oidc files reload`: the agent takes the configuration that is on disk now, all or nothing.

use clap::Parser;
use oidc_proto::message::{FilesStatus, Request};

use super::configuration;
use crate::{
    cli::options::Common,
    context::{Command, Context, error::Error},
    say::exit::Exit,
};

/// Let the agent read the configuration of managed files anew
#[derive(Debug, Clone, Parser)]
pub struct ReloadArgs {
    #[command(flatten)]
    pub common: Common,
}

impl Command for ReloadArgs {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        let status = now(context)?;
        if context.output.json {
            return Ok(context.output.json(&status.to_info())?);
        }
        let entries = status.counts.values().sum::<usize>().max(status.entries.len());
        for warning in &status.warnings {
            context.output.warning(&warning.text);
        }
        Ok(context.output.line(&format!("The agent keeps {entries} managed files fresh."))?)
    }
}

/// Tells the agent; an error where it does not take the configuration.
pub fn now(context: &mut Context) -> Result<FilesStatus, Error> {
    let status = configuration::ask(&Request::FilesReload, context)?;
    match &status.refused {
        None => Ok(status),
        Some(refused) => {
            let text = format!(
                "the agent does not take the configuration, and the one before goes on\n{}",
                refused.text
            );
            Err(Error::Other(Exit::Problems, text))
        }
    }
}

/// Tells the agent after a change that is on disk already. What it says, if it could be told; else the person is.
pub fn after_change(context: &mut Context) -> Option<FilesStatus> {
    match now(context) {
        Ok(status) => Some(status),
        Err(error) if error.is_no_agent() => {
            context.output.note("No agent runs; the next one that starts reads the configuration.");
            None
        }
        Err(error) => {
            context.output.warning(&format!("the agent was not told: {error}"));
            None
        }
    }
}
