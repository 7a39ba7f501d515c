//! One refresh of one account, from the file to the provider and back to the file.
//!
//! The order is what keeps accounts alive: the account's file lock is taken, a newer refresh token that another
//! program left in the file is adopted, the provider is asked, a rotated refresh token is made durable, and only then
//! is the access token handed out. The file lock is held throughout, so that two agents that share a directory never
//! spend the same refresh token.

use std::{sync::Arc, time::Duration};

use oidc_proto::{
    error_code::ErrorCode,
    home::HomeError,
    jwt::Claims,
    message::Failure,
    rotation::{RotationError, Stored},
    secret::RefreshToken,
    shell,
    vault::FileKey,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    Deps,
    account::{Account, Answer, Outcome, Refreshed},
    disk::{AccountFile, Rotated},
    granted,
    held::{Held, Open, RefreshResult},
    look::Stamp,
    pending::Pending,
    token_cache::{CachedToken, Purpose},
};
use crate::{
    clock::{BootTime, LONGEST, Moment},
    provider::{Client, ProviderError, Refresh, TokenResponse},
};

/// Until when a request to a provider may be begun, retries included. The answer is read for longer: see
/// [`crate::provider::SPENDING_TIMEOUT`].
const DEADLINE: Duration = Duration::from_secs(30);

/// After what time an answer may have been made long before it came.
const LATE: Duration = Duration::from_secs(5);

/// Gets a token as `pending` wants it. The caller holds [`Account::refreshing`]. Nothing is begun any more when the agent is `ending`: it might not be completed.
pub async fn refresh(
    account: &Account,
    deps: &Deps,
    ending: &CancellationToken,
    pending: &Pending,
) -> Outcome {
    let purpose = pending.purpose();
    let looking = look_at_file(account, deps);
    let file = ending.run_until_cancelled(looking).await.ok_or_else(|| self::ending(account))??;
    save_what_is_unsaved(account, &file).await?;
    let min_valid = pending.send();
    if let Answer::Cached(token, _) = account.answer(purpose, min_valid, deps.clock.now())? {
        return Ok(Refreshed { token, id_token: None });
    }
    let now = deps.clock.boot();
    let refused = |open: &mut Open| open.refused.clone().or_else(|| open.refusals.find(purpose, now));
    if let Some(refused) = account.with_open(refused)? {
        return Err(refused);
    }
    if ending.is_cancelled() {
        return Err(self::ending(account));
    }

    let mut asked = ask(account, deps, purpose).await?;
    if asked.answer.as_ref().is_err_and(ProviderError::is_dead_token) {
        // A program that knows nothing of our lock may have spent the token in between, and left a newer one.
        let found = file.look(account.with_open(|open| open.known())?).await;
        if account.with_open(|open| open.adopt(&account.name, found))? {
            asked = ask(account, deps, purpose).await?;
        }
    }
    match asked.answer {
        Ok(answer) => keep(account, deps, &file, purpose, min_valid, asked.spends, answer).await,
        Err(error) => Err(refuse(account, purpose, &error, deps.clock.boot())),
    }
}

/// Takes the lock of the account's file, and takes over what another program put into it.
pub async fn look_at_file(account: &Account, deps: &Deps) -> Result<AccountFile, Failure> {
    let known = account.with_open(|open| open.known())?;
    let (file, found) = AccountFile::lock(&deps.home, &account.name, &known)
        .await
        .map_err(|error| in_use(account, &error))?;
    account.with_open(|open| open.adopt(&account.name, found))?;
    Ok(file)
}

/// A question to the provider, and its answer.
struct Asked {
    spends: Spends,
    answer: Result<Answered, ProviderError>,
}

/// What a question may cost, and what it takes to make the successor durable: also when the agent was locked meanwhile.
struct Spends {
    token: RefreshToken,
    in_file: RefreshToken,
    key: Option<FileKey>,
}

struct Answered {
    response: TokenResponse,
    asked: Moment,
}

async fn ask(account: &Account, deps: &Deps, purpose: &Purpose) -> Result<Asked, Failure> {
    let (config, in_file, key) =
        account.with_open(|open| (open.config.clone(), open.token_in_file.clone(), open.file_key.clone()))?;
    let Some(refresh_token) = &config.refresh_token else { return Err(no_refresh_token(account)) };
    let refresh = Refresh {
        client: Client::of(&config),
        refresh_token,
        scope: purpose.scope(),
        granted_scope: config.granted_scope(),
        audience: purpose.audience(),
    };
    let (deadline, asked) = (Instant::now() + DEADLINE, deps.clock.now());
    let answer = async {
        deps.issuers.look_again(&deps.home).await;
        let provider = deps.providers.provider(&config)?;
        Ok(Answered { response: provider.refresh(refresh, deadline).await?, asked })
    };
    let answer = answer.await;
    let token = refresh_token.clone();
    Ok(Asked { spends: Spends { in_file: in_file.unwrap_or_else(|| token.clone()), token, key }, answer })
}

/// An earlier rotation that did not reach the disk is put there before anything else is handed out.
pub async fn save_what_is_unsaved(account: &Account, file: &AccountFile) -> Result<(), Failure> {
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
    deps: &Deps,
    file: &AccountFile,
    purpose: &Purpose,
    min_valid: Option<u64>,
    spends: Spends,
    answer: Answered,
) -> Outcome {
    let Spends { token: used, in_file, key } = spends;
    let Answered { mut response, asked } = answer;
    let obtained = obtained(asked, deps.clock.now());
    let new = response.refresh_token.take().filter(|new| *new != used);
    let mut stored = Ok((Stored::Gone, None));
    if let Some(new) = &new {
        account.with_held(|held| {
            if let Held::Open(open) = held {
                open.rotate(new.clone());
            }
        });
        stored = file.store(key, Rotated { in_file, used, new: new.clone() }).await;
    }

    let token = Arc::new(cached_token(purpose, min_valid, &account.issuer, &response, obtained));
    account.with_held(|held| match held {
        Held::Open(open) => {
            if let Some(new) = &new {
                note_stored(open, account, new, &stored);
            }
            open.pause = None;
            open.refused = None;
            open.failed_at = None;
            open.refusals.granted(purpose);
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
            open.go_on_with(token.clone());
        }
        // Loaded into memory only, or reset meanwhile.
        Stored::Gone => {}
    }
}

/// From when on the life of a token counts: from its response (RFC 6749 section 5.1), which may have been on its way for
/// minutes when it comes late.
fn obtained(asked: Moment, answered: Moment) -> Moment {
    if answered.boot.since(asked.boot) < LATE { answered } else { asked }
}

/// What the cache keeps of a response.
pub fn cached_token(
    purpose: &Purpose,
    min_valid: Option<u64>,
    issuer: &str,
    response: &TokenResponse,
    now: Moment,
) -> CachedToken {
    let by_response = response.expires_in.map(|life| life.min(LONGEST).as_secs());
    let by_itself =
        || Claims::of(response.access_token.expose()).and_then(|claims| claims.lifetime(now.wall));
    let scope = granted::scope(response.scope.as_deref(), &response.access_token);
    CachedToken {
        warnings: granted::warnings(purpose, scope.as_deref(), &response.access_token),
        scope: scope.map(Into::into),
        access_token: response.access_token.clone(),
        issuer: issuer.into(),
        obtained: now,
        wanted: min_valid.unwrap_or(0),
        lifetime: by_response.or_else(by_itself),
    }
}

/// What a failure means for later requests.
fn refuse(account: &Account, purpose: &Purpose, error: &ProviderError, now: BootTime) -> Failure {
    let failure = error.to_failure(account.name.as_str(), &account.issuer);
    let dead = error.is_dead_token();
    tracing::info!(account = %account.name, provider = error.provider(), code = %failure.code, "refresh failed");
    account.with_held(|held| match held {
        Held::Open(open) => {
            open.failed_at = Some(now);
            if dead {
                open.refused = Some(failure.clone());
            } else if error.is_transient() {
                open.pause_after(failure.clone(), error.retry_after(), now);
            } else {
                open.refusals.note(purpose, error, &failure, now);
            }
        }
        Held::Sealed(sealed) if dead => sealed.refuse(failure.clone()),
        Held::Sealed(_) => {}
    });
    failure
}

fn no_refresh_token(account: &Account) -> Failure {
    let name = &account.name;
    Failure::no_refresh_token().with_info(format!(
        "The account '{name}' holds no refresh token. Run `{}`.",
        shell::command("oidc gen --reauthenticate", name.as_str())
    ))
}

fn in_use(account: &Account, error: &HomeError) -> Failure {
    Failure::new(ErrorCode::WriteFailed, format!("the file of account '{}' is in use: {error}", account.name)).with_info(
        "Another program is using the account, and may be getting a new refresh token. Try again in a moment.",
    )
}

fn ending(account: &Account) -> Failure {
    Failure::new(ErrorCode::Internal, format!("no token for account '{}': the agent ends", account.name))
}

fn not_saved(account: &Account, error: &RotationError) -> Failure {
    tracing::error!(account = %account.name, %error, "a rotated refresh token could not be saved");
    Failure::new(ErrorCode::WriteFailed, format!("could not save account '{}': {error}", account.name)).with_info(
        "The provider replaced the refresh token. The agent holds the new one in memory and hands out no access token \
         before it is saved. Mend the cause and ask again; do not stop the agent until then.",
    )
}
