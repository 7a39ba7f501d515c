//! A token for the page: by the same way as for every program, and under the same consent.

use oidc_proto::{
    message::{Failure, Target, TokenRequest, Validity},
    token::{Kind, Token},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::facts::facts;
use crate::{
    accounts::{Accounts, CachedToken},
    caller::Caller,
    clock::Moment,
};

/// What is said of itself in a question to the person.
const HINT: &str = "oidc page";
/// What a token that somebody is going to copy must still be good for, in seconds.
const MIN_VALID: u64 = 60;

/// Which token.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// Short name of a loaded account.
    account: String,
    /// Separated by blanks; absent: the account's.
    scope: Option<String>,
    /// Separated by blanks.
    audience: Option<String>,
    /// Not the one that is held.
    #[serde(default)]
    new: bool,
}

/// Gets a token, and says what is known of it.
pub async fn token(accounts: &Accounts, wish: Wish) -> Result<Value, Failure> {
    // Others would be loaded for it, with a question for a password: the page shows those that are there.
    if !accounts.names().iter().any(|name| name.as_str() == wish.account) {
        return Err(Failure::account_not_loaded());
    }
    let request = TokenRequest {
        validity: if wish.new { Validity::ForceNew } else { Validity::AtLeast(MIN_VALID) },
        scope: wish.scope,
        audience: wish.audience,
        application_hint: Some(HINT.to_owned()),
        ..TokenRequest::new(Target::Account(wish.account))
    };
    let token = accounts.access_token(request, Caller::at_page()).await?;
    let now = accounts.deps().clock.now();
    let mut answer = known(&token, now);
    answer["now"] = now.wall.into();
    answer["access_token"] = token.access_token.expose().into();
    answer["warnings"] = token.warnings.clone().into();
    Ok(answer)
}

/// What is known of a token, without the token.
pub fn known(token: &CachedToken, now: Moment) -> Value {
    let facts = Token::parse(token.access_token.expose()).map(|parsed| {
        let kind = Kind::of(&parsed, Some("access_token"));
        facts(&parsed, &kind)
    });
    json!({
        "expires_at": token.expires_at(now),
        "lifetime": token.lifetime,
        "scope": token.scope,
        "facts": facts.unwrap_or_default(),
    })
}
