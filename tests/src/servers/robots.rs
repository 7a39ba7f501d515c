//! What a server has for accounts for which nobody logs in, and what its administrator does for them.

use serde_json::Value;

use super::GivenClient;

/// Clients and trust for robots.
pub trait Robots {
    /// A client that may ask for itself (RFC 6749 section 4.4), with a secret.
    fn by_secret(&self) -> GivenClient;
    /// The id of one that has to sign (RFC 7523 section 2.2), with whatever keys were registered for it.
    fn by_key(&self) -> &'static str;
    /// Registers the public keys of a client.
    fn register_keys(&self, client: &str, jwks: &Value);
    /// A client that may exchange the tokens of [`Robots::by_secret`] (RFC 8693).
    fn exchanging(&self) -> GivenClient;
    /// A client that may bring JWTs of a platform as assertions (RFC 7523 section 2.1).
    fn federated(&self) -> GivenClient;
    /// Believes a platform: its issuer, its keys, and who `subject` is.
    fn trust(&self, platform: &str, jwks: &Value, subject: &str);
    /// A scope that all of these clients may ask for.
    fn scope(&self) -> &'static str;
    /// How often the token endpoint has heard from a client, by the server's own account.
    fn requests_of(&self, client: &str) -> usize;
}
