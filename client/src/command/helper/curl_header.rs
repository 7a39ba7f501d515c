//! `oidc helper curl-header FILE`: a file with the header line, for `curl -H @FILE` and what else reads one, so that the token
//! stands in no command line, which everybody on the machine can read.

use std::path::{Path, PathBuf};

use clap::Parser;
use oidc_proto::private_file::{self, Target};
use serde_json::json;
use zeroize::Zeroizing;

use super::{
    arguments::HelperArgs,
    hand_over::{For, hand_over},
    pasted,
};
use crate::{
    cli::{options::Common, usage::UsageError},
    context::{Command, Context, error::Error},
    say::exit::Exit,
};

/// Write the header line with a token into a file of yours alone
#[derive(Debug, Clone, Parser)]
#[command(after_help = "\
Example:
  oidc helper curl-header --account ACCOUNT ~/.cache/header && curl -H @$HOME/.cache/header https://service.example/

The file has mode 0600 and is replaced as a whole; nobody renews it: `oidc files` manages files that stay fresh. Without a file:
  curl -H @<(oidc token --auth-header ACCOUNT) https://service.example/")]
pub struct CurlHeaderArgs {
    /// The file; its directory has to be there
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,

    #[command(flatten)]
    pub helper: HelperArgs,
}

impl Command for CurlHeaderArgs {
    fn common(&self) -> &Common {
        &self.helper.common
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        let missing = || UsageError::new("a file is missing: oidc helper curl-header --account ACCOUNT FILE");
        let file = self.file.as_deref().ok_or_else(missing)?;
        if file.file_name().is_none() {
            let text = format!("'{}' names no file", file.display());
            return Err(UsageError::new(text).into());
        }
        if self.helper.print_config {
            pasted::require_account(&self.helper)?;
            let mut words = pasted::words("curl-header", &self.helper)?;
            let file = file.display().to_string();
            words.push(file.clone());
            let line = pasted::shell_line(&words);
            let header = pasted::shell_line(&[format!("@{file}")]);
            return Ok(context.output.result(&format!("{line} && curl -H {header} URL\n"))?);
        }
        let chosen = self.helper.require(None, context)?;
        let place = self.helper.destinations.wanted.first().map_or("curl", |place| place.url.as_str());
        let wanted = For { program: "curl", destination: place, sign: None, may_ask: true };
        let handed = hand_over(&self.helper, &chosen, wanted, context)?;
        let line = Zeroizing::new(format!("Authorization: Bearer {}\n", *handed.token));
        write(file, line.as_bytes(), context)?;
        if context.output.json {
            context
                .output
                .json(&json!({"status": "success", "file": file, "expires_at": handed.expires_at}))?;
        }
        Ok(())
    }
}

fn write(file: &Path, bytes: &[u8], context: &mut Context) -> Result<(), Error> {
    let failed = |error: &dyn std::fmt::Display| Error::Other(Exit::File, error.to_string());
    let file = std::path::absolute(file).map_err(|error| failed(&error))?;
    let (home, target) = (context.home().ok(), Target::private(&file));
    let target = home.as_ref().map_or(target, |home| target.outside(home.path()));
    let written = private_file::write(&target, bytes).map_err(|error| failed(&error))?;
    for warning in &written.warnings {
        context.output.warning(&format!("{}: {warning}", file.display()));
    }
    Ok(())
}
