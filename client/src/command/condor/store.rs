//! `oidc condor store SERVICE`: a token for the jobs that name the service.

use clap::Parser;
use jiff::{Timestamp, tz::TimeZone};
use oidc_proto::{
    home::{Home, Presence},
    message::Target,
    shortname::Shortname,
};
use serde_json::json;

use super::{
    credd::Credd,
    keep,
    specification::{Specification, checked, list, sink},
};
use crate::{
    cli::{options::Common, usage::UsageError},
    command::token::{
        arguments::TokenArgs,
        destination::{self, arguments::DestinationArgs, explain, rules},
        obtain::Wanted,
    },
    context::{Command, Context, account_name, error::Error},
    say::exit::Exit,
};

/// Store a token in HTCondor's credd for jobs with `use_oauth_services = SERVICE`, and have the agent keep it fresh there
#[derive(Debug, Clone, Parser)]
#[command(after_help = "\
Examples:
  oidc condor store cms
  oidc condor store eos --handle write --account cms --for root://eos.example//store/user/me --create
  oidc condor store cms_crab --account cms --scope 'storage.read:/ storage.create:/store/user/me'

The job finds it as $_CONDOR_CREDS/SERVICE.use, or SERVICE_HANDLE.use. What is stored is remembered in files.d/condor.toml of the \
oidc-agent directory.")]
pub struct StoreArgs {
    /// The service, as `use_oauth_services` of a submit file names it
    #[arg(value_name = "SERVICE")]
    pub service: String,

    /// The handle, as in `SERVICE_oauth_permissions_HANDLE`
    #[arg(long, value_name = "HANDLE")]
    pub handle: Option<String>,

    /// The account that gives the token; the one of the service's name without this
    #[arg(long, value_name = "ACCOUNT")]
    pub account: Option<String>,

    /// Scope to ask for; may be repeated, or several separated by blanks or commas
    #[arg(short, long, value_name = "SCOPE")]
    pub scope: Vec<String>,

    /// Audience to ask for; several separated by blanks or commas
    #[arg(long, visible_alias = "audience", value_name = "AUDIENCE")]
    pub aud: Vec<String>,

    #[command(flatten)]
    pub destinations: DestinationArgs,

    #[command(flatten)]
    pub common: Common,
}

impl Command for StoreArgs {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        let sink = Credd::reached(sink(&self.service, self.handle.as_deref())?);
        let account = account_name(self.account.as_deref().unwrap_or(&self.service))?;
        let home = context.home()?;
        let credd = Credd::here()?;
        self.require(&account, &home, context)?;
        let (scope, audience) = self.wanted(context, account.as_str())?;
        let wanted = Specification { account, sink, scope, audience };
        let stored = keep::store(&wanted, &home, &credd, context)?;
        stored.warnings.iter().for_each(|warning| context.output.warning(warning));
        if !stored.lacking.is_empty() {
            context.output.warning(&format!(
                "the agent stores it again with HTCondor's settings as it has them itself, which need not be those of this shell: {}. \
                 What leads to the credd belongs in a file of HTCondor's configuration (CONDOR_CONFIG is remembered)",
                stored.lacking.join(", ")
            ));
        }
        if context.output.json {
            return Ok(context.output.json(&json!({
                "status": "success",
                "credential": wanted.sink.credential(),
                "account": wanted.account.as_str(),
                "scope": wanted.scope,
                "audience": wanted.audience,
                "expires_at": stored.expires_at,
                "kept_fresh": stored.is_kept,
            }))?);
        }
        let until = stored.expires_at.map(|at| format!(", valid until {}", clock(at))).unwrap_or_default();
        context.output.line(&format!(
            "A token of account '{}' is stored for jobs as {}.use{until}.",
            wanted.account,
            wanted.sink.credential()
        ))?;
        context.output.note(if !stored.lacking.is_empty() {
            "Whether it is stored again in time, `oidc files status` tells."
        } else if stored.is_kept {
            "The agent stores it again in time, as long as it runs and has the account."
        } else {
            "Nobody stores it again: the agent that answers keeps no files fresh, or it is another user's. Store it again before \
             it ends."
        });
        Ok(())
    }
}

impl StoreArgs {
    /// Whether there is such an account: one without a file may be one that the agent holds.
    fn require(&self, account: &Shortname, home: &Home, context: &mut Context) -> Result<(), Error> {
        if !matches!(home.presence(account), Presence::Gone)
            || context
                .loaded_accounts()
                .is_ok_and(|loaded| loaded.iter().any(|name| name == account.as_str()))
        {
            return Ok(());
        }
        let advice = match self.account {
            Some(_) => "`oidc list` shows those that there are".to_owned(),
            None => format!(
                "say which account gives the token: oidc condor store {} --account ACCOUNT",
                self.service
            ),
        };
        Err(Error::Other(Exit::UnknownAccount, format!("there is no account '{account}'; {advice}")))
    }

    /// Scopes and audiences, those of a service included.
    fn wanted(
        &self,
        context: &mut Context,
        account: &str,
    ) -> Result<(Option<String>, Option<String>), Error> {
        let mut scopes = self.scope.clone();
        let mut audiences = self.aud.clone();
        match self.destinations.wanted.len() {
            0 if self.destinations.lacks_place => {
                return Err(UsageError::new("what is to be done needs a place: --for URL").into());
            }
            0 if self.destinations.explain => {
                return Err(UsageError::new("`--explain` belongs to `--for URL`").into());
            }
            0 => {}
            1 => {
                let target = Target::Account(account.to_owned());
                let known = rules::issuer_of(&target, context).map(|issuer| rules::of(&issuer, context));
                let derived = destination::derive(&self.destinations, &known.unwrap_or_default())?;
                if self.destinations.explain {
                    context.output.note(&explain::text(&derived));
                }
                let query = destination::query(&TokenArgs::default(), &target, &derived[0]);
                if let Wanted::AccessToken { scope, audience, .. } = query.wanted {
                    scopes.extend(scope);
                    audiences.extend(audience);
                }
            }
            _ => return Err(UsageError::new("one credential is one token: one --for URL").into()),
        }
        Ok((checked(list(&scopes), "scope")?, checked(list(&audiences), "audience")?))
    }
}

/// A time of day, with the date.
fn clock(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.map_or_else(
        || seconds.to_string(),
        |time| time.to_zoned_datetime(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
    )
}
