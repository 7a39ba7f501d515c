//! What kind of token it is: one table of rules, the first that fits counts.

use std::fmt;

use super::compact::{Signed, Token};

/// The kinds of tokens that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Class {
    /// An access token of the WLCG profile.
    Wlcg,
    /// An access token of the `SciTokens` profile.
    SciToken,
    /// An access token by RFC 9068.
    AccessTokenJwt,
    /// An access token of Keycloak.
    KeycloakAccess,
    /// A refresh or offline token of Keycloak.
    KeycloakRefresh,
    /// An access token of INDIGO IAM in another profile than WLCG's.
    IamAccess,
    /// A refresh token of INDIGO IAM: a JWT that is not signed.
    IamRefresh,
    /// An ID token (OpenID Connect Core section 2).
    Id,
    /// An IDTOKEN of `HTCondor`, by a key of its pool.
    Condor,
    /// A mytoken.
    Mytoken,
    /// A JWT that no rule knows.
    Jwt,
    /// An encrypted token.
    Jwe,
    /// One that says nothing.
    Opaque,
}

/// A kind with the version of its profile, where it names one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The kind.
    pub class: Class,
    /// Such as `1.0`.
    pub version: Option<String>,
}

/// The name of the claim or member that a token was found under, and what it says.
type Rule = fn(&Signed, Option<&str>) -> bool;

/// The first that fits counts. What only one kind has comes first, what several have comes later.
const RULES: &[(Class, Rule)] = &[
    (Class::Condor, |jwt, _| {
        is_hmac(jwt)
            && jwt.issuer().is_none_or(|issuer| !issuer.contains("://"))
            && jwt.subject().is_some_and(|subject| subject.contains('@'))
    }),
    (Class::Mytoken, |jwt, _| {
        jwt.claims.text("token_type") == Some("mytoken") || has(jwt, "oidc_iss") && has(jwt, "capabilities")
    }),
    (Class::KeycloakRefresh, |jwt, _| matches!(jwt.claims.text("typ"), Some("Refresh" | "Offline"))),
    (Class::IamRefresh, |jwt, _| is_unsigned(jwt) && has(jwt, "jti") && !has(jwt, "sub")),
    (Class::SciToken, |jwt, _| scitoken_version(jwt).is_some()),
    (Class::Id, |jwt, _| jwt.claims.text("typ") == Some("ID")),
    (Class::AccessTokenJwt, |jwt, _| !has(jwt, "wlcg.ver") && jwt.media_type().as_deref() == Some("at+jwt")),
    (Class::Id, |jwt, _| is_of_a_login(jwt) && !has(jwt, "scope") && !has(jwt, "scp")),
    (Class::Wlcg, |jwt, found_as| {
        has(jwt, "wlcg.ver") && (found_as != Some("id_token") || has(jwt, "scope"))
    }),
    (Class::KeycloakAccess, |jwt, _| jwt.claims.text("typ") == Some("Bearer") && has(jwt, "azp")),
    (Class::KeycloakAccess, |jwt, _| has(jwt, "realm_access") || has(jwt, "resource_access")),
    (Class::Id, |jwt, found_as| found_as == Some("id_token") && !has(jwt, "scope")),
    (Class::IamAccess, |jwt, _| has(jwt, "client_id") && has(jwt, "organisation_name")),
    (Class::IamAccess, |jwt, _| has(jwt, "client_id") && has(jwt, "jti") && jwt.key_id() == Some("rsa1")),
];

impl Kind {
    /// The kind of a token. `found_as` is the name under which it was found, such as `id_token`: it counts only where
    /// the token itself does not say what it is.
    pub fn of(token: &Token, found_as: Option<&str>) -> Self {
        let Some(jwt) = token.signed() else {
            let class = if token.is_encrypted() { Class::Jwe } else { Class::Opaque };
            return Self { class, version: None };
        };
        let class =
            RULES.iter().find(|(_, fits)| fits(jwt, found_as)).map_or(Class::Jwt, |(class, _)| *class);
        let version = match class {
            Class::Wlcg => jwt.claims.text("wlcg.ver"),
            Class::SciToken => scitoken_version(jwt),
            Class::Mytoken => jwt.claims.text("ver"),
            _ => None,
        };
        Self { class, version: version.map(str::to_owned) }
    }

    /// The name for scripts, which stays.
    pub const fn name(&self) -> &'static str {
        match self.class {
            Class::Wlcg => "wlcg_access_token",
            Class::SciToken => "scitoken",
            Class::AccessTokenJwt => "rfc9068_access_token",
            Class::KeycloakAccess => "keycloak_access_token",
            Class::KeycloakRefresh => "keycloak_refresh_token",
            Class::IamAccess => "iam_access_token",
            Class::IamRefresh => "iam_refresh_token",
            Class::Id => "id_token",
            Class::Condor => "htcondor_idtoken",
            Class::Mytoken => "mytoken",
            Class::Jwt => "jwt",
            Class::Jwe => "jwe",
            Class::Opaque => "opaque",
        }
    }

    /// What a person should know of such a token, where there is anything.
    pub const fn remark(&self) -> Option<&'static str> {
        match self.class {
            Class::Id => Some("for the client that asked for it; services refuse it as an access token"),
            Class::Condor => {
                Some("signed with the key of its pool: it cannot be verified here, nor got by OpenID Connect")
            }
            Class::Mytoken => Some("only its mytoken server gives access tokens for it"),
            Class::IamRefresh | Class::KeycloakRefresh => {
                Some("a secret that gets access tokens: show it to nobody")
            }
            Class::Jwe => Some("only whom it is meant for can read it"),
            Class::Opaque => Some("only its issuer knows what it says"),
            _ => None,
        }
    }
}

/// In words, with the version.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.class {
            Class::Wlcg => "WLCG access token",
            Class::SciToken => "SciToken",
            Class::AccessTokenJwt => "RFC 9068 access token",
            Class::KeycloakAccess => "Keycloak access token",
            Class::KeycloakRefresh => "refresh token of Keycloak",
            Class::IamAccess => "IAM access token",
            Class::IamRefresh => "refresh token of IAM (unsigned JWT)",
            Class::Id => "ID token",
            Class::Condor => "HTCondor IDTOKEN",
            Class::Mytoken => "mytoken",
            Class::Jwt => "JWT",
            Class::Jwe => "encrypted token (JWE)",
            Class::Opaque => "opaque token",
        })?;
        match &self.version {
            Some(version) => write!(f, " {version}"),
            None => Ok(()),
        }
    }
}

fn has(jwt: &Signed, claim: &str) -> bool {
    jwt.claims.get(claim).is_some()
}

/// Claims that come from somebody having logged in to a client, and only into ID tokens.
fn is_of_a_login(jwt: &Signed) -> bool {
    ["nonce", "at_hash", "c_hash", "s_hash"].iter().any(|claim| has(jwt, claim))
}

/// `alg` is HMAC: whoever can verify such a token can make one.
pub(super) fn is_hmac(jwt: &Signed) -> bool {
    jwt.algorithm().is_some_and(|name| name.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("HS")))
}

/// `alg` is `none`, in whatever case.
pub(super) fn is_unsigned(jwt: &Signed) -> bool {
    jwt.algorithm().is_some_and(|name| name.eq_ignore_ascii_case("none"))
}

/// What `ver` says, under either name of the profile.
fn scitoken_version(jwt: &Signed) -> Option<&str> {
    let (profile, version) = jwt.claims.text("ver")?.split_once(':')?;
    matches!(profile.to_ascii_lowercase().as_str(), "scitoken" | "scitokens").then_some(version)
}
