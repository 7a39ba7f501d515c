//! What protects a new account file: a password, asked for before anything is made at the provider, or a gpg key.

use oidc_proto::{
    account::AccountConfig,
    home::Home,
    secret::Password,
    shortname::Shortname,
    vault::{self, FileKey, Phrase, Protection, Recovery},
};

use super::session::Session;
use crate::{
    account::{error::AccountError, file::Current, phrase},
    cli::options::FormatArg,
    context::error::Error,
    say::dialect::Dialect,
};

const NO_PLACE: &str =
    "the format of the C suite has no place for a recovery phrase or key; leave --format out";

/// What protects a new account file.
pub enum Seal {
    /// Our format, and what opens the file beside the password.
    Native(Password, Recovery),
    /// The C suite's format.
    OidcAgent(Password),
    /// OpenPGP for this recipient.
    Gpg(String),
    /// Our format, with nothing to hide.
    Clear,
}

/// Whether something beside its password opens a file.
pub fn is_recoverable(bytes: &[u8]) -> bool {
    vault::header(bytes).is_some_and(|header| header.has_recovery_phrase || header.has_recovery_key)
}

impl Seal {
    /// As the options say; a password comes from its source or is typed twice.
    pub fn choose(session: &mut Session, name: &Shortname) -> Result<Self, Error> {
        if let Some(key) = &session.args.store.gpg {
            return Ok(Self::Gpg(key.clone()));
        }
        if session.args.store.recovery {
            phrase::may_be_shown(session.context.asker.as_mut())?;
        }
        let password = new_password(session, name)?;
        Self::with(session, password).recoverable(session, name)
    }

    /// With the recovery phrase and key that are asked for.
    fn recoverable(self, session: &mut Session, name: &Shortname) -> Result<Self, Error> {
        let store = &session.args.store;
        let (password, mut recovery) = match self {
            Self::Native(password, recovery) => (password, recovery),
            Self::OidcAgent(password) if store.wants_recovery() && store.format.is_none() => {
                (password, Recovery::default())
            }
            Self::OidcAgent(_) if store.wants_recovery() => {
                return Err(Error::CannotAsk(NO_PLACE.to_owned()));
            }
            other => return Ok(other),
        };
        if let Some(recipient) = &store.recovery_gpg {
            recovery = recovery.with_gpg(recipient.clone());
        }
        if store.recovery {
            let phrase = Phrase::random();
            phrase::show(name, &phrase, session.context.asker.as_mut())?;
            recovery = recovery.with_phrase(&phrase);
        }
        Ok(Self::Native(password, recovery))
    }

    /// What protects a registration that is gone on with, and what opened it beside its password.
    pub fn again(session: &Session, password: Password, recovery: Recovery) -> Self {
        match Self::with(session, password) {
            Self::OidcAgent(password) if !recovery.is_empty() && session.args.store.format.is_none() => {
                Self::Native(password, recovery)
            }
            Self::Native(password, _) => Self::Native(password, recovery),
            other => other,
        }
    }

    /// In the format that is asked for, under this password; else in the one that fits the name of the command:
    /// whoever runs `oidc-gen` may read the file with the C suite's tools.
    pub fn with(session: &Session, password: Password) -> Self {
        match (session.args.store.format, session.context.output.dialect) {
            (Some(FormatArg::OidcAgent), _) | (None, Dialect::CSuite) => Self::OidcAgent(password),
            (Some(FormatArg::Native), _) | (None, Dialect::Ours | Dialect::Htgettoken) => {
                Self::Native(password, Recovery::default())
            }
        }
    }

    /// In place of a file that has a recovery phrase or key: under the C suite's name the format that has a place for them
    /// stays, unless another one is asked for; one that has none is warned about.
    #[must_use]
    pub fn in_place_of_recoverable(self, session: &mut Session) -> Self {
        match self {
            Self::OidcAgent(password) if session.args.store.format.is_none() => {
                session.context.output.note(
                    "The file stays in the native format, which has a place for its recovery phrase or key; with --format \
                     oidc-agent it becomes one of the C suite.",
                );
                Self::Native(password, Recovery::default())
            }
            Self::OidcAgent(_) | Self::Gpg(_) => {
                session.context.output.warning(
                    "the new format has no place for a recovery phrase or key: those that the file has open it no longer",
                );
                self
            }
            Self::Native(..) | Self::Clear => self,
        }
    }

    /// For the account of a robot: the C suite would drop what makes it one, so its format has to be asked for.
    #[must_use]
    pub fn for_robot(self, session: &Session) -> Self {
        match self {
            Self::OidcAgent(password) if session.args.store.format.is_none() => {
                Self::Native(password, Recovery::default())
            }
            other => other,
        }
    }

    /// Encrypts an account for its file. The one that it takes the place of counts on, and its recovery phrase and key go
    /// along where the format has a place for them.
    pub fn seal(
        &self,
        home: &Home,
        name: &Shortname,
        account: &AccountConfig,
        previous: Option<&Current>,
    ) -> Result<(Vec<u8>, FileKey), Error> {
        let failed = |error| AccountError::Vault { name: name.clone(), file: home.file(name), error };
        let generation =
            previous.and_then(|file| vault::header(&file.bytes)).map_or(0, |header| header.generation);
        let kept = previous.map(|file| file.key.recovery(&file.bytes)).transpose().map_err(failed)?;
        let protection = match self {
            Self::Native(password, recovery) => {
                let kept = kept.as_ref().filter(|_| recovery.is_empty());
                Protection::Recoverable(password, kept.unwrap_or(recovery))
            }
            Self::OidcAgent(password) => Protection::OidcAgent(password),
            Self::Gpg(key) => Protection::Gpg(key),
            Self::Clear => Protection::Clear,
        };
        let sealed = match self {
            Self::OidcAgent(_) => vault::seal_next(&for_the_c_suite(account), &protection, generation),
            _ => vault::seal_next(account, &protection, generation),
        };
        sealed.map_err(|error| failed(error).into())
    }

    /// Encrypts a registration whose login is not done: in our format, which tells issuer and client to whoever has
    /// to give it up without the password.
    pub fn seal_pending(
        &self,
        home: &Home,
        name: &Shortname,
        account: &AccountConfig,
    ) -> Result<Vec<u8>, Error> {
        let protection = match self {
            Self::Native(password, recovery) => Protection::Recoverable(password, recovery),
            Self::OidcAgent(password) => Protection::Native(password),
            Self::Gpg(key) => Protection::Gpg(key),
            Self::Clear => Protection::Clear,
        };
        let sealed = vault::seal_new(account, &protection);
        let (bytes, _) = sealed.map_err(|error| AccountError::Vault {
            name: name.clone(),
            file: home.pending_path(name),
            error,
        })?;
        Ok(bytes)
    }

    /// The password, if it is one.
    pub fn password(&self) -> Option<&Password> {
        match self {
            Self::Native(password, _) | Self::OidcAgent(password) => Some(password),
            Self::Gpg(_) | Self::Clear => None,
        }
    }
}

/// What 4.x needs besides: the scopes under their old name, and the issuer with a slash at its end.
fn for_the_c_suite(account: &AccountConfig) -> AccountConfig {
    let mut account = account.clone();
    if account.scope.is_none() {
        account.scope = account.auth_scope.clone();
    }
    if let Some(issuer) = &mut account.issuer_url
        && !issuer.ends_with('/')
    {
        issuer.push('/');
    }
    account
}

fn new_password(session: &mut Session, name: &Shortname) -> Result<Password, Error> {
    let sources = session.args.sources();
    let prompt = format!("Enter encryption password for account configuration '{name}'");
    session.context.new_password(&sources, &prompt, "Confirm encryption password")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_c_suite_finds_scope_and_issuer() {
        let account = AccountConfig {
            issuer_url: Some("https://op".to_owned()),
            auth_scope: Some("openid".to_owned()),
            ..AccountConfig::default()
        };
        let written = for_the_c_suite(&account);
        assert_eq!(written.issuer_url.as_deref(), Some("https://op/"));
        assert_eq!(written.scope.as_deref(), Some("openid"));
    }
}
