//! One refresh of one account, from the file to the provider and back to the file.
//!
//! The order is what keeps accounts alive: the account's file lock is taken, a newer refresh token that another
//! program left in the file is adopted, the provider is asked, a rotated refresh token is made durable, and only then
//! is the access token handed out. The file lock is held throughout, so that two agents that share a directory never
//! spend the same refresh token.

use std::{sync::Arc, time::Duration};

use oidc_proto::{
    error_code::ErrorCode,
    fault_point,
    home::{HomeError, Room},
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
    account::{Account, Answer},
    disk::AccountFile,
    granted,
    held::{Held, Open, RefreshResult},
    look::Stamp,
    pending::{Outcome, Pending, Refreshed},
    refresh_tokens::{Kept, RefreshTokens},
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
    let refused =
        |open: &mut Open| open.standing.refusal().cloned().or_else(|| open.refusals.find(purpose, now));
    if let Some(refused) = account.with_open(refused)? {
        return Err(refused);
    }
    let room = make_room(account, &file).await?;
    if ending.is_cancelled() {
        return Err(self::ending(account));
    }

    fault_point::reached("before-asking");
    let mut asked = ask(account, deps, purpose).await?;
    if asked.answer.as_ref().is_err_and(ProviderError::is_dead_token) {
        // A program that knows nothing of our lock may have spent the token in between, and left a newer one.
        let found = file.look(account.with_open(|open| open.known())?).await;
        if account.with_open(|open| open.adopt(&account.name, found))? {
            asked = ask(account, deps, purpose).await?;
        }
    }
    fault_point::reached("answered");
    match asked.answer {
        Ok(answer) => {
            let spends = Spends { room, ..asked.spends };
            keep(account, deps, &file, purpose, min_valid, spends, answer).await
        }
        Err(error) => Err(refuse(account, purpose, &error, deps.clock.boot())),
    }
}

/// Makes room for a successor before the refresh token is spent.
///
/// Where none can be made, what happens is decided here and not afterwards. Files that may not be written (a read-only
/// file system, a mounted secret) are how the person set things up: the account goes on, with a warning, in memory and in
/// the runtime directory. Anything else, above all a full disk, stops an account whose provider replaces the refresh
/// token. While it is not known whether that does, a full disk is no obstacle if there is a place in the runtime
/// directory.
async fn make_room(account: &Account, file: &AccountFile) -> Result<Room, Failure> {
    let rotates = account.with_open(|open| open.tokens.rotates())?;
    let error = match file.make_room(rotates != Some(false)).await {
        Ok(room) => return Ok(room),
        Err(error) => error,
    };
    let is_no_room = matches!(error, HomeError::NoSpace(_) | HomeError::Io(_));
    let may_be_kept = is_no_room && rotates.is_none() && file.has_stand_in().await;
    if is_lasting(&error) || rotates == Some(false) || may_be_kept {
        tracing::warn!(account = %account.name, %error, "a new refresh token could not be written to the account file");
        return Ok(Room::default());
    }
    tracing::error!(account = %account.name, %error, "no refresh: a new refresh token could not be stored");
    let (name, text) = (&account.name, format!("could not save account '{}': {error}", account.name));
    Err(Failure::new(ErrorCode::WriteFailed, text).with_info(format!(
        "The provider was not asked: it replaces the refresh token of '{name}' each time, and the new one could not be \
         stored. Nothing is lost. Mend the cause and ask again."
    )))
}

/// Whether an obstacle to writing is how things were set up, and will not pass.
fn is_lasting(error: &HomeError) -> bool {
    matches!(
        error,
        HomeError::PermissionDenied(_)
            | HomeError::CannotReplace(_)
            | HomeError::NotFound(_)
            | HomeError::NotADirectory(_)
            | HomeError::NoDirectory
    )
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

/// What became of a refresh token, and the stamp of the account's file after that.
type StoreResult = Result<(Stored, Option<Stamp>), RotationError>;

/// A question to the provider, and its answer.
struct Asked {
    spends: Spends,
    answer: Result<Answered, ProviderError>,
}

/// What a question may cost, and what it takes to make the successor durable: also when the agent was locked meanwhile.
struct Spends {
    tokens: RefreshTokens,
    key: Option<FileKey>,
    room: Room,
}

struct Answered {
    response: TokenResponse,
    asked: Moment,
}

async fn ask(account: &Account, deps: &Deps, purpose: &Purpose) -> Result<Asked, Failure> {
    let (config, tokens, key) =
        account.with_open(|open| (open.config.clone(), open.tokens.clone(), open.file_key.clone()))?;
    let Some(refresh_token) = tokens.current() else { return Err(no_refresh_token(account)) };
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
    Ok(Asked { spends: Spends { tokens, key, room: Room::default() }, answer })
}

/// An earlier rotation that is not where it belongs is put there before anything else is handed out. One that lies safe
/// elsewhere is no obstacle.
pub async fn save_what_is_unsaved(account: &Account, file: &AccountFile) -> Result<(), Failure> {
    let owed = account.with_open(|open| {
        // Beside the file is as good as it gets without its key.
        let is_settled = open.tokens.kept() == Kept::Beside && open.file_key.is_none();
        open.tokens.owed().filter(|_| !is_settled).map(|owed| (open.file_key.clone(), owed))
    })?;
    let Some((key, owed)) = owed else { return Ok(()) };
    let new = owed.new.clone();
    let stored = file.store(key, owed, Room::default()).await;
    let must_be_stored = account.with_open(|open| {
        note_stored(open, account, &new, &stored);
        open.tokens.must_be_stored()
    })?;
    match stored {
        Err(error) if must_be_stored => Err(not_saved(account, &error)),
        _ => Ok(()),
    }
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
    let Spends { mut tokens, key, room } = spends;
    let Answered { mut response, asked } = answer;
    let obtained = obtained(asked, deps.clock.now());
    let new = response.refresh_token.take().filter(|new| tokens.current() != Some(new));
    let mut stored = Ok((Stored::Gone, None));
    if let Some(new) = &new {
        note_rotated(account, new);
        tokens.rotated(new.clone());
        if let Some(owed) = tokens.owed() {
            stored = file.store(key, owed, room).await;
        }
    }
    fault_point::reached("stored");

    let mut token = cached_token(purpose, min_valid, &account.issuer, &response, obtained);
    let mut may_hand_out = true;
    if new.is_some() {
        let warning;
        (warning, may_hand_out) = consequence(account, &stored);
        token.warnings.extend(warning);
    }
    let token = Arc::new(token);
    note_answer(account, purpose, &token, new.as_ref().map(|new| (new, &stored)));
    match stored {
        Err(error) if !may_hand_out => return Err(not_saved(account, &error)),
        _ => {}
    }
    account.with_open(|_| ())?;
    Ok(Refreshed { token, id_token: response.id_token.map(Arc::new) })
}

/// Notes in memory that there is a new refresh token, before it is stored.
fn note_rotated(account: &Account, new: &RefreshToken) {
    account.with_held(|held| {
        if let Held::Open(open) = held {
            open.tokens.rotated(new.clone());
        }
    });
}

/// Notes in memory what an answer brought, and what became of its refresh token on disk.
///
/// The agent may have been locked when the answer came, and been unlocked while the token was stored: what is in the open
/// then still holds the token that was spent.
fn note_answer(
    account: &Account,
    purpose: &Purpose,
    token: &Arc<CachedToken>,
    rotated: Option<(&RefreshToken, &StoreResult)>,
) {
    account.with_held(|held| match held {
        Held::Open(open) => {
            match rotated {
                Some((new, stored)) => {
                    open.tokens.rotated(new.clone());
                    note_stored(open, account, new, stored);
                }
                None => open.tokens.not_rotated(),
            }
            open.was_answered();
            open.refusals.granted(purpose);
            open.cache.keep(purpose.clone(), Arc::clone(token));
        }
        Held::Sealed(sealed) => sealed.put_away(&RefreshResult {
            purpose,
            token,
            rotated: rotated.map(|(new, stored)| (new, stored.as_ref().ok().map(|(stored, _)| stored))),
        }),
    });
}

/// What is to be said about a refresh token that was not stored where it belongs, and whether its access token may be
/// handed out all the same.
fn consequence(account: &Account, stored: &StoreResult) -> (Option<String>, bool) {
    let name = &account.name;
    match stored {
        Ok((Stored::InRuntimeDirectory(reason), _)) => {
            let warning = format!(
                "the new refresh token of account '{name}' could not be saved in its file ({reason}); it lies in the \
                 runtime directory until it can be, and is gone with the next start of this machine"
            );
            (Some(warning), true)
        }
        Err(error) if may_go_on_without(error) => {
            let warning = format!(
                "the new refresh token of account '{name}' could not be saved ({error}); only the running agent holds \
                 it, and the login is lost when the agent ends"
            );
            (Some(warning), true)
        }
        Err(_) => (None, false),
        Ok(_) => (None, true),
    }
}

fn may_go_on_without(error: &RotationError) -> bool {
    matches!(error, RotationError::Home(error) if is_lasting(error))
}

/// Notes in memory what became of a refresh token on disk.
fn note_stored(open: &mut Open, account: &Account, new: &RefreshToken, stored: &StoreResult) {
    let (stored, stamp) = match stored {
        Ok(stored) => stored,
        Err(error) => return open.tokens.not_stored(may_go_on_without(error)),
    };
    open.kept_at_hand = matches!(stored, Stored::InRuntimeDirectory(_));
    if open.tokens.stored(stored) {
        open.has_another_token();
    }
    match stored {
        Stored::InFile { rolled_back } => {
            open.stamp = *stamp;
            if *rolled_back {
                tracing::warn!(account = %account.name, "the account file had been replaced by an older one");
            }
        }
        Stored::Beside(Some(reason)) => {
            tracing::warn!(account = %account.name, reason, "the rotated refresh token lies beside the account file");
        }
        Stored::InRuntimeDirectory(reason) => {
            tracing::warn!(account = %account.name, reason, "the rotated refresh token lies in the runtime directory");
        }
        Stored::Adopted { token, .. } => {
            let newer = token != new;
            tracing::info!(account = %account.name, newer, "another program stored a refresh token meanwhile");
        }
        // Loaded into memory only, or reset meanwhile.
        Stored::Beside(None) | Stored::Gone => {}
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
                open.standing.refused(failure.clone());
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

#[cfg(test)]
mod tests {
    use oidc_proto::account::AccountConfig;

    use super::{
        super::{
            account::Flags,
            lock::LockKey,
            token_cache::tests::{at, token},
        },
        *,
    };

    #[test]
    fn an_answer_is_kept_however_the_agent_is_locked_and_unlocked_meanwhile() {
        let lock = LockKey::new(&"sesame".into());
        let key = lock.open(&"sesame".into()).expect("the right password");
        let purpose = Purpose::default();
        let access_token = token("at-2", at(1000), 3600);
        let new = RefreshToken::from("rt-2");
        // Whether the agent is locked when the answer comes, and when its refresh token was stored.
        for (row, (at_answer, when_stored)) in
            [(false, false), (false, true), (true, false), (true, true)].into_iter().enumerate()
        {
            for is_stored in [true, false] {
                let config = AccountConfig { refresh_token: Some("rt-1".into()), ..AccountConfig::default() };
                let name = "acc".parse().expect("a name");
                let account = Account::new(name, Open::new(config), Flags::default(), None);
                let locked = |is: bool| {
                    if is {
                        account.seal(lock.public());
                    } else {
                        assert!(account.unseal(&key));
                    }
                };
                locked(at_answer);
                note_rotated(&account, &new);
                locked(when_stored);
                let stored: StoreResult = if is_stored {
                    Ok((Stored::InFile { rolled_back: false }, None))
                } else {
                    Err(HomeError::NoSpace("acc".into()).into())
                };
                note_answer(&account, &purpose, &access_token, Some((&new, &stored)));
                locked(false);
                account
                    .with_open(|open| {
                        assert_eq!(open.tokens.current(), Some(&new), "row {row}, stored: {is_stored}");
                        assert!(open.tokens.is_spent(&"rt-1".into()), "row {row}, stored: {is_stored}");
                        assert_eq!(open.tokens.must_be_stored(), !is_stored, "row {row}");
                        assert_eq!(open.cache.find(&purpose), Some(&access_token));
                    })
                    .expect("not locked");
            }
        }
    }
}
