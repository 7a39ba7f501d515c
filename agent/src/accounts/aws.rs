//! `aws_credentials`: temporary credentials for a token of an account, kept until they are old.

use std::sync::Arc;

use oidc_proto::{
    deadlines,
    error_code::ErrorCode,
    message::{AwsCredentials, AwsCredentialsRequest, Failure, Target},
    secret::SecretText,
};
use tokio::time::Instant;

use super::{
    account::Account,
    aws_cache::{For, Kept},
    aws_failure::{told, too_late},
    aws_wish::Wish,
    consent::Asking,
    held::Open,
    loaded::Accounts,
    wanted::Wanted,
};
use crate::{caller::Caller, clock::Moment, provider::StsError};

/// A token that is shown is valid for longer than the service needs to look at it.
const MIN_VALID: u64 = 60;
/// What a failure may be bridged with: credentials that are good for that many seconds more.
const GOOD_ENOUGH: u64 = 60;

impl Accounts {
    /// Temporary credentials of a role. From the cache while 20 minutes of them are left.
    pub async fn aws_credentials(
        &self,
        request: AwsCredentialsRequest,
        caller: Caller<'_>,
    ) -> Result<AwsCredentials, Failure> {
        let wish = Wish::of(&request)?;
        let asking = Asking::new(caller, request.application_hint.as_deref(), request.prompt);
        let account = self.account_for(&Target::Account(request.account.clone()), &asking).await?;
        self.consent_to(&account, &asking, &wish).await?;
        let (what, deadline) = (wish.key(), Instant::now() + deadlines::TOKEN);
        if let Some(kept) = self.fresh(&account, &what)? {
            return Ok(kept);
        }
        let Some(_only_one) = self.0.aws.only_one(&account.name, &what, deadline).await else {
            return Err(too_late(&wish));
        };
        // Somebody else may have got them meanwhile, or been refused.
        if let Some(kept) = self.fresh(&account, &what)? {
            return Ok(kept);
        }
        match self.assume(&account, &wish, deadline).await {
            Ok(kept) => {
                let now = self.now();
                let reply = kept.to_reply(now);
                account.with_open(|open| open.aws.keep(what, kept))?;
                Ok(reply)
            }
            Err((failure, is_transient)) => self.bridged(&account, &what, failure, is_transient),
        }
    }

    /// The question where one is asked before the token itself is handed out: whoever names the service could name their own.
    async fn consent_to(
        &self,
        account: &Arc<Account>,
        asking: &Asking<'_>,
        wish: &Wish,
    ) -> Result<(), Failure> {
        let options = &self.deps().options;
        let (scope, audience) = (wish.purpose.scope(), wish.purpose.audience());
        if wish.id_token && !(account.always_allow_id_token || options.always_allow_id_token) {
            let what = "an ID token, which tells who you are, for credentials of AWS,";
            Box::pin(self.consent(account, asking, &Wanted { what, scope, audience, profile: None })).await?;
        }
        if !wish.id_token && (account.confirm || options.confirm) {
            let what = "an access token for credentials of AWS";
            Box::pin(self.consent(account, asking, &Wanted { what, scope, audience, profile: None })).await?;
        }
        Ok(())
    }

    /// Credentials that are handed out as they are, or what was refused just now.
    fn fresh(&self, account: &Account, what: &For) -> Result<Option<AwsCredentials>, Failure> {
        let now = self.now();
        account.with_open(|open| {
            if let Some(kept) = open.aws.find(what).filter(|kept| kept.is_fresh(now)) {
                return Ok(Some(kept.to_reply(now)));
            }
            match open.aws.refused(what, now.boot) {
                // Credentials that are old are better than none.
                Some(failure) if failure.code == ErrorCode::StsUnavailable => {
                    match good_enough(open, what, now) {
                        Some(kept) => Ok(Some(kept)),
                        None => Err(failure),
                    }
                }
                Some(failure) => Err(failure),
                None => Ok(None),
            }
        })?
    }

    /// Asks the service; the failure says whether it may pass.
    async fn assume(
        &self,
        account: &Arc<Account>,
        wish: &Wish,
        deadline: Instant,
    ) -> Result<Kept, (Failure, bool)> {
        let mut min_valid = Some(MIN_VALID);
        loop {
            let token = self.token_to_show(account, wish, min_valid).await.map_err(|failure| {
                let passes =
                    matches!(failure.code, ErrorCode::ProviderUnreachable | ErrorCode::ProviderTimeout);
                (failure, passes)
            })?;
            let now = self.now();
            let assumed = self.deps().providers.assume_role(wish.asked(), token.expose(), now.wall, deadline);
            match assumed.await {
                Ok(given) => {
                    let secrets = (given.access_key_id, given.secret_access_key, given.session_token);
                    return Ok(Kept::new(secrets, given.lifetime, now));
                }
                // Its clock may be ahead of ours: a new token is as young as one can be. Once.
                Err(StsError::Refused(refusal)) if refusal.is_about_time() && min_valid.is_some() => {
                    min_valid = None;
                }
                Err(error) => return Err((told(&error, account, wish), error.is_transient())),
            }
        }
    }

    async fn token_to_show(
        &self,
        account: &Arc<Account>,
        wish: &Wish,
        min_valid: Option<u64>,
    ) -> Result<SecretText, Failure> {
        if wish.id_token {
            let id_token = self.id_token_for(account, wish.purpose.scope(), min_valid).await?;
            return Ok(id_token.access_token.expose().into());
        }
        let token = self.token_for(account, wish.purpose.clone(), min_valid).await?;
        Ok(token.access_token.expose().into())
    }

    /// A failure that may pass is bridged with what is left of the last credentials.
    fn bridged(
        &self,
        account: &Account,
        what: &For,
        failure: Failure,
        is_transient: bool,
    ) -> Result<AwsCredentials, Failure> {
        let now = self.now();
        account.with_open(|open| {
            open.aws.refuse(what.clone(), failure.clone(), now.boot);
            let bridge = is_transient.then(|| good_enough(open, what, now)).flatten();
            if bridge.is_some() {
                tracing::warn!(account = %account.name, error = %failure, "no new credentials; the last ones are still good");
            }
            bridge.ok_or(failure)
        })?
    }
}

fn good_enough(open: &Open, what: &For, now: Moment) -> Option<AwsCredentials> {
    open.aws.find(what).filter(|kept| kept.remaining(now) > GOOD_ENOUGH).map(|kept| kept.to_reply(now))
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    use tokio::task::JoinSet;

    use super::{
        super::testing::{Bench, START},
        *,
    };
    use crate::provider::testing::{Reply, Scripted};

    const ROLE: &str = "arn:aws:iam::1:role/reader";
    const HOUR: u64 = 3600;

    /// A provider, and at `/sts` a service that says what the numbers of call and token say.
    async fn both(sts: impl Fn(usize, &str) -> Reply + Send + Sync + 'static) -> Scripted {
        let (tokens, calls) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Scripted::provider(move |asked| {
            if asked.path == "/sts" {
                return sts(calls.fetch_add(1, Ordering::Relaxed) + 1, &asked.body);
            }
            let number = tokens.fetch_add(1, Ordering::Relaxed) + 1;
            Reply::json(format!(r#"{{"access_token":"at-{number}","expires_in":43200}}"#))
        })
        .await
    }

    /// Credentials that say which call they came by, for so many seconds from the beginning of time on.
    fn given(call: usize, until: u64) -> Reply {
        let expiration =
            jiff::Timestamp::from_second((START + until).try_into().expect("near")).expect("near");
        Reply::Answer(
            200,
            "Content-Type: text/xml\r\n".to_owned(),
            format!(
                "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>\
                 <AccessKeyId>ASIA{call}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
                 <SessionToken>t</SessionToken><Expiration>{expiration}</Expiration>\
                 </Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
            )
            .into_bytes(),
        )
    }

    fn error(status: u16, code: &str) -> Reply {
        let message = "because of canary-at-1 &lt;b&gt;";
        let body = format!(
            "<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
        );
        Reply::status(status, body)
    }

    fn request(op: &Scripted) -> AwsCredentialsRequest {
        AwsCredentialsRequest {
            endpoint: Some(format!("{}/sts", op.issuer())),
            prompt: false,
            ..AwsCredentialsRequest::new("acc", ROLE)
        }
    }

    async fn bench(op: &Scripted) -> Bench {
        let bench = Bench::new();
        bench.add(&op.issuer(), "acc").await;
        bench
    }

    async fn ask(bench: &Bench, op: &Scripted) -> Result<AwsCredentials, Failure> {
        bench.accounts.aws_credentials(request(op), Caller::unseen()).await
    }

    #[tokio::test]
    async fn the_token_is_shown_and_the_credentials_are_kept_until_twenty_minutes_are_left() {
        let op = both(|call, body| {
            for part in [
                "Action=AssumeRoleWithWebIdentity",
                "Version=2011-06-15",
                "RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Freader",
                "RoleSessionName=oidc-acc",
                "DurationSeconds=3600",
                "WebIdentityToken=at-1",
            ] {
                assert!(body.contains(part), "{part} is not in {body}");
            }
            given(call, HOUR * call as u64)
        })
        .await;
        let bench = bench(&op).await;
        let first = ask(&bench, &op).await.expect("credentials");
        assert_eq!((first.access_key_id.as_str(), first.expires_at), ("ASIA1", START + HOUR));
        assert!(op.asked("/sts")[0].header("accept").contains("xml"));
        bench.clock.suspend(Duration::from_secs(HOUR - 20 * 60 - 1));
        assert_eq!(ask(&bench, &op).await.expect("kept"), first);
        bench.clock.suspend(Duration::from_secs(2));
        assert_eq!(ask(&bench, &op).await.expect("new ones").access_key_id, "ASIA2");
        assert_eq!(op.asked("/sts").len(), 2);
    }

    #[tokio::test]
    async fn a_herd_is_one_request() {
        let op = both(|call, _| given(call, HOUR)).await;
        let bench = bench(&op).await;
        let mut herd = JoinSet::new();
        for _ in 0..20 {
            let (accounts, request) = (bench.accounts.clone(), request(&op));
            herd.spawn(async move { accounts.aws_credentials(request, Caller::unseen()).await });
        }
        for answer in herd.join_all().await {
            assert_eq!(answer.expect("credentials").access_key_id, "ASIA1");
        }
        assert_eq!(op.asked("/sts").len(), 1);
    }

    #[tokio::test]
    async fn a_refusal_is_told_with_what_to_look_at_and_not_repeated_at_once() {
        for (code, helps) in [
            ("AccessDenied", "trust policy"),
            ("InvalidIdentityToken", "registered there"),
            ("ValidationError", "--duration"),
            ("Whatever", "oidc inspect"),
        ] {
            let op = both(move |_, _| error(403, code)).await;
            let bench = bench(&op).await;
            let refused = ask(&bench, &op).await.expect_err("refused");
            assert_eq!(refused.code, ErrorCode::StsRefused);
            assert!(refused.error.contains(code) && !refused.error.contains("at-1"), "{refused}");
            assert!(refused.info.as_deref().is_some_and(|info| info.contains(helps)), "{refused:?}");
            assert_eq!(ask(&bench, &op).await, Err(refused));
            assert_eq!(op.asked("/sts").len(), 1);
            bench.clock.suspend(Duration::from_secs(5));
            ask(&bench, &op).await.expect_err("refused again");
            assert_eq!(op.asked("/sts").len(), 2);
        }
    }

    #[tokio::test]
    async fn a_token_that_is_past_its_time_there_is_replaced_once() {
        let op = both(|call, body| match call {
            1 => error(400, "ExpiredTokenException"),
            _ if body.contains("at-2") => given(call, HOUR),
            _ => error(400, "ExpiredTokenException"),
        })
        .await;
        let bench = bench(&op).await;
        assert_eq!(ask(&bench, &op).await.expect("with another token").access_key_id, "ASIA2");
        let op = both(|_, _| error(400, "ExpiredTokenException")).await;
        let bench = self::bench(&op).await;
        let refused = ask(&bench, &op).await.expect_err("again and again");
        assert!(refused.info.is_some_and(|info| info.contains("clocks")));
        assert_eq!(op.asked("/sts").len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_cannot_reach_the_provider_is_asked_again() {
        let op =
            both(|call, _| if call < 3 { error(400, "IDPCommunicationError") } else { given(call, HOUR) })
                .await;
        let bench = bench(&op).await;
        assert_eq!(ask(&bench, &op).await.expect("in the end").access_key_id, "ASIA3");
    }

    #[tokio::test]
    async fn what_is_left_bridges_a_failure_that_may_pass_and_no_other() {
        for (status, code, bridged) in [(500, "InternalFailure", true), (403, "AccessDenied", false)] {
            let op = both(move |call, _| if call == 1 { given(1, HOUR) } else { error(status, code) }).await;
            let bench = bench(&op).await;
            ask(&bench, &op).await.expect("credentials");
            bench.clock.suspend(Duration::from_secs(HOUR - 600));
            for _ in 0..2 {
                let answer = ask(&bench, &op).await;
                assert_eq!(answer.is_ok(), bridged, "{code}: {answer:?}");
            }
            bench.clock.suspend(Duration::from_secs(560));
            ask(&bench, &op).await.expect_err("too little is left");
        }
    }

    #[tokio::test]
    async fn what_answers_otherwise_is_no_such_service() {
        let page = "<html><head><title>Sign in</title></head><body></body></html>";
        for (reply, code) in
            [(200, ErrorCode::StsRefused), (404, ErrorCode::StsRefused), (302, ErrorCode::StsRefused)]
        {
            let op = both(move |_, _| Reply::status(reply, page)).await;
            let bench = bench(&op).await;
            let refused = ask(&bench, &op).await.expect_err("a page");
            assert_eq!(refused.code, code, "{refused}");
            assert!(refused.info.is_some_and(|info| info.contains("--endpoint")));
        }
    }

    #[tokio::test]
    async fn they_are_sealed_by_the_lock_and_gone_with_the_account() {
        let op = both(|call, _| given(call, HOUR)).await;
        let bench = bench(&op).await;
        let first = ask(&bench, &op).await.expect("credentials");
        bench.accounts.lock("x".into()).await.expect("locked");
        assert_eq!(ask(&bench, &op).await.expect_err("locked").code, ErrorCode::AgentLocked);
        bench.accounts.unlock("x".into()).await.expect("unlocked");
        assert_eq!(ask(&bench, &op).await, Ok(first));
        bench.accounts.remove(&"acc".parse().expect("a name"));
        ask(&bench, &op).await.expect_err("not loaded");
        bench.add(&op.issuer(), "acc").await;
        assert_eq!(ask(&bench, &op).await.expect("new ones").access_key_id, "ASIA2");
    }
}
