//! `oidc helper google`: the executable of an external account (workload identity federation), which Google's libraries run
//! where `GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES` is 1. They read both streams as one, so nothing is said on standard error;
//! failures are told as JSON, too.

use std::env;

use clap::Parser;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{
    arguments::HelperArgs,
    hand_over::{For, HandedOver, hand_over},
    pasted,
};
use crate::{
    cli::options::Common,
    context::{Command, Context, error::Error},
};

/// The pool's provider: the audience that it expects unless it was told of others.
const AUDIENCE: &str = "GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// Give Google's libraries the token of an external account (executable source)
#[derive(Debug, Clone, Parser)]
#[command(after_help = "\
Example: what this prints is a credential configuration; put your pool's provider into its audience:
  oidc helper google --account ACCOUNT --print-config

The libraries run it where GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES is 1. Without --aud, --for and --id-token the audience that \
they name is asked for.")]
pub struct GoogleArgs {
    #[command(flatten)]
    pub helper: HelperArgs,
}

impl Command for GoogleArgs {
    fn common(&self) -> &Common {
        &self.helper.common
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        if self.helper.print_config {
            return self.print_config(context);
        }
        // Whatever is said on the way is kept, and left out with the rest.
        context.output.json = true;
        context.output.quiet = true;
        let audience = env::var(AUDIENCE).ok().filter(|audience| !audience.trim().is_empty());
        let text = match self.handed(audience.as_deref(), context) {
            Ok(handed) => success(&handed, self.helper.id_token),
            Err(error) => Zeroizing::new(
                json!({"version": 1, "success": false, "code": error.code(), "message": told(&error)})
                    .to_string(),
            ),
        };
        let line = Zeroizing::new(format!("{}\n", *text));
        Ok(context.output.result(&line)?)
    }
}

impl GoogleArgs {
    fn handed(&self, audience: Option<&str>, context: &mut Context) -> Result<HandedOver, Error> {
        let mut chosen = self.helper.require(None, context)?;
        if !self.helper.id_token
            && chosen.token.purpose.aud.is_none()
            && self.helper.destinations.wanted.is_empty()
        {
            chosen.token.purpose.aud = audience.map(str::to_owned);
        }
        let destination = audience.unwrap_or("google");
        let wanted = For { program: "google", destination, sign: None, may_ask: false };
        hand_over(&self.helper, &chosen, wanted, context)
    }

    fn print_config(&self, context: &mut Context) -> Result<(), Error> {
        pasted::require_account(&self.helper)?;
        let command = pasted::blank_separated(&pasted::words("google", &self.helper)?)?;
        let configuration = json!({
            "type": "external_account",
            "audience": "//iam.googleapis.com/projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER",
            "subject_token_type": if self.helper.id_token { ID_TOKEN } else { JWT },
            "token_url": "https://sts.googleapis.com/v1/token",
            "credential_source": {"executable": {"command": command, "timeout_millis": 60000}},
        });
        let text = serde_json::to_string_pretty(&configuration).unwrap_or_default();
        Ok(context.output.result(&format!("{text}\n"))?)
    }
}

fn success(handed: &HandedOver, is_id_token: bool) -> Zeroizing<String> {
    let kind = if is_id_token { ID_TOKEN } else { JWT };
    let ends = handed.expires_at.map(|at| format!("\"expiration_time\":{at},")).unwrap_or_default();
    // Only what cannot break out of the text is in the token.
    Zeroizing::new(format!(
        "{{\"version\":1,\"success\":true,\"token_type\":{},{ends}\"id_token\":\"{}\"}}",
        Value::from(kind),
        *handed.token
    ))
}

fn told(error: &Error) -> String {
    match error.hint() {
        Some(hint) => format!("{error}\n{hint}"),
        None => error.to_string(),
    }
}
