//! Managing a registered client (RFC 7592).
//!
//! Every answer may bring a new registration access token (Keycloak's always do): what comes back belongs into the
//! account before anything else is done.

use oidc_proto::{
    account::AccountConfig,
    json::Object,
    secret::{ClientSecret, RegistrationAccessToken},
};
use reqwest::{Method, StatusCode};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::{
    Provider,
    client_authentication::bearer,
    error::ProviderError,
    http::{Answer, Content, Repeat, Request},
};

/// RFC 7592 section 2.2: not to be sent back in an update.
const NOT_UPDATED: [&str; 4] = [
    "registration_access_token",
    "registration_client_uri",
    "client_secret_expires_at",
    "client_id_issued_at",
];

/// Where and with what a client is managed.
#[derive(Clone, Copy, Debug)]
pub struct ClientConfiguration<'a> {
    /// `registration_client_uri`.
    pub uri: &'a str,
    /// `registration_access_token`; INDIGO IAM takes an access token of the client's owner as well.
    pub token: &'a RegistrationAccessToken,
}

/// What a person is told of [`ClientDeletion::OutOfReach`].
pub const OUT_OF_REACH: &str = "the provider does not know the client by its registration access token any more; most likely \
    the client is gone";

/// What became of a client, as its registration tells.
#[derive(Debug)]
pub enum ClientState {
    /// It is there; what the provider says of it.
    There(Object),
    /// The provider does not know it, or not by that registration access token any more.
    Gone,
}

/// How a deletion ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientDeletion {
    /// The client is gone now.
    Deleted,
    /// The provider did not know it any more.
    AlreadyGone,
    /// The provider answered 401: it knows the client no more, or not by that registration access token. Either way it
    /// cannot be managed with what is known here.
    OutOfReach,
}

impl<'a> ClientConfiguration<'a> {
    /// Of an account whose client was registered dynamically.
    pub fn of(account: &'a AccountConfig) -> Option<Self> {
        Some(Self {
            uri: account.registration_client_uri.as_deref()?,
            token: account.registration_access_token.as_ref()?,
        })
    }

    fn request(&self, method: Method, content: Option<Content>, repeat: Repeat) -> Request<'a> {
        Request { method, url: self.uri, authorization: Some(bearer(self.token.expose())), content, repeat }
    }
}

impl Provider {
    /// Reads the client's registration (RFC 7592 section 2.1).
    pub async fn read_client(
        &self,
        client: ClientConfiguration<'_>,
        deadline: Instant,
    ) -> Result<Object, ProviderError> {
        // Not a harmless GET: it may replace the registration access token.
        let request = client.request(Method::GET, None, Repeat::IfUnprocessed);
        self.http.send(request, deadline).await?.into_object(&self.http, &[client.token.expose()])
    }

    /// Whether the client is still there (RFC 7592 section 2.1). As [`Provider::read_client`], it may replace the registration
    /// access token.
    pub async fn find_client(
        &self,
        client: ClientConfiguration<'_>,
        deadline: Instant,
    ) -> Result<ClientState, ProviderError> {
        let request = client.request(Method::GET, None, Repeat::IfUnprocessed);
        let answer: Answer = self.http.send(request, deadline).await?;
        if matches!(answer.status, StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND | StatusCode::GONE) {
            return Ok(ClientState::Gone);
        }
        answer.into_object(&self.http, &[client.token.expose()]).map(ClientState::There)
    }

    /// Replaces the client's registration (RFC 7592 section 2.2). `registration` is all of it, as read or as the
    /// registration answered, with the wanted changes; members that must not be sent are left out.
    pub async fn update_client(
        &self,
        client: ClientConfiguration<'_>,
        mut registration: Object,
        deadline: Instant,
    ) -> Result<Object, ProviderError> {
        for key in NOT_UPDATED {
            registration.remove(key);
        }
        let secret = registration.string("client_secret").map(ClientSecret::new);
        let body = Zeroizing::new(registration.to_json().as_bytes().to_vec());
        let request = client.request(Method::PUT, Some(Content::Json(body)), Repeat::IfUnprocessed);
        let mut secrets = vec![client.token.expose()];
        secrets.extend(secret.as_ref().map(ClientSecret::expose));
        self.http.send(request, deadline).await?.into_object(&self.http, &secrets)
    }

    /// Deletes the client (RFC 7592 section 2.3).
    pub async fn delete_client(
        &self,
        client: ClientConfiguration<'_>,
        deadline: Instant,
    ) -> Result<ClientDeletion, ProviderError> {
        let request = client.request(Method::DELETE, None, Repeat::Freely);
        let answer: Answer = self.http.send(request, deadline).await?;
        if matches!(answer.status, StatusCode::NOT_FOUND | StatusCode::GONE) {
            return Ok(ClientDeletion::AlreadyGone);
        }
        if answer.status == StatusCode::UNAUTHORIZED {
            return Ok(ClientDeletion::OutOfReach);
        }
        answer.checked(&self.http, &[client.token.expose()])?;
        Ok(ClientDeletion::Deleted)
    }
}
