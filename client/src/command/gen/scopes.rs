//! Which scopes: given, all that are supported, or asked for.

use oidc_proto::{
    account::{AccountConfig, same_issuer},
    error_code::ErrorCode,
    message::{ProviderQuery, Reply, Request},
    scope,
};

use super::{dialogue::Question, session::Session};
use crate::context::error::Error;

/// What Enter answers: who somebody is, and a refresh token.
const USUAL: [&str; 3] = ["openid", "profile", "offline_access"];
/// Gives refresh tokens by a parameter of its own and refuses the scope.
const GOOGLE: &str = "https://accounts.google.com";

/// The scopes for an account. `client_scope` is what the client is known to get, if that is known.
pub fn wanted(
    session: &mut Session,
    account: &AccountConfig,
    client_scope: Option<&str>,
) -> Result<String, Error> {
    let args = &session.args.client;
    let given = args.scope.join(" ");
    let wants_all = args.scope_all || given.split_whitespace().any(|scope| scope == "max");
    if !wants_all && !given.trim().is_empty() {
        return Ok(completed(&given, account));
    }
    if !wants_all && let Some(kept) = account.login_scope() {
        return Ok(completed(kept, account));
    }
    let supported = match client_scope {
        Some(scope) => Some(scope.to_owned()),
        None => supported(session, account)?,
    };
    let chosen = match (wants_all, supported) {
        (true, Some(supported)) => supported,
        (true, None) => {
            session
                .context
                .output
                .warning("the provider does not list its scopes; asking for the usual ones");
            USUAL.join(" ")
        }
        (false, supported) => ask(session, supported.as_deref())?,
    };
    Ok(completed(&chosen, account))
}

fn ask(session: &mut Session, supported: Option<&str>) -> Result<String, Error> {
    let usual = usual(supported);
    if !session.dialogue.can_ask(session.context) {
        session.progress(&format!("Asking for the scopes {usual}"))?;
        return Ok(usual);
    }
    if let Some(supported) = supported {
        session.context.asker.tell(&format!("The following scopes are supported: {supported}"))?;
    }
    let question =
        Question { label: "Scopes or 'max' (space separated)", option: "scope", default: Some(&usual) };
    session.dialogue.ask(session.context, &question, |answer| match answer {
        "max" => {
            supported.map(str::to_owned).ok_or_else(|| "The provider does not list its scopes.".to_owned())
        }
        scopes => Ok(scopes.to_owned()),
    })
}

/// Asks the agent what the provider supports. One that does not tell is no error; one that is not there is.
pub fn supported(session: &mut Session, account: &AccountConfig) -> Result<Option<String>, Error> {
    let query = ProviderQuery {
        issuer: session.issuer_for_agent(account),
        config_endpoint: account.config_endpoint.clone(),
        cert_path: account.cert_path.clone(),
    };
    match session.context.call(&Request::Scopes(query)) {
        Ok(Reply::Success { info: Some(info) }) => {
            Ok(info.as_str().map(|scopes| scopes.trim().to_owned()).filter(|scopes| !scopes.is_empty()))
        }
        Ok(_) => Ok(None),
        Err(error) if error.failure_code().is_some_and(|code| !is_of_the_provider(code)) => {
            session.context.output.warning(&format!("cannot list the provider's scopes: {error}"));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Whether nothing else can be had from this provider either.
fn is_of_the_provider(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::ProviderUnreachable
            | ErrorCode::ProviderTimeout
            | ErrorCode::ProviderTls
            | ErrorCode::ProviderBadResponse
            | ErrorCode::ProviderMismatch
    )
}

/// Says which scopes the login does not have that it was begun for, and at the end which it has besides.
pub fn tell_granted(session: &mut Session, wanted: &AccountConfig, account: &AccountConfig) {
    let (Some(asked), Some(granted)) = (wanted.login_scope(), account.granted_scope()) else { return };
    let missing = scope::not_granted(asked, granted);
    if !missing.is_empty() {
        let missing = missing.join(" ");
        session.context.output.warning(&format!("the provider did not grant the scope {missing}"));
    }
    let besides = scope::granted_besides(asked, granted);
    if !besides.is_empty() {
        session.remarks.push(format!("The provider granted more than was asked for: {}.", besides.join(" ")));
    }
}

/// The usual scopes, less `profile` where it is known not to be supported.
fn usual(supported: Option<&str>) -> String {
    let is_supported = |scope: &str| supported.is_none_or(|all| scope::contains(all, scope));
    let kept: Vec<_> = USUAL.into_iter().filter(|scope| *scope != "profile" || is_supported(scope)).collect();
    kept.join(" ")
}

/// Each scope once, with those that a login cannot do without.
fn completed(scopes: &str, account: &AccountConfig) -> String {
    let is_google = account.issuer_url.as_deref().is_some_and(|issuer| same_issuer(issuer, GOOGLE));
    let needed = [("openid", !account.oauth), ("offline_access", !is_google)];
    let mut all: Vec<&str> = Vec::new();
    let given = scopes
        .split_whitespace()
        .filter(|scope| *scope != "max" && !(is_google && *scope == "offline_access"));
    for scope in given.chain(needed.into_iter().filter(|(_, is_needed)| *is_needed).map(|(scope, _)| scope)) {
        if !all.contains(&scope) {
            all.push(scope);
        }
    }
    all.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_login_needs_is_added_once() {
        let account = |issuer: &str, oauth| AccountConfig {
            issuer_url: Some(issuer.to_owned()),
            oauth,
            ..AccountConfig::default()
        };
        let op = account("https://op", false);
        assert_eq!(completed("a  a openid", &op), "a openid offline_access");
        assert_eq!(completed("offline_access", &op), "offline_access openid");
        assert_eq!(completed("a", &account("https://op", true)), "a offline_access");
        assert_eq!(
            completed("a offline_access", &account("https://accounts.google.com/", false)),
            "a openid"
        );
    }

    #[test]
    fn an_unsupported_profile_is_not_suggested() {
        assert_eq!(usual(None), "openid profile offline_access");
        assert_eq!(usual(Some("openid email")), "openid offline_access");
    }
}
