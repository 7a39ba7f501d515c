//! `oidc helper cargo`, also as `cargo-credential-oidc`: a credential provider of cargo, for private registries. Cargo starts it
//! as `PROGRAM --cargo-plugin` and talks in lines of JSON.

use clap::Parser;
use oidc_proto::{helpers::is_loopback, json::Object};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{
    arguments::HelperArgs,
    hand_over::{For, hand_over},
    input, pasted,
};
use crate::{
    cli::{options::Common, usage::UsageError},
    context::{Command, Context, error::Error},
};

/// The longest question, in bytes.
const MAX_LEN: usize = 64 * 1024;

/// Give cargo the token for a registry (credential provider)
#[derive(Debug, Clone, Parser)]
#[command(after_help = "\
Example: what this prints belongs into ~/.cargo/config.toml; the registry's host stands in helpers.toml:
  oidc helper cargo --print-config")]
pub struct CargoArgs {
    /// Cargo starts it with this
    #[arg(long)]
    pub cargo_plugin: bool,

    #[command(flatten)]
    pub helper: HelperArgs,
}

impl Command for CargoArgs {
    fn common(&self) -> &Common {
        &self.helper.common
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        if self.helper.print_config {
            if !pasted::options(&self.helper).is_empty() {
                let text = "cargo gives a credential provider no options: put account, scope and aud into helpers.toml";
                return Err(UsageError::new(text).into());
            }
            let (missing, path) = pasted::called("cargo-credential-oidc")?;
            let quoted = json!(path).to_string();
            let text = format!("{missing}[registry]\nglobal-credential-providers = [{quoted}]\n");
            return Ok(context.output.result(&text)?);
        }
        if !self.cargo_plugin {
            return Err(
                UsageError::new("cargo starts this with --cargo-plugin; --print-config prints how").into()
            );
        }
        context.output.result("{\"v\":[1]}\n")?;
        let line = input::read(MAX_LEN, |read| read.ends_with(b"\n"))?;
        let answer = self
            .answer(&line, context)
            .unwrap_or_else(|refusal| Zeroizing::new(json!({"Err": refusal}).to_string()));
        let answer = Zeroizing::new(format!("{}\n", *answer));
        Ok(context.output.result(&answer)?)
    }
}

impl CargoArgs {
    fn answer(&self, line: &[u8], context: &mut Context) -> Result<Zeroizing<String>, Value> {
        let other = |message: String| json!({"kind": "other", "message": message, "caused-by": []});
        let asked = Object::parse(line).map_err(|_| other("the question is no JSON object".to_owned()))?;
        if asked.text("kind").as_deref() != Some("get") {
            return Err(json!({"kind": "operation-not-supported"}));
        }
        let index = asked.members().get("registry").and_then(|registry| registry["index-url"].as_str());
        let index = index.unwrap_or_default();
        let address = index.strip_prefix("sparse+").unwrap_or(index);
        let unsupported = || json!({"kind": "url-not-supported"});
        let (scheme, rest) = address.split_once("://").ok_or_else(unsupported)?;
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if scheme != "https" && !(scheme == "http" && is_loopback(host)) {
            return Err(unsupported());
        }
        let chosen = self.helper.choose(Some(host), context).map_err(|error| other(told(&error)))?;
        let Some(chosen) = chosen else { return Err(unsupported()) };
        let destination = format!("{scheme}://{host}");
        let wanted = For { program: "cargo", destination: &destination, sign: None, may_ask: false };
        // Somebody has named an account for this host: cargo's `not-found` would send people looking for a login command.
        let handed =
            hand_over(&self.helper, &chosen, wanted, context).map_err(|error| other(told(&error)))?;
        let cache = match handed.expires_at {
            Some(at) => format!("\"cache\":\"expires\",\"expiration\":{at}"),
            None => "\"cache\":\"session\"".to_owned(),
        };
        // Only what cannot break out of the text is in the token.
        Ok(Zeroizing::new(format!(
            "{{\"Ok\":{{\"kind\":\"get\",\"token\":\"Bearer {}\",{cache},\"operation_independent\":true}}}}",
            *handed.token
        )))
    }
}

fn told(error: &Error) -> String {
    match error.hint() {
        Some(hint) => format!("{error}\n{hint}"),
        None => error.to_string(),
    }
}
