//! How real providers differ from the specifications and from each other, as switches.
//!
//! The default is a strict, modern provider with an issuer that ends in a slash (which 4.x of the C suite needs)
//! and rotating refresh tokens. Quirks may be changed while the provider runs.

use serde::{Deserialize, Serialize};

/// All switches; JSON objects with any of the fields are read too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quirks {
    /// Path of the issuer: `/`, `/realms/x`, `/oauth2/`, or empty for an issuer without a slash. Fixed at the start.
    pub issuer_path: String,
    /// What the metadata names as `issuer` instead of the truth.
    pub announced_issuer: Option<String>,
    /// Where the metadata is.
    pub metadata: MetadataPlace,
    /// Tokens are exchanged as assertions only (RFC 7523).
    pub without_token_exchange: bool,
    /// What an exchanged token is called (RFC 8693 section 2.2.1); absent: an access token.
    pub issued_token_type: Option<String>,
    /// Metadata members to leave out, such as `scopes_supported` or `grant_types_supported`.
    pub metadata_without: Vec<String>,
    /// Metadata members to add or replace.
    pub metadata_with: serde_json::Map<String, serde_json::Value>,
    /// How tokens are signed. Fixed at the start.
    pub algorithm: Algorithm,
    /// What ID tokens name as their algorithm instead, such as `ES512`; nobody can check the signature then.
    pub id_token_algorithm: Option<String>,
    /// What ID tokens name as `iss` instead of the truth.
    pub id_token_issuer: Option<String>,
    /// Which keys are published.
    pub keys: Keys,
    /// Seconds that the provider's clock is ahead of this computer's, as ID tokens and the header `Date` show it.
    pub clock_ahead: i64,
    /// Whether answers have the header `Date`.
    pub sends_date: bool,
    /// Whether access tokens are JWTs.
    pub access_token: AccessTokenFormat,
    /// Length of the access token in bytes is at least this: grid tokens reach several kilobytes.
    pub access_token_padding: usize,
    /// Seconds an access token lives.
    pub access_token_lifetime: u64,
    /// Seconds a refresh token lives; `None`: for ever.
    pub refresh_token_lifetime: Option<u64>,
    /// Keycloak: answers say how long the refresh token lives (`refresh_expires_in`).
    pub answers_refresh_lifetime: bool,
    /// IAM: refresh tokens are unsigned JWTs with `exp` and `jti`.
    pub refresh_token_is_jwt: bool,
    /// How `expires_in` is sent.
    pub expires_in: ExpiresIn,
    /// What a refresh does to the refresh token.
    pub rotation: Rotation,
    /// Which parameter chooses the audience.
    pub audience: AudienceParameter,
    /// How a dead refresh token is refused.
    pub dead_token: DeadToken,
    /// What becomes of a login that asks for `offline_access`.
    pub offline_access: OfflineAccess,
    /// Scopes that are left out of every token without a word.
    pub drops_scopes: Vec<String>,
    /// Keycloak: `scope` of a refresh request has no effect.
    pub ignores_scope_on_refresh: bool,
    /// Unity: a refresh without `scope` yields a token without scopes.
    pub needs_scope_on_refresh: bool,
    /// Whether token answers name the granted scope.
    pub answers_scope: bool,
    /// How a token answer writes the granted scope.
    pub scope_form: ScopeForm,
    /// Which client authentication is accepted of clients with a secret.
    pub client_authentication: ClientAuthentication,
    /// For whom assertions of clients have to be.
    pub assertion_audience: AssertionAudience,
    /// Keys of clients have no names that the clients know.
    pub knows_keys_by_certificate: bool,
    /// Clients without a secret may name themselves in the body only.
    pub public_clients_by_id_only: bool,
    /// How an authentication that is not accepted is refused.
    pub refused_authentication: Refusal,
    /// Seconds between polls of the device flow; `None` is not announced and means 5 (RFC 8628 section 3.2).
    pub device_interval: Option<u64>,
    /// Seconds a device code lives.
    pub device_lifetime: u64,
    /// Google: `verification_url` instead of `verification_uri`, and no complete one.
    pub verification_url: bool,
    /// Members of the device authorization answer to add or replace.
    pub device_answer_with: serde_json::Map<String, serde_json::Value>,
    /// Strict Keycloak clients: the device authorization request must carry a code challenge.
    pub device_needs_pkce: bool,
    /// Dex: does not look at the client where a device login begins, but needs its secret from that form later, once the
    /// person has logged in; without it the login never ends.
    pub device_secret_in_form: bool,
    /// The device flow is approved by itself at this poll, counted from 1.
    pub device_approved_at_poll: Option<u32>,
    /// How the authorization endpoint decides.
    pub consent: Consent,
    /// RFC 8252 section 7.3: any port is accepted for a loopback redirect.
    pub ignores_loopback_port: bool,
    /// RFC 9207: `iss` in the authorization response; `Some` replaces the true issuer.
    pub authorization_response_iss: AuthorizationResponseIss,
    /// Who may register.
    pub registration: Registration,
    /// What becomes of a custom-scheme redirect of a `web` client.
    pub redirect_policy: RedirectPolicy,
    /// Grant types a registration may not ask for.
    pub refused_grants: Vec<String>,
    /// The name of the device grant here, where it is not that of RFC 8628.
    pub device_grant_name: Option<String>,
    /// Scopes that a registration may not ask for.
    pub refused_scopes: Vec<String>,
    /// Members that a registration may not have, such as `scope` or `application_type`.
    pub refused_members: Vec<String>,
    /// What redirect URIs of a registration may not begin with, such as `http://localhost`.
    pub refused_redirects: Vec<String>,
    /// How a registration is refused for one of these.
    pub refused_registration: RegistrationRefusal,
    /// After a refresh with fewer scopes the login has no more than those.
    pub narrows_on_refresh: bool,
    /// Keycloak: every GET and PUT replaces the registration access token.
    pub rotates_registration_token: bool,
    /// Whether RFC 7592 management is offered.
    pub client_management: bool,
    /// How the userinfo endpoint answers.
    pub userinfo: Userinfo,
    /// Members of the userinfo answer to add or replace.
    pub userinfo_with: serde_json::Map<String, serde_json::Value>,
    /// INDIGO IAM's own endpoints are there: SCIM, and the list of the person's clients.
    pub iam: bool,
    /// Members of the person's SCIM resource to add or replace.
    pub scim_with: serde_json::Map<String, serde_json::Value>,
    /// IAM: a registration with a bearer token returns no registration access token.
    pub authenticated_registration_without_management: bool,
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            issuer_path: "/".into(),
            announced_issuer: None,
            metadata: MetadataPlace::Appended,
            without_token_exchange: false,
            issued_token_type: None,
            metadata_without: Vec::new(),
            metadata_with: serde_json::Map::new(),
            algorithm: Algorithm::Es256,
            id_token_algorithm: None,
            id_token_issuer: None,
            keys: Keys::Own,
            clock_ahead: 0,
            sends_date: true,
            access_token: AccessTokenFormat::Jwt,
            access_token_padding: 0,
            access_token_lifetime: 3600,
            refresh_token_lifetime: None,
            answers_refresh_lifetime: false,
            refresh_token_is_jwt: false,
            expires_in: ExpiresIn::Number,
            rotation: Rotation::Always,
            audience: AudienceParameter::Either,
            dead_token: DeadToken::InvalidGrant,
            offline_access: OfflineAccess::Granted,
            drops_scopes: Vec::new(),
            ignores_scope_on_refresh: false,
            needs_scope_on_refresh: false,
            answers_scope: true,
            scope_form: ScopeForm::Blanks,
            client_authentication: ClientAuthentication::Any,
            assertion_audience: AssertionAudience::Either,
            knows_keys_by_certificate: false,
            public_clients_by_id_only: false,
            refused_authentication: Refusal::InvalidClient,
            device_interval: Some(1),
            device_lifetime: 600,
            verification_url: false,
            device_answer_with: serde_json::Map::new(),
            device_needs_pkce: false,
            device_secret_in_form: false,
            device_approved_at_poll: None,
            consent: Consent::Automatic,
            ignores_loopback_port: false,
            authorization_response_iss: AuthorizationResponseIss::Absent,
            registration: Registration::Open,
            redirect_policy: RedirectPolicy::Any,
            refused_grants: Vec::new(),
            device_grant_name: None,
            refused_scopes: Vec::new(),
            refused_members: Vec::new(),
            refused_redirects: Vec::new(),
            refused_registration: RegistrationRefusal::Named,
            narrows_on_refresh: false,
            rotates_registration_token: false,
            client_management: true,
            userinfo: Userinfo::Json,
            userinfo_with: serde_json::Map::new(),
            iam: false,
            scim_with: serde_json::Map::new(),
            authenticated_registration_without_management: false,
        }
    }
}

/// Where the metadata document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetadataPlace {
    /// `ISSUER/.well-known/openid-configuration` (`OpenID` Connect Discovery 1.0).
    Appended,
    /// `ISSUER/.well-known/oauth-authorization-server`: the C suite's reading of RFC 8414.
    AppendedOauth,
    /// `ORIGIN/.well-known/oauth-authorization-server/PATH` (RFC 8414 section 3.1).
    InsertedOauth,
    /// `ORIGIN/.well-known/openid-configuration/PATH` (RFC 8414 section 5).
    Inserted,
    /// At all of them.
    Everywhere,
    /// At none of them, with an HTML body to the 404.
    Nowhere,
}

/// The signature algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Algorithm {
    /// ECDSA on P-256, with a key made at the start.
    Es256,
    /// RSA PKCS #1 v1.5, with a key from the tree.
    Rs256,
    /// The same with SHA-384.
    Rs384,
    /// The same with SHA-512.
    Rs512,
    /// RSASSA-PSS, with the same key.
    Ps256,
    /// The same with SHA-384.
    Ps384,
    /// The same with SHA-512.
    Ps512,
    /// ECDSA on P-384, with a key made at the start.
    Es384,
    /// Ed25519, with a key made at the start.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

/// Which keys are published (RFC 7517).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keys {
    /// Its own.
    Own,
    /// Its own, without a `kid`.
    Nameless,
    /// Its own, behind keys of kinds that nobody knows.
    BehindOddOnes,
    /// None.
    None,
    /// One of another name that signs nothing.
    Other,
}

/// How a list of scopes is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScopeForm {
    /// A text with blanks (RFC 6749 section 3.3).
    Blanks,
    /// Strava: a text with commas.
    Commas,
    /// An array of texts.
    Array,
}

/// What an access token looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessTokenFormat {
    /// A signed JWT in the WLCG profile.
    Jwt,
    /// Random text.
    Opaque,
}

/// How `expires_in` is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpiresIn {
    /// As a number (RFC 6749 section 5.1).
    Number,
    /// As a string with a number in it.
    Text,
    /// Not at all.
    Absent,
}

/// What a refresh does to the refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rotation {
    /// It stays.
    Never,
    /// It is replaced; a second use of a spent one kills the whole family (RFC 9700 section 4.14.2).
    Always,
    /// It is replaced; a spent one keeps working as long as its successor was not used.
    WithGrace,
}

/// Which parameter chooses the audience.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AudienceParameter {
    /// `audience`, a list separated by blanks; `resource` is ignored.
    Audience,
    /// `resource`, repeatable, an absolute URI (RFC 8707); `audience` is ignored.
    Resource,
    /// Whichever is there.
    Either,
    /// `audience`; `resource` is refused as an unknown target, as the npm `oidc-provider` does without resource servers.
    AudienceOnly,
    /// None has an effect.
    Ignored,
}

/// How a dead refresh token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadToken {
    /// 400 `invalid_grant` (RFC 6749 section 5.2).
    InvalidGrant,
    /// Keycloak: 400 `invalid_grant`, "Token is not active".
    Keycloak,
    /// IAM: 401 `invalid_token` with the token's value in the text.
    Iam,
    /// 400 without a body.
    Empty,
    /// 401 without a body.
    Unauthorized,
    /// 400 with a web page.
    Html,
    /// Dex: 400 `invalid_request`.
    Dex,
    /// Old Authlib: 400 `invalid_request`.
    Authlib,
    /// Old Hydra: 401 `token_inactive`.
    Hydra,
}

/// How the userinfo endpoint answers (`OpenID` Connect Core section 5.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Userinfo {
    /// A JSON object.
    Json,
    /// A JWT for the client that asks.
    Signed,
    /// A JWT whose signature is not the provider's.
    SignedByAnother,
    /// A JWT for another client.
    ForAnother,
    /// A JWT without a signature.
    Unsigned,
}

/// What becomes of a login that asks for `offline_access`. Where that is refused, every other login gets a refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfflineAccess {
    /// It gets a refresh token, and no other does.
    Granted,
    /// Keycloak: 400 `not_allowed` at the token endpoint, once the person has logged in.
    NotAllowed,
    /// Hydra: `invalid_scope` where the login begins.
    InvalidScope,
    /// It is no scope here, and not listed: `invalid_scope` where the login begins, and not a word why.
    Unknown,
}

/// How a client's authentication is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// 401 `invalid_client` (RFC 6749 section 5.2).
    InvalidClient,
    /// 400 `unauthorized_client`.
    UnauthorizedClient,
    /// 401 without a body.
    Unauthorized,
    /// 403 without a body.
    Forbidden,
    /// 400 without a body.
    Empty,
}

/// How a registration is refused that asks for too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegistrationRefusal {
    /// `invalid_client_metadata`, which names what is refused.
    Named,
    /// `invalid_client_metadata`, which lists what is allowed.
    ListsAllowed,
    /// Plain text that names what is refused.
    Text,
    /// Plain text that names nothing.
    Vague,
    /// A web page that names nothing.
    Html,
    /// A status alone.
    Empty,
    /// Keycloak: 403 `insufficient_scope` of a policy, which names nothing.
    Policy,
}

/// Which client authentication is accepted (RFC 6749 section 2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthentication {
    /// Header or body.
    Any,
    /// `client_secret_basic` only.
    BasicOnly,
    /// `client_secret_post` only.
    PostOnly,
}

/// `aud` of assertions that is taken (RFC 7523 section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssertionAudience {
    /// Issuer or token endpoint.
    Either,
    /// The issuer.
    Issuer,
    /// The token endpoint.
    TokenEndpoint,
}

/// How the authorization endpoint decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consent {
    /// Redirects back at once with a code.
    Automatic,
    /// Shows a form with two buttons.
    Form,
    /// Redirects back at once with `access_denied`.
    Denied,
}

/// `iss` in the authorization response (RFC 9207).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthorizationResponseIss {
    /// Not sent, not announced.
    Absent,
    /// Announced and right.
    Right,
    /// Announced, but this one: a mix-up attack.
    Other(String),
}

/// Who may register a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Registration {
    /// Everybody.
    Open,
    /// Whoever brings this bearer token.
    Bearer(String),
    /// Keycloak: whoever brings this bearer token; who brings none meets a policy, with 403 `insufficient_scope`.
    TrustedHosts(String),
    /// Nobody: there is no such endpoint.
    Absent,
    /// Nobody: the endpoint answers 403.
    Closed,
}

/// What becomes of a registration as `web` with a custom-scheme redirect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RedirectPolicy {
    /// Accepted.
    Any,
    /// Refused as by the npm `oidc-provider`: `invalid_redirect_uri`.
    Standard,
    /// Refused as by INDIGO IAM: `invalid redirect_uri`, with a blank.
    Iam,
}
