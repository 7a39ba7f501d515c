//! `refused`: a service refused a token, as a helper of git, kubectl or rclone tells. One new token in a while, then the reason;
//! nothing loops, and the provider is not hammered, however often somebody tells so.

pub mod memory;
pub mod reasons;

use std::sync::Arc;

use oidc_proto::{
    deadlines,
    destination::rule::Rule,
    error_code::ErrorCode,
    message::{Failure, IdTokenRequest, IntrospectRequest, RefusedRequest, Sign, TokenRequest, Validity},
    secret::SecretText,
    shell,
    token::TokenDigest,
};
use tokio::time::{Instant, timeout};

use self::{
    memory::Renewal,
    reasons::{Looked, Reasons, Which, look},
};
use super::{
    account::Account,
    consent::Asking,
    loaded::Accounts,
    token_cache::{CachedToken, Purpose},
};
use crate::caller::Caller;

/// What is said where nothing was found.
const NOTHING_WRONG: &str = "Nothing is wrong with the token as far as can be seen here: the service may not know you or the issuer, or \
                             may want another audience, other scopes or an ID token.";

/// A token for whoever says that another one was refused.
pub enum Given {
    /// An access token, and what may be wrong with it.
    Access(Arc<CachedToken>, Option<String>),
    /// An ID token, and what may be wrong with it.
    Id(Arc<CachedToken>, Option<String>),
}

/// Whether the token that is there now was refused.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// The service said so.
    Refused,
    /// A program behaves as if.
    Perhaps,
    /// It is another one by now, or nobody has had it yet.
    NotYet,
}

impl Accounts {
    /// Another token, the one that is there where it was not refused, or why it may be refused.
    pub async fn refused(&self, request: RefusedRequest, caller: Caller<'_>) -> Result<Given, Failure> {
        let asking = Asking::new(caller, request.application_hint.as_deref(), request.prompt);
        let account = self.account_for(&request.target, &asking).await?;
        let which = Which {
            purpose: Purpose::new(request.scope.as_deref(), request.audience.as_deref()),
            is_id: request.id_token,
        };
        // Whoever had the turn before may have got what is wanted.
        let _turn =
            timeout(deadlines::TOKEN, account.refused.turn.lock()).await.map_err(|_| late(&account))?;
        let verdict = self.verdict(&account, &which, &request)?;
        let renewal = account.refused.renewal(&which, self.now().boot);
        match (verdict, renewal) {
            (Verdict::NotYet, _) => self.give(&account, &which, &request, caller, false).await,
            (_, None) => {
                let given = self.give(&account, &which, &request, caller, true).await?;
                account.refused.renewed(&which, self.now());
                tracing::info!(account = %account.name, destination = %request.destination, "a token was refused: there is a new one");
                Ok(given)
            }
            (verdict, Some(renewal)) => {
                self.explain(&account, &which, &request, caller, verdict, &renewal).await
            }
        }
    }

    fn verdict(
        &self,
        account: &Account,
        which: &Which,
        request: &RefusedRequest,
    ) -> Result<Verdict, Failure> {
        let now = self.now();
        let current = kept(account, which)?.filter(|token| token.serves(request.min_valid, now));
        let current = current.map(|token| TokenDigest::of(token.access_token.expose()));
        Ok(match &request.sign {
            Sign::Token(refused) if current.as_ref() == Some(refused) => Verdict::Refused,
            Sign::Token(_) => Verdict::NotYet,
            Sign::Process(process) => {
                let handed = account.refused.handed(which, &request.destination, process);
                match handed {
                    Some(handed) if current == Some(handed.clone()) => Verdict::Perhaps,
                    _ => Verdict::NotYet,
                }
            }
        })
    }

    async fn give(
        &self,
        account: &Account,
        which: &Which,
        request: &RefusedRequest,
        caller: Caller<'_>,
        is_new: bool,
    ) -> Result<Given, Failure> {
        let validity = if is_new { Validity::ForceNew } else { Validity::AtLeast(request.min_valid) };
        let given = if which.is_id {
            let request = IdTokenRequest {
                target: request.target.clone(),
                validity,
                scope: request.scope.clone(),
                application_hint: request.application_hint.clone(),
                prompt: request.prompt,
            };
            Given::Id(Box::pin(self.id_token(request, caller)).await?, None)
        } else {
            let request = TokenRequest {
                target: request.target.clone(),
                validity,
                scope: request.scope.clone(),
                audience: request.audience.clone(),
                application_hint: request.application_hint.clone(),
                prompt: request.prompt,
            };
            Given::Access(self.access_token(request, caller).await?, None)
        };
        if let Sign::Process(process) = &request.sign {
            account.refused.hand(which, &request.destination, process, digest(&given));
        }
        Ok(given)
    }

    /// Where a service said no, that is an error. Where a program only behaves as if, the token is given out unless there is
    /// something wrong with it: it may as well want it for something else.
    async fn explain(
        &self,
        account: &Arc<Account>,
        which: &Which,
        request: &RefusedRequest,
        caller: Caller<'_>,
        verdict: Verdict,
        renewal: &Renewal,
    ) -> Result<Given, Failure> {
        let reasons = match &kept(account, which)? {
            Some(token) => self.reasons(account, which, request, token, renewal).await,
            None => Reasons::default(),
        };
        let failure = failure(account, request, &reasons, self.now().boot.since(renewal.at.boot).as_secs());
        if verdict == Verdict::Refused || reasons.is_certain {
            return Err(failure);
        }
        let given = self.give(account, which, request, caller, false).await?;
        let why = if reasons.texts.is_empty() { NOTHING_WRONG.to_owned() } else { reasons.texts.join(" ") };
        let told = Some(format!("'{}' may have refused this token: {why}", request.destination));
        Ok(match given {
            Given::Access(token, _) => Given::Access(token, told),
            Given::Id(token, _) => Given::Id(token, told),
        })
    }

    /// Looked for once for each token.
    async fn reasons(
        &self,
        account: &Arc<Account>,
        which: &Which,
        request: &RefusedRequest,
        token: &CachedToken,
        renewal: &Renewal,
    ) -> Reasons {
        let text = token.access_token.expose();
        let digest = TokenDigest::of(text);
        if let Some((known, reasons)) = &renewal.reasons
            && *known == digest
        {
            return reasons.clone();
        }
        let rules = self.rules(account).await;
        let looked = Looked {
            token: text,
            obtained: token.obtained,
            granted: token.scope.as_deref(),
            which,
            destination: &request.destination,
            rules: &rules,
        };
        let mut reasons = look(&looked, self.now());
        let asked = IntrospectRequest { account: account.name.to_string(), token: SecretText::from(text) };
        // RFC 7662 knows access and refresh tokens.
        if !which.is_id
            && let Ok(said) = Box::pin(self.introspect(asked)).await
            && said.active == Some(false)
        {
            reasons.add(
                "The provider itself says that the token is not valid: it was revoked.".to_owned(),
                true,
            );
        }
        account.refused.found(which, &digest, &reasons);
        reasons
    }

    /// What is known of the destinations of the account's issuer; nothing where that does not answer.
    async fn rules(&self, account: &Account) -> Vec<Rule> {
        let Ok(config) = account.with_open(|open| open.config.clone()) else { return Vec::new() };
        let Ok(provider) = self.deps().providers.provider(&config) else { return Vec::new() };
        let metadata = provider.metadata(Instant::now() + deadlines::PROVIDER).await;
        metadata.map(|metadata| provider.quirks(&metadata).destinations).unwrap_or_default()
    }
}

/// The token that is there now, whatever its age.
fn kept(account: &Account, which: &Which) -> Result<Option<Arc<CachedToken>>, Failure> {
    if which.is_id {
        return account.id_token(&which.purpose);
    }
    account.with_open(|open| open.cache.find(&which.purpose).cloned())
}

fn digest(given: &Given) -> TokenDigest {
    match given {
        Given::Access(token, _) | Given::Id(token, _) => TokenDigest::of(token.access_token.expose()),
    }
}

fn failure(account: &Account, request: &RefusedRequest, reasons: &Reasons, seconds: u64) -> Failure {
    let (name, kind) = (account.name.as_str(), if request.id_token { "ID token" } else { "token" });
    let error = format!(
        "'{}' refuses the {kind} of account '{name}', also the new one that was got {seconds} seconds ago",
        request.destination
    );
    let mut info = reasons.texts.clone();
    if reasons.texts.is_empty() {
        info.push(NOTHING_WRONG.to_owned());
    }
    info.push(format!("`{} --verify` shows what is in it.", shell::command("oidc inspect --account", name)));
    Failure::new(ErrorCode::TokenRefused, error).with_info(info.join("\n"))
}

fn late(account: &Account) -> Failure {
    let error = format!("another refused token of account '{}' is still being replaced", account.name);
    Failure::new(ErrorCode::ProviderTimeout, error).with_info("Try again in a moment.")
}

#[cfg(test)]
mod tests;
