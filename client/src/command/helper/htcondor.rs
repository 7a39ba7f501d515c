//! `oidc helper htcondor`: the program that `condor_submit` runs to have credentials stored (`SEC_CREDENTIAL_STORER`), once for all
//! services that a job names and no other credmon serves. Its failure is that of the submission.

use std::env;

use clap::Parser;
use oidc_proto::{files::entry::CondorSink, shortname::Shortname};

use super::pasted;
use crate::{
    cli::{options::Common, usage::UsageError},
    command::condor::{
        credd::Credd,
        keep,
        memory::Memory,
        specification::{Specification, checked, list, sink},
    },
    context::{Command, Context, account_name, error::Error},
    say::exit::Exit,
};

/// What kind of credential is wanted, where `condor_submit` tells.
const MODE: &str = "CONDOR_CREDENTIAL_STORER_MODE";
/// The name under which `condor_submit` runs this: its configuration has room for a path and no options.
const CALLED: &str = "condor_credential_storer_oidc";
/// Most services of a job.
const MAX_REQUESTS: usize = 100;

/// Store what a job needs in HTCondor's credd, as `condor_submit` asks for it: its `SEC_CREDENTIAL_STORER`
#[derive(Debug, Clone, Parser)]
#[command(after_help = "\
HTCondor's configuration has room for the path of a program and no options, so the program is called condor_credential_storer_oidc:
  oidc helper htcondor --print-config

The account for a service is the one that `oidc condor store SERVICE --account ACCOUNT` was told, else the one of the service's \
name, else the one of the name before the first underscore.")]
pub struct HtcondorArgs {
    /// What to store; the brackets of its form would be a link here.
    #[arg(
        value_name = "REQUEST",
        help = "What to store, each as SERVICE[&handle=HANDLE][&scopes=SCOPE,...][&audience=AUDIENCE]"
    )]
    pub requests: Vec<String>,

    /// The account for every service
    #[arg(long, value_name = "ACCOUNT")]
    pub account: Option<String>,

    /// Say what is done
    #[arg(short, long)]
    pub verbose: bool,

    /// The same; the stock program's option
    #[arg(short, long, hide = true)]
    pub debug: bool,

    /// Print what to paste into HTCondor's configuration
    #[arg(long)]
    pub print_config: bool,

    #[command(flatten)]
    pub common: Common,
}

/// One of the requests.
#[derive(Debug, PartialEq, Eq)]
struct Wish {
    sink: CondorSink,
    scope: Option<String>,
    audience: Option<String>,
    /// What is said of it that means nothing here.
    ignored: Vec<String>,
}

impl Command for HtcondorArgs {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        if self.print_config {
            return Ok(context.output.result(&configuration()?)?);
        }
        self.store_all(context).inspect_err(|_| {
            // condor_submit leaves the cursor within a line.
            context.output.note("");
        })
    }
}

impl HtcondorArgs {
    fn store_all(&self, context: &mut Context) -> Result<(), Error> {
        refuse_other_modes(env::var(MODE).ok().as_deref())?;
        if self.requests.is_empty() || self.requests.len() > MAX_REQUESTS {
            return Err(UsageError::new(format!(
                "1 to {MAX_REQUESTS} services are expected: SERVICE&handle=..."
            ))
            .into());
        }
        let wishes: Vec<Wish> =
            self.requests.iter().map(|request| read(request)).collect::<Result<_, _>>()?;
        let home = context.home()?;
        let credd = Credd::here()?;
        let mut is_told = false;
        for wish in wishes {
            let memory = Memory::read(&home)?;
            let wanted = Specification {
                account: self.account_for(&wish.sink, &memory, context)?,
                sink: Credd::reached(wish.sink),
                scope: wish.scope,
                audience: wish.audience,
            };
            let mut say = |text: &str, context: &mut Context| {
                context.output.note(&format!("{}{text}", if is_told { "" } else { "\n" }));
                is_told = true;
            };
            let credential = wanted.sink.credential();
            for ignored in wish.ignored.iter().filter(|_| self.is_verbose()) {
                say(&format!("'{ignored}' of {credential} means nothing here"), context);
            }
            if keep::is_kept(&wanted, &memory, &credd, context) {
                if self.is_verbose() {
                    say(&format!("{credential} is stored and kept fresh"), context);
                }
                continue;
            }
            let stored = keep::store(&wanted, &home, &credd, context)?;
            for warning in &stored.warnings {
                say(&format!("Warning: {credential}: {warning}"), context);
            }
            if self.is_verbose() {
                let kept = if stored.is_kept { ", and the agent keeps it fresh" } else { "" };
                say(&format!("{credential} is stored, of account '{}'{kept}", wanted.account), context);
            }
        }
        Ok(())
    }

    fn is_verbose(&self) -> bool {
        self.verbose || self.debug
    }

    /// Which account gives the token.
    fn account_for(
        &self,
        sink: &CondorSink,
        memory: &Memory,
        context: &mut Context,
    ) -> Result<Shortname, Error> {
        if let Some(account) = &self.account {
            return account_name(account);
        }
        let remembered = memory.find(sink).map(|known| known.account);
        if let Some(account) = remembered.or_else(|| memory.account_of(&sink.service)) {
            return Ok(account);
        }
        let home = context.home()?;
        let on_disk = home.list().unwrap_or_default();
        let loaded = context.loaded_accounts_or_start().unwrap_or_default();
        let before = sink.service.split('_').next().unwrap_or_default();
        [sink.service.as_str(), before]
            .iter()
            .filter_map(|name| name.parse::<Shortname>().ok())
            .find(|name| on_disk.contains(name) || loaded.iter().any(|other| other == name.as_str()))
            .ok_or_else(|| {
                let service = &sink.service;
                let text = format!(
                    "no account is known for the service '{service}'; name it once: oidc condor store {service} --account ACCOUNT"
                );
                Error::Other(Exit::UnknownAccount, text)
            })
    }
}

/// Tokens are stored as they are; what a credmon would go on with is not.
fn refuse_other_modes(mode: Option<&str>) -> Result<(), Error> {
    match mode {
        None | Some("" | "vault") => Ok(()),
        Some(other) => {
            let text = format!(
                "this stores access tokens, and '{other}' wants credentials for a credmon of that kind: take its services out of \
                 that credmon's list, or use HTCondor's own condor_credential_storer"
            );
            Err(Error::Other(Exit::Failure, text))
        }
    }
}

/// Reads one request: the service, then `&KEY=VALUE`. Values are as they are in the submit file; nothing is encoded.
fn read(request: &str) -> Result<Wish, Error> {
    let mut parts = request.split('&');
    let service = parts.next().unwrap_or_default();
    let (mut handle, mut scopes, mut audiences, mut ignored) = (None, Vec::new(), Vec::new(), Vec::new());
    for part in parts {
        match part.split_once('=') {
            Some(("handle", value)) if !value.is_empty() => handle = Some(value),
            Some(("scope" | "scopes", value)) => scopes.push(value.to_owned()),
            Some(("audience", value)) => audiences.push(value.to_owned()),
            _ => ignored.push(part.to_owned()),
        }
    }
    Ok(Wish {
        sink: sink(service, handle)?,
        scope: checked(list(&scopes), "scope")?,
        audience: checked(list(&audiences), "audience")?,
        ignored,
    })
}

fn configuration() -> Result<String, Error> {
    let (missing, storer) = pasted::called(CALLED)?;
    Ok(format!("{missing}SEC_CREDENTIAL_STORER = {storer}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_as_condor_submit_writes_them() {
        let wish =
            read("dune&handle=r&scopes=storage.read:/,compute.read&audience=https://x.example&options=-v")
                .expect("fine");
        assert_eq!(wish.sink.credential(), "dune_r");
        assert_eq!(wish.scope.as_deref(), Some("compute.read storage.read:/"));
        assert_eq!(wish.audience.as_deref(), Some("https://x.example"));
        assert_eq!(wish.ignored, ["options=-v"]);
        assert_eq!(read("cms_crab").expect("fine").sink.credential(), "cms_crab");
        for request in ["", "&handle=a", "../x", "a&handle=../b", "a&scopes=\"", "a&audience=\u{7}"] {
            assert!(read(request).is_err(), "{request}");
        }
    }

    #[test]
    fn another_kind_of_credential_fails_the_submission() {
        for (mode, is_ours) in [(None, true), (Some("vault"), true), (Some("pelican"), false)] {
            assert_eq!(refuse_other_modes(mode).is_ok(), is_ours, "{mode:?}");
        }
    }
}
