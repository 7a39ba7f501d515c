//! The decrypted account config: what the encrypted file holds and what `add` and `gen` carry.
//!
//! Reads every spelling of the C suite, 2.0 to 5.x, and keeps what it does not know.

pub mod grant_type;
pub mod login_end;
pub mod subject_token;

use serde_json::Value;
use zeroize::Zeroizing;

use self::subject_token::SubjectToken;
use crate::{
    json::{JsonError, Object},
    secret::{ClientSecret, Password, RefreshToken, RegistrationAccessToken, SecretText},
};

/// RFC 7591 section 2: how a client authenticates. Kept among the other members.
pub const TOKEN_ENDPOINT_AUTH_METHOD: &str = "token_endpoint_auth_method";
/// OpenID Connect Registration section 2: the algorithm by which it signs. Kept among the other members.
pub const TOKEN_ENDPOINT_AUTH_SIGNING_ALG: &str = "token_endpoint_auth_signing_alg";
/// The number 5.x writes for `oauth` when it is set.
const OAUTH_SET: u8 = 16;
/// The number 5.x writes for `uses_pub_client` when it is set.
const USES_PUB_CLIENT_SET: u8 = 32;

/// An account: an issuer, a client registered there, and the refresh token of one login.
///
/// Fields are named after the C suite's keys; absent, empty, `null` and `(null)` are all `None`.
/// Lists of scopes and audiences are separated by blanks, as on the wire.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct AccountConfig {
    /// Short name; not compared with the file's name.
    pub name: Option<String>,
    /// `oidc-agent:<name>-<cnid>`, as registered.
    pub client_name: Option<String>,
    /// `issuer_url`, or `issuer` of old files. Spelled as found, with or without a trailing slash.
    pub issuer_url: Option<String>,
    /// Set: a mytoken account.
    pub mytoken_url: Option<String>,
    /// Where the provider metadata is (`http`, `https` or `file` URL) when it is not built from the issuer.
    pub config_endpoint: Option<String>,
    /// RFC 8628 section 3.1.
    pub device_authorization_endpoint: Option<String>,
    /// `daeSetByUser`: the endpoint above came from the user and is not replaced by discovery.
    pub device_authorization_endpoint_set_by_user: bool,
    /// RFC 6749 section 2.2.
    pub client_id: Option<String>,
    /// Absent for public clients.
    pub client_secret: Option<ClientSecret>,
    /// Ours: the private key by which the client proves who it is, PEM or JWK: see [`crate::client_key::ClientKey`].
    pub client_key: Option<SecretText>,
    /// Ours: how tokens are got, by the name that `grant_types` of RFC 7591 section 2 has for it; absent: with the refresh
    /// token.
    pub grant_type: Option<String>,
    /// Ours: what is exchanged for this account's tokens. One that does not read stays among the others.
    pub subject_token: Option<Box<SubjectToken>>,
    /// Ours: RFC 8693 section 2.1; absent: an access token.
    pub requested_token_type: Option<String>,
    /// Ours: RFC 8707 section 2, separated by blanks; beside what `audience` asks for.
    pub resource: Option<String>,
    /// For mytoken accounts: the mytoken.
    pub refresh_token: Option<RefreshToken>,
    /// CA bundle to use instead of the system's.
    pub cert_path: Option<String>,
    /// 4.x: the scopes of login and refresh.
    pub scope: Option<String>,
    /// 5.x: the scopes of the login; wins over `scope`.
    pub auth_scope: Option<String>,
    /// 5.x: the scopes the provider granted at the last login.
    pub refresh_scope: Option<String>,
    /// Audiences asked for at login only.
    pub audience: Option<String>,
    /// Plain OAuth 2 provider: no `openid` scope is added.
    pub oauth: bool,
    /// The client is a public one from the issuer data.
    pub uses_pub_client: bool,
    /// An object or array; a profile given by name is a string.
    pub mytoken_profile: Option<Box<Value>>,
    /// RFC 6749 section 3.1.2.
    pub redirect_uris: Vec<String>,
    /// Resource owner password grant only; never stored by us.
    pub username: Option<String>,
    /// As `username`.
    pub password: Option<Password>,
    /// RFC 7592 section 3.
    pub registration_access_token: Option<RegistrationAccessToken>,
    /// RFC 7592 section 3.
    pub registration_client_uri: Option<String>,
    /// Every other member, in order: the rest of the registration response, keys of later versions.
    pub other: Object,
}

impl AccountConfig {
    /// Reads the JSON text of an account file.
    pub fn parse(text: &[u8]) -> Result<Self, JsonError> {
        Object::parse(text).map(Self::from_object)
    }

    /// Takes the known members out of `object` and keeps the rest.
    pub fn from_object(mut object: Object) -> Self {
        let mut string = |key: &str| {
            let text = object.string(key);
            object.remove(key);
            text
        };
        let name = string("name");
        let client_name = string("client_name");
        let (issuer_url, issuer) = (string("issuer_url"), string("issuer"));
        let mytoken_url = string("mytoken_url");
        let config_endpoint = string("config_endpoint");
        let device_authorization_endpoint = string("device_authorization_endpoint");
        let client_id = string("client_id");
        let client_secret = string("client_secret").map(ClientSecret::new);
        let client_key = string("client_key").map(SecretText::new);
        let grant_type = string("grant_type");
        let requested_token_type = string("requested_token_type");
        let resource = string("resource");
        let refresh_token = string("refresh_token").map(RefreshToken::new);
        let cert_path = string("cert_path");
        let scope = string("scope");
        let auth_scope = string("auth_scope");
        let refresh_scope = string("refresh_scope");
        let audience = string("audience");
        let username = string("username");
        let password = string("password").map(Password::new);
        let registration_access_token = string("registration_access_token").map(RegistrationAccessToken::new);
        let registration_client_uri = string("registration_client_uri");

        let mut flag = |key: &str| {
            let set = object.flag(key);
            object.remove(key);
            set
        };
        let device_authorization_endpoint_set_by_user = flag("daeSetByUser");
        let oauth = flag("oauth");
        let uses_pub_client = flag("uses_pub_client");

        let subject_token = object.members().get("subject_token").cloned();
        let subject_token = subject_token.and_then(|value| serde_json::from_value(value).ok());
        if subject_token.is_some() {
            object.remove("subject_token");
        }

        let mut redirect_uris = object.strings("redirect_uris");
        redirect_uris.shrink_to_fit();
        object.remove("redirect_uris");
        let mytoken_profile = object.remove("mytoken_profile").filter(|profile| match profile {
            Value::Object(members) => !members.is_empty(),
            Value::Array(items) => !items.is_empty(),
            Value::String(text) => !text.is_empty(),
            _ => false,
        });

        Self {
            name,
            client_name,
            issuer_url: issuer_url.or(issuer),
            mytoken_url,
            config_endpoint,
            device_authorization_endpoint,
            device_authorization_endpoint_set_by_user,
            client_id,
            client_secret,
            client_key,
            grant_type,
            subject_token,
            requested_token_type,
            resource,
            refresh_token,
            cert_path,
            scope,
            auth_scope,
            refresh_scope,
            audience,
            oauth,
            uses_pub_client,
            mytoken_profile: mytoken_profile.map(Box::new),
            redirect_uris,
            username,
            password,
            registration_access_token,
            registration_client_uri,
            other: object.compact(),
        }
    }

    /// The account as a JSON object in the C suite's 5.x order, unset members left out, unknown ones last.
    pub fn to_object(&self) -> Object {
        let mut object = Object::default();
        let mut put = |key: &str, text: Option<&str>| {
            if let Some(text) = text {
                object.insert(key, text);
            }
        };
        put("name", self.name.as_deref());
        put("client_name", self.client_name.as_deref());
        put("issuer_url", self.issuer_url.as_deref());
        put("mytoken_url", self.mytoken_url.as_deref());
        put("config_endpoint", self.config_endpoint.as_deref());
        put("device_authorization_endpoint", self.device_authorization_endpoint.as_deref());
        put("client_id", self.client_id.as_deref());
        put("client_secret", self.client_secret.as_ref().map(ClientSecret::expose));
        put("client_key", self.client_key.as_ref().map(SecretText::expose));
        put("grant_type", self.grant_type.as_deref());
        put("requested_token_type", self.requested_token_type.as_deref());
        put("resource", self.resource.as_deref());
        put("refresh_token", self.refresh_token.as_ref().map(RefreshToken::expose));
        put("cert_path", self.cert_path.as_deref());
        put("scope", self.scope.as_deref());
        put("auth_scope", self.auth_scope.as_deref());
        put("refresh_scope", self.refresh_scope.as_deref());
        put("audience", self.audience.as_deref());
        put("username", self.username.as_deref());
        put("password", self.password.as_ref().map(Password::expose));
        put(
            "registration_access_token",
            self.registration_access_token.as_ref().map(RegistrationAccessToken::expose),
        );
        put("registration_client_uri", self.registration_client_uri.as_deref());

        let mut put_number = |key: &str, number: u8, set: bool| {
            if set {
                object.insert(key, number);
            }
        };
        put_number("daeSetByUser", 1, self.device_authorization_endpoint_set_by_user);
        put_number("oauth", OAUTH_SET, self.oauth);
        put_number("uses_pub_client", USES_PUB_CLIENT_SET, self.uses_pub_client);

        if let Some(Ok(subject)) = self.subject_token.as_ref().map(serde_json::to_value) {
            object.insert("subject_token", subject);
        }
        if let Some(profile) = &self.mytoken_profile {
            object.insert("mytoken_profile", Value::clone(profile));
        }
        if !self.redirect_uris.is_empty() {
            object.insert("redirect_uris", self.redirect_uris.clone());
        }
        for (key, value) in self.other.members() {
            object.insert(key.clone(), value.clone());
        }
        object
    }

    /// The JSON text that goes into an encrypted file.
    pub fn to_json(&self) -> Zeroizing<String> {
        self.to_object().to_json()
    }

    /// How its tokens are got, where not with the refresh token of a login: [`grant_type::MYTOKEN`], or what `grant_type` says.
    pub fn grant(&self) -> Option<&str> {
        let mytoken = self.mytoken_url.as_ref().map(|_| grant_type::MYTOKEN);
        mytoken.or_else(|| self.grant_type.as_deref().filter(|grant| *grant != "refresh_token"))
    }

    /// The scopes to ask for at login.
    pub fn login_scope(&self) -> Option<&str> {
        self.auth_scope.as_deref().or(self.scope.as_deref())
    }

    /// The scopes of the last login, as the refresh request names them; `offline_access` is left to the caller.
    /// `refresh_scope` counts only together with `auth_scope`, as in the C suite.
    pub fn granted_scope(&self) -> Option<&str> {
        self.auth_scope.as_ref().and(self.refresh_scope.as_deref()).or_else(|| self.login_scope())
    }

    /// Whether anything in it is worth hiding. An account that only says where a token is to be had holds nothing.
    pub fn holds_secret(&self) -> bool {
        let Self {
            client_secret,
            client_key,
            refresh_token,
            password,
            registration_access_token,
            subject_token,
            other,
            ..
        } = self;
        let known = client_secret.is_some()
            || client_key.is_some()
            || refresh_token.is_some()
            || password.is_some()
            || registration_access_token.is_some();
        // Of members that are not known it is not known either.
        let only_public = other.members().keys().all(|key| key == TOKEN_ENDPOINT_AUTH_METHOD);
        known || subject_token.is_none() || !only_public
    }

    /// Whether `issuer` is this account's, give or take one trailing slash.
    pub fn has_issuer(&self, issuer: &str) -> bool {
        self.issuer_url.as_deref().is_some_and(|own| same_issuer(own, issuer))
    }
}

/// Whether two issuer URLs are equal, or equal but for one trailing slash: the C suite's comparison.
pub fn same_issuer(one: &str, other: &str) -> bool {
    let trim = |url: &'_ str| url.strip_suffix('/').unwrap_or(url).len();
    one[..trim(one)] == other[..trim(other)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_old_and_new_spellings() {
        let old = AccountConfig::parse(
            br#"{"name":"a","issuer":"https://op/","scope":"openid x","client_secret":"","audience":"","audience":"y"}"#,
        )
        .expect("an account");
        assert_eq!(old.issuer_url.as_deref(), Some("https://op/"));
        assert_eq!(old.login_scope(), Some("openid x"));
        assert_eq!(old.granted_scope(), Some("openid x"));
        assert_eq!((old.client_secret, old.audience), (None, None));

        let new = AccountConfig::parse(
            br#"{"issuer":"https://no/","issuer_url":"https://op","scope":"s","auth_scope":"a","refresh_scope":"r",
                "oauth":16,"uses_pub_client":true,"daeSetByUser":"1","mytoken_profile":{}}"#,
        )
        .expect("an account");
        assert_eq!(new.issuer_url.as_deref(), Some("https://op"));
        assert_eq!((new.login_scope(), new.granted_scope()), (Some("a"), Some("r")));
        assert!(new.oauth && new.uses_pub_client && new.device_authorization_endpoint_set_by_user);
        assert_eq!((&new.mytoken_profile, new.grant()), (&None, None));

        let mytoken =
            AccountConfig::parse(br#"{"mytoken_url":"https://mt","mytoken_profile":{"include":"agent"}}"#)
                .expect("an account");
        assert_eq!(mytoken.grant(), Some(grant_type::MYTOKEN));
    }

    #[test]
    fn unknown_members_survive() {
        let text =
            br#"{"name":"a","x":true,"grant_types":["refresh_token"],"client_id_issued_at":7,"n":null}"#;
        let account = AccountConfig::parse(text).expect("an account");
        let again = AccountConfig::parse(account.to_json().as_bytes()).expect("an account");
        assert_eq!(account, again);
        assert_eq!(again.other.members().len(), 4);
    }

    #[test]
    fn only_an_account_whose_token_lies_elsewhere_holds_no_secret() {
        for (json, holds) in [
            (r#"{"client_id":"c","subject_token":{"file":"/t"},"token_endpoint_auth_method":"none"}"#, false),
            (r#"{"client_id":"c","subject_token":{"file":"/t"},"client_secret":"s"}"#, true),
            (r#"{"client_id":"c","subject_token":{"file":"/t"},"client_key":"s"}"#, true),
            (r#"{"client_id":"c","subject_token":{"file":"/t"},"unknown":"k"}"#, true),
            (r#"{"client_id":"c","subject_token":{"of a later":"version"}}"#, true),
            (r#"{"client_id":"c"}"#, true),
        ] {
            let account = AccountConfig::parse(json.as_bytes()).expect("an account");
            assert_eq!(account.holds_secret(), holds, "{json}");
            let again = AccountConfig::parse(account.to_json().as_bytes()).expect("an account");
            assert_eq!(again, account);
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let account = AccountConfig::parse(
            br#"{"client_secret":"S3","client_key":"C3","refresh_token":"R3","password":"P3","registration_access_token":"A3","k":"O3"}"#,
        )
        .expect("an account");
        let shown = format!("{account:?}");
        assert!(["S3", "C3", "R3", "P3", "A3", "O3"].iter().all(|secret| !shown.contains(secret)), "{shown}");
    }

    #[test]
    fn issuers_match_up_to_one_slash() {
        assert!(same_issuer("https://op", "https://op/"));
        assert!(same_issuer("https://op/", "https://op/"));
        assert!(!same_issuer("https://op", "https://op//"));
        assert!(!same_issuer("https://op", "https://OP"));
    }
}
