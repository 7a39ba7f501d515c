//! What is known about one issuer: an entry of issuer data.

use std::path::PathBuf;

use crate::{json::Object, secret::ClientSecret, shortname::Shortname};

/// What is known about one issuer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Issuer {
    /// The issuer's URL as the source with the highest priority spells it.
    pub issuer: String,
    /// A web page where clients are registered by hand.
    pub register: Option<String>,
    /// Whom to ask when registration fails.
    pub contact: Option<String>,
    /// Where the provider metadata is, when not at its usual place.
    pub config_endpoint: Option<String>,
    /// RFC 8628 section 3.1; registration then asks for the device grant.
    pub device_authorization_endpoint: Option<String>,
    /// CA bundle to use instead of the system's.
    pub cert_path: Option<PathBuf>,
    /// Plain OAuth 2, no OpenID Connect.
    pub oauth: bool,
    /// The audience goes into the parameter `audience` instead of RFC 8707's `resource`.
    pub legacy_aud_mode: bool,
    /// Keep the password of the account file in memory.
    pub pw_store: bool,
    /// A client that everybody may use.
    pub pubclient: Option<KnownClient>,
    /// A client to use instead of registering one.
    pub user_client: Option<KnownClient>,
    /// The account for token requests that name the issuer only.
    pub default_account: Option<Shortname>,
    /// All accounts of this issuer.
    pub accounts: Vec<Shortname>,
    /// How this provider differs from others; overrides what is built in.
    pub quirks: Option<Object>,
    /// Every other member.
    pub other: Object,
}

/// A client that need not be registered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KnownClient {
    /// RFC 6749 section 2.2.
    pub client_id: String,
    /// Absent for most public clients.
    pub client_secret: Option<ClientSecret>,
    /// The scopes it may ask for, separated by blanks.
    pub scope: Option<String>,
    /// The flows it may use (`code`, `device`, `password`, `refresh`), best first. Empty: not said.
    pub flow: Vec<String>,
    /// Where the provider may send the browser back to.
    pub redirect_uris: Vec<String>,
}

impl Issuer {
    /// Takes the known members out and keeps the rest. Both spellings count where documentation and code of the C suite
    /// differ; names that no account can have are dropped.
    pub(super) fn from_object(mut object: Object) -> Self {
        let issuer = url(&object);
        let mut string = |keys: [&str; 2]| {
            let text = keys.iter().find_map(|key| object.string(key));
            for key in keys {
                object.remove(key);
            }
            text
        };
        let (register, contact) = (string(["register", "manual_register"]), string(["contact", "contact"]));
        let config_endpoint = string(["config_endpoint", "configuration_endpoint"]);
        let device_authorization_endpoint = string(["device_authorization_endpoint"; 2]);
        let cert_path = string(["cert_path", "cert-path"]).map(PathBuf::from);
        let default_account = string(["default_account"; 2]).and_then(|name| name.parse().ok());
        string(["issuer", "issuer_url"]);

        let mut flag = |keys: [&str; 2]| {
            let set = keys.iter().any(|key| object.flag(key));
            for key in keys {
                object.remove(key);
            }
            set
        };
        let (oauth, legacy_aud_mode) = (flag(["oauth"; 2]), flag(["legacy_aud_mode"; 2]));
        let pw_store = flag(["pw-store", "pw_store"]);

        let mut client = |key: &str| {
            let client = object.object(key).and_then(|client| KnownClient::from_object(&client));
            object.remove(key);
            client
        };
        let (pubclient, user_client) = (client("pubclient"), client("user_client"));
        let quirks = object.object("quirks");
        object.remove("quirks");
        let accounts = object.strings("accounts").iter().filter_map(|name| name.parse().ok()).collect();
        object.remove("accounts");

        Self {
            issuer,
            register,
            contact,
            config_endpoint,
            device_authorization_endpoint,
            cert_path,
            oauth,
            legacy_aud_mode,
            pw_store,
            pubclient,
            user_client,
            default_account,
            accounts,
            quirks,
            other: object,
        }
    }
}

impl KnownClient {
    fn from_object(object: &Object) -> Option<Self> {
        let flow = ["flow", "flows"].map(|key| object.strings(key)).into_iter().find(|flow| !flow.is_empty());
        Some(Self {
            client_id: object.string("client_id")?,
            client_secret: object.string("client_secret").map(ClientSecret::new),
            scope: object.string("scope"),
            flow: flow.unwrap_or_default(),
            redirect_uris: object.strings("redirect_uris"),
        })
    }
}

/// The URL an entry is for.
pub(super) fn url(entry: &Object) -> String {
    entry.string("issuer").or_else(|| entry.string("issuer_url")).unwrap_or_default()
}
