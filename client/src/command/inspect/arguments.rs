//! `oidc inspect`.

use std::path::PathBuf;

use clap::Parser;
use jiff::Timestamp;
use oidc_proto::secret::SecretText;

use super::moment;
use crate::{cli::options::Common, command::token::destination::arguments::DestinationArgs};

/// Say what a token is, what it says, and what is wrong with it
///
/// The token is found in whatever holds it: a header, a curl line, JSON, a saved page, a wrapped copy. Without WHAT it is
/// looked for where programs look for it (WLCG Bearer Token Discovery). The signature is never shown.
#[derive(Debug, Clone, Default, Parser)]
#[command(after_help = "\
The token is found in what holds it: a header, a curl line, JSON, a saved page, a wrapped copy.
Without WHAT it is looked for where programs look for it (WLCG Bearer Token Discovery).
On the command line others can see it: prefer standard input.

Examples:
  oidc token ACCOUNT | oidc inspect -
  oidc inspect --account ACCOUNT --verify --aud https://storage.example
  oidc inspect --verify --jwks keys.json --at 2026-11-26T12:00 token.txt
  oidc inspect --account ACCOUNT --for davs://se.example/store/x --modify
  [ \"$(oidc inspect --remaining)\" -gt 600 ] || echo 'a new token is needed'

With --for the services' rules are judged as well; with --account the token is one for them.

Exit status: 0 success, 14 to 18 what is wrong with the token; all in `oidc help exit-codes`.")]
pub struct InspectArgs {
    /// A file that holds a token; - is standard input; or the token itself, which everybody on this computer can then see
    #[arg(value_name = "WHAT")]
    pub what: Option<SecretText>,

    /// Inspect a token of this account
    #[arg(long, value_name = "ACCOUNT|ISSUER_URL")]
    pub account: Option<String>,

    /// With --account: scope to ask for; may be repeated, or several separated by blanks
    #[arg(short, long, value_name = "SCOPE", requires = "account")]
    pub scope: Vec<String>,

    /// With --account: an ID token
    #[arg(long, requires = "account")]
    pub id_token: bool,

    /// Audience that the token has to have; may be repeated: one of them. With --account: the audience to ask for
    #[arg(long, visible_alias = "audience", value_name = "AUDIENCE")]
    pub aud: Vec<String>,

    /// Verify the signature by the issuer's keys, and all else that a service checks
    #[arg(long)]
    pub verify: bool,

    /// With --verify: take the keys from a file (JWKS) and ask nobody
    #[arg(long, value_name = "FILE")]
    pub jwks: Option<PathBuf>,

    /// The issuer that the token has to be from. With --verify: allow its keys to be fetched
    #[arg(long, value_name = "URL")]
    pub issuer: Option<String>,

    /// With --issuer: certificates to trust instead of the system's
    #[arg(long = "cp", value_name = "FILE")]
    pub cert_path: Option<String>,

    /// Judge as of another time: Unix seconds, RFC 3339, or a local date and time
    #[arg(long, value_name = "TIME", value_parser = moment::read)]
    pub at: Option<Timestamp>,

    /// Ask the provider of the account what it knows of the token
    #[arg(long, requires = "account")]
    pub introspect: bool,

    #[command(flatten)]
    pub only: OnlyArgs,

    #[command(flatten)]
    pub destinations: DestinationArgs,

    #[command(flatten)]
    pub common: Common,
}

impl InspectArgs {
    /// What is to be inspected, where it is given.
    pub fn what(&self) -> Option<&str> {
        self.what.as_ref().map(SecretText::expose)
    }
}

/// One thing instead of all.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Output")]
#[group(multiple = false)]
pub struct OnlyArgs {
    /// Print a claim as it stands; also a path such as `realm_access.roles[0]` or `header.kid`
    #[arg(long, value_name = "NAME")]
    pub claim: Option<String>,

    /// Print when it expires, in Unix seconds
    #[arg(long)]
    pub exp: bool,

    /// Print in how many seconds it expires; negative: so long ago
    #[arg(long)]
    pub remaining: bool,

    /// Print nothing: the exit status says what is wrong with the token
    #[arg(short, long)]
    pub quiet: bool,
}
