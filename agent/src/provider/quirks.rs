//! How providers differ from the specifications and from each other.
//!
//! Every other file asks a field of [`Quirks`] instead of a provider's name. They come from the
//! [provider data](super::provider_data); the user's issuer data come last and win.

use std::num::{NonZeroU16, NonZeroU32};

use oidc_proto::{destination::rule::Rule, json::Object};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::auth_method::AuthMethod;

/// What to do differently at one provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Quirks {
    /// How an audience is asked for.
    pub audience: AudienceStyle,
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
    /// The ways by which the client authenticates, in the order in which they are tried, whatever metadata and registration
    /// say. Empty: those decide.
    pub client_authentication: Vec<AuthMethod>,
    /// The same where a device login begins (RFC 8628 section 3.1), if that is another order there.
    pub device_client_authentication: Vec<AuthMethod>,
    /// For whom a client signs its assertion.
    pub assertion_audience: AssertionAudience,
    /// A refresh with fewer scopes gives a refresh token that has no more than those: it is not sent.
    pub narrows_on_refresh: bool,
    /// Tokens can be exchanged (RFC 8693).
    pub token_exchange: bool,
    /// Who may register a client.
    pub registration: Registering,
    /// Reading a client's registration (RFC 7592 section 2.1) replaces the registration access token.
    pub registration_token_replaced: bool,
    /// What a registration leaves out from the first.
    pub registration_refuses: Vec<Part>,
    /// The longest name of a client, in characters.
    pub client_name_length: Option<NonZeroU16>,
    /// For how many seconds a refresh token is good after the login, where it does not tell itself.
    pub refresh_token_lifetime: Option<NonZeroU32>,
    /// OAuth errors that mean, on a refresh, that the token is gone.
    pub dead_token_errors: Vec<String>,
    /// Parts of descriptions, in lower case, that mean the same under any error.
    pub dead_token_texts: Vec<String>,
    /// Parts of descriptions, in lower case, of refusals that the token survives.
    pub living_token_texts: Vec<String>,
    /// Parts of descriptions, in lower case, of refusals of a login that the scope `offline_access` is the reason for.
    pub offline_refusal_texts: Vec<String>,
    /// What tokens for a destination have to hold that differs from the WLCG profile, for `oidc token --for`.
    pub destinations: Vec<Rule>,
    /// What is asked for where the person does not say.
    pub default_scopes: Option<String>,
    /// Where a person's clients are listed, below the issuer: with an access token of that person, as INDIGO IAM does.
    pub client_list: Option<String>,
    /// For the person: how to get a client here.
    pub get_client: Option<String>,
    /// For the person.
    pub remarks: Vec<String>,
}

/// The parameters that name an audience.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AudienceStyle {
    /// `audience`, and beside it `resource` where each audience can be one (RFC 8707 section 2: an absolute URI). Providers
    /// heed the one they know and ignore the other (RFC 6749 section 3.2).
    Both,
    /// One `audience`, separated by blanks, as 4.x of the C suite does.
    Audience,
    /// `resource`, once for each audience, as 5.x of the C suite does.
    Resource,
    /// `resource` where every audience can be one, else `audience`.
    ByValue,
    /// Nothing: the provider has no way to ask for an audience, or refuses those it does not know.
    None,
}

/// For whom a client signs its assertion (`aud`, RFC 7523 section 3). Refused for one, it is signed for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssertionAudience {
    /// The provider's issuer, so that no other endpoint can make use of it.
    Issuer,
    /// The token endpoint, as OpenID Connect Core section 9 has it.
    TokenEndpoint,
}

/// What a refresh request says about scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefreshScope {
    /// The scopes of the login: Unity (B2ACCESS, Helmholtz) drops those that are not named.
    Granted,
    /// Nothing: the provider refuses scopes that it did not grant (eduTEAMS), or ignores them (Keycloak).
    Omit,
}

/// Who may register a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Registering {
    /// Everybody, as far as is known.
    Open,
    /// Whoever has an initial access token (RFC 7591 section 3).
    Token,
    /// Nobody; clients come from elsewhere.
    Closed,
}

/// A part of a registration that can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Redirect URIs of a private-use scheme (RFC 8252 section 7.1).
    PrivateScheme,
    /// `application_type` `native`; `web` stands there instead.
    Native,
    /// `application_type` altogether.
    ApplicationType,
    /// The resource owner password grant.
    Password,
    /// Loopback redirect URIs by address (RFC 8252 section 7.3).
    LoopbackByAddress,
    /// Loopback redirect URIs by name.
    LoopbackByName,
    /// The device grant (RFC 8628).
    DeviceGrant,
    /// Scopes that the metadata do not list.
    UnlistedScopes,
    /// The scope `openid`: no scope that a client is registered for, where only logins know it.
    Openid,
    /// The scope `offline_access`.
    OfflineAccess,
    /// `scope` altogether.
    Scope,
    /// `response_types`.
    ResponseTypes,
    /// The refresh grant.
    RefreshGrant,
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            audience: AudienceStyle::Both,
            refresh_scope: RefreshScope::Granted,
            offline_access_on_refresh: false,
            offline_access_scope: true,
            access_type_offline: false,
            device_pkce: true,
            client_authentication: Vec::new(),
            device_client_authentication: Vec::new(),
            assertion_audience: AssertionAudience::Issuer,
            narrows_on_refresh: false,
            token_exchange: false,
            registration: Registering::Open,
            registration_token_replaced: false,
            registration_refuses: Vec::new(),
            client_name_length: None,
            refresh_token_lifetime: None,
            dead_token_errors: Vec::new(),
            dead_token_texts: Vec::new(),
            living_token_texts: Vec::new(),
            offline_refusal_texts: Vec::new(),
            destinations: Vec::new(),
            default_scopes: None,
            client_list: None,
            get_client: None,
            remarks: Vec::new(),
        }
    }
}

/// What a row of the provider data changes; the keys are the fields of [`Quirks`]. Lists are added to, but for the orders of
/// client authentications.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Changes {
    #[serde(skip_serializing_if = "Option::is_none")]
    audience: Option<AudienceStyle>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_scope: Option<RefreshScope>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offline_access_on_refresh: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offline_access_scope: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_type_offline: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_pkce: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "one_or_more")]
    client_authentication: Option<Vec<AuthMethod>>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "one_or_more")]
    device_client_authentication: Option<Vec<AuthMethod>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    assertion_audience: Option<AssertionAudience>,
    #[serde(skip_serializing_if = "Option::is_none")]
    narrows_on_refresh: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_exchange: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registration: Option<Registering>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_token_replaced: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    registration_refuses: Vec<Part>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_name_length: Option<NonZeroU16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token_lifetime: Option<NonZeroU32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dead_token_errors: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dead_token_texts: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    living_token_texts: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    offline_refusal_texts: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    destinations: Vec<Rule>,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_scopes: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_list: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    get_client: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    remarks: Vec<String>,
}

impl Changes {
    /// Reads what the issuer data say: `legacy_aud_mode` of the C suite, and our own object `quirks` with the same keys as
    /// the provider data. Keys and values that are not known change nothing.
    pub fn of_issuer_data(legacy_aud_mode: Option<bool>, overrides: Option<&Object>) -> Vec<Self> {
        let legacy = legacy_aud_mode.map(|is_legacy| Self {
            audience: Some(if is_legacy { AudienceStyle::Audience } else { AudienceStyle::Resource }),
            ..Self::default()
        });
        let members = overrides.into_iter().flat_map(Object::members);
        let known = members.filter_map(|(key, value)| {
            let changes = |value: Value| {
                serde_json::from_value(Value::Object([(key.clone(), value)].into_iter().collect()))
            };
            // Switches of the issuer data come as numbers and texts as well.
            let as_switch = || overrides.is_some_and(|overrides| overrides.flag(key));
            changes(value.clone()).or_else(|_| changes(as_switch().into())).ok()
        });
        legacy.into_iter().chain(known).collect()
    }

    /// What is changed, by key.
    pub fn members(&self) -> serde_json::Map<String, Value> {
        members(self)
    }
}

fn members(fields: &impl Serialize) -> serde_json::Map<String, Value> {
    match serde_json::to_value(fields) {
        Ok(Value::Object(members)) => members,
        _ => serde_json::Map::new(),
    }
}

impl Quirks {
    /// Changes what `changes` name.
    pub fn apply(&mut self, changes: &Changes) {
        fn set<T: Clone>(field: &mut T, change: Option<&T>) {
            if let Some(change) = change {
                field.clone_from(change);
            }
        }
        fn set_some<T: Clone>(field: &mut Option<T>, change: Option<&T>) {
            if change.is_some() {
                *field = change.cloned();
            }
        }
        fn add<T: Clone + PartialEq>(list: &mut Vec<T>, more: &[T]) {
            for one in more {
                if !list.contains(one) {
                    list.push(one.clone());
                }
            }
        }
        set(&mut self.audience, changes.audience.as_ref());
        set(&mut self.refresh_scope, changes.refresh_scope.as_ref());
        set(&mut self.offline_access_on_refresh, changes.offline_access_on_refresh.as_ref());
        set(&mut self.offline_access_scope, changes.offline_access_scope.as_ref());
        set(&mut self.access_type_offline, changes.access_type_offline.as_ref());
        set(&mut self.device_pkce, changes.device_pkce.as_ref());
        set(&mut self.client_authentication, changes.client_authentication.as_ref());
        set(&mut self.device_client_authentication, changes.device_client_authentication.as_ref());
        set(&mut self.assertion_audience, changes.assertion_audience.as_ref());
        set(&mut self.narrows_on_refresh, changes.narrows_on_refresh.as_ref());
        set(&mut self.token_exchange, changes.token_exchange.as_ref());
        set(&mut self.registration, changes.registration.as_ref());
        set(&mut self.registration_token_replaced, changes.registration_token_replaced.as_ref());
        add(&mut self.registration_refuses, &changes.registration_refuses);
        set_some(&mut self.refresh_token_lifetime, changes.refresh_token_lifetime.as_ref());
        set_some(&mut self.client_name_length, changes.client_name_length.as_ref());
        add(&mut self.dead_token_errors, &changes.dead_token_errors);
        add(&mut self.dead_token_texts, &changes.dead_token_texts);
        add(&mut self.living_token_texts, &changes.living_token_texts);
        add(&mut self.offline_refusal_texts, &changes.offline_refusal_texts);
        add(&mut self.destinations, &changes.destinations);
        set_some(&mut self.default_scopes, changes.default_scopes.as_ref());
        set_some(&mut self.client_list, changes.client_list.as_ref());
        set_some(&mut self.get_client, changes.get_client.as_ref());
        add(&mut self.remarks, &changes.remarks);
    }

    /// All of it, by key.
    pub fn members(&self) -> serde_json::Map<String, Value> {
        members(self)
    }

    /// Whether a refusal of a refresh request means that only a new login helps.
    pub(crate) fn is_dead_token(&self, error: &str, description: Option<&str>) -> bool {
        let described = description.unwrap_or_default().to_lowercase();
        let says_one_of = |texts: &[String]| texts.iter().any(|text| described.contains(text.as_str()));
        let is_dead =
            self.dead_token_errors.iter().any(|dead| dead == error) || says_one_of(&self.dead_token_texts);
        is_dead && !says_one_of(&self.living_token_texts)
    }
}

/// A list, or its only item.
fn one_or_more<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<AuthMethod>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMore {
        One(AuthMethod),
        More(Vec<AuthMethod>),
    }
    Ok(Some(match OneOrMore::deserialize(deserializer)? {
        OneOrMore::One(one) => vec![one],
        OneOrMore::More(more) => more,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuer_data_win() {
        let overrides = Object::parse(
            br#"{"audience":"resource","refresh_scope":"omit","device_pkce":false,"offline_access_scope":0,
                "client_authentication":"client_secret_post","unknown":1,"registration":"by mail"}"#,
        )
        .expect("an object");
        let mut quirks = Quirks::default();
        for changes in Changes::of_issuer_data(Some(true), Some(&overrides)) {
            quirks.apply(&changes);
        }
        assert_eq!(quirks.audience, AudienceStyle::Resource);
        assert_eq!(quirks.refresh_scope, RefreshScope::Omit);
        assert_eq!(quirks.client_authentication, [AuthMethod::ClientSecretPost]);
        assert_eq!(quirks.registration, Registering::Open);
        assert!(!quirks.device_pkce && !quirks.offline_access_scope);
        assert_eq!(Changes::of_issuer_data(None, None), []);
    }

    #[test]
    fn lists_are_added_to_and_orders_replaced() {
        let row = |json: &str| serde_json::from_str::<Changes>(json).expect("a row");
        let mut quirks = Quirks::default();
        quirks.apply(&row(r#"{"remarks":["a"],"client_authentication":["none","client_secret_post"]}"#));
        quirks.apply(&row(r#"{"remarks":["b","a"],"client_authentication":["client_secret_basic"]}"#));
        assert_eq!(quirks.remarks, ["a", "b"]);
        assert_eq!(quirks.client_authentication, [AuthMethod::ClientSecretBasic]);
    }
}
