//! Clients that need not be registered, from the issuer data.

use oidc_proto::{account::AccountConfig, issuers::KnownClient};

use super::{redirect, session::Session};
use crate::{context::error::Error, say::exit::Exit};

/// What a known client brings besides itself.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The scopes it gets, where that is known.
    pub scope: Option<String>,
    /// The ways to log in that it is good for; empty when not known.
    pub flow: Vec<String>,
}

/// The client to use without registering one: `--pub`, or the person's own from the issuer data.
pub fn chosen(session: &Session, account: &mut AccountConfig) -> Result<Option<Known>, Error> {
    if session.args.client.public {
        return known(session, account).map(Some).ok_or_else(no_public_client);
    }
    let issuer = account.issuer_url.as_deref().and_then(|issuer| session.issuers.get(issuer));
    let own = issuer.and_then(|issuer| issuer.user_client);
    Ok(own.map(|client| take(account, client, false)))
}

/// The public client that is known for the issuer.
pub fn known(session: &Session, account: &mut AccountConfig) -> Option<Known> {
    let issuer = account.issuer_url.as_deref().and_then(|issuer| session.issuers.get(issuer));
    Some(take(account, issuer?.pubclient?, true))
}

fn take(account: &mut AccountConfig, client: KnownClient, is_public: bool) -> Known {
    account.client_id = Some(client.client_id);
    account.client_secret = client.client_secret;
    account.uses_pub_client = is_public;
    if account.redirect_uris.is_empty() {
        account.redirect_uris = if client.redirect_uris.is_empty() {
            redirect::USUAL.map(str::to_owned).into()
        } else {
            client.redirect_uris
        };
    }
    Known { scope: client.scope, flow: client.flow }
}

fn no_public_client() -> Error {
    Error::Other(Exit::Failure, "No public client found for this issuer".to_owned())
}
