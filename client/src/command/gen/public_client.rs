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
    let issuer = account.issuer_url.as_deref().and_then(|issuer| session.issuers.get(issuer));
    if session.args.client.public {
        let client = issuer.and_then(|issuer| issuer.pubclient).ok_or_else(no_public_client)?;
        return Ok(Some(take(account, client, true)));
    }
    let own = issuer.and_then(|issuer| issuer.user_client);
    Ok(own.map(|client| take(account, client, false)))
}

/// The public client for an issuer where registration did not work.
pub fn instead_of_registration(
    session: &mut Session,
    account: &mut AccountConfig,
    refused: Error,
) -> Result<Known, Error> {
    let issuer =
        account.issuer_url.as_deref().and_then(|issuer| session.issuers.get(issuer)).unwrap_or_default();
    let Some(client) = issuer.pubclient else {
        let mut output = Vec::new();
        output.extend(issuer.register.map(|page| format!("Clients are registered by hand at {page}")));
        output.extend(issuer.contact.map(|contact| format!("Contact: {contact}")));
        output.push("With a client that was registered by hand, use `oidc gen -m`.".to_owned());
        session.context.output.note(
            "Dynamic client registration not successful for this issuer and could not find a public client for this \
             issuer.",
        );
        session.context.output.hint(&output.join("\n"));
        return Err(refused);
    };
    session
        .context
        .output
        .note(&format!("The following error occurred during dynamic client registration:\n{refused}"));
    session.progress("Try using a public client ...")?;
    Ok(take(account, client, true))
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
