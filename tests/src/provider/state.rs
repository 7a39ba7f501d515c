//! What the provider remembers: clients, grants and tokens.

use std::{
    collections::{HashMap, HashSet},
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Map, Value};

use super::{keys::SigningKey, quirks::Quirks};

/// The one person who has an account at this provider.
pub(super) const SUBJECT: &str = "d41d8cd9-test-person";

#[derive(Debug)]
pub(super) struct State {
    pub(super) quirks: Quirks,
    /// Scheme, host and port, without a slash.
    pub(super) origin: String,
    /// The issuer's path with a slash at both ends.
    pub(super) base: String,
    pub(super) key: SigningKey,
    pub(super) clients: HashMap<String, Client>,
    pub(super) families: Vec<Family>,
    pub(super) refresh_tokens: HashMap<String, RefreshToken>,
    pub(super) access_tokens: HashMap<String, AccessToken>,
    pub(super) codes: HashMap<String, Code>,
    pub(super) device_grants: HashMap<String, DeviceGrant>,
    /// Tokens of elsewhere that are believed.
    pub(super) trusted: HashSet<String>,
    /// The assertions of clients that were used, by client and `jti`.
    pub(super) assertions: HashSet<String>,
    /// How often a spent refresh token was used again.
    pub(super) reuses: usize,
    pub(super) violations: Vec<String>,
}

/// A registered client (RFC 7591 section 2).
#[derive(Debug, Clone, Default)]
pub(super) struct Client {
    /// `None`: a public client.
    pub(super) secret: Option<String>,
    pub(super) redirect_uris: Vec<String>,
    /// `None`: every scope.
    pub(super) scope: Option<Scopes>,
    pub(super) registration_access_token: Option<String>,
    /// The registered metadata, as answered.
    pub(super) metadata: Map<String, Value>,
}

/// What one login allows; all refresh tokens that descend from it share it.
#[derive(Debug, Clone)]
pub(super) struct Family {
    pub(super) client_id: String,
    pub(super) scope: Scopes,
    pub(super) audience: Vec<String>,
    pub(super) nonce: Option<String>,
    pub(super) revoked: bool,
}

#[derive(Debug, Clone)]
pub(super) struct RefreshToken {
    /// Index into [`State::families`].
    pub(super) family: usize,
    pub(super) expires_at: Option<u64>,
    /// Its successor, once it was used.
    pub(super) successor: Option<String>,
    /// Whether it was used at all.
    pub(super) used: bool,
}

#[derive(Debug, Clone)]
pub(super) struct AccessToken {
    pub(super) family: usize,
    pub(super) scope: Scopes,
    pub(super) expires_at: u64,
    pub(super) revoked: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Code {
    pub(super) family: usize,
    pub(super) redirect_uri: String,
    pub(super) challenge: Option<String>,
    pub(super) offline: bool,
    pub(super) spent: bool,
}

#[derive(Debug, Clone)]
pub(super) struct DeviceGrant {
    pub(super) user_code: String,
    pub(super) family: usize,
    pub(super) challenge: Option<String>,
    /// Whether the form had a secret in it.
    pub(super) has_secret: bool,
    pub(super) decision: Decision,
    pub(super) expires_at: u64,
    pub(super) polls: u32,
    /// Milliseconds since the epoch.
    pub(super) polled_at: Option<u128>,
    /// Seconds; grows with every `slow_down`.
    pub(super) interval: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    Pending,
    Approved,
    Denied,
}

impl State {
    /// The issuer as the metadata and the tokens name it.
    pub(super) fn issuer(&self) -> String {
        self.quirks.announced_issuer.clone().unwrap_or_else(|| self.true_issuer())
    }

    /// The issuer as a client has to be configured.
    pub(super) fn true_issuer(&self) -> String {
        format!("{}{}", self.origin, self.quirks.issuer_path)
    }

    /// The absolute URL of something below the issuer.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{}{path}", self.origin, self.base)
    }

    pub(super) fn violated(&mut self, text: impl Into<String>) {
        self.violations.push(text.into());
    }

    /// Ends a login: no token that descends from it works any more.
    pub(super) fn revoke_family(&mut self, family: usize) {
        if let Some(family) = self.families.get_mut(family) {
            family.revoked = true;
        }
    }

    /// Forgets a client and everything it was granted.
    pub(super) fn delete_client(&mut self, client_id: &str) {
        self.clients.remove(client_id);
        for family in self.families.iter_mut().filter(|family| family.client_id == client_id) {
            family.revoked = true;
        }
    }

    /// Adds a login and returns its index.
    pub(super) fn grant(&mut self, family: Family) -> usize {
        self.families.push(family);
        self.families.len() - 1
    }
}

/// Seconds since the epoch.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}

/// A set of scopes in the order they were given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Scopes(Vec<String>);

impl Scopes {
    pub(super) fn parse(text: &str) -> Self {
        let mut seen = HashSet::new();
        Self(text.split_whitespace().filter(|scope| seen.insert(*scope)).map(Into::into).collect())
    }

    pub(super) fn has(&self, scope: &str) -> bool {
        self.0.iter().any(|own| own == scope)
    }

    /// Whether every scope of `self` is covered by one of `granted`; paths as in the WLCG profile section 3.2.
    pub(super) fn within(&self, granted: &Self) -> bool {
        self.0.iter().all(|scope| granted.0.iter().any(|own| covers(own, scope)))
    }

    pub(super) fn without(&self, dropped: &[String]) -> Self {
        Self(self.0.iter().filter(|scope| !dropped.contains(scope)).cloned().collect())
    }

    pub(super) fn text(&self) -> String {
        self.0.join(" ")
    }
}

/// `storage.read:/a` covers `storage.read:/a/b`, not `storage.read:/ab`.
fn covers(granted: &str, scope: &str) -> bool {
    let path_below = || {
        let rest = granted.contains(":/").then(|| scope.strip_prefix(granted.trim_end_matches('/')))??;
        rest.starts_with('/').then_some(())
    };
    granted == scope || path_below().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_cover_whole_path_components() {
        let granted = Scopes::parse("openid storage.read:/foo storage.create:/");
        for scope in ["openid", "storage.read:/foo", "storage.read:/foo/bar", "storage.create:/x"] {
            assert!(Scopes::parse(scope).within(&granted), "{scope}");
        }
        for scope in ["profile", "storage.read:/foobar", "storage.read:/", "storage.modify:/x"] {
            assert!(!Scopes::parse(scope).within(&granted), "{scope}");
        }
    }
}
