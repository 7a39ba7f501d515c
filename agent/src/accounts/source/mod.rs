//! Where an account's tokens come from: the one place that knows which kinds there are.
//!
//! A kind is a file beside this one with one function that asks for a token, and its lines here. What every kind needs is
//! around it: one request for everybody who wants the same ([`super::single_flight`]), the cache, what was refused, and
//! when to ask again ([`super::obtain`]). A kind whose secret is used up by asking also gets the lock of the account's
//! file, and its successor is written back ([`super::renewal`]).

mod client_credentials;
mod exchange;
mod mytoken;
#[cfg(test)]
pub(crate) mod played;
mod question;
mod refresh;
mod subject;

use oidc_proto::{
    account::{AccountConfig, grant_type},
    error_code::ErrorCode,
    message::Failure,
    shell,
    shortname::Shortname,
};

pub use self::question::{Question, Unanswered};
use crate::provider::TokenResponse;

/// The kinds, by what `grant_type` of an account says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A refresh token of a login (RFC 6749 section 6); also of accounts that say nothing.
    Refresh,
    /// A mytoken, at a mytoken server.
    Mytoken,
    /// The client's own credentials (RFC 6749 section 4.4): nobody logs in.
    ClientCredentials,
    /// A token from elsewhere that is exchanged (RFC 8693).
    TokenExchange,
    /// A token from elsewhere that is brought as an assertion (RFC 7523 section 2.1).
    JwtBearer,
    /// A script.
    #[cfg(test)]
    Played(played::Played),
}

impl Source {
    /// The kind of an account. Fails for one that a later version has written.
    pub fn of(name: &Shortname, config: &AccountConfig) -> Result<Self, Failure> {
        match config.grant() {
            None => Ok(Self::Refresh),
            Some(grant_type::MYTOKEN) if config.mytoken_url.is_some() => Ok(Self::Mytoken),
            Some(grant_type::CLIENT_CREDENTIALS) => Ok(Self::ClientCredentials),
            // One that names a source which a later version knows has none for this one.
            Some(grant_type::TOKEN_EXCHANGE) if config.subject_token.is_some() => Ok(Self::TokenExchange),
            Some(grant_type::JWT_BEARER) if config.subject_token.is_some() => Ok(Self::JwtBearer),
            #[cfg(test)]
            Some(kind) if let Some(played) = played::Played::find(kind) => Ok(Self::Played(played)),
            Some(kind) => Err(unknown(name, kind)),
        }
    }

    /// Whether asking may use up the secret in the account's `refresh_token`, so that its successor has to be kept.
    pub fn renews_its_secret(&self) -> bool {
        match self {
            Self::Refresh | Self::Mytoken => true,
            Self::ClientCredentials | Self::TokenExchange | Self::JwtBearer => false,
            #[cfg(test)]
            Self::Played(played) => played.renews_its_secret(),
        }
    }

    /// Asks for a token.
    pub async fn ask(&self, question: Question<'_>) -> Result<TokenResponse, Unanswered> {
        match self {
            Self::Refresh => refresh::ask(question).await,
            Self::Mytoken => mytoken::ask(question).await,
            Self::ClientCredentials => client_credentials::ask(question).await,
            Self::TokenExchange => exchange::ask(question).await,
            Self::JwtBearer => exchange::assert(question).await,
            #[cfg(test)]
            Self::Played(played) => played.ask(question).await,
        }
    }
}

fn unknown(name: &Shortname, kind: &str) -> Failure {
    let text = format!("account '{name}' gets its tokens in a way that this agent does not know: {kind:?}");
    Failure::new(ErrorCode::NotSupportedYet, text).with_info(format!(
        "A later version may have written it into 'grant_type'. Use that version, or make the account anew: `{}`.",
        shell::command("oidc gen", name.as_str())
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_says_which_kind_it_is() {
        let name: Shortname = "acc".parse().expect("a name");
        for (grant_type, expected) in [
            (None, Some(Source::Refresh)),
            (Some("refresh_token"), Some(Source::Refresh)),
            (Some("client_credentials"), Some(Source::ClientCredentials)),
            (Some(grant_type::TOKEN_EXCHANGE), None),
            (Some("authorization_code"), None),
            (Some(grant_type::MYTOKEN), None),
            (Some("Client_Credentials"), None),
        ] {
            let config =
                AccountConfig { grant_type: grant_type.map(str::to_owned), ..AccountConfig::default() };
            let source = Source::of(&name, &config);
            if let Err(failure) = &source {
                assert_eq!(failure.code, ErrorCode::NotSupportedYet);
                assert!(failure.error.contains(grant_type.expect("named")), "{failure:?}");
            }
            assert_eq!(source.ok(), expected, "{grant_type:?}");
        }
    }

    #[test]
    fn a_mytoken_server_makes_it_a_mytoken_account() {
        let name: Shortname = "acc".parse().expect("a name");
        let mytoken_url = Some("https://mt.example".to_owned());
        let config = AccountConfig { mytoken_url, ..AccountConfig::default() };
        let source = Source::of(&name, &config).expect("known");
        assert!(source == Source::Mytoken && source.renews_its_secret());
    }
}
