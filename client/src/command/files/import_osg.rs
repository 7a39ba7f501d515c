//! `oidc files import-osg`: the OSG token renewer's configuration as ours.

use std::path::PathBuf;

use clap::Parser;
use oidc_proto::files::{Surroundings, client_credentials, osg, text_of, to_toml};
use serde_json::json;

use crate::{
    cli::options::Common,
    context::{Command, Context, error::Error},
    say::exit::Exit,
};

/// Print the OSG token renewer's configuration as files.toml
#[derive(Debug, Clone, Parser)]
#[command(after_help = "\
Nothing is changed. Put the text into files.d/osg.toml of the oidc-agent directory; or leave the file as it is, and name it in \
files.toml: osg = [\"/etc/osg/token-renewer/config.ini\"].")]
pub struct ImportOsgArgs {
    /// The renewer's file
    #[arg(value_name = "FILE", default_value = osg::CONFIG_INI)]
    pub file: PathBuf,

    #[command(flatten)]
    pub common: Common,
}

impl Command for ImportOsgArgs {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        let shown = self.file.display();
        let wrong = |what: &str| Error::Other(Exit::File, format!("{shown}: {what}"));
        let text =
            text_of(&self.file, &Surroundings::of_process()).map_err(|problem| wrong(&problem.what))?;
        let text = text.ok_or_else(|| wrong("it does not exist"))?;
        let config = osg::parse(&text).map_err(|problems| {
            let lines: Vec<_> = problems
                .iter()
                .map(|problem| format!("{shown}:{}: {}", problem.line, problem.what))
                .collect();
            Error::Other(Exit::Problems, format!("it is not taken over\n{}", lines.join("\n")))
        })?;
        for account in config.accounts.iter().filter(|account| account.password_file.is_none()) {
            context.output.remark(&format!("{}: {}", account.name, client_credentials(&account.name)));
        }
        let toml = to_toml(&config);
        if context.output.json {
            let whole =
                json!({"toml": toml, "entries": config.tokens.len(), "accounts": config.accounts.len()});
            return Ok(context.output.json(&whole)?);
        }
        Ok(context.output.line(toml.trim_end())?)
    }
}
