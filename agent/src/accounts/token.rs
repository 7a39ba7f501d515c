//! `access_token` and `id_token`: from the cache where it can answer, else from the account's source.

use std::sync::Arc;

use oidc_proto::{
    deadlines,
    error_code::ErrorCode,
    jwt::Claims,
    message::{Failure, IdTokenRequest, Target, TokenRequest, Validity},
};
use tokio::time::Instant;

use super::{
    account::{Account, Answer},
    consent::Asking,
    loaded::Accounts,
    offer_login::{Subject, is_mended_by_login},
    select::ByIssuer,
    token_cache::{CachedToken, Purpose},
    wanted::Wanted,
};
use crate::{
    caller::Caller,
    clock::LONGEST,
    provider::{Expected, ReceivedIdToken},
};

impl Accounts {
    /// An access token, or why there is none.
    pub async fn access_token(
        &self,
        request: TokenRequest,
        caller: Caller<'_>,
    ) -> Result<Arc<CachedToken>, Failure> {
        let asking = Asking::new(caller, request.application_hint.as_deref(), request.prompt);
        let account = self.account_for(&request.target, &asking).await?;
        if account.confirm || self.deps().options.confirm {
            let (scope, audience) = (request.scope.as_deref(), request.audience.as_deref());
            let wanted = Wanted { what: "an access token", scope, audience, ..Wanted::default() };
            Box::pin(self.consent(&account, &asking, &wanted)).await?;
        }
        let purpose = Purpose::new(request.scope.as_deref(), request.audience.as_deref());
        let min_valid = match request.validity {
            Validity::AtLeast(seconds) => Some(seconds),
            Validity::ForceNew => None,
        };
        if self.deps().options.offers_logins() {
            return Box::pin(self.token_or_login(&account, purpose, min_valid, &asking)).await;
        }
        self.token_for(&account, purpose, min_valid).await
    }

    /// The same without a question. `min_valid` in seconds; `None`: a new token in any case.
    pub(super) async fn token_for(
        &self,
        account: &Arc<Account>,
        purpose: Purpose,
        min_valid: Option<u64>,
    ) -> Result<Arc<CachedToken>, Failure> {
        if let Answer::Cached(token, near_its_end) = account.answer(&purpose, min_valid, self.now())? {
            if near_its_end {
                self.obtain_ahead(account, &purpose);
            }
            return Ok(token);
        }
        Box::pin(self.obtained(account, purpose, min_valid)).await.map(|obtained| obtained.token)
    }

    /// An ID token, and only with the person's consent.
    pub async fn id_token(
        &self,
        request: IdTokenRequest,
        caller: Caller<'_>,
    ) -> Result<Arc<CachedToken>, Failure> {
        let asking = Asking::new(caller, request.application_hint.as_deref(), request.prompt);
        let account = self.account_for(&request.target, &asking).await?;
        if !(account.always_allow_id_token || self.deps().options.always_allow_id_token) {
            let what = "an ID token, which tells who you are,";
            let wanted = Wanted { what, scope: request.scope.as_deref(), ..Wanted::default() };
            self.consent(&account, &asking, &wanted).await.map_err(without_a_question)?;
        }
        if account.confirm && matches!(request.target, Target::Issuer(_)) {
            let wanted = Wanted { what: "an access token", ..Wanted::default() };
            self.consent(&account, &asking, &wanted).await?;
        }
        let min_valid = match request.validity {
            Validity::AtLeast(seconds) => Some(seconds),
            Validity::ForceNew => None,
        };
        match self.id_token_for(&account, request.scope.as_deref(), min_valid).await {
            Err(failure) if is_mended_by_login(&failure) => {
                let account = Box::pin(self.offer_login(&account, &asking, failure, Subject::Loaded)).await?;
                self.id_token_for(&account, request.scope.as_deref(), min_valid).await
            }
            answer => answer,
        }
    }

    /// The same without a question. `min_valid` in seconds; `None`: a new token in any case.
    pub(super) async fn id_token_for(
        &self,
        account: &Arc<Account>,
        scope: Option<&str>,
        min_valid: Option<u64>,
    ) -> Result<Arc<CachedToken>, Failure> {
        let purpose = Purpose::new(scope, None);
        let kept = account
            .id_token(&purpose)?
            .filter(|token| min_valid.is_some_and(|min_valid| token.serves(min_valid, self.now())));
        if let Some(kept) = kept {
            return Ok(kept);
        }
        let obtained = self.obtained(account, purpose.clone(), None).await?;
        let Some(id_token) = obtained.id_token else {
            let no_id_token = Failure::new(
                ErrorCode::NotSupportedByProvider,
                format!("the provider of account '{}' sent no id token", account.name),
            );
            let server = account.with_open(|open| open.config.mytoken_url.clone())?;
            let why = server.map_or_else(
                || "An ID token comes only with the scope 'openid'.".to_owned(),
                |server| {
                    format!(
                        "The account holds a mytoken of {server}, and a mytoken server gives no ID tokens."
                    )
                },
            );
            return Err(no_id_token.with_info(why));
        };
        self.judge(account, &id_token).await?;
        let (text, now) = (id_token.token().expose(), self.now());
        let lifetime = Claims::of(text).and_then(|claims| claims.lifetime(now.wall));
        let token = Arc::new(CachedToken {
            access_token: text.into(),
            issuer: Arc::clone(&obtained.token.issuer),
            obtained: now,
            wanted: min_valid.unwrap_or(0),
            lifetime: lifetime.map(|seconds| seconds.min(LONGEST.as_secs())),
            scope: None,
            warnings: Vec::new(),
        });
        account.with_open(|open| open.id_tokens.keep(purpose, Arc::clone(&token)))?;
        Ok(token)
    }

    async fn judge(&self, account: &Account, id_token: &ReceivedIdToken) -> Result<(), Failure> {
        let config = account.with_open(|open| open.config.clone())?;
        let expected = Expected { client_id: config.client_id.as_deref().unwrap_or_default(), nonce: None };
        let checked = async {
            let provider = self.deps().providers.provider(&config)?;
            provider.judge_id_token(id_token, expected, Instant::now() + deadlines::TOKEN).await
        };
        checked.await.map_err(|error| error.to_failure(account.name.as_str(), &account.issuer))
    }

    pub(super) async fn account_for(
        &self,
        target: &Target,
        asking: &Asking<'_>,
    ) -> Result<Arc<Account>, Failure> {
        self.require_unlocked()?;
        let name = match target {
            Target::Account(name) => name.parse().map_err(|_| Failure::account_not_found())?,
            Target::Issuer(issuer) => match Box::pin(self.by_issuer(issuer)).await? {
                ByIssuer::Loaded(account) => return Ok(account),
                ByIssuer::Default(name) => name,
            },
        };
        match self.find(&name) {
            Some(account) => Ok(account),
            None => Box::pin(self.autoload(&name, asking)).await,
        }
    }
}

fn without_a_question(mut refused: Failure) -> Failure {
    if let Some(info) = &mut refused.info {
        info.push_str("To allow it without a question, load the account with --always-allow-idtoken.\n");
    }
    refused
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc, OnceLock,
            atomic::{AtomicBool, AtomicUsize, Ordering},
        },
        time::Duration,
    };

    use super::{
        super::testing::{Bench, START, add_request, token_request},
        *,
    };
    use crate::{
        clock::Clock,
        provider::testing::{Reply, Scripted},
    };

    const HOUR: u64 = 3600;

    /// Gives numbered access tokens that live for an hour.
    async fn granting() -> Scripted {
        let count = AtomicUsize::new(0);
        Scripted::provider(move |_| {
            let number = count.fetch_add(1, Ordering::Relaxed) + 1;
            Reply::json(format!(r#"{{"access_token":"at-{number}","expires_in":{HOUR}}}"#))
        })
        .await
    }

    async fn loaded(op: &Scripted) -> Bench {
        let bench = Bench::new();
        bench.add(&op.issuer(), "acc").await;
        bench
    }

    fn scope(scope: &str) -> TokenRequest {
        TokenRequest { scope: Some(scope.into()), ..token_request("acc") }
    }

    fn lasting(seconds: u64) -> TokenRequest {
        TokenRequest { validity: Validity::AtLeast(seconds), ..token_request("acc") }
    }

    #[tokio::test]
    async fn a_token_from_a_time_with_a_wrong_clock_is_not_kept_longer_than_it_lives() {
        const MONTH: i64 = 30 * 24 * 3600;
        let op = granting().await;
        let bench = loaded(&op).await;
        bench.clock.set_wall(MONTH);
        let first = bench.token("acc").await.expect("a token");
        bench.clock.set_wall(-MONTH);
        let same = bench.token("acc").await.expect("a token");
        assert_eq!(same.access_token, first.access_token, "it is valid, whatever the clock shows");
        let expires_at = same.expires_at(bench.clock.now()).expect("known");
        assert!(expires_at <= START + HOUR + 60, "told as valid until {} s from now", expires_at - START);
        bench.clock.suspend(Duration::from_secs(HOUR));
        let second = bench.token("acc").await.expect("a token");
        assert_ne!(second.access_token, first.access_token, "its hour is over");
    }

    #[tokio::test]
    async fn the_life_of_a_token_does_not_begin_with_a_late_answer() {
        for (late, left) in [(0, HOUR), (60, HOUR - 60)] {
            let clock = Arc::new(OnceLock::<Clock>::new());
            let op = Scripted::provider({
                let clock = Arc::clone(&clock);
                move |_| {
                    clock.get().expect("set").suspend(Duration::from_secs(late));
                    Reply::json(format!(r#"{{"access_token":"at","expires_in":{HOUR}}}"#))
                }
            })
            .await;
            let bench = loaded(&op).await;
            clock.set(bench.clock.clone()).expect("once");
            let token = bench.token("acc").await.expect("a token");
            let remaining = token.remaining(bench.clock.now());
            assert!(remaining.abs_diff(left) <= 15, "{late} s late: {remaining} s left");
        }
    }

    #[tokio::test]
    async fn more_life_than_there_is_costs_one_refresh_in_a_while() {
        let op = granting().await;
        let bench = loaded(&op).await;
        let first = bench.accounts.access_token(lasting(2 * HOUR), Caller::unseen()).await.expect("a token");
        let same = bench.accounts.access_token(lasting(u64::MAX), Caller::unseen()).await.expect("a token");
        assert_eq!(same.access_token, first.access_token);
        bench.clock.suspend(Duration::from_secs(10));
        let other = bench.accounts.access_token(lasting(u64::MAX), Caller::unseen()).await.expect("a token");
        assert_ne!(other.access_token, first.access_token);
    }

    #[tokio::test]
    async fn a_lasting_refusal_is_remembered_and_ends() {
        let refuses = Arc::new(AtomicBool::new(true));
        let op = Scripted::provider({
            let refuses = Arc::clone(&refuses);
            move |asked| {
                if refuses.load(Ordering::Relaxed) && asked.body.contains("scope=bad") {
                    return Reply::status(400, r#"{"error":"invalid_scope"}"#);
                }
                Reply::json(r#"{"access_token":"at","expires_in":3600}"#)
            }
        })
        .await;
        let bench = loaded(&op).await;
        let asked = || op.asked("/token").len();
        for _ in 0..5 {
            let refused =
                bench.accounts.access_token(scope("bad"), Caller::unseen()).await.expect_err("refused");
            assert_eq!(refused.code, ErrorCode::InvalidScope);
        }
        assert_eq!(asked(), 1, "asked again for each caller");
        bench
            .accounts
            .access_token(scope("good"), Caller::unseen())
            .await
            .expect("another scope is not concerned");
        let before = asked();
        bench.clock.suspend(Duration::from_secs(6));
        bench.accounts.access_token(scope("bad"), Caller::unseen()).await.expect_err("refused again");
        assert_eq!(asked(), before + 1, "the time was over");
        refuses.store(false, Ordering::Relaxed);
        bench.accounts.access_token(scope("bad"), Caller::unseen()).await.expect_err("still remembered");
        // The person says that it was mended.
        bench.try_add(add_request(&op.issuer(), "acc")).await.expect("loaded already");
        bench.accounts.access_token(scope("bad"), Caller::unseen()).await.expect("granted");
    }

    #[tokio::test]
    async fn a_refused_client_is_not_asked_for_by_any_purpose() {
        let op = Scripted::provider(|_| Reply::status(401, r#"{"error":"unauthorized_client"}"#)).await;
        let bench = loaded(&op).await;
        let refused = bench.token("acc").await.expect_err("refused");
        let asked = op.asked("/token").len();
        for number in 0..5 {
            let other = bench.accounts.access_token(scope(&format!("s{number}")), Caller::unseen()).await;
            assert_eq!(other.expect_err("refused").code, refused.code);
        }
        assert_eq!(op.asked("/token").len(), asked);
    }

    #[tokio::test]
    async fn pauses_end_by_the_time_that_passed() {
        let op = Scripted::provider(|_| {
            Reply::with_header(503, "retry-after: 18446744073709551615", r#"{"error":"server_error"}"#)
        })
        .await;
        let bench = loaded(&op).await;
        bench.token("acc").await.expect_err("away");
        let asked = op.asked("/token").len();
        bench.clock.set_wall(24 * 3600);
        bench.token("acc").await.expect_err("left alone");
        assert_eq!(op.asked("/token").len(), asked, "a clock that is set ends no pause");
        bench.clock.suspend(Duration::from_secs(31));
        bench.token("acc").await.expect_err("away");
        assert!(op.asked("/token").len() > asked, "no pause is longer than 30 seconds");
    }
}
