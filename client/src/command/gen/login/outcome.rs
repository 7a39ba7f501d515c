//! How a login ended.

use oidc_proto::{
    account::AccountConfig,
    message::{Reply, TokenReply},
};

use crate::context::error::Error;

/// How a login ended well.
pub enum Outcome {
    /// With an account, which the agent has loaded.
    Account(Box<AccountConfig>),
    /// `--only-at`: with an access token.
    Token(TokenReply),
    /// Another program will finish it: nobody can be asked here.
    HandedOver,
}

/// The account or token of a login that is done.
pub fn finished(reply: Reply, request: &'static str) -> Result<Outcome, Error> {
    match reply {
        Reply::Config(account) => Ok(Outcome::Account(account)),
        Reply::Token(token) => Ok(Outcome::Token(token)),
        _ => Err(Error::UnexpectedReply(request)),
    }
}
