//! `oidc files renew`: new tokens now.

use clap::Parser;
use oidc_proto::message::Request;

use super::{configuration, status};
use crate::{
    cli::options::Common,
    context::{Command, Context, error::Error},
};

/// Get a new token for a managed file now, or for all
#[derive(Debug, Clone, Parser)]
pub struct RenewArgs {
    /// Only this entry
    #[arg(value_name = "NAME")]
    pub name: Option<String>,

    #[command(flatten)]
    pub common: Common,
}

impl Command for RenewArgs {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        let reply = configuration::ask(&Request::FilesRenew { name: self.name.clone() }, context)?;
        status::print(&reply, context)
    }
}
