//! What every helper takes: an account, and the options of `oidc token` that say which token.

use clap::Args;
use oidc_proto::{
    helpers::{FILE, HelperHost, HelperHosts, Scheme},
    home::HomeError,
    message::Target,
    timespan::seconds,
};

use crate::{
    account::error::AccountError,
    cli::{getopt::EXTENSIONS, options::Common, usage::UsageError},
    command::token::{
        arguments::TokenArgs, destination::arguments::DestinationArgs, obtain, purpose::PurposeArgs,
    },
    context::{Context, error::Error},
    say::exit::Exit,
};

/// How long a token must be valid, in seconds, unless an option says otherwise: programs keep it for a while.
pub const LEAST_TIME: &str = "60";

/// Which token a helper hands over.
#[derive(Debug, Clone, Default, Args)]
pub struct HelperArgs {
    /// An account's short name or an issuer URL; without it, helpers.toml says by host
    #[arg(long, value_name = "ACCOUNT|ISSUER_URL")]
    pub account: Option<String>,

    /// Least number of seconds the token must still be valid (also 30m, 8h)
    #[arg(short, long, value_name = "SECONDS", default_value = LEAST_TIME, value_parser = seconds)]
    pub time: u64,

    #[command(flatten)]
    pub purpose: PurposeArgs,

    /// Hand over an ID token instead
    #[arg(long)]
    pub id_token: bool,

    /// Print what to paste into the program's configuration
    #[arg(long)]
    pub print_config: bool,

    /// Fail if the token lacks a requested scope or audience, or expires too soon
    #[arg(long, help_heading = EXTENSIONS)]
    pub strict: bool,

    #[command(flatten)]
    pub destinations: DestinationArgs,

    #[command(flatten)]
    pub common: Common,
}

/// Whose token, and which one.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// The account.
    pub target: Target,
    /// The options of `oidc token` that it comes to.
    pub token: TokenArgs,
    /// How it is sent, where somebody has said so.
    pub scheme: Option<Scheme>,
    /// The user name that goes with it as a password.
    pub username: Option<String>,
    /// The line of helpers.toml that names the account, where no option does.
    pub line: Option<usize>,
}

impl Chosen {
    /// With where the account is named, if that is why there is no token: nobody has typed it just now.
    pub fn told(&self, error: Error, context: &mut Context) -> Error {
        let Some(line) = self.line.filter(|_| matches!(error.exit(), Exit::UnknownAccount | Exit::NotLoaded))
        else {
            return error;
        };
        let path = context.home().map_or_else(|_| FILE.into(), |home| home.path().join(FILE));
        let place = format!(" (named in {}, line {line})", path.display());
        match error {
            Error::Failure(mut failure) => {
                failure.error.push_str(&place);
                Error::Failure(failure)
            }
            Error::NotLoaded { mut failure, account } => {
                failure.error.push_str(&place);
                Error::NotLoaded { failure, account }
            }
            other => Error::Other(other.exit(), format!("{other}{place}")),
        }
    }
}

impl HelperArgs {
    /// By the options, and by what helpers.toml says of `host` (with its port where that is not the usual one). `None`: nobody
    /// has named an account for it.
    pub fn choose(&self, host: Option<&str>, context: &mut Context) -> Result<Option<Chosen>, Error> {
        if self.destinations.lacks_place {
            return Err(UsageError::new("what is to be done needs a place: --for URL").into());
        }
        if self.destinations.explain && self.destinations.wanted.is_empty() {
            return Err(UsageError::new("`--explain` belongs to `--for URL`").into());
        }
        if self.destinations.wanted.len() > 1 {
            return Err(UsageError::new("a helper hands over one token: one --for URL").into());
        }
        let entry = match host {
            Some(host) => hosts(context)?.find(host).cloned(),
            None => None,
        };
        let HelperHost { account, scheme, username, scope, aud, id_token, line, .. } =
            match (&self.account, entry) {
                (None, None) => return Ok(None),
                (Some(account), Some(entry)) if entry.account == *account => HelperHost { line: 0, ..entry },
                // The entry is about another account; how the host wants to be talked to is true of both.
                (Some(account), Some(entry)) => HelperHost {
                    account: account.clone(),
                    scheme: entry.scheme,
                    username: entry.username,
                    ..HelperHost::default()
                },
                (Some(account), None) => HelperHost { account: account.clone(), ..HelperHost::default() },
                (None, Some(entry)) => entry,
            };
        let target = obtain::target(&account)?;
        let token = TokenArgs {
            account: Some(account),
            time: Some(self.time),
            purpose: PurposeArgs {
                scope: if self.purpose.scope.is_empty() {
                    scope.into_iter().collect()
                } else {
                    self.purpose.scope.clone()
                },
                aud: self.purpose.aud.clone().or(aud),
            },
            id_token: self.id_token || id_token,
            strict: self.strict,
            ..TokenArgs::default()
        };
        Ok(Some(Chosen { target, token, scheme, username, line: (line > 0).then_some(line) }))
    }

    /// The same, for a program that always needs one.
    pub fn require(&self, host: Option<&str>, context: &mut Context) -> Result<Chosen, Error> {
        let missing = || match host {
            Some(host) => Error::Other(
                Exit::UnknownAccount,
                format!(
                    "no account for {host}: name one with --account, or in helpers.toml of the oidc-agent directory"
                ),
            ),
            None => UsageError::new("an account is missing: --account ACCOUNT").into(),
        };
        self.choose(host, context)?.ok_or_else(missing)
    }
}

/// What helpers.toml says.
pub fn hosts(context: &mut Context) -> Result<HelperHosts, Error> {
    let home = match context.home() {
        Err(Error::Account(AccountError::Home(HomeError::NoDirectory))) => return Ok(HelperHosts::default()),
        home => home?,
    };
    HelperHosts::load(&home).map_err(|error| Error::Other(Exit::File, error.to_string()))
}
