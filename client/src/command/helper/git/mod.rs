//! `oidc helper git`, also as `git-credential-oidc`: git's credential helper (gitcredentials(7), git-credential(1)).
//!
//! Git from 2.46 on sends the token as `Authorization: Bearer`, older ones as the password of a user name. `erase` says that the
//! token was refused; git passes the state back that came with it, so that it is known which one.

mod answer;
pub mod attributes;

use clap::Parser;
use oidc_proto::{
    error_code::ErrorCode,
    helpers::{Scheme, is_authority, is_loopback},
    message::Sign,
    token::TokenDigest,
};

use self::attributes::{Attributes, MAX_LEN, is_complete};
use super::{
    arguments::{Chosen, HelperArgs, hosts},
    hand_over::{For, hand_over},
    input, pasted,
};
use crate::{
    cli::{options::Common, usage::UsageError},
    context::{Command, Context, error::Error},
    say::exit::Exit,
};

/// The user name where nobody has said another: GitLab's, and what GitHub takes for any.
const USERNAME: &str = "oauth2";
/// How a state of ours begins.
const STATE: &str = "oidc.";

/// Give git the token for a server (git-credential)
#[derive(Debug, Clone, Parser)]
#[command(after_help = "\
Example: what this prints belongs into ~/.gitconfig:
  oidc helper git --account ACCOUNT --host git.example --print-config
  oidc helper git --print-config    (a section for each host in helpers.toml)

Git calls the helper as `get`, `store`, `erase` and `capability`. Without --account it also answers as `git-credential-oidc` \
for the hosts in helpers.toml, and stays silent for all others. Git hands the token to other helpers for the host, which may \
store it, unless an empty `helper =` stands before this one: that is what the sections begin with.")]
pub struct GitArgs {
    /// What git wants: get, store, erase or capability; others are ignored
    #[arg(value_name = "OPERATION")]
    pub operation: Option<String>,

    /// The only server that gets the token, with its port if that is not 443
    #[arg(long, value_name = "HOST", value_parser = host)]
    pub host: Option<String>,

    #[command(flatten)]
    pub helper: HelperArgs,
}

impl Command for GitArgs {
    fn common(&self) -> &Common {
        &self.helper.common
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        if self.helper.print_config {
            return self.print_config(context);
        }
        match self.operation.as_deref() {
            Some("capability") => {
                Ok(context.output.result("version 0\ncapability authtype\ncapability state\n")?)
            }
            Some("get") => self.get(&read()?, context),
            Some("erase") => self.erase(&read()?, context),
            // What git stores was ours already. Later operations are none of ours.
            Some(_) => Ok(()),
            None => Err(UsageError::new("what git wants is missing: get, store, erase or capability").into()),
        }
    }
}

fn read() -> Result<Attributes, Error> {
    let bytes = input::read(MAX_LEN, is_complete)?;
    Attributes::parse(&bytes)
        .map_err(|error| Error::Other(Exit::Failure, format!("git's question cannot be read: {error}")))
}

impl GitArgs {
    /// Which account a server is given tokens of; `None`: it is none of ours.
    fn responsible(&self, asked: &Attributes, context: &mut Context) -> Result<Option<Server>, Error> {
        let (Some(protocol), Some(host)) = (asked.get("protocol"), asked.get("host")) else {
            return Ok(None);
        };
        if self.host.as_deref().is_some_and(|only| !only.eq_ignore_ascii_case(host)) {
            return Ok(None);
        }
        let Some(chosen) = self.helper.choose(Some(host), context)? else { return Ok(None) };
        let address = format!("{protocol}://{}", host.to_ascii_lowercase());
        let is_in_clear = protocol != "https" && !(protocol == "http" && is_loopback(host));
        Ok(Some(Server { chosen, address, is_in_clear }))
    }

    fn get(&self, asked: &Attributes, context: &mut Context) -> Result<(), Error> {
        let Some(server) = self.responsible(asked, context)? else { return Ok(()) };
        let username = server.username(asked);
        // Somebody else's password is wanted.
        if let (Some(wanted), Some(own)) = (asked.get("username"), server.chosen.username.as_deref())
            && wanted != own
        {
            return Ok(());
        }
        let scheme = scheme(server.chosen.scheme, asked);
        let wanted = For { program: "git", destination: &server.address, sign: None, may_ask: true };
        let handed = server.is_safe().and_then(|()| hand_over(&self.helper, &server.chosen, wanted, context));
        let handed = match handed {
            Ok(handed) => handed,
            Err(error) => {
                // Nobody else is asked then: a password that is typed would not help.
                context.output.result("quit=1\n")?;
                return Err(error);
            }
        };
        let state = asked.is_capable("state").then(|| format!("{STATE}{}", TokenDigest::of(&handed.token)));
        Ok(context.output.result(&answer::write(scheme, &username, &handed, state.as_deref()))?)
    }

    /// The server refused what it was given. A new token is there when git is run again, or nothing helps, and why.
    fn erase(&self, asked: &Attributes, context: &mut Context) -> Result<(), Error> {
        let Some(refused) = refused(asked) else { return Ok(()) };
        let Some(server) = self.responsible(asked, context)? else { return Ok(()) };
        server.is_safe()?;
        let wanted = |sign| For { program: "git", destination: &server.address, sign, may_ask: false };
        let failed = |error: Error| match error.failure_code() {
            Some(ErrorCode::TokenRefused) => error,
            _ => Error::Other(
                error.exit(),
                format!("{} refused the token, and there is no other one: {error}", server.address),
            ),
        };
        // ID tokens are not kept: none could be compared.
        if !refused.is_ours && !server.chosen.token.id_token {
            let current = hand_over(&self.helper, &server.chosen, wanted(None), context).map_err(failed)?;
            if TokenDigest::of(&current.token) != refused.digest {
                context.output.note(&format!(
                    "What {} refused is not the token that there is now: if it was an older token, try again.",
                    server.address
                ));
                return Ok(());
            }
        }
        let sign = Some(Sign::Token(refused.digest.clone()));
        let handed = hand_over(&self.helper, &server.chosen, wanted(sign), context).map_err(failed)?;
        if TokenDigest::of(&handed.token) != refused.digest {
            context
                .output
                .note(&format!("{} refused the token; there is a new one now: try again.", server.address));
        }
        Ok(())
    }

    fn print_config(&self, context: &mut Context) -> Result<(), Error> {
        let mut words = pasted::words("git", &self.helper)?;
        let hosts: Vec<String> = match (&self.host, &self.helper.account) {
            (Some(host), _) => {
                pasted::require_account(&self.helper)?;
                words.extend(["--host".to_owned(), host.clone()]);
                vec![host.clone()]
            }
            (None, Some(_)) => {
                return Err(
                    UsageError::new("a server is missing: --host HOST; it alone gets the token").into()
                );
            }
            (None, None) => hosts(context)?.hosts.into_iter().map(|entry| entry.host).collect(),
        };
        if hosts.is_empty() {
            let text = "no server is known: name it by --account ACCOUNT --host HOST, or in helpers.toml of the oidc-agent \
                        directory";
            return Err(UsageError::new(text).into());
        }
        Ok(context.output.result(&sections(&hosts, &words))?)
    }
}

/// Without the empty `helper`, git hands the token to the helpers before this one, too.
fn sections(hosts: &[String], words: &[String]) -> String {
    let line = pasted::shell_line(words);
    let quoted = line.replace('\\', "\\\\").replace('"', "\\\"");
    let section = |scheme: &str, host: &String| {
        format!("[credential \"{scheme}://{host}\"]\n\thelper =\n\thelper = \"{quoted}\"\n")
    };
    let sections = |host: &String| {
        let in_clear = if is_loopback(host) { section("http", host) } else { String::new() };
        section("https", host) + &in_clear
    };
    hosts.iter().map(sections).collect()
}

/// As git names one.
fn host(text: &str) -> Result<String, String> {
    if is_authority(text) {
        Ok(text.to_owned())
    } else {
        Err("a server is a name with or without a port, as git.example or git.example:8443".to_owned())
    }
}

/// A server that gets tokens.
struct Server {
    chosen: Chosen,
    address: String,
    is_in_clear: bool,
}

impl Server {
    /// Whether a token may go there.
    fn is_safe(&self) -> Result<(), Error> {
        if self.is_in_clear {
            let text = format!("no token for {}: it would travel in clear; use https", self.address);
            return Err(Error::Other(Exit::Refused, text));
        }
        Ok(())
    }

    fn username(&self, asked: &Attributes) -> String {
        let own = self.chosen.username.as_deref().or_else(|| asked.get("username"));
        own.unwrap_or(USERNAME).to_owned()
    }
}

/// How the token is sent: as the configuration says, else as the server offers, else as a bearer token; but older ones than git
/// 2.46 can only send passwords.
fn scheme(configured: Option<Scheme>, asked: &Attributes) -> Scheme {
    if !asked.is_capable("authtype") {
        return Scheme::Basic;
    }
    let offers = |name: &str| {
        asked.all("wwwauth[]").iter().any(|offer| {
            let scheme = offer.split_whitespace().next().unwrap_or_default();
            scheme.eq_ignore_ascii_case(name)
        })
    };
    configured.unwrap_or(if offers("basic") && !offers("bearer") { Scheme::Basic } else { Scheme::Bearer })
}

/// What a server refused.
struct Refused {
    digest: TokenDigest,
    /// It has the state that comes with our tokens; else it may be anybody's password.
    is_ours: bool,
}

/// Which token was refused: as our state tells, else what git was given.
fn refused(asked: &Attributes) -> Option<Refused> {
    let mut states = asked.all("state[]").into_iter().filter_map(|state| state.strip_prefix(STATE));
    if let Some(digest) = states.find_map(|digest| digest.parse().ok()) {
        return Some(Refused { digest, is_ours: true });
    }
    let given = asked.get("credential").or_else(|| asked.get("password"))?;
    (!given.is_empty()).then(|| Refused { digest: TokenDigest::of(given), is_ours: false })
}

#[cfg(test)]
mod tests;
