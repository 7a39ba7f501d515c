//! A token that cannot be had for want of a login, or of an account: where a person is at the terminal and the configuration
//! wants it, they are offered to make what is missing, here and now.

use oidc_proto::{
    account::same_issuer,
    config::{AUTO_GEN, AUTO_GEN_SCOPE_MODE, AUTO_REAUTHENTICATE},
    error_code::ErrorCode,
    message::{AccountStatus, AgentStatus, Failure, Reply, Request, Target},
    shortname::Shortname,
};
use url::Url;

use crate::{
    account::password::asker::AskError,
    command::r#gen,
    context::{Context, account_name, error::Error},
};

/// The section of the keys that say so.
const SECTION: &str = "oidc-agent";
/// An agent that was started with this offers no login, and neither does anybody who asks it.
const FORBIDDEN: &str = "--no-autoreauthenticate";
/// Labels of host names that say what a host does, and not whose it is.
const NO_NAMES: [&str; 14] = [
    "www", "login", "aai", "iam", "auth", "sso", "accounts", "account", "oidc", "idp", "op", "id", "oauth",
    "keycloak",
];

/// Whether a new login is what helps.
pub fn is_login(failure: &Failure) -> bool {
    matches!(failure.code, ErrorCode::LoginNeeded | ErrorCode::NoRefreshToken)
}

/// What came of an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offered {
    /// What was missing is there now.
    Made,
    /// The person does not want it.
    Declined,
    /// It is not offered here.
    Not,
}

/// Offers a new login of the account that the agent had none for.
pub fn log_in(target: &Target, failure: &Failure, context: &mut Context) -> Result<Offered, Error> {
    if !context.asker.is_there() || !context.config(SECTION).switch(&AUTO_REAUTHENTICATE) {
        return Ok(Offered::Not);
    }
    let Some((name, issuer)) = account_in_need(target, context)? else { return Ok(Offered::Not) };
    let at = issuer.map(|issuer| format!(" at {issuer}")).unwrap_or_default();
    let question = format!("Account '{name}' needs a new login{at} ({}). Log in now?", failure.error);
    if !is_wanted(&question, context)? {
        return Ok(Offered::Declined);
    }
    r#gen::log_in_anew(&name, context)?;
    Ok(Offered::Made)
}

/// The account, and its issuer where the agent knows it. `None`: it is not known which one, nobody logs in for it, or the agent
/// was told that no login is to be offered.
fn account_in_need(
    target: &Target,
    context: &mut Context,
) -> Result<Option<(Shortname, Option<String>)>, Error> {
    let status = match context.call(&Request::StatusJson)? {
        Reply::Success { info: Some(info) } => AgentStatus::from_info(&info).unwrap_or_default(),
        _ => AgentStatus::default(),
    };
    if status.command_line_options.split_whitespace().any(|option| option == FORBIDDEN) {
        return Ok(None);
    }
    let is_meant = |account: &&AccountStatus| match target {
        Target::Account(name) => account.name == *name,
        Target::Issuer(issuer) => same_issuer(&account.issuer, issuer) && account.login_needed.is_some(),
    };
    let mut meant = status.accounts.iter().filter(is_meant);
    let name = match (meant.next(), meant.next(), target) {
        (Some(_), Some(_), _) | (None, _, Target::Issuer(_)) => return Ok(None),
        (Some(account), None, _) if account.grant_type.is_some() && account.mytoken_url.is_none() => {
            return Ok(None);
        }
        (Some(account), None, _) => (account_name(&account.name)?, Some(account.issuer.clone())),
        // It could not be loaded for the same reason.
        (None, _, Target::Account(name)) => (account_name(name)?, None),
    };
    Ok(Some(name))
}

/// Offers to make an account of an issuer of which none is known. `scope`: what the token was wanted with. Its name, where the
/// person wants it.
pub fn make_account(
    issuer: &str,
    scope: Option<&str>,
    context: &mut Context,
) -> Result<Option<Shortname>, Error> {
    let config = context.config(SECTION);
    if !context.asker.is_there() || !config.switch(&AUTO_GEN) {
        return Ok(None);
    }
    if !is_wanted(&format!("No account of {issuer} is known here. Make one now?"), context)? {
        return Ok(None);
    }
    let name = ask_name(issuer, context)?;
    let exact = config.text(&AUTO_GEN_SCOPE_MODE).as_deref() == Some("exact");
    // Whoever wants just what was asked for, and asked for nothing, is asked.
    let scopes = if exact { scope } else { Some("max") };
    r#gen::make_as_a_step(&name, issuer, scopes, context)?;
    Ok(Some(name))
}

/// A yes-or-no question; Enter is yes, Ctrl-D no.
fn is_wanted(question: &str, context: &mut Context) -> Result<bool, Error> {
    loop {
        match context.asker.line(&format!("{question} [Y/n]")) {
            Ok(answer) => match answer.to_ascii_lowercase().as_str() {
                "" | "y" | "yes" => return Ok(true),
                "n" | "no" => return Ok(false),
                _ => context.asker.tell("Please answer yes or no.")?,
            },
            Err(AskError::Cancelled(_) | AskError::NoTerminal(_)) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
}

fn ask_name(issuer: &str, context: &mut Context) -> Result<Shortname, Error> {
    let home = context.home().ok();
    let is_free = |name: &Shortname| !home.as_ref().is_some_and(|home| home.file(name).exists());
    let suggestion = suggested(issuer);
    let numbered = (2..100).map(|number| format!("{suggestion}-{number}"));
    let suggestion = std::iter::once(suggestion.clone())
        .chain(numbered)
        .filter_map(|text| account_name(&text).ok())
        .find(|name| is_free(name) && name.is_listed());
    let default = suggestion.as_ref().map(|name| format!(" [{name}]")).unwrap_or_default();
    loop {
        let answer = context.asker.line(&format!("Short name for the account{default}:"))?;
        let name = match (answer.as_str(), &suggestion) {
            ("", Some(name)) => Ok(name.clone()),
            (text, _) => account_name(text),
        };
        match name {
            Ok(name) if !name.is_listed() => context.asker.tell("No account can have that name.")?,
            Ok(name) if is_free(&name) => return Ok(name),
            Ok(name) => context.asker.tell(&format!("There is an account '{name}' already."))?,
            Err(error) => context.asker.tell(&error.to_string())?,
        }
    }
}

/// What people call an issuer: the first label of its host that is not what any login server is called.
fn suggested(issuer: &str) -> String {
    let host = Url::parse(issuer).ok().and_then(|url| url.domain().map(str::to_owned)).unwrap_or_default();
    let labels: Vec<_> = host.split('.').filter(|label| !label.is_empty()).collect();
    let is_name = |label: &&&str| {
        // `wlcg-auth` is as good as `wlcg`, `login-dev` is not.
        !NO_NAMES.contains(&label.split('-').next().unwrap_or_default())
    };
    // The last one is the country's.
    let names = &labels[..labels.len().saturating_sub(1)];
    names
        .iter()
        .find(is_name)
        .or(labels.first())
        .map_or_else(|| "account".to_owned(), |label| (*label).to_owned())
}

#[cfg(test)]
mod tests;
