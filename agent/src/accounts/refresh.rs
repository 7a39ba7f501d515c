//! One refresh of one account, from the file to the provider and back to the file.
//!
//! The order is what keeps accounts alive: the account's file lock is taken, a newer refresh token that another
//! program left in the file is adopted, the provider is asked, a rotated refresh token is made durable, and only then
//! is the access token handed out. The file lock is held throughout, so that two agents that share a directory never
//! spend the same refresh token.

use std::{sync::Arc, time::Duration};

use oidc_proto::{
    account::AccountConfig,
    error_code::ErrorCode,
    message::Failure,
    rotation::{RotationError, Stored},
    secret::RefreshToken,
};
use tokio::time::Instant;

use super::{
    Deps,
    account::{Account, Answer, Outcome, Refreshed},
    claims::Claims,
    clock,
    disk::{AccountFile, Changed, Found, Known, Rotated, Stamp},
    granted,
    held::{Held, Open, RefreshResult},
    token_cache::{CachedToken, Purpose, TokenCache},
};
use crate::provider::{Client, ProviderError, Refresh, TokenResponse};

/// How long one exchange with a provider may take, retries included.
const DEADLINE: Duration = Duration::from_secs(30);

/// Gets a token for `purpose`; `min_valid` in seconds, `None` for a new one in any case.
pub async fn refresh(account: &Account, deps: &Deps, purpose: &Purpose, min_valid: Option<u64>) -> Outcome {
    let _one_at_a_time = account.refreshing.lock().await;
    let file = look_at_file(account, deps).await?;
    save_what_is_unsaved(account, &file).await?;
    if let Answer::Cached(token, _) = account.answer(purpose, min_valid)? {
        return Ok(Refreshed { token, id_token: None });
    }
    if let Some(refused) = account.with_open(|open| open.refused.clone())? {
        return Err(refused);
    }

    let mut asked = ask(account, deps, purpose).await?;
    if asked.answer.as_ref().is_err_and(ProviderError::is_dead_token) {
        // A program that knows nothing of our lock may have spent the token in between, and left a newer one.
        if adopt(account, file.look(known(account)?).await)? {
            asked = ask(account, deps, purpose).await?;
        }
    }
    match asked.answer {
        Ok((response, issuer)) => keep(account, &file, purpose, asked.config, response, &issuer).await,
        Err(error) => Err(refuse(account, &error)),
    }
}

/// Takes the lock of the account's file, and takes over what another program put into it.
pub async fn look_at_file(account: &Account, deps: &Deps) -> Result<AccountFile, Failure> {
    let (file, found) = AccountFile::lock(deps.home.clone(), account.name.clone(), known(account)?).await;
    adopt(account, found)?;
    Ok(file)
}

/// A question to the provider, and its answer.
struct Asked {
    config: AccountConfig,
    /// With the issuer as the provider spells it.
    answer: Result<(TokenResponse, Box<str>), ProviderError>,
}

async fn ask(account: &Account, deps: &Deps, purpose: &Purpose) -> Result<Asked, Failure> {
    let config = account.with_open(|open| open.config.clone())?;
    let Some(refresh_token) = &config.refresh_token else { return Err(no_refresh_token(account)) };
    let refresh = Refresh {
        client: Client::of(&config),
        refresh_token,
        scope: purpose.scope(),
        granted_scope: config.granted_scope(),
        audience: purpose.audience(),
    };
    let deadline = Instant::now() + DEADLINE;
    let answer = async {
        let provider = deps.providers.provider(&config)?;
        let issuer = provider.metadata(deadline).await?.issuer.clone();
        Ok((provider.refresh(refresh, deadline).await?, issuer))
    };
    let answer = answer.await;
    Ok(Asked { config, answer })
}

fn known(account: &Account) -> Result<Known, Failure> {
    account.with_open(|open| Known {
        stamp: open.stamp,
        key: open.file_key.clone(),
        source: open.password_source.clone(),
    })
}

/// Takes over what a look at the file found. Whether the account now has another refresh token.
fn adopt(account: &Account, found: Found) -> Result<bool, Failure> {
    account.with_open(|open| match found {
        Found::Nothing | Found::Unchanged => false,
        Found::FirstSeen(stamp) => {
            open.stamp = Some(stamp);
            // A file that appeared after a rotation: it can only hold the token we started with.
            open.unsaved |= open.token_in_file.is_some();
            false
        }
        Found::Rekeyed => {
            open.refused = Some(rekeyed(account));
            false
        }
        Found::Changed(changed) => adopt_changed(open, *changed),
    })
}

fn adopt_changed(open: &mut Open, changed: Changed) -> bool {
    let Changed { mut config, token_in_file, key, stamp } = changed;
    open.stamp = Some(stamp);
    open.file_key = Some(key);
    let file_is_older =
        token_in_file.is_none() && open.token_in_file.is_some() && open.token_in_file == config.refresh_token;
    if file_is_older {
        // Ours is the successor of the token in the file and never got there.
        config.refresh_token.clone_from(&open.config.refresh_token);
        open.unsaved = true;
    } else {
        open.token_in_file = token_in_file;
        open.unsaved = false;
    }
    let other_login = open.config.refresh_token != config.refresh_token;
    if open.config.client_id != config.client_id || !same_issuer(&open.config, &config) {
        open.cache = TokenCache::default();
    }
    if other_login || open.refused.as_ref().is_some_and(|refused| refused.code == ErrorCode::AccountNotLoaded)
    {
        open.refused = None;
        open.pause = None;
    }
    open.config = config;
    other_login
}

fn same_issuer(one: &AccountConfig, other: &AccountConfig) -> bool {
    one.issuer_url.as_deref().is_some_and(|issuer| other.has_issuer(issuer))
}

/// An earlier rotation that did not reach the disk is put there before anything else is handed out.
async fn save_what_is_unsaved(account: &Account, file: &AccountFile) -> Result<(), Failure> {
    let rotated = account.with_open(|open| {
        let new = open.config.refresh_token.clone().filter(|_| open.unsaved)?;
        let in_file = open.token_in_file.clone()?;
        Some((open.file_key.clone(), Rotated { used: in_file.clone(), in_file, new }))
    })?;
    let Some((key, rotated)) = rotated else { return Ok(()) };
    let new = rotated.new.clone();
    let stored = file.store(key, rotated).await;
    account.with_open(|open| note_stored(open, account, &new, &stored))?;
    stored.map(|_| ()).map_err(|error| not_saved(account, &error))
}

/// Keeps what a refresh gave: the rotated refresh token on disk first, then both tokens in memory.
async fn keep(
    account: &Account,
    file: &AccountFile,
    purpose: &Purpose,
    config: AccountConfig,
    mut response: TokenResponse,
    issuer: &str,
) -> Outcome {
    let used = config.refresh_token;
    let new = response.refresh_token.take().filter(|new| used.as_ref() != Some(new));
    let mut stored = Ok((Stored::Gone, None));
    if let (Some(new), Some(used)) = (&new, &used) {
        let (key, in_file) = account.with_held(|held| match held {
            Held::Open(open) => {
                open.rotate(new.clone());
                (open.file_key.clone(), open.token_in_file.clone())
            }
            // Locked in between: what lies beside the file needs no key, and unlocking finds it.
            Held::Sealed(_) => (None, None),
        });
        let in_file = in_file.unwrap_or_else(|| used.clone());
        stored = file.store(key, Rotated { in_file, used: used.clone(), new: new.clone() }).await;
    }

    let token = Arc::new(cached_token(purpose, issuer, &response));
    account.with_held(|held| match held {
        Held::Open(open) => {
            if let Some(new) = &new {
                note_stored(open, account, new, &stored);
            }
            open.pause = None;
            open.refused = None;
            open.cache.keep(purpose.clone(), Arc::clone(&token));
        }
        Held::Sealed(sealed) => sealed.put_away(&RefreshResult {
            purpose,
            token: &token,
            refresh_token: new.as_ref(),
            in_file: matches!(stored, Ok((Stored::InFile { .. }, _))),
            unsaved: stored.is_err(),
        }),
    });
    stored.map_err(|error| not_saved(account, &error))?;
    account.with_open(|_| ())?;
    Ok(Refreshed { token, id_token: response.id_token.map(Arc::new) })
}

/// Notes in memory what became of a refresh token on disk.
fn note_stored(
    open: &mut Open,
    account: &Account,
    new: &RefreshToken,
    stored: &Result<(Stored, Option<Stamp>), RotationError>,
) {
    let Ok((stored, stamp)) = stored else {
        open.unsaved = true;
        return;
    };
    open.unsaved = false;
    match stored {
        Stored::InFile { rolled_back } => {
            open.token_in_file = None;
            open.stamp = *stamp;
            if *rolled_back {
                tracing::warn!(account = %account.name, "the account file had been replaced by an older one");
            }
        }
        Stored::Beside(why) => {
            if let Some(error) = why {
                tracing::warn!(account = %account.name, %error, "the rotated refresh token lies beside the account file");
            }
        }
        Stored::Adopted { token, in_file } => {
            let newer = token != new;
            tracing::info!(account = %account.name, newer, "another program stored a refresh token meanwhile");
            open.token_in_file = Some(in_file.clone()).filter(|in_file| in_file != token);
            open.config.refresh_token = Some(token.clone());
        }
        // Loaded into memory only, or reset meanwhile.
        Stored::Gone => {}
    }
}

/// What the cache keeps of a response.
pub fn cached_token(purpose: &Purpose, issuer: &str, response: &TokenResponse) -> CachedToken {
    let now = clock::now();
    let by_response = response.expires_in.map(|life| now.saturating_add(life.as_secs()));
    let by_itself = || Claims::of(response.access_token.expose()).and_then(|claims| claims.expires_at());
    let scope = granted::scope(response.scope.as_deref(), &response.access_token);
    CachedToken {
        warnings: granted::warnings(purpose, scope.as_deref(), &response.access_token),
        scope: scope.map(Into::into),
        access_token: response.access_token.clone(),
        issuer: issuer.into(),
        obtained_at: now,
        expires_at: by_response.or_else(by_itself),
    }
}

/// What a failure means for later requests.
fn refuse(account: &Account, error: &ProviderError) -> Failure {
    let failure = error.to_failure(account.name.as_str(), &account.issuer);
    let dead = error.is_dead_token();
    tracing::info!(account = %account.name, provider = error.provider(), code = %failure.code, "refresh failed");
    account.with_held(|held| match held {
        Held::Open(open) if dead => open.refused = Some(failure.clone()),
        Held::Open(open) if error.is_transient() => open.pause_after(failure.clone(), error.retry_after()),
        Held::Sealed(sealed) if dead => sealed.refuse(failure.clone()),
        Held::Open(_) | Held::Sealed(_) => {}
    });
    failure
}

fn no_refresh_token(account: &Account) -> Failure {
    let name = &account.name;
    Failure::no_refresh_token().with_info(format!(
        "The account '{name}' holds no refresh token. Run 'oidc gen --reauthenticate {name}'."
    ))
}

fn rekeyed(account: &Account) -> Failure {
    Failure::account_not_loaded().with_info(format!(
        "The file of account '{0}' was changed by another program since it was loaded, and may hold a newer refresh \
         token. Run 'oidc add {0}' to load it again.",
        account.name
    ))
}

fn not_saved(account: &Account, error: &RotationError) -> Failure {
    tracing::error!(account = %account.name, %error, "a rotated refresh token could not be saved");
    Failure::new(ErrorCode::WriteFailed, format!("could not save account '{}': {error}", account.name)).with_info(
        "The provider replaced the refresh token. The agent holds the new one in memory and hands out no access token \
         before it is saved. Mend the cause and ask again; do not stop the agent until then.",
    )
}
