//! Which scopes: given, all that are supported, or asked for.

use oidc_proto::{account::AccountConfig, scope};

use super::{dialogue::Question, provider::Provider, session::Session};
use crate::context::error::Error;

/// The scopes for an account. `client_scope` is what the client is known to get, if that is known.
pub fn wanted(
    session: &mut Session,
    account: &AccountConfig,
    client_scope: Option<&str>,
) -> Result<String, Error> {
    let provider = session.provider(account)?;
    let args = &session.args.client;
    let given = args.scope.join(" ");
    let wants_all = args.scope_all || given.split_whitespace().any(|scope| scope == "max");
    if !wants_all && !given.trim().is_empty() {
        return Ok(completed(&given, account, &provider));
    }
    if !wants_all && let Some(kept) = account.login_scope() {
        return Ok(completed(kept, account, &provider));
    }
    if let Some(reason) = provider.not_listed.as_ref().filter(|_| client_scope.is_none()) {
        session.context.output.warning(&format!("cannot list the provider's scopes: {reason}"));
    }
    let supported = client_scope.or(provider.supported.as_deref());
    let usual = usual(&provider, supported);
    let chosen = match (wants_all, supported) {
        (true, Some(supported)) => supported.to_owned(),
        (true, None) => {
            session
                .context
                .output
                .warning("the provider does not list its scopes; asking for the usual ones");
            usual
        }
        (false, supported) => ask(session, &usual, supported)?,
    };
    Ok(completed(&chosen, account, &provider))
}

fn ask(session: &mut Session, usual: &str, supported: Option<&str>) -> Result<String, Error> {
    if !session.dialogue.can_ask(session.context) {
        session.progress(&format!("Asking for the scopes {usual}"))?;
        return Ok(usual.to_owned());
    }
    if let Some(supported) = supported {
        session.context.asker.tell(&format!("The following scopes are supported: {supported}"))?;
    }
    let question =
        Question { label: "Scopes or 'max' (space separated)", option: "scope", default: Some(usual) };
    session.dialogue.ask(session.context, &question, |answer| match answer {
        "max" => {
            supported.map(str::to_owned).ok_or_else(|| "The provider does not list its scopes.".to_owned())
        }
        scopes => Ok(scopes.to_owned()),
    })
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
fn usual(provider: &Provider, supported: Option<&str>) -> String {
    let is_supported = |scope: &str| supported.is_none_or(|all| scope::contains(all, scope));
    let all = provider.default_scopes.split_whitespace();
    all.filter(|scope| *scope != "profile" || is_supported(scope)).collect::<Vec<_>>().join(" ")
}

/// Each scope once, with those that a login cannot do without.
fn completed(scopes: &str, account: &AccountConfig, provider: &Provider) -> String {
    let is_offline = provider.offline_access_scope;
    let needed = [("openid", !account.oauth), ("offline_access", is_offline)];
    let mut all: Vec<&str> = Vec::new();
    let given = scopes
        .split_whitespace()
        .filter(|scope| *scope != "max" && (is_offline || *scope != "offline_access"));
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

    fn provider(offline_access_scope: bool) -> Provider {
        let default_scopes = "openid profile offline_access".to_owned();
        Provider { supported: None, not_listed: None, default_scopes, offline_access_scope }
    }

    #[test]
    fn what_a_login_needs_is_added_once() {
        let account = |oauth| AccountConfig { oauth, ..AccountConfig::default() };
        let (op, without) = (provider(true), provider(false));
        assert_eq!(completed("a  a openid", &account(false), &op), "a openid offline_access");
        assert_eq!(completed("offline_access", &account(false), &op), "offline_access openid");
        assert_eq!(completed("a", &account(true), &op), "a offline_access");
        assert_eq!(completed("a offline_access", &account(false), &without), "a openid");
    }

    #[test]
    fn an_unsupported_profile_is_not_suggested() {
        assert_eq!(usual(&provider(true), None), "openid profile offline_access");
        assert_eq!(usual(&provider(true), Some("openid email")), "openid offline_access");
    }
}
