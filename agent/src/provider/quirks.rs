//! How providers differ from the specifications and from each other: one table.
//!
//! Every other file asks a field of [`Quirks`] instead of a provider's name. A row applies by issuer or by what the
//! metadata reveals; the user's issuer data come last and win.

use oidc_proto::{account::same_issuer, json::Object};

use super::{auth_method::AuthMethod, metadata::ProviderMetadata};

/// What to do differently at one provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quirks {
    /// How an audience is asked for.
    pub audience: AudienceParameter,
    /// What a refresh request says about scopes when the caller asked for none.
    pub refresh_scope: RefreshScope,
    /// A refresh request that names scopes must name `offline_access` too.
    pub offline_access_on_refresh: bool,
    /// The provider knows the scope `offline_access`.
    pub offline_access_scope: bool,
    /// The authorization request needs `access_type=offline` for a refresh token.
    pub access_type_offline: bool,
    /// The device grant is sent with PKCE.
    pub device_pkce: bool,
    /// How the client authenticates, whatever metadata and registration say.
    pub client_authentication: Option<AuthMethod>,
}

/// The parameter that names an audience.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AudienceParameter {
    /// `resource` (RFC 8707) where every audience is an absolute URI, as that demands; else `audience`.
    ByValue,
    /// One `audience`, separated by blanks: INDIGO IAM, Keycloak and others.
    Audience,
    /// `resource`, once for each audience, as the C suite does.
    Resource,
}

/// What a refresh request says about scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshScope {
    /// The scopes of the login: Unity (B2ACCESS, Helmholtz) drops those that are not named.
    Granted,
    /// Nothing: the provider refuses scopes that it did not grant (eduTEAMS), or ignores them (Keycloak).
    Omit,
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            audience: AudienceParameter::ByValue,
            refresh_scope: RefreshScope::Granted,
            offline_access_on_refresh: false,
            offline_access_scope: true,
            access_type_offline: false,
            device_pkce: true,
            client_authentication: None,
        }
    }
}

/// A row: where it applies, and what it changes.
struct Row {
    applies: fn(&str, &ProviderMetadata) -> bool,
    change: fn(&mut Quirks),
}

/// Later rows win.
const TABLE: &[Row] = &[
    // Google: refresh tokens by a parameter of its own; unknown parameters of the device grant are errors.
    Row {
        applies: |issuer, _| same_issuer(issuer, "https://accounts.google.com"),
        change: |quirks| {
            quirks.offline_access_scope = false;
            quirks.access_type_offline = true;
            quirks.device_pkce = false;
        },
    },
    // INDIGO IAM: `resource` on refresh must be part of what the login asked for; `audience` need not.
    Row {
        applies: |_, metadata| {
            let is_iam = |endpoint: &Option<Box<str>>| {
                endpoint.as_deref().is_some_and(|url| url.contains("/iam/api/"))
            };
            is_iam(&metadata.registration_endpoint) || metadata.scim_endpoint.is_some()
        },
        change: |quirks| quirks.audience = AudienceParameter::Audience,
    },
    // Keycloak: ignores `scope` on refresh, but with an offline token wants `offline_access` in it if it is there.
    // Audiences are client ids.
    Row {
        applies: |_, metadata| {
            metadata.token_endpoint.as_deref().is_some_and(|url| url.contains("/protocol/openid-connect/"))
        },
        change: |quirks| {
            quirks.audience = AudienceParameter::Audience;
            quirks.refresh_scope = RefreshScope::Omit;
            quirks.offline_access_on_refresh = true;
        },
    },
    // eduTEAMS: refuses a refresh that names scopes which were not granted.
    Row {
        applies: |issuer, _| same_issuer(issuer, "https://proxy.eduteams.org"),
        change: |quirks| quirks.refresh_scope = RefreshScope::Omit,
    },
];

impl Quirks {
    /// What the table says about a provider.
    pub fn of(issuer: &str, metadata: &ProviderMetadata) -> Self {
        let mut quirks = Self::default();
        for row in TABLE.iter().filter(|row| (row.applies)(issuer, metadata)) {
            (row.change)(&mut quirks);
        }
        quirks
    }

    /// Changes what the issuer data name: `legacy_aud_mode` of the C suite, and our own object `quirks` with this
    /// type's field names as keys. Keys and values that are not known change nothing.
    #[must_use]
    pub fn overridden(mut self, legacy_aud_mode: Option<bool>, overrides: Option<&Object>) -> Self {
        match legacy_aud_mode {
            Some(true) => self.audience = AudienceParameter::Audience,
            Some(false) => self.audience = AudienceParameter::Resource,
            None => {}
        }
        let Some(overrides) = overrides else { return self };
        match overrides.text("audience").as_deref() {
            Some("by_value") => self.audience = AudienceParameter::ByValue,
            Some("audience") => self.audience = AudienceParameter::Audience,
            Some("resource") => self.audience = AudienceParameter::Resource,
            _ => {}
        }
        match overrides.text("refresh_scope").as_deref() {
            Some("granted") => self.refresh_scope = RefreshScope::Granted,
            Some("omit") => self.refresh_scope = RefreshScope::Omit,
            _ => {}
        }
        if let Some(method) = overrides.text("client_authentication").as_deref().and_then(AuthMethod::parse) {
            self.client_authentication = Some(method);
        }
        for (key, switch) in [
            ("offline_access_on_refresh", &mut self.offline_access_on_refresh),
            ("offline_access_scope", &mut self.offline_access_scope),
            ("access_type_offline", &mut self.access_type_offline),
            ("device_pkce", &mut self.device_pkce),
        ] {
            if overrides.contains(key) {
                *switch = overrides.flag(key);
            }
        }
        self
    }
}

/// OAuth errors that mean, on a refresh, that the token is gone: RFC 6749 section 5.2; INDIGO IAM's 401; the ones by
/// which OpenID Connect Core section 3.1.2.6 asks for the person; GitHub's, with status 200.
const DEAD_TOKEN_ERRORS: &[&str] = &[
    "invalid_grant",
    "invalid_token",
    "interaction_required",
    "login_required",
    "consent_required",
    "bad_refresh_token",
];

/// Descriptions, in lower case, of refusals under those names that the token survives: once the person has signed,
/// or an administrator has acted, it works again.
const LIVING_TOKEN_TEXTS: &[&str] =
    &["usage policy", "aup ", "suspended", "user disabled", "user is disabled", "not fully set up"];

/// Whether a refusal of a refresh request means that only a new login helps.
pub(crate) fn is_dead_token(error: &str, description: Option<&str>) -> bool {
    let described = description.unwrap_or_default().to_lowercase();
    DEAD_TOKEN_ERRORS.contains(&error) && !LIVING_TOKEN_TEXTS.iter().any(|text| described.contains(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(json: &str) -> ProviderMetadata {
        ProviderMetadata::parse(json.as_bytes()).expect("metadata")
    }

    #[test]
    fn rows_apply_by_issuer_and_by_metadata() {
        let google = Quirks::of("https://accounts.google.com/", &ProviderMetadata::default());
        assert!(google.access_type_offline && !google.offline_access_scope && !google.device_pkce);
        let iam = metadata(r#"{"registration_endpoint":"https://iam.example/iam/api/client-registration"}"#);
        assert_eq!(Quirks::of("https://iam.example/", &iam).audience, AudienceParameter::Audience);
        let keycloak = metadata(r#"{"token_endpoint":"https://kc/realms/r/protocol/openid-connect/token"}"#);
        assert_eq!(Quirks::of("https://kc/realms/r", &keycloak).refresh_scope, RefreshScope::Omit);
        assert_eq!(Quirks::of("https://op.example", &ProviderMetadata::default()), Quirks::default());
    }

    #[test]
    fn issuer_data_win() {
        let overrides = Object::parse(
            br#"{"audience":"resource","refresh_scope":"omit","device_pkce":false,"offline_access_scope":0,
                "client_authentication":"client_secret_post","unknown":1}"#,
        )
        .expect("an object");
        let quirks = Quirks::default().overridden(Some(true), Some(&overrides));
        assert_eq!(quirks.audience, AudienceParameter::Resource);
        assert_eq!(quirks.refresh_scope, RefreshScope::Omit);
        assert_eq!(quirks.client_authentication, Some(AuthMethod::ClientSecretPost));
        assert!(!quirks.device_pkce && !quirks.offline_access_scope);
        assert_eq!(Quirks::default().overridden(None, None), Quirks::default());
    }

    #[test]
    fn dead_tokens_are_told_from_refusals_that_pass() {
        for (error, description) in [
            ("invalid_grant", "Token is not active"),
            ("invalid_grant", "Offline user session not found"),
            ("invalid_token", "Refresh token for value [redacted] was not found"),
            ("invalid_grant", ""),
            ("bad_refresh_token", "The refresh token passed is incorrect or expired."),
        ] {
            assert!(is_dead_token(error, Some(description)), "{error} {description}");
        }
        for (error, description) in [
            ("invalid_grant", "User has not signed the Acceptable Usage Policy"),
            ("invalid_grant", "Client is suspended"),
            ("invalid_client", "unknown"),
            ("invalid_scope", "no"),
        ] {
            assert!(!is_dead_token(error, Some(description)), "{error} {description}");
        }
    }
}
