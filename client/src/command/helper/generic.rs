//! `oidc helper generic`, also as `oidc-credential-helper`: the credential-helper protocol of Bazel and others (`EngFlow`'s
//! specification): an address on standard input, headers on standard output.

use clap::Parser;
use jiff::Timestamp;
use oidc_proto::{
    destination::{address::Address, rule::Rule},
    json::Object,
};
use zeroize::Zeroizing;

use super::{
    arguments::{Chosen, HelperArgs},
    hand_over::{For, hand_over},
    input, pasted,
};
use crate::{
    cli::{options::Common, usage::UsageError},
    command::token::destination::{arguments::Wanted, rules},
    context::{Command, Context, error::Error},
    say::exit::Exit,
};

/// The longest question, in bytes.
const MAX_LEN: usize = 64 * 1024;

/// Give Bazel and others headers for an address (credential-helper protocol)
#[derive(Debug, Clone, Parser)]
#[command(after_help = "\
Example: what this prints belongs into .bazelrc; the hosts stand in helpers.toml:
  oidc helper generic --print-config

It is called as `get` with {\"uri\": \"https://host/path\"} on standard input, and fails for addresses of which nobody has said \
whose they are. Where a rule of the account's issuer knows the address, audience and scopes are derived from it.")]
pub struct GenericArgs {
    /// What is wanted: get
    #[arg(value_name = "OPERATION")]
    pub operation: Option<String>,

    #[command(flatten)]
    pub helper: HelperArgs,
}

impl Command for GenericArgs {
    fn common(&self) -> &Common {
        &self.helper.common
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        if self.helper.print_config {
            return self.print_config(context);
        }
        match self.operation.as_deref() {
            Some("get") => {}
            Some(other) => return Err(UsageError::new(format!("'{other}' is not known: get is")).into()),
            None => return Err(UsageError::new("what is wanted is missing: get").into()),
        }
        let uri = read_uri(&input::read(MAX_LEN, |_| false)?)?;
        let address: Address = uri.parse().map_err(|error| {
            Error::Other(Exit::Usage, format!("'uri' is no address of a service: {error}"))
        })?;
        if address.scheme != "https" {
            let text = format!(
                "no token for {}://{}: it would travel in clear; use https",
                address.scheme, address.host
            );
            return Err(Error::Other(Exit::Refused, text));
        }
        let host =
            address.port.map_or_else(|| address.host.clone(), |port| format!("{}:{port}", address.host));
        let chosen = self.helper.require(Some(&host), context)?;
        let helper = self.derived(&chosen, &address, context);
        let destination = format!("https://{host}");
        let wanted =
            For { program: "credential helper", destination: &destination, sign: None, may_ask: false };
        let handed = hand_over(&helper, &chosen, wanted, context)?;
        let ends = handed.expires_at.and_then(|at| Timestamp::from_second(at.try_into().ok()?).ok());
        let ends = ends.map(|ends| format!(",\"expires\":\"{ends}\"")).unwrap_or_default();
        // Only what cannot break out of the text is in the token.
        let text = Zeroizing::new(format!(
            "{{\"headers\":{{\"Authorization\":[\"Bearer {}\"]}}{ends}}}\n",
            *handed.token
        ));
        Ok(context.output.result(&text)?)
    }
}

impl GenericArgs {
    /// With the address as `--for`, where a rule of the issuer is about its host and nobody has said what to ask for.
    fn derived(&self, chosen: &Chosen, address: &Address, context: &mut Context) -> HelperArgs {
        let mut helper = self.helper.clone();
        let is_said = chosen.token.purpose.aud.is_some()
            || chosen.token.id_token
            || !helper.destinations.wanted.is_empty();
        if is_said {
            return helper;
        }
        let known = rules::issuer_of(&chosen.target, context).map(|issuer| rules::of(&issuer, context));
        let knows =
            |rule: &Rule| !rule.hosts.is_empty() && rule.fits_place(address) && rule.fits_path(&address.path);
        if known.unwrap_or_default().iter().any(knows) {
            helper.destinations.wanted = vec![Wanted { url: address.to_string(), wishes: Vec::new() }];
        }
        helper
    }

    fn print_config(&self, context: &mut Context) -> Result<(), Error> {
        if !pasted::options(&self.helper).is_empty() {
            let text =
                "Bazel gives a credential helper no options: put account, scope and aud into helpers.toml";
            return Err(UsageError::new(text).into());
        }
        // Bazel calls it by a path alone.
        let (missing, path) = pasted::called("oidc-credential-helper")?;
        Ok(context.output.result(&format!("{missing}common --credential_helper={path}\n"))?)
    }
}

fn read_uri(bytes: &[u8]) -> Result<String, Error> {
    let object = Object::parse(bytes).ok();
    let uri = object.and_then(|object| object.members().get("uri")?.as_str().map(str::to_owned));
    uri.ok_or_else(|| Error::Other(Exit::Usage, "standard input is no object with a 'uri'".to_owned()))
}
