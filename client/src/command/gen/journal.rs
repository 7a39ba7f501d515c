//! The entry of a new client in the journal of registrations, with what it takes to delete it.

use oidc_proto::{
    account::AccountConfig,
    home::{Home, RegisteredClient},
};

use super::{seal::Seal, session::Session};
use crate::process::clock;

/// Notes a client that was just registered, as it lies in the pending registration: `sealed`, unless that hides nothing.
pub fn note(session: &mut Session, home: &Home, account: &AccountConfig, seal: &Seal, sealed: &[u8]) {
    let client = RegisteredClient {
        issuer: account.issuer_url.clone().unwrap_or_default(),
        client_id: account.client_id.clone().unwrap_or_default(),
        client_name: account.client_name.clone(),
        registration_client_uri: account.registration_client_uri.clone(),
        account: account.name.clone().unwrap_or_default(),
        registered_at: clock::now(),
        ..RegisteredClient::default()
    };
    let client = if matches!(seal, Seal::Clear) { client } else { client.with_sealed(sealed) };
    if let Err(error) = home.note_registration(&client) {
        session.context.output.warning(&format!("`oidc orphans` will not know this client: {error}"));
    }
}
