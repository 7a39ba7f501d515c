//! One token of one account, from its source to the cache: what is the same for every kind of source.
//!
//! Looks at the account's file first, so that another login or another secret that was put there is used, and last at
//! what was wanted: whoever has joined meanwhile gets the same. A provider that failed, or that refused what asking again
//! does not mend, is left alone for a while.

use std::{sync::Arc, time::Duration};

use oidc_proto::{
    account::login_end, deadlines, error_code::ErrorCode, fault_point, jwt::Claims, message::Failure,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    account::{Account, Answer},
    granted,
    held::{Held, ObtainedUnderLock},
    loaded::Accounts,
    look,
    off_thread::off_thread,
    pending::{Obtained, Outcome, Pending},
    renewal::{Renewal, Successor},
    source::{Question, Source, Unanswered},
    token_cache::{CachedToken, Purpose},
};
use crate::{
    clock::{BootTime, LONGEST, Moment},
    provider::{ProviderError, TokenResponse},
};

/// After what time an answer may have been made long before it came.
const LATE: Duration = Duration::from_secs(5);

/// Gets a token as `pending` wants it. The caller has the account's turn ([`Account::turn`]). Nothing is begun any more
/// when the agent is `ending`: it might not be completed.
pub async fn obtain(
    account: &Account,
    accounts: &Accounts,
    ending: &CancellationToken,
    pending: &Pending,
) -> Outcome {
    let (deps, purpose) = (accounts.deps(), pending.purpose());
    let was_usable = account.is_usable().unwrap_or(true);
    let looking = look_at_file(account, accounts);
    let (source, mut renewal) =
        ending.run_until_cancelled(looking).await.ok_or_else(|| self::ending(account))??;
    if let Some(renewal) = &renewal {
        renewal.settle(account).await?;
    }
    let min_valid = pending.send();
    if let Answer::Cached(token, _) = account.answer(purpose, min_valid, deps.clock.now())? {
        return Ok(Obtained { token, id_token: None });
    }
    account.require_not_refused(purpose, deps.clock.boot())?;
    if let Some(renewal) = &mut renewal {
        renewal.make_room(account).await?;
    }
    if ending.is_cancelled() {
        return Err(self::ending(account));
    }

    fault_point::reached("before-asking");
    let mut asked = ask(account, accounts, &source, purpose, renewal.as_mut()).await?;
    if let (Err(Unanswered::Provider(error)), Some(renewal)) = (&asked.answer, &mut renewal)
        && error.is_dead_token()
        && renewal.look_again(account, deps.clock.now()).await?
    {
        asked = ask(account, accounts, &source, purpose, Some(renewal)).await?;
    }
    fault_point::reached("answered");
    match asked.answer {
        Ok(mut response) => {
            let issued_at = Claims::of(response.access_token.expose()).and_then(|claims| claims.time("iat"));
            let obtained = obtained(asked.at, deps.clock.now(), issued_at);
            let came = response.refresh_token.take();
            let ends_at =
                response.refresh_expires_in.map(|life| obtained.wall.saturating_add(life.as_secs()));
            let successor = match renewal {
                Some(renewal) => renewal.keep(account, came, ends_at).await,
                None => None,
            };
            note_login_end(account, successor.as_ref(), ends_at);
            if !was_usable {
                accounts.0.changed.send_replace(());
            }
            keep(account, purpose, min_valid, response, obtained, successor)
        }
        Err(Unanswered::Provider(error)) => Err(refuse(account, purpose, &error, deps.clock.boot())),
        Err(Unanswered::Unasked(failure)) => Err(failure),
    }
}

/// Where an account's tokens come from. Fails for a kind that is not known, and while the agent is locked.
pub fn source_of(account: &Account) -> Result<Source, Failure> {
    account.with_open(|open| Source::of(&account.name, &open.config))?
}

/// Takes over what stands in the account's file now; under its lock where the source's secret may be used up. The file
/// may say by now that tokens come from elsewhere.
async fn look_at_file(account: &Account, accounts: &Accounts) -> Result<(Source, Option<Renewal>), Failure> {
    let deps = accounts.deps();
    let mut source = source_of(account)?;
    loop {
        let renewal = if source.renews_its_secret() {
            Some(Renewal::begin(account, deps).await?)
        } else {
            let known = account.with_open(|open| open.known(deps.clock.now()))?;
            let (home, name) = (deps.home.clone(), account.name.clone());
            let found = off_thread(move || look::look(&home, &name, &known)).await;
            account.with_open(|open| open.adopt(&account.name, found))?;
            None
        };
        let before = std::mem::replace(&mut source, source_of(account)?);
        if source.renews_its_secret() == before.renews_its_secret() {
            return Ok((source, renewal));
        }
    }
}

/// A question that was sent, and its answer.
struct Asked {
    at: Moment,
    answer: Result<TokenResponse, Unanswered>,
}

async fn ask(
    account: &Account,
    accounts: &Accounts,
    source: &Source,
    purpose: &Purpose,
    renewal: Option<&mut Renewal>,
) -> Result<Asked, Failure> {
    let deps = accounts.deps();
    let config = account.with_open(|open| open.config.clone())?;
    let secret = match renewal {
        Some(renewal) => renewal.send(account)?,
        None => None,
    };
    let (deadline, at) = (Instant::now() + deadlines::TOKEN, deps.clock.now());
    deps.issuers.look_again(&deps.home).await;
    let (name, secret) = (&account.name, secret.as_ref());
    let answer = source.ask(Question { accounts, name, config: &config, secret, purpose, deadline }).await;
    Ok(Asked { at, answer })
}

/// Keeps what a source or a login gave, in memory.
pub fn keep(
    account: &Account,
    purpose: &Purpose,
    min_valid: Option<u64>,
    response: TokenResponse,
    obtained: Moment,
    successor: Option<Successor>,
) -> Outcome {
    let mut token = cached_token(purpose, min_valid, Arc::clone(&account.issuer), &response, obtained);
    if response.login_scope_refused {
        token.warnings.push(granted::login_scope_refused(&account.name));
        note_scopes(account, response.scope.as_deref());
    }
    token.warnings.extend(successor.as_ref().and_then(|successor| successor.warning.clone()));
    let token = Arc::new(token);
    note_answer(account, purpose, &token, successor.as_ref());
    successor.map_or(Ok(()), |successor| successor.must_be_safe(account))?;
    account.with_open(|_| ())?;
    Ok(Obtained { token, id_token: response.id_token.map(Arc::new) })
}

/// Notes in memory which scopes are left of the login; the next refresh asks for these, or for none where the provider does
/// not say.
fn note_scopes(account: &Account, left: Option<&str>) {
    account.with_held(|held| {
        if let Held::Open(open) = held {
            let login_scope = open.config.login_scope().map(str::to_owned);
            open.config.auth_scope = login_scope.or_else(|| Some(String::new()));
            open.config.refresh_scope = Some(left.unwrap_or_default().to_owned());
        }
    });
}

/// Notes in memory when the refresh token ends that the account goes on with, where the provider said so.
fn note_login_end(account: &Account, successor: Option<&Successor>, ends_at: Option<u64>) {
    account.with_held(|held| {
        let Held::Open(open) = held else { return };
        let new = successor.map(|successor| successor.to_put_away().0);
        let Some(token) = new.or_else(|| open.tokens.current()).cloned() else { return };
        if ends_at.is_some() || new.is_some() {
            login_end::note(&mut open.config, &token, ends_at);
        }
    });
}

/// Notes in memory what an answer brought, and what became of the secret that it replaced.
fn note_answer(
    account: &Account,
    purpose: &Purpose,
    token: &Arc<CachedToken>,
    successor: Option<&Successor>,
) {
    account.with_held(|held| match held {
        Held::Open(open) => {
            if let Some(successor) = successor {
                successor.note(account, open);
            }
            open.was_answered();
            open.refusals.granted(purpose);
            open.cache.keep(purpose.clone(), Arc::clone(token));
        }
        Held::Sealed(sealed) => {
            let rotated = successor.map(Successor::to_put_away);
            sealed.put_away(&ObtainedUnderLock { purpose, token, rotated });
        }
    });
}

/// From when on the life of a token counts: from its response (RFC 6749 section 5.1). One that comes late may have been on its
/// way for minutes, or have been made just now by a provider that stood still: what the token says counts then (`issued_at`, its
/// `iat`) if that lies between question and answer, else the question.
fn obtained(asked: Moment, answered: Moment, issued_at: Option<u64>) -> Moment {
    if answered.boot.since(asked.boot) < LATE {
        return answered;
    }
    match issued_at.filter(|at| (asked.wall..=answered.wall).contains(at)) {
        Some(wall) => {
            let boot = asked.boot.plus(Duration::from_secs(wall - asked.wall)).min(answered.boot);
            Moment { wall, boot }
        }
        None => asked,
    }
}

/// What the cache keeps of a response.
pub fn cached_token(
    purpose: &Purpose,
    min_valid: Option<u64>,
    issuer: Arc<str>,
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
        issuer,
        obtained: now,
        wanted: min_valid.unwrap_or(0),
        lifetime: by_response.or_else(by_itself),
    }
}

/// What a failure means for later requests.
fn refuse(account: &Account, purpose: &Purpose, error: &ProviderError, now: BootTime) -> Failure {
    let failure = error.to_failure(account.name.as_str(), &account.issuer);
    let dead = error.is_dead_token();
    tracing::info!(account = %account.name, provider = error.provider(), code = %failure.code, "no token");
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

fn ending(account: &Account) -> Failure {
    Failure::new(ErrorCode::Internal, format!("no token for account '{}': the agent ends", account.name))
}

#[cfg(test)]
mod tests {
    use oidc_proto::{
        account::AccountConfig,
        home::HomeError,
        message::{TokenRequest, Validity},
        rotation::Stored,
        secret::RefreshToken,
    };

    use super::super::{
        account::Flags,
        held::Open,
        lock::LockKey,
        source::played::Played,
        testing::{Bench, granted, refused, token_request},
        token_cache::tests::{at, token},
    };
    use super::*;
    use crate::caller::Caller;

    /// Answered after so many seconds with a token made then; from when on its life counts, in seconds after the question.
    #[test]
    fn a_life_counts_from_when_the_token_was_made() {
        let moment = |seconds: u64| Moment {
            wall: 1_000_000 + seconds,
            boot: BootTime::from_millis((50 + seconds) * 1000),
        };
        for (answered, issued_at, counts_from) in [
            (0, None, 0),
            (4, None, 4),
            (4, Some(1), 4),
            // Late, and it says nothing of itself: nobody knows how long it was on its way.
            (90, None, 0),
            (90, Some(0), 0),
            (90, Some(88), 88),
            (90, Some(90), 90),
            // A clock that cannot be right.
            (90, Some(91), 0),
        ] {
            let issued_at = issued_at.map(|seconds| moment(seconds).wall);
            let found = obtained(moment(0), moment(answered), issued_at);
            assert_eq!(found, moment(counts_from), "answered after {answered} s, made at {issued_at:?}");
        }
        let before = moment(0).wall - 1;
        assert_eq!(obtained(moment(0), moment(90), Some(before)), moment(0), "made before it was asked for");
    }

    #[test]
    fn an_answer_is_kept_however_the_agent_is_locked_and_unlocked_meanwhile() {
        let lock = LockKey::new(&"sesame".into()).expect("memory");
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
                account.with_held(|held| {
                    if let Held::Open(open) = held {
                        open.tokens.rotated(new.clone());
                    }
                });
                locked(when_stored);
                let stored = if is_stored {
                    Ok(Stored::InFile { rolled_back: false })
                } else {
                    Err(HomeError::NoSpace("acc".into()).into())
                };
                let successor = Successor::played(new.clone(), stored);
                note_answer(&account, &purpose, &access_token, Some(&successor));
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

    async fn ask(bench: &Bench, validity: Validity) -> String {
        let request = TokenRequest { validity, ..token_request("acc") };
        match bench.accounts.access_token(request, Caller::unseen()).await {
            Ok(token) => token.access_token.expose().to_owned(),
            Err(failure) => failure.code.as_str().to_owned(),
        }
    }

    /// A source without a secret that is renewed: the account's file is looked at, and nothing else is done with it.
    #[tokio::test(start_paused = true)]
    async fn a_source_that_renews_nothing_takes_no_lock_and_writes_nothing() {
        let played = Played::new(false, |question| {
            assert!(question.secret.is_none(), "no secret is sent");
            Ok(granted(question.config.client_id.as_deref().unwrap_or_default(), "rt-never"))
        });
        let bench = Bench::new();
        let file = bench.add_played(&played).await;
        let _held_by_another = file.lock();
        file.block_successors();
        let before = file.bytes();
        assert_eq!(ask(&bench, Validity::AtLeast(0)).await, "c");
        assert_eq!(ask(&bench, Validity::AtLeast(0)).await, "c");
        assert_eq!(played.asked().len(), 1, "from the cache");
        assert_eq!(file.bytes(), before);
        bench.held(|open| assert!(!open.tokens.is_unsaved() && open.tokens.rotates().is_none()));
        // Another client in the file is the one from then on.
        file.change(|account| account.client_id = Some("d".into()));
        assert_eq!(ask(&bench, Validity::ForceNew).await, "d");
    }

    /// What a source fails with, after how many seconds it is asked again, and what `status` says meanwhile.
    #[tokio::test(start_paused = true)]
    async fn failures_count_for_as_long_as_they_are_likely_to_last() {
        type Row = (fn() -> Unanswered, &'static str, u64, (bool, bool));
        let unasked = || Unanswered::Unasked(Failure::new(ErrorCode::FileNotFound, "no such file"));
        let rows: &[Row] = &[
            (|| refused(401, "invalid_client"), "invalid_client", 5, (false, true)),
            (|| refused(400, "unauthorized_client"), "provider_refused", 5, (false, true)),
            (|| refused(400, "invalid_scope"), "invalid_scope", 5, (false, false)),
            (|| refused(503, "temporarily_unavailable"), "provider_refused", 1, (false, false)),
        ];
        for renews in [true, false] {
            for (error, gives, pause, (login_needed, client_refused)) in rows {
                let error = *error;
                let played = Played::new(renews, move |_| Err(error()));
                let bench = Bench::new();
                let _file = bench.add_played(&played).await;
                for _ in 0..3 {
                    assert_eq!(ask(&bench, Validity::AtLeast(0)).await, *gives);
                }
                assert_eq!(played.asked().len(), 1, "{gives}");
                let status = bench.accounts.status().remove(0);
                assert_eq!(status.login_needed.is_some(), login_needed.to_owned(), "{gives}");
                assert_eq!(status.client_refused.is_some(), client_refused.to_owned(), "{gives}");
                bench.clock.suspend(Duration::from_secs(*pause));
                assert_eq!(ask(&bench, Validity::AtLeast(0)).await, *gives);
                assert_eq!(played.asked().len(), 2, "{gives}");
            }
            // What was not asked is looked for again at once.
            let played = Played::new(renews, move |_| Err(unasked()));
            let bench = Bench::new();
            let _file = bench.add_played(&played).await;
            for number in 1..3 {
                assert_eq!(ask(&bench, Validity::AtLeast(0)).await, "file_not_found");
                assert_eq!(played.asked().len(), number);
            }
        }
    }

    /// A file that says by now that its tokens come from elsewhere.
    #[tokio::test(start_paused = true)]
    async fn the_file_may_change_the_kind_of_a_loaded_account() {
        let [renewed, plain] = [true, false].map(|renews| Played::new(renews, |_| Ok(granted("at", ""))));
        let bench = Bench::new();
        let file = bench.add_played(&renewed).await;
        for (played, sent) in [(&plain, ""), (&renewed, "rt-1"), (&plain, "")] {
            file.change(|account| account.grant_type = Some(played.kind()));
            let before = played.asked().len();
            assert_eq!(ask(&bench, Validity::ForceNew).await, "at");
            assert_eq!(played.asked()[before..], [sent]);
        }
        file.change(|account| account.grant_type = Some("of a later version".into()));
        assert_eq!(ask(&bench, Validity::ForceNew).await, "not_supported_yet");
    }
}
