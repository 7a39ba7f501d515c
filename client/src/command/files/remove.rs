//! `oidc files remove`: an entry leaves the configuration.

use clap::Parser;
use oidc_proto::files::{FILES_D, FILES_TOML, Surroundings, entry::Sink, text_of};
use serde_json::json;

use super::{add, configuration, edit, reload};
use crate::{
    cli::options::Common,
    context::{Command, Context, error::Error},
    say::exit::Exit,
};

/// Take an entry out of the configuration of managed files
#[derive(Debug, Clone, Parser)]
#[command(after_help = "The file itself stays as it is, with a token that is not renewed any more.")]
pub struct RemoveArgs {
    /// The entry
    #[arg(value_name = "NAME")]
    pub name: String,

    #[command(flatten)]
    pub common: Common,
}

impl Command for RemoveArgs {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        let home = context.home()?;
        // From the reading to the writing nobody else changes it.
        let lock = home.lock_configuration(add::LOCK_PATIENCE)?;
        let files = configuration::read(context)?;
        let (entry, origin) = configuration::find(&files, &self.name)?;
        let surroundings = Surroundings::of_process();
        let is_file_of_ours = origin.path == home.path().join(FILES_TOML)
            || [home.path(), &surroundings.system]
                .iter()
                .any(|place| origin.path.parent() == Some(&place.join(FILES_D)));
        if !is_file_of_ours {
            let text = format!(
                "the entry comes from the OSG token renewer's file {}: take the section in line {}, [token {}], out there, then \
                 `oidc files reload`",
                origin.path.display(),
                origin.line,
                self.name
            );
            return Err(Error::Other(Exit::File, text));
        }
        let wrong = |what: &str| Error::Other(Exit::File, format!("{}: {what}", origin.path.display()));
        let before = text_of(&origin.path, &surroundings).map_err(|problem| wrong(&problem.what))?;
        let before = before.unwrap_or_default();
        let after = edit::without_entry(&before, &self.name).map_err(|what| {
            wrong(&format!("{what}; the entry is in line {}, to be removed with an editor", origin.line))
        })?;
        let after = after.ok_or_else(|| wrong("the entry is not in it any more"))?;
        add::write(&origin.path, Some(&before), &after)?;
        drop(lock);
        let told = reload::after_change(context);
        let left = match &entry.sink {
            Sink::File(sink) if sink.path.exists() => Some(sink.path.display().to_string()),
            _ => None,
        };
        if context.output.json {
            let whole =
                json!({"status": "success", "name": self.name, "left": left, "reloaded": told.is_some()});
            return Ok(context.output.json(&whole)?);
        }
        let left = left
            .map(|path| format!(" {path} stays, with a token that is not renewed any more."))
            .unwrap_or_default();
        Ok(context.output.line(&format!("The entry {} is removed.{left}", self.name))?)
    }
}
