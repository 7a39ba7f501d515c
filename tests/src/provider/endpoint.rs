//! Which part of the provider a request is for: one table of paths, used for routing, faults and the log.

use serde::{Deserialize, Serialize};

/// An endpoint of the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// Provider metadata (`OpenID` Connect Discovery 1.0 section 4, RFC 8414 section 3).
    Discovery,
    /// The signing keys (RFC 7517).
    Jwks,
    /// RFC 6749 section 3.1.
    Authorization,
    /// RFC 6749 section 3.2.
    Token,
    /// RFC 8628 section 3.1.
    DeviceAuthorization,
    /// Where a person types the user code (RFC 8628 section 3.3).
    Verification,
    /// RFC 7591 section 3.
    Registration,
    /// RFC 7592 section 2.
    ClientConfiguration,
    /// RFC 7009.
    Revocation,
    /// RFC 7662.
    Introspection,
    /// `OpenID` Connect Core section 5.3.
    Userinfo,
    /// INDIGO IAM: the person's SCIM resource (RFC 7644 section 3.11).
    ScimMe,
    /// INDIGO IAM: the person's clients.
    ClientList,
    /// Not a provider's: how a program drives this one at run time.
    Admin,
    /// Anything else: answered with 404.
    Unknown,
}

/// Paths relative to the issuer, which is taken to end in a slash.
const PATHS: [(&str, Endpoint); 13] = [
    (".well-known/openid-configuration", Endpoint::Discovery),
    (".well-known/oauth-authorization-server", Endpoint::Discovery),
    ("jwks", Endpoint::Jwks),
    ("authorize", Endpoint::Authorization),
    ("token", Endpoint::Token),
    ("devicecode", Endpoint::DeviceAuthorization),
    // As Dex has it; announced only where the metadata are told to.
    ("device/code", Endpoint::DeviceAuthorization),
    ("device", Endpoint::Verification),
    ("register", Endpoint::Registration),
    ("revoke", Endpoint::Revocation),
    ("introspect", Endpoint::Introspection),
    ("scim/Me", Endpoint::ScimMe),
    ("iam/account/me/clients", Endpoint::ClientList),
];

/// Below the registration endpoint: one client's configuration, by client id.
const CLIENT_CONFIGURATION: &str = "register/";
/// At the root of the origin, whatever the issuer's path is.
const ADMIN: &str = "/admin/";
/// RFC 8414 section 3.1 puts this part before the issuer's path.
const INSERTED: [&str; 2] = ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];

impl Endpoint {
    /// The endpoint at `path` of a provider whose issuer has the path `base` (starts and ends in a slash).
    pub fn at(path: &str, base: &str) -> Self {
        if path.starts_with(ADMIN) {
            return Self::Admin;
        }
        if let Some(relative) = path.strip_prefix(base) {
            if relative == "userinfo" {
                return Self::Userinfo;
            }
            if relative.starts_with(CLIENT_CONFIGURATION) {
                return Self::ClientConfiguration;
            }
            if let Some((_, endpoint)) = PATHS.iter().find(|(own, _)| *own == relative) {
                return *endpoint;
            }
        }
        let inserted = |prefix: &&str| {
            path.strip_prefix(*prefix)
                .is_some_and(|rest| rest.trim_end_matches('/') == base.trim_end_matches('/'))
        };
        if INSERTED.iter().any(inserted) { Self::Discovery } else { Self::Unknown }
    }

    /// The path below the issuer, without a leading slash; empty for endpoints that have none of their own.
    pub fn path(self) -> &'static str {
        match self {
            Self::Userinfo => "userinfo",
            Self::ClientConfiguration => CLIENT_CONFIGURATION,
            _ => PATHS.iter().find(|(_, endpoint)| *endpoint == self).map_or("", |(path, _)| path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn discovery_is_found_at_all_its_places() {
        for path in [
            "/realms/x/.well-known/openid-configuration",
            "/realms/x/.well-known/oauth-authorization-server",
            "/.well-known/oauth-authorization-server/realms/x",
            "/.well-known/openid-configuration/realms/x/",
        ] {
            assert_eq!(Endpoint::at(path, "/realms/x/"), Endpoint::Discovery, "{path}");
        }
        assert_eq!(Endpoint::at("/.well-known/openid-configuration", "/realms/x/"), Endpoint::Unknown);
        assert_eq!(Endpoint::at("/.well-known/openid-configuration", "/"), Endpoint::Discovery);
    }

    #[test]
    fn a_client_configuration_is_not_the_registration() {
        assert_eq!(Endpoint::at("/register", "/"), Endpoint::Registration);
        assert_eq!(Endpoint::at("/register/abc", "/"), Endpoint::ClientConfiguration);
    }
}
