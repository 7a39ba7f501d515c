//! `httokensh`: htgettoken's name, options and file for what `oidc exec` does, for scripts that call it. There is no Vault server
//! in between: what concerns one has no effect.

use std::{convert::Infallible, env, ffi::OsString, path::PathBuf, str::FromStr};

use clap::{Args, Parser};
use oidc_proto::timespan::seconds;

use super::arguments::{ExecArgs, Manner};
use crate::{
    cli::options::{Common, WITHOUT_EFFECT},
    command::token::purpose::PurposeArgs,
};

/// The variable whose options come before those of the command line.
pub const DEFAULTS: &str = "HTGETTOKENOPTS";

/// Run a command, or your shell, with a token file that stays fresh
#[derive(Debug, Clone, Default, Parser)]
#[command(
    override_usage = "httokensh [OPTIONS] -- [COMMAND [ARGUMENT]...]",
    after_help = "\
The file is FILE, or what BEARER_TOKEN_FILE names, or bt_uUID.sh-PID in the runtime directory; BEARER_TOKEN_FILE names it to the \
command, and it is removed at the end. Options in HTGETTOKENOPTS come first. What concerns a Vault server is accepted and has no \
effect: -a, -r, -s, -c, -d, --nooidc, --nokerberos, --nossh, --vaulttokenttl and others.

Exit status: the command's; 126 it cannot be run, 127 there is no such command, 2 wrong options, 1 any other failure."
)]
pub struct HttokenshArgs {
    /// The account's short name, or an issuer URL; needed if there are several accounts
    #[arg(short, long, value_name = "ACCOUNT|URL")]
    pub issuer: Option<String>,

    /// Where the file is to be
    #[arg(short, long, visible_alias = "out", value_name = "FILE")]
    pub outfile: Option<PathBuf>,

    /// For how many seconds the token in the file is to be valid at any time
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub minsecs: u64,

    /// Scopes to ask for, separated by commas
    #[arg(long, value_name = "SCOPES", value_delimiter = ',')]
    pub scopes: Vec<String>,

    /// Audience to ask for
    #[arg(long, value_name = "AUDIENCE")]
    pub audience: Option<String>,

    /// Say what happens, in FILE.log as long as the command runs
    #[arg(short, long)]
    pub verbose: bool,

    /// Do not say which options have no effect
    #[arg(short, long)]
    pub quiet: bool,

    /// The command with its arguments
    #[arg(value_name = "COMMAND", last = true)]
    pub command: Vec<OsString>,

    #[command(flatten)]
    pub of_vault: OfVault,

    #[command(flatten)]
    pub common: Common,
}

/// What concerns a Vault server and how somebody logs in there.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = WITHOUT_EFFECT)]
#[expect(clippy::struct_excessive_bools, reason = "as many as htgettoken has options")]
pub struct OfVault {
    #[arg(short = 'a', long, hide = true)]
    vaultserver: Option<Unread>,
    #[arg(long, hide = true)]
    vaultalias: Option<Unread>,
    #[arg(short = 's', long, hide = true)]
    optserver: Option<Unread>,
    #[arg(short, long, hide = true)]
    role: Option<Unread>,
    #[arg(short, long, hide = true)]
    configdir: Option<Unread>,
    #[arg(short, long, hide = true)]
    debug: bool,
    #[arg(long, hide = true)]
    nokerberos: bool,
    #[arg(long, hide = true)]
    kerbpath: Option<Unread>,
    #[arg(long, hide = true)]
    kerbprincipal: Option<Unread>,
    #[arg(long, hide = true)]
    nooidc: bool,
    #[arg(long, hide = true)]
    oidcpath: Option<Unread>,
    #[arg(long, hide = true)]
    nossh: bool,
    #[arg(long, hide = true)]
    sshpath: Option<Unread>,
    #[arg(long, hide = true)]
    registerssh: bool,
    #[arg(long, hide = true)]
    credkey: Option<Unread>,
    #[arg(long, hide = true)]
    secretpath: Option<Unread>,
    #[arg(long, hide = true)]
    vaulttokenttl: Option<Unread>,
    #[arg(long, hide = true)]
    vaulttokenminttl: Option<Unread>,
    #[arg(long, hide = true)]
    vaulttokenfile: Option<Unread>,
    #[arg(long, hide = true)]
    vaulttokeninfile: Option<Unread>,
    #[arg(long, hide = true)]
    novaulttoken: bool,
    #[arg(long, hide = true)]
    nobearertoken: bool,
    #[arg(long, hide = true)]
    showbearerurl: bool,
    #[arg(long = "web-open-command", hide = true)]
    web_open_command: Option<Unread>,
    #[arg(long, hide = true)]
    cafile: Option<Unread>,
    #[arg(long, hide = true)]
    capath: Option<Unread>,
}

/// A value that nobody looks at.
#[derive(Debug, Clone)]
struct Unread;

impl FromStr for Unread {
    type Err = Infallible;

    fn from_str(_: &str) -> Result<Self, Infallible> {
        Ok(Self)
    }
}

impl From<HttokenshArgs> for ExecArgs {
    fn from(args: HttokenshArgs) -> Self {
        let of_environment =
            || env::var_os("BEARER_TOKEN_FILE").filter(|path| !path.is_empty()).map(PathBuf::from);
        Self {
            account: args.issuer,
            purpose: PurposeArgs { scope: args.scopes, aud: args.audience },
            command: args.command,
            min_lifetime: args.minsecs,
            outfile: args.outfile.or_else(of_environment),
            verbose: args.verbose,
            manner: Manner::Httokensh,
            common: args.common,
            ..Self::default()
        }
    }
}
