//! OpenID providers that other people wrote, for `make interop`: each is fetched at a pinned version by
//! `scripts/fetch-interop-servers.sh`, listens on this machine's loopback only, speaks TLS under an authority of its own, and
//! ends with the value that stands for it. One file a server; a server says itself what it does not offer.

pub mod dex;
pub mod django;
pub mod hydra;
pub mod keycloak;
pub mod node_oidc_provider;
mod process;
pub mod robots;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use self::robots::Robots;
use crate::browser::{Browser, BrowserError};

/// What a server does, or the reason why it does not.
pub type Offer<T> = Result<T, NotOffered>;

/// Why something cannot be tried at a server: a sentence about the server, for the table in `docs/providers.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotOffered(pub &'static str);

/// A client that somebody registered by hand.
#[derive(Debug, Clone, Copy)]
pub struct GivenClient {
    /// `client_id`.
    pub id: &'static str,
    /// `client_secret`; a public client has none.
    pub secret: Option<&'static str>,
}

/// The public client that was registered by hand at each server which has such clients.
pub const PUBLIC: GivenClient = GivenClient { id: "lab-public", secret: None };
/// The client with a secret there.
pub const CONFIDENTIAL: GivenClient =
    GivenClient { id: "lab-confidential", secret: Some("difference-engine") };

/// A client whose logins end when they are not used for so long.
#[derive(Debug, Clone, Copy)]
pub struct ImpatientClient {
    /// The client, a public one.
    pub client: GivenClient,
    /// The time.
    pub idle: Duration,
}

/// An audience, and how an access token for it is recognised.
#[derive(Debug, Clone, Copy)]
pub struct Audience {
    /// What is asked for with `--aud`.
    pub audience: &'static str,
    /// What is asked for with `--scope` at the same time.
    pub scope: Option<&'static str>,
}

/// A running provider. It ends when dropped.
pub trait Server {
    /// As people call it.
    fn name(&self) -> &'static str;
    /// The issuer URL.
    fn issuer(&self) -> &str;
    /// The certificate of the authority to trust.
    fn authority(&self) -> &Path;
    /// What a person would ask for at a login: `openid`, the scope that brings a refresh token, and others.
    fn scope(&self) -> &'static str;
    /// A scope that is a part of [`Server::scope`], for a token that may do less.
    fn narrower_scope(&self) -> Offer<&'static str>;
    /// Whether a refresh with a narrower scope takes the others away from the login.
    fn narrows_on_refresh(&self) -> bool {
        false
    }
    /// An audience that clients may ask for.
    fn audience(&self) -> Offer<Audience>;
    /// A public client with every redirect URI and grant that the agent uses.
    fn public_client(&self) -> Offer<GivenClient> {
        Ok(PUBLIC)
    }
    /// A client with a secret, otherwise the same.
    fn confidential_client(&self) -> Offer<GivenClient> {
        Ok(CONFIDENTIAL)
    }
    /// Dynamic client registration, with a new initial access token where the server wants one.
    fn registration(&self) -> Offer<Option<String>>;
    /// The device authorization grant (RFC 8628).
    fn device_flow(&self) -> Offer<()>;
    /// Token revocation (RFC 7009).
    fn revocation(&self) -> Offer<()>;
    /// What a person does on the pages of a login by code. The browser, which has no session yet, is at the first page.
    fn log_in(&self, browser: &Browser) -> Result<(), BrowserError>;
    /// What a person does on the pages of a login by device. The browser is at the address that was told.
    fn confirm_device(&self, browser: &Browser, code: &str) -> Result<(), BrowserError>;
    /// As an administrator: ends every login of the person, refresh tokens included.
    fn revoke_logins(&mut self) -> Offer<()>;
    /// As an administrator: signs with a new key from now on.
    fn rotate_keys(&mut self) -> Offer<()>;
    /// As an administrator: whether there is a client of this id.
    fn has_client(&self, id: &str) -> Offer<bool>;
    /// Accounts for which nobody logs in.
    fn robots(&self) -> Offer<&dyn Robots> {
        Err(NotOffered("Robots' clients are set up at one server, where the most is offered."))
    }
    /// Ends the server, does something while it is down, and starts it with the same data.
    fn restart(&mut self, while_down: &mut dyn FnMut()) -> Offer<()>;
    /// Whether a refresh token that comes back when it was replaced already ends the login (RFC 9700 section 4.14.2).
    fn reuse_ends_login(&self) -> Offer<()>;
    /// Whether its answers say what time it is there (`Date`, RFC 9110 section 6.6.1).
    fn tells_time(&self) -> bool {
        true
    }
    /// A client whose logins end when they are not used for a moment.
    fn impatient_client(&self) -> Offer<ImpatientClient> {
        Err(NotOffered("Logins are set up to last, whether they are used or not."))
    }
}

/// What a server needs and this machine lacks.
#[derive(Debug, Clone)]
pub struct Missing(pub String);

/// A file or directory that `scripts/fetch-interop-servers.sh` leaves below `.tools/interop`.
///
/// # Errors
/// When it is not there.
pub fn fetched(name: &str) -> Result<PathBuf, Missing> {
    let path = crate::programs::workspace().join(".tools/interop").join(name);
    let missing = || Missing(format!("{name}; scripts/fetch-interop-servers.sh fetches it"));
    if path.exists() { Ok(path) } else { Err(missing()) }
}
