//! Accounts at a mytoken server: there is no client to register and no redirect URI, the server has both. Which providers it
//! gives tokens of it says itself.

use oidc_proto::{
    account::{AccountConfig, same_issuer},
    config::{DEFAULT_MYTOKEN_SERVER, PREFER_MYTOKEN_OVER_OIDC},
    message::{ProviderQuery, Reply, Request},
    scope,
};
use serde_json::{Value, json};

use super::{
    arguments::{ClientArgs, MYTOKEN_SERVER},
    configured::SECTION,
    dialogue::Question,
    flows::Choice,
    session::Session,
};
use crate::{
    account::issuer_url,
    context::{Context, error::Error},
    say::exit::Exit,
};

/// The profile where none is named, as the C suite ships it.
const PROFILE: &str = "agent";
/// Most providers that are listed for a person to choose one.
const MOST_LISTED: usize = 40;

/// A provider whose tokens a server gives.
struct Supported {
    issuer: String,
    scopes: Vec<String>,
}

/// Takes what the options say of a mytoken.
pub fn apply(client: &ClientArgs, account: &mut AccountConfig) -> Result<(), Error> {
    let usual = client.default_mytoken_server.as_deref().unwrap_or(MYTOKEN_SERVER);
    if let Some(url) = &client.mytoken_url {
        let named = Some(url.as_str()).filter(|url| !url.is_empty());
        let url = issuer_url::read(named.unwrap_or(usual))
            .map_err(|reason| failed(format!("--mytoken-url: {reason}")))?;
        account.mytoken_url = Some(url);
    }
    if let Some(profile) = &client.mytoken_profile {
        account.mytoken_profile = Some(Box::new(read_profile(profile)?));
        account.mytoken_url.get_or_insert_with(|| usual.to_owned());
    }
    Ok(())
}

/// A profile is a JSON object, or the name of one. It is kept as an object in any case: the C suite loses one that is kept as
/// a text.
fn read_profile(text: &str) -> Result<Value, Error> {
    if !text.trim_start().starts_with(['{', '[']) {
        return Ok(json!({ "include": text }));
    }
    let wrong = |reason: String| failed(format!("--mytoken: the profile is no JSON object ({reason})"));
    match serde_json::from_str(text).map_err(|error| wrong(error.to_string()))? {
        profile @ Value::Object(_) => Ok(profile),
        names => Ok(json!({ "include": names })),
    }
}

/// Everything that is not known yet but is needed for the login: which provider, which scopes.
pub fn complete(session: &mut Session, account: &mut AccountConfig) -> Result<Choice, Error> {
    if account.mytoken_profile.is_none() {
        let usual = session.args.client.default_mytoken_profile.as_deref().unwrap_or(PROFILE);
        account.mytoken_profile = Some(Box::new(read_profile(usual)?));
    }
    let supported = supported(session, account)?;
    let chosen = match &account.issuer_url {
        Some(issuer) => known(&supported, issuer, account)?,
        None => choose(session, &supported, account)?,
    };
    account.issuer_url = Some(supported[chosen].issuer.clone());
    // The server has a client of its own there; these stand in its place, as in the C suite.
    account.client_id = Some("mytoken".to_owned());
    account.client_secret = Some("mytoken".into());
    take_scopes(session, account, &supported[chosen]);
    Ok(flows(session))
}

/// A new login of an account that exists.
pub fn renew(session: &mut Session, account: &mut AccountConfig) -> Result<Choice, Error> {
    let client = &session.args.client;
    if client.scope.is_empty() && !client.scope_all {
        return Ok(flows(session));
    }
    let supported = supported(session, account)?;
    let issuer = account.issuer_url.clone().unwrap_or_default();
    let chosen = known(&supported, &issuer, account)?;
    take_scopes(session, account, &supported[chosen]);
    Ok(flows(session))
}

fn flows(session: &Session) -> Choice {
    super::flows::choose(session.args, &[], true, session.desk.has_display())
}

/// Scopes are named only where somebody wants some: without any, a token has all that the mytoken allows.
fn take_scopes(session: &Session, account: &mut AccountConfig, provider: &Supported) {
    let client = &session.args.client;
    let given = client.scope.join(" ");
    let wanted = if client.scope_all || given.split_whitespace().any(|scope| scope == "max") {
        provider.scopes.join(" ")
    } else {
        given.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    if !wanted.is_empty() {
        account.auth_scope = Some(wanted);
        (account.scope, account.refresh_scope) = (None, None);
    }
}

/// The configured mytoken server, where the configuration prefers it and it gives tokens of this issuer.
pub fn preferred(issuer: &str, context: &mut Context) -> Option<String> {
    let config = context.config(SECTION);
    let server = config.text(&DEFAULT_MYTOKEN_SERVER)?;
    if !config.switch(&PREFER_MYTOKEN_OVER_OIDC) {
        return None;
    }
    let query = ProviderQuery { issuer: Some(server.clone()), config_endpoint: None, cert_path: None };
    match context.call(&Request::MytokenSupportedProviders(query)) {
        Ok(Reply::Success { info: Some(Value::Array(providers)) }) => {
            let mut supported = providers.iter().filter_map(read_provider);
            supported.any(|one| same_issuer(&one.issuer, issuer)).then_some(server)
        }
        Ok(_) => None,
        Err(error) => {
            context.output.warning(&format!("{server} is not used, though it is preferred: {error}"));
            None
        }
    }
}

/// What the server gives tokens of.
fn supported(session: &mut Session, account: &AccountConfig) -> Result<Vec<Supported>, Error> {
    let query = ProviderQuery {
        issuer: account.mytoken_url.clone(),
        config_endpoint: None,
        cert_path: account.cert_path.clone(),
    };
    let reply = match session.context.call(&Request::MytokenSupportedProviders(query)) {
        Err(error) if error.is_unknown_request() => {
            return Err(failed("this agent knows no mytokens; one of version 5 or ours does".to_owned()));
        }
        reply => reply?,
    };
    let Reply::Success { info: Some(Value::Array(providers)) } = reply else {
        return Err(Error::UnexpectedReply("mytoken_supported_providers"));
    };
    let supported: Vec<_> = providers.iter().filter_map(read_provider).collect();
    if supported.is_empty() {
        let server = account.mytoken_url.as_deref().unwrap_or_default();
        return Err(failed(format!("the mytoken server {server} names no provider whose tokens it gives")));
    }
    Ok(supported)
}

/// Addresses that are none are left out: they are shown to a person.
fn read_provider(provider: &Value) -> Option<Supported> {
    let issuer = provider.get("issuer")?.as_str()?;
    issuer_url::read(issuer).ok().filter(|_| !issuer.chars().any(char::is_control))?;
    let scopes = provider.get("scopes_supported").and_then(Value::as_array);
    let scopes = scopes.into_iter().flatten().filter_map(Value::as_str);
    let scopes = scopes.filter(|one| *one != scope::OFFLINE_ACCESS && !one.contains(char::is_whitespace));
    Some(Supported { issuer: issuer.to_owned(), scopes: scopes.map(str::to_owned).collect() })
}

fn known(supported: &[Supported], issuer: &str, account: &AccountConfig) -> Result<usize, Error> {
    let found = supported.iter().position(|one| same_issuer(&one.issuer, issuer));
    found.ok_or_else(|| {
        let server = account.mytoken_url.as_deref().unwrap_or_default();
        let list = listed(supported).join("\n  ");
        failed(format!(
            "the mytoken server {server} gives no tokens of {issuer}. It gives tokens of\n  {list}"
        ))
    })
}

fn choose(session: &mut Session, supported: &[Supported], account: &AccountConfig) -> Result<usize, Error> {
    if supported.len() == 1 {
        return Ok(0);
    }
    let list = listed(supported);
    if !session.dialogue.can_ask(session.context) {
        let server = account.mytoken_url.as_deref().unwrap_or_default();
        let text = format!(
            "--issuer is needed: the mytoken server {server} gives tokens of\n  {}",
            list.join("\n  ")
        );
        return Err(failed(text));
    }
    for line in &list {
        session.context.asker.tell(line)?;
    }
    let question = Question { label: "Issuer", option: "issuer", default: None };
    session.dialogue.ask(session.context, &question, |answer| {
        if let Ok(number) = answer.parse::<usize>() {
            let chosen = number.checked_sub(1).filter(|index| *index < supported.len());
            return chosen.ok_or_else(|| format!("There is no number {number} in the list."));
        }
        let issuer = issuer_url::read(answer)?;
        let found = supported.iter().position(|one| same_issuer(&one.issuer, &issuer));
        found.ok_or_else(|| "The server gives no tokens of that one.".to_owned())
    })
}

fn listed(supported: &[Supported]) -> Vec<String> {
    let mut list: Vec<_> = supported
        .iter()
        .take(MOST_LISTED)
        .enumerate()
        .map(|(n, one)| format!("[{}] {}", n + 1, one.issuer))
        .collect();
    if supported.len() > MOST_LISTED {
        list.push(format!("and {} more", supported.len() - MOST_LISTED));
    }
    list
}

fn failed(text: String) -> Error {
    Error::Other(Exit::Failure, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_kept_so_that_the_c_suite_keeps_it() {
        for (text, expected) in [
            ("agent", Some(json!({"include": "agent"}))),
            ("17", Some(json!({"include": "17"}))),
            (r#"["a","b"]"#, Some(json!({"include": ["a", "b"]}))),
            (r#" {"capabilities":["AT"]}"#, Some(json!({"capabilities": ["AT"]}))),
            ("{", None),
        ] {
            assert_eq!(read_profile(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_profile_alone_means_the_usual_server() {
        let client = ClientArgs { mytoken_profile: Some("p".into()), ..ClientArgs::default() };
        let mut account = AccountConfig::default();
        apply(&client, &mut account).expect("applied");
        assert_eq!(account.mytoken_url.as_deref(), Some(MYTOKEN_SERVER));
        let mut other =
            AccountConfig { mytoken_url: Some("https://mt.example".into()), ..AccountConfig::default() };
        apply(&client, &mut other).expect("applied");
        assert_eq!(other.mytoken_url.as_deref(), Some("https://mt.example"));
        let wrong = ClientArgs { mytoken_url: Some("http://mt.example".into()), ..ClientArgs::default() };
        assert!(apply(&wrong, &mut AccountConfig::default()).is_err());
    }

    #[test]
    fn what_is_no_address_is_not_shown() {
        for (provider, is_shown) in [
            (json!({"issuer": "https://op.example/"}), true),
            (json!({"issuer": "https://op.example/\u{1b}[2J"}), false),
            (json!({"issuer": "javascript:x"}), false),
            (json!({"issuer": 7}), false),
            (json!("https://op.example/"), false),
        ] {
            assert_eq!(read_provider(&provider).is_some(), is_shown, "{provider}");
        }
        let scopes =
            json!({"issuer": "https://op.example", "scopes_supported": ["a", "offline_access", "b c", 7]});
        assert_eq!(read_provider(&scopes).expect("one").scopes, ["a"]);
    }
}
