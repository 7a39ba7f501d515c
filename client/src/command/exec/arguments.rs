//! The options of `oidc exec`.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Parser};
use oidc_proto::timespan::seconds;

use super::named::Named;
use crate::{
    cli::{options::Common, variable::variable_name},
    command::token::{destination::arguments::DestinationArgs, purpose::PurposeArgs},
};

/// Run a command with a token that stays fresh, in a file that only you can read and that goes with the command
#[derive(Debug, Clone, Default, Parser)]
#[command(
    mut_arg("explain", |arg| arg.help("Say which audience and scopes that comes to, and why; the command is not run")),
    override_usage = "oidc exec ACCOUNT [OPTIONS] -- COMMAND [ARGUMENT]...\n       oidc exec [ACCOUNT] --token NAME=ACCOUNT... -- COMMAND [ARGUMENT]...",
    after_help = "\
Examples:
  oidc exec ACCOUNT -- xrdcp root://se.example//store/user/me/file .
  oidc exec ACCOUNT --for davs://se.example/store/user/me --read --create -- ./transfer.sh
  oidc exec --token src=cms,for=davs://a.example/x,read --token dst=cms,for=davs://b.example/x,modify -- ./copy.sh
  oidc exec ACCOUNT --aws-role arn:aws:iam:::role/reader --aws-endpoint https://s3.example -- aws s3 ls
  oidc exec ACCOUNT

The command finds the file by BEARER_TOKEN_FILE, each further token by BEARER_TOKEN_FILE_NAME. Without a command: your shell.

Exit status: the command's; 126 it cannot be run, 127 there is no such command; others in `oidc help exit-codes`."
)]
pub struct ExecArgs {
    /// An account's short name, or an issuer URL for that issuer's default account
    #[arg(value_name = "ACCOUNT")]
    pub account: Option<String>,

    /// The command with its arguments
    #[arg(value_name = "COMMAND", last = true)]
    pub command: Vec<OsString>,

    #[command(flatten)]
    pub purpose: PurposeArgs,

    /// An ID token instead of an access token
    #[arg(long)]
    pub id_token: bool,

    /// A further token in a file of its own: its name, its account, and what `oidc token` takes: for=URL, read[=PATH], create,
    /// modify, stage, poll, exec, scope=SCOPES, aud=AUDIENCES, id-token
    #[arg(long = "token", value_name = "NAME=ACCOUNT[,KEY=VALUE]...", value_parser = Named::read)]
    pub named: Vec<Named>,

    /// For how many seconds a token in the file is to be valid at any time (also 10m)
    #[arg(short = 't', long, alias = "time", value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub min_lifetime: u64,

    /// Also set a variable to the token itself, which cannot be renewed
    #[arg(short, long, value_name = "VARIABLE", value_parser = variable_name)]
    pub env: Vec<String>,

    /// Where the file is to be, instead of the runtime directory
    #[arg(short, long, value_name = "FILE")]
    pub outfile: Option<PathBuf>,

    /// Say where the files are
    #[arg(short, long)]
    pub verbose: bool,

    #[command(flatten)]
    pub destinations: DestinationArgs,

    #[command(flatten)]
    pub aws: AwsArgs,

    /// As another program.
    #[arg(skip)]
    pub manner: Manner,

    #[command(flatten)]
    pub common: Common,
}

/// What differs under other names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Manner {
    /// `oidc exec`.
    #[default]
    Exec,
    /// `oidc-tokensh`.
    Tokensh,
    /// `httokensh`.
    Httokensh,
}

/// A role at AWS, Ceph or MinIO.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "A role at AWS, Ceph or MinIO")]
pub struct AwsArgs {
    /// Set the variables with which AWS SDKs take on a role by the token, and renew it themselves
    #[arg(long = "aws-role", value_name = "ARN")]
    pub role: Option<String>,

    /// The region
    #[arg(long = "aws-region", value_name = "REGION", requires = "role")]
    pub region: Option<String>,

    /// The address of both STS and S3 where they are not Amazon's
    #[arg(long = "aws-endpoint", value_name = "URL", requires = "role")]
    pub endpoint: Option<String>,

    /// The name of the session, for logs [default: oidc-ACCOUNT]
    #[arg(long = "aws-session", value_name = "NAME", requires = "role")]
    pub session: Option<String>,
}
