//! `mytoken`: a mytoken made of an account's own, for somebody who shall be able to do less with it. The person is asked each
//! time. Making it may replace the account's own mytoken, so it is done as a refresh is: in the account's turn, under the lock
//! of its file, and what replaces it is on the disk before anything is handed out.

use std::sync::Arc;

use oidc_proto::{
    account::AccountConfig,
    deadlines,
    error_code::ErrorCode,
    json::Object,
    message::{Failure, MytokenProfile, MytokenRequest, Target},
};
use serde_json::Value;
use tokio::time::{Instant, timeout};

use super::{
    account::Account,
    consent::Asking,
    held::Held,
    loaded::Accounts,
    mytoken_profile,
    renewal::{Renewal, Successor},
    wanted::Wanted,
};
use crate::{
    caller::Caller,
    provider::{Minted, ProviderError, Subtoken},
};

/// The server's profile where a request names none, as in the C suite.
const DEFAULT_PROFILE: &str = "web-default";

/// A mytoken that the person has agreed to.
struct Order {
    profile: Value,
    /// What it is called where the profile does not say.
    name: String,
}

impl Accounts {
    /// A mytoken: the server's answer, with `oidc_issuer`, `mytoken_issuer` and `expires_at`, in seconds since the epoch, instead
    /// of `expires_in`.
    pub async fn mytoken(&self, request: MytokenRequest, caller: Caller<'_>) -> Result<Object, Failure> {
        let asking = Asking::new(caller, request.application_hint.as_deref(), request.prompt);
        let account = self.account_for(&Target::Account(request.account), &asking).await?;
        let is_mytoken = account.with_open(|open| open.config.mytoken_url.is_some())?;
        if !is_mytoken {
            return Err(no_mytoken_account(&account));
        }
        let profile = match request.profile {
            None => Value::String(DEFAULT_PROFILE.to_owned()),
            Some(MytokenProfile::Name(name)) => named(name)?,
            Some(MytokenProfile::Object(object)) => object.into_value(),
        };
        let described = mytoken_profile::described(&profile);
        let wanted = Wanted { what: "a further mytoken", profile: Some(&described), ..Wanted::default() };
        Box::pin(self.consent(&account, &asking, &wanted)).await?;

        let application = request.application_hint.as_deref().unwrap_or("an application");
        let order = Order { profile, name: format!("mytoken requested by {application}") };
        let (accounts, making) = (self.clone(), Arc::clone(&account));
        // It runs to its end whoever waits for it: the account's own mytoken may be replaced.
        let made = self.complete(async move { accounts.make_mytoken(&making, order).await });
        timeout(deadlines::TOKEN, made).await.unwrap_or_else(|_| Err(too_late(&account)))
    }

    async fn make_mytoken(&self, account: &Arc<Account>, order: Order) -> Result<Object, Failure> {
        let deps = self.deps();
        let _turn = account.turn.lock().await;
        let mut renewal = Renewal::begin(account, deps).await?;
        renewal.settle(account).await?;
        if let Some(refusal) = account.with_open(|open| open.standing.refusal().cloned())? {
            return Err(refusal);
        }
        renewal.make_room(account).await?;
        deps.issuers.look_again(&deps.home).await;
        let config = account.with_open(|open| open.config.clone())?;
        let mut minted = self.ask_for_mytoken(account, &config, &order, &mut renewal).await?;
        if let Err(error) = &minted
            && error.is_dead_token()
            && renewal.look_again(account, deps.clock.now()).await?
        {
            minted = self.ask_for_mytoken(account, &config, &order, &mut renewal).await?;
        }
        let minted = match minted {
            Ok(minted) => minted,
            Err(error) => return Err(refused(account, &error)),
        };
        let now = deps.clock.now().wall;
        let ends_at = |seconds: u64| now.saturating_add(seconds);
        let (came, life) = match minted.successor {
            Some(successor) => (Some(successor.token), successor.expires_in),
            None => (None, None),
        };
        let successor = renewal.keep(account, came, life.map(|life| ends_at(life.as_secs()))).await;
        note(account, successor.as_ref());
        self.keep_saving(account);
        successor.map_or(Ok(()), |successor| successor.must_be_safe(account))?;
        account.with_open(|_| ())?;
        answer(minted.answer, &config, ends_at)
    }

    /// The outer error is about the account, the inner one is the server's.
    async fn ask_for_mytoken(
        &self,
        account: &Account,
        config: &AccountConfig,
        order: &Order,
        renewal: &mut Renewal,
    ) -> Result<Result<Minted, ProviderError>, Failure> {
        let mytoken = renewal.send(account)?.ok_or_else(Failure::no_refresh_token)?;
        let wanted = Subtoken {
            mytoken: &mytoken,
            issuer: config.issuer_url.as_deref().unwrap_or_default(),
            profile: &order.profile,
            name: &order.name,
        };
        let made = async {
            let server = self.deps().providers.keeper(config)?;
            let deadline = Instant::now() + deadlines::TOKEN;
            let spelled = server.mytoken_issuer(wanted.issuer, deadline).await?;
            let issuer = spelled.as_deref().unwrap_or(wanted.issuer);
            server.make_subtoken(Subtoken { issuer, ..wanted }, deadline).await
        };
        Ok(made.await)
    }
}

/// The server's profile of that name. What begins as JSON is meant to be JSON: nobody is asked about a typing error.
fn named(text: String) -> Result<Value, Failure> {
    if !text.trim_start().starts_with(['{', '[']) {
        return Ok(Value::String(text));
    }
    serde_json::from_str(&text).map_err(|error| {
        Failure::new(ErrorCode::BadRequest, format!("the profile of the mytoken is no JSON ({error})"))
            .with_info("A profile is the name of one that the server has, or a JSON object.")
    })
}

/// What the client gets.
fn answer(
    mut answer: Object,
    config: &AccountConfig,
    ends_at: impl Fn(u64) -> u64,
) -> Result<Object, Failure> {
    if !answer.contains("mytoken") && !answer.contains("transfer_code") {
        let error = "Provider answered with unexpected response, mytoken expected";
        return Err(Failure::new(ErrorCode::ProviderBadResponse, error));
    }
    let expires_in = answer.integer("expires_in").and_then(|seconds| u64::try_from(seconds).ok());
    answer.remove("expires_in");
    if let Some(seconds) = expires_in.filter(|seconds| *seconds > 0) {
        answer.insert("expires_at", ends_at(seconds));
    }
    answer.insert("oidc_issuer", config.issuer_url.as_deref().unwrap_or_default());
    answer.insert("mytoken_issuer", config.mytoken_url.as_deref().unwrap_or_default());
    Ok(answer)
}

/// Notes in memory what replaced the account's own mytoken.
fn note(account: &Account, successor: Option<&Successor>) {
    account.with_held(|held| match held {
        Held::Open(open) => {
            open.was_answered();
            if let Some(successor) = successor {
                successor.note(account, open);
            }
        }
        Held::Sealed(sealed) => {
            if let Some(successor) = successor {
                sealed.put_away_rotated(successor.to_put_away());
            }
        }
    });
}

fn refused(account: &Account, error: &ProviderError) -> Failure {
    let failure = error.to_failure(account.name.as_str(), &account.issuer);
    tracing::info!(account = %account.name, provider = error.provider(), code = %failure.code, "no mytoken");
    if error.is_dead_token() {
        account.with_held(|held| match held {
            Held::Open(open) => open.standing.refused(failure.clone()),
            Held::Sealed(sealed) => sealed.refuse(failure.clone()),
        });
    }
    failure
}

fn no_mytoken_account(account: &Account) -> Failure {
    Failure::new(ErrorCode::BadRequest, "Not a valid mytoken configuration").with_info(format!(
        "The account '{}' has the refresh token of a login at {}. Mytokens are made of accounts that were made with `oidc gen \
         --mytoken`.",
        account.name, account.issuer
    ))
}

fn too_late(account: &Account) -> Failure {
    let error = format!(
        "no answer yet from the mytoken server of account '{}' within {} seconds",
        account.name,
        deadlines::TOKEN.as_secs()
    );
    Failure::new(ErrorCode::ProviderTimeout, error).with_info(
        "The agent goes on waiting for an answer that may hold a new mytoken of the account. A mytoken that is made all the \
         same is in your list at the server; revoke it there.",
    )
}
