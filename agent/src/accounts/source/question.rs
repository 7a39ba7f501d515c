//! What a source is asked, and how it fails.

use oidc_proto::{account::AccountConfig, message::Failure, secret::RefreshToken, shortname::Shortname};
use tokio::time::Instant;

use super::super::{loaded::Accounts, token_cache::Purpose};
use crate::provider::ProviderError;

/// A token that is wanted.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// All accounts, and the way to providers.
    pub accounts: &'a Accounts,
    /// The account's name.
    pub name: &'a Shortname,
    /// The account, without its secret.
    pub config: &'a AccountConfig,
    /// Its refresh token, or whatever of that kind it holds.
    pub secret: Option<&'a RefreshToken>,
    /// What the token is for.
    pub purpose: &'a Purpose,
    /// After this nothing is sent any more.
    pub deadline: Instant,
}

/// Why there is no token.
#[derive(Debug)]
pub enum Unanswered {
    /// A provider refused, or gave no answer: how long that counts, its error tells.
    Provider(ProviderError),
    /// What is needed to ask is not there. It is looked for again at the next request.
    Unasked(Failure),
}

impl From<ProviderError> for Unanswered {
    fn from(error: ProviderError) -> Self {
        Self::Provider(error)
    }
}

impl From<Failure> for Unanswered {
    fn from(failure: Failure) -> Self {
        Self::Unasked(failure)
    }
}
