//! `oidc token` and `oidc-token`.

use clap::Parser;
use oidc_proto::{
    config::{DEFAULT_MIN_LIFETIME, TOKEN_DEFAULT_MYTOKEN_PROFILE},
    message::{Target, Validity},
    timespan::{seconds, seconds_or_leading_digits},
};

use super::{
    destination::arguments::DestinationArgs,
    obtain::{self, Offer, TokenQuery, Wanted},
    purpose::PurposeArgs,
};
use crate::{
    cli::{
        getopt::EXTENSIONS,
        options::{Common, WITHOUT_EFFECT},
        usage::UsageError,
        variable::variable_name,
    },
    context::{Context, error::Error},
};

/// The section of the configuration.
const SECTION: &str = "oidc-token";

/// Print an access token for an account that the agent holds, or for one it can load
#[derive(Debug, Clone, Default, Parser)]
#[command(
    override_usage = "oidc token [OPTIONS] ACCOUNT|ISSUER_URL\n       oidc token --explain --for URL...",
    after_help = "\
Examples:
  curl -H \"$(oidc token --auth-header ACCOUNT)\" https://service.example/
  oidc token --time 10m --scope 'storage.read:/' --aud https://storage.example ACCOUNT
  eval \"$(oidc token --env ACCOUNT)\"

Exit status: 0 success, 64 usage; others in `oidc help exit-codes`."
)]
pub struct TokenArgs {
    /// An account's short name, or an issuer URL for that issuer's default account
    #[arg(value_name = "ACCOUNT|ISSUER_URL", required = true)]
    pub account: Option<String>,

    /// Least number of seconds the token must still be valid (also 30m, 8h) [default: 0]
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds)]
    pub time: Option<u64>,

    /// Get a new token even if a cached one would do
    #[arg(short, long)]
    pub force_new: bool,

    #[command(flatten)]
    pub purpose: PurposeArgs,

    /// Name of the program that asks, shown to the person
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// Print an ID token instead: a new one, or with --time one that the agent has, if it is valid for longer
    #[arg(long)]
    pub id_token: bool,

    /// Get a mytoken instead, by the named profile
    #[arg(short, long, alias = "MT", value_name = "PROFILE", num_args = 0..=1, require_equals = true)]
    #[expect(clippy::option_option, reason = "not given, given, given with a value")]
    pub mytoken: Option<Option<String>>,

    #[command(flatten)]
    pub format: FormatArgs,

    /// Fail if the token lacks a requested scope or audience, or expires too soon
    #[arg(long, help_heading = EXTENSIONS)]
    pub strict: bool,

    /// Never offer a login, or a new account, that is missing for the token
    #[arg(long, alias = "no-auto-reauthenticate", help_heading = EXTENSIONS)]
    pub no_autoreauthenticate: bool,

    #[command(flatten)]
    pub common: Common,
}

impl TokenCommand {
    /// No option at all.
    pub fn of(account: String) -> Self {
        Self { token: TokenArgs { account: Some(account), ..TokenArgs::default() }, ..Self::default() }
    }
}

/// `oidc token`: the same, and tokens for a destination.
#[derive(Debug, Clone, Default, Parser)]
#[command(
    about = "Print an access token for an account that the agent holds, or for one it can load",
    mut_arg("account", |arg| arg.required(false).required_unless_present("explain")),
    after_help = "\
Examples:
  curl -H \"$(oidc token --auth-header ACCOUNT)\" https://service.example/
  oidc token --time 10m ACCOUNT --for davs://se.example/store/user/me --read --create
  oidc token ACCOUNT --json --for davs://a.example/x --read --for davs://b.example/x --modify --for https://fts.example:8446
  oidc token --for condor://ce.example --exec --explain
  eval \"$(oidc token --env ACCOUNT)\"

Exit status: 0 success, 11 with --strict where something is missing, 64 usage; others in `oidc help exit-codes`."
)]
pub struct TokenCommand {
    #[command(flatten)]
    pub token: TokenArgs,

    #[command(flatten)]
    pub destinations: DestinationArgs,
}

impl TokenArgs {
    /// The account.
    pub fn target(&self) -> Result<Target, Error> {
        let missing = || UsageError::new("an account is missing: oidc token ACCOUNT");
        obtain::target(self.account.as_deref().ok_or_else(missing)?)
    }

    /// With what the configuration says where the command line says nothing.
    pub fn configured(&self, context: &mut Context) -> Self {
        let mut args = self.clone();
        let lacks_time = args.time.is_none() && !args.force_new && !args.id_token;
        if !lacks_time && args.mytoken != Some(None) {
            return args;
        }
        let config = context.config(SECTION);
        args.time = args.time.or_else(|| Some(config.seconds(&DEFAULT_MIN_LIFETIME)));
        if args.mytoken == Some(None) {
            args.mytoken = Some(config.text(&TOKEN_DEFAULT_MYTOKEN_PROFILE));
        }
        args
    }

    /// How long the token must still be valid, in seconds.
    pub fn least_time(&self) -> u64 {
        self.time.unwrap_or(0)
    }

    /// A request for it.
    pub fn query(&self, target: Target, wanted: Wanted) -> TokenQuery {
        TokenQuery {
            target,
            wanted,
            application_hint: self.name.clone().unwrap_or_else(|| "oidc-token".to_owned()),
            autoload: true,
            offer: if self.no_autoreauthenticate { Offer::Nobody } else { Offer::Here },
            remote: true,
        }
    }

    /// Which token.
    pub fn wanted(&self) -> Wanted {
        if self.id_token {
            // Without a time a new one, as the C suite gives it.
            let validity =
                self.time.filter(|_| !self.force_new).map_or(Validity::ForceNew, Validity::AtLeast);
            return Wanted::IdToken { validity };
        }
        if let Some(profile) = &self.mytoken {
            return Wanted::Mytoken { profile: profile.clone() };
        }
        Wanted::AccessToken {
            scope: self.purpose.scope(),
            audience: self.purpose.audience(),
            validity: if self.force_new { Validity::ForceNew } else { Validity::AtLeast(self.least_time()) },
        }
    }
}

impl FormatArgs {
    /// Whether anything but the token alone is to be printed.
    pub fn is_special(&self) -> bool {
        let has_name = [&self.token, &self.issuer, &self.expires_at].iter().any(|name| name.is_some());
        self.all || self.env || has_name || self.bearer || self.auth_header
    }
}

/// How the token is printed.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Output")]
#[expect(clippy::option_option, reason = "not given, given, given with a value")]
pub struct FormatArgs {
    /// Print token, issuer and expiry time, a line each
    #[arg(short, long)]
    pub all: bool,

    /// Print shell commands that export token, issuer and expiry time
    #[arg(short = 'c', long)]
    pub env: bool,

    /// Print the token, or with NAME a shell command that exports it
    #[arg(short = 'o', long, value_name = "NAME", num_args = 0..=1, require_equals = true,
          value_parser = variable_name)]
    pub token: Option<Option<String>>,

    /// Print the issuer, or with NAME a shell command that exports it
    #[arg(short, long, value_name = "NAME", num_args = 0..=1, require_equals = true,
          value_parser = variable_name)]
    pub issuer: Option<Option<String>>,

    /// Print the expiry time in Unix seconds, or with NAME a shell command that exports it
    #[arg(short, long, value_name = "NAME", num_args = 0..=1, require_equals = true,
          value_parser = variable_name)]
    pub expires_at: Option<Option<String>>,

    /// Print `Bearer` before the token
    #[arg(long)]
    pub bearer: bool,

    /// Print an HTTP header line without a newline
    #[arg(long, visible_alias = "auth")]
    pub auth_header: bool,
}

/// `oidc-token`: the same, and what the C suite's takes besides.
#[derive(Debug, Clone, Parser)]
#[command(
    about = "Print an access token",
    override_usage = "oidc-token [OPTION...] ACCOUNT_SHORTNAME | ISSUER_URL",
    mut_arg("time", |arg| arg.value_parser(seconds_or_leading_digits))
)]
pub struct CSuiteTokenArgs {
    #[command(flatten)]
    pub token: TokenArgs,

    /// Accepted and without effect
    #[arg(long, hide = true, help_heading = WITHOUT_EFFECT)]
    seccomp: bool,
}

impl From<CSuiteTokenArgs> for TokenCommand {
    fn from(args: CSuiteTokenArgs) -> Self {
        Self { token: args.token, ..Self::default() }
    }
}
