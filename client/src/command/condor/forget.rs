//! `oidc condor forget SERVICE`: what was stored is kept fresh no more.

use clap::Parser;
use serde_json::json;

use super::{credd::Credd, keep, memory::Memory, specification::sink};
use crate::{
    cli::options::Common,
    context::{Command, Context, error::Error},
    say::exit::Exit,
};

/// Keep what was stored for a service fresh no more
#[derive(Debug, Clone, Parser)]
#[command(after_help = "\
What is in the credd stays there until it ends, for the jobs that are running; --delete takes it out of the credd as well.")]
pub struct ForgetArgs {
    /// The service
    #[arg(value_name = "SERVICE")]
    pub service: String,

    /// The handle
    #[arg(long, value_name = "HANDLE")]
    pub handle: Option<String>,

    /// Delete it in the credd as well
    #[arg(long)]
    pub delete: bool,

    #[command(flatten)]
    pub common: Common,
}

impl Command for ForgetArgs {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        let sink = sink(&self.service, self.handle.as_deref())?;
        let credd = Credd::here()?;
        let home = context.home()?;
        let was_known = Memory::change(&home, |memory| Ok(memory.remove(&sink)))?;
        if was_known {
            keep::reload(context)?;
        } else if !self.delete {
            let path = Memory::path(&home);
            let text = format!("nothing is remembered for '{}' in {}", sink.credential(), path.display());
            return Err(Error::Other(Exit::Failure, text));
        }
        if self.delete {
            credd.delete(&sink)?;
        }
        if context.output.json {
            return Ok(context.output.json(&json!({
                "status": "success",
                "credential": sink.credential(),
                "forgotten": was_known,
                "deleted": self.delete,
            }))?);
        }
        let deleted = if self.delete { " It is deleted in the credd." } else { "" };
        Ok(context.output.line(&format!("'{}' is kept fresh no more.{deleted}", sink.credential()))?)
    }
}
