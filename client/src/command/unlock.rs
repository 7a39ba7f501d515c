//! `oidc unlock`, and `oidc-add -X`.

use clap::Parser;
use oidc_proto::message::Request;

use super::lock::send;
use crate::{
    cli::options::{Common, PasswordArgs},
    context::{Command, Context, error::Error},
};

/// Unlock the agent
#[derive(Debug, Clone, Parser)]
pub struct UnlockArgs {
    #[command(flatten)]
    pub password: PasswordArgs,

    #[command(flatten)]
    pub common: Common,
}

impl Command for UnlockArgs {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        unlock(&self.password, context)
    }
}

/// Unlocks the agent.
pub fn unlock(args: &PasswordArgs, context: &mut Context) -> Result<(), Error> {
    let sources = args.sources();
    let password = match sources.read()? {
        Some(password) => password,
        None => sources.ask(context.asker.as_mut(), "Enter lock password")?,
    };
    send(&Request::Unlock { password }, context)
}
