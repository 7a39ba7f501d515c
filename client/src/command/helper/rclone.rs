//! `oidc helper rclone`: rclone's and DVC's `bearer_token_command`. They run it at the start, and again when a server has
//! answered 401: the same process that asks again for a token that is still valid has had it refused.

use clap::Parser;
use zeroize::Zeroizing;

use super::{
    arguments::HelperArgs,
    hand_over::{For, asking_process, hand_over},
    pasted,
};
use crate::{
    cli::options::Common,
    context::{Command, Context, error::Error},
};

/// Give rclone or DVC the token of a remote (`bearer_token_command`)
#[derive(Debug, Clone, Parser)]
#[command(after_help = "\
Example: what this prints belongs into the remote's section of rclone.conf:
  oidc helper rclone --account ACCOUNT --print-config

Rclone runs the helper at its start, and again when the server refuses the token. Then there is a new one, once; after that the \
helper fails where the reason can be told.")]
pub struct RcloneArgs {
    #[command(flatten)]
    pub helper: HelperArgs,
}

impl Command for RcloneArgs {
    fn common(&self) -> &Common {
        &self.helper.common
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        if self.helper.print_config {
            pasted::require_account(&self.helper)?;
            let line = pasted::blank_separated(&pasted::words("rclone", &self.helper)?)?;
            return Ok(context.output.result(&format!("bearer_token_command = {line}\n"))?);
        }
        let chosen = self.helper.require(None, context)?;
        let place = self.helper.destinations.wanted.first().map_or("rclone", |place| place.url.as_str());
        let wanted = For { program: "rclone", destination: place, sign: asking_process(), may_ask: true };
        let handed = hand_over(&self.helper, &chosen, wanted, context)?;
        let line = Zeroizing::new(format!("{}\n", *handed.token));
        Ok(context.output.result(&line)?)
    }
}
