use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use oidc_proto::message::{AddRequest, Target};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{
    super::testing::{Bench, START, add_request},
    memory::WINDOW,
    *,
};
use crate::provider::testing::{Reply, Scripted};

const HOUR: u64 = 3600;
const GIT: &str = "https://git.example";

/// Gives JWTs with a number each, as `change` makes them.
async fn granting(change: impl Fn(&mut Value) + Send + Sync + 'static) -> Scripted {
    let count = AtomicUsize::new(0);
    Scripted::provider(move |asked| match asked.path.as_str() {
        "/token" => {
            let number = count.fetch_add(1, Ordering::Relaxed) + 1;
            let mut claims = json!({"jti": number, "iat": START, "exp": START + HOUR, "aud": GIT});
            change(&mut claims);
            let token = format!("{}.{}.c2ln", encode(&json!({"alg": "RS256"})), encode(&claims));
            Reply::json(json!({"access_token": token, "expires_in": HOUR}).to_string())
        }
        "/introspect" => Reply::json(r#"{"active":true}"#),
        _ => Reply::status(404, "{}"),
    })
    .await
}

fn encode(value: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(value.to_string())
}

async fn loaded(op: &Scripted) -> Bench {
    let bench = Bench::new();
    bench.add(&op.issuer(), "acc").await;
    bench
}

fn request(sign: Sign) -> RefusedRequest {
    RefusedRequest {
        target: Target::Account("acc".into()),
        id_token: false,
        scope: None,
        audience: None,
        min_valid: 60,
        destination: GIT.into(),
        sign,
        application_hint: None,
        prompt: false,
    }
}

async fn tell(bench: &Bench, request: RefusedRequest) -> Result<(String, Option<String>), Failure> {
    match bench.accounts.refused(request, Caller::unseen()).await? {
        Given::Access(token, warning) => Ok((token.access_token.expose().to_owned(), warning)),
        Given::Id(..) => panic!("an ID token"),
    }
}

async fn refuse(bench: &Bench, token: &str) -> Result<String, Failure> {
    tell(bench, request(Sign::Token(TokenDigest::of(token)))).await.map(|(token, _)| token)
}

async fn ask_as(bench: &Bench, process: &str) -> Result<(String, Option<String>), Failure> {
    tell(bench, request(Sign::Process(process.into()))).await
}

async fn token(bench: &Bench) -> String {
    bench.token("acc").await.expect("a token").access_token.expose().to_owned()
}

#[tokio::test]
async fn a_refused_token_is_replaced_once_and_then_explained() {
    let op = granting(|_| {}).await;
    let bench = loaded(&op).await;
    let first = token(&bench).await;
    let second = refuse(&bench, &first).await.expect("a new one");
    assert_ne!(second, first);
    assert_eq!(token(&bench).await, second, "everybody gets the new one");
    assert_eq!(
        refuse(&bench, &first).await.expect("that one"),
        second,
        "the old one was refused elsewhere, too"
    );
    bench.clock.suspend(Duration::from_secs(12));
    let told = refuse(&bench, &second).await.expect_err("no third one");
    assert_eq!(told.code, ErrorCode::TokenRefused);
    assert!(
        told.error.contains("'https://git.example' refuses") && told.error.contains("12 seconds ago"),
        "{told}"
    );
    assert!(
        told.info.as_deref().is_some_and(|info| info.contains("oidc inspect --account acc")),
        "{:?}",
        told.info
    );
    assert_eq!(op.asked("/token").len(), 2);
    bench.clock.suspend(WINDOW);
    assert_ne!(refuse(&bench, &second).await.expect("it is tried again"), second);
}

#[tokio::test]
async fn a_hundred_refusals_cost_one_renewal_and_one_question() {
    let op = granting(|_| {}).await;
    let bench = loaded(&op).await;
    let first = token(&bench).await;
    for _ in 0..100 {
        let _ = refuse(&bench, &first).await;
        let current = token(&bench).await;
        let _ = refuse(&bench, &current).await;
    }
    assert_eq!(op.asked("/token").len(), 2);
    assert_eq!(op.asked("/introspect").len(), 1);
}

#[tokio::test]
async fn refusals_of_one_token_at_the_same_time_get_the_same_new_one() {
    let op = granting(|_| {}).await;
    let bench = loaded(&op).await;
    let first = token(&bench).await;
    let mut refusals = JoinSet::new();
    for _ in 0..20 {
        let (accounts, request) = (bench.accounts.clone(), request(Sign::Token(TokenDigest::of(&first))));
        refusals.spawn(async move {
            match accounts.refused(request, Caller::unseen()).await {
                Ok(Given::Access(token, _)) => token.access_token.expose().to_owned(),
                _ => panic!("no token"),
            }
        });
    }
    let mut tokens = refusals.join_all().await;
    tokens.dedup();
    assert_eq!(tokens.len(), 1);
    assert_eq!(op.asked("/token").len(), 2);
}

#[tokio::test]
async fn a_process_that_asks_again_has_had_its_token_refused() {
    let op = granting(|_| {}).await;
    let bench = loaded(&op).await;
    let first = ask_as(&bench, "17.1").await.expect("a token").0;
    assert_eq!(ask_as(&bench, "18.1").await.expect("the same").0, first, "another process has had none yet");
    assert_eq!(ask_as(&bench, "17.2").await.expect("the same").0, first, "nor has one of the same number");
    let second = ask_as(&bench, "17.1").await.expect("a new one").0;
    assert_ne!(second, first);
    // It may want it for something else: nothing speaks against the token, so there it is.
    for _ in 0..10 {
        let (token, warning) = ask_as(&bench, "17.1").await.expect("the same");
        assert_eq!(token, second);
        assert!(warning.is_some_and(|warning| warning.contains("Nothing is wrong with the token")));
    }
    assert_eq!(op.asked("/token").len(), 2);
    // Its time is over: that is no refusal.
    bench.clock.suspend(Duration::from_secs(HOUR));
    assert_ne!(ask_as(&bench, "17.1").await.expect("a new one").0, second);
    assert_eq!(op.asked("/token").len(), 3);
}

#[tokio::test]
async fn a_process_is_told_what_may_be_wrong() {
    let op = granting(|claims| claims["aud"] = "other".into()).await;
    let bench = loaded(&op).await;
    for _ in 0..2 {
        ask_as(&bench, "17.1").await.expect("a token");
    }
    let warning = ask_as(&bench, "17.1").await.expect("a token").1.expect("a warning");
    assert!(warning.contains("audience is other") && warning.contains(GIT), "{warning}");
}

/// What is changed about the token, and what is said of it.
#[tokio::test]
async fn reasons_are_looked_for() {
    type Change = fn(&mut Value);
    let changes: [(Change, &str); 4] = [
        (|claims| claims["iat"] = (START + 600).into(), "600 seconds behind"),
        (|claims| claims["iat"] = (START - 7200).into(), "7200 seconds ahead"),
        (|claims| claims["nbf"] = (START + 1000).into(), "not valid yet"),
        (|claims| claims["aud"] = json!(["a", "b"]), "audience is a b"),
    ];
    for (change, says) in changes {
        let op = granting(change).await;
        let bench = loaded(&op).await;
        let second = refuse(&bench, &token(&bench).await).await.expect("a new one");
        let told = refuse(&bench, &second).await.expect_err("why");
        assert!(told.info.as_deref().is_some_and(|info| info.contains(says)), "{says}: {:?}", told.info);
    }
    let op = granting(|_| {}).await;
    let bench = loaded(&op).await;
    let asked = |token: &str| RefusedRequest {
        audience: Some("https://wanted.example".into()),
        ..request(Sign::Token(TokenDigest::of(token)))
    };
    let first = tell(&bench, asked("x")).await.expect("a token").0;
    let second = tell(&bench, asked(&first)).await.expect("a new one").0;
    let told = tell(&bench, asked(&second)).await.expect_err("why");
    assert!(
        told.info.as_deref().is_some_and(|info| info.contains("not for the audience https://wanted.example"))
    );
}

#[tokio::test]
async fn what_the_provider_has_revoked_is_no_secret() {
    let op = Scripted::provider(|asked| match asked.path.as_str() {
        "/token" => Reply::json(r#"{"access_token":"opaque","expires_in":3600}"#),
        "/introspect" => Reply::json(r#"{"active":false}"#),
        _ => Reply::status(404, "{}"),
    })
    .await;
    let bench = loaded(&op).await;
    for _ in 0..2 {
        ask_as(&bench, "17.1").await.expect("a token");
    }
    let told = ask_as(&bench, "17.1").await.expect_err("it is of no use to anybody");
    assert!(told.info.as_deref().is_some_and(|info| info.contains("revoked")), "{:?}", told.info);
}

#[tokio::test]
async fn loading_the_account_again_begins_anew() {
    let op = granting(|_| {}).await;
    let bench = loaded(&op).await;
    let second = refuse(&bench, &token(&bench).await).await.expect("a new one");
    refuse(&bench, &second).await.expect_err("no third one");
    bench.try_add(AddRequest { plain_add: true, ..add_request(&op.issuer(), "acc") }).await.expect("loaded");
    refuse(&bench, &second).await.expect("a third one");
}

#[tokio::test]
async fn a_renewal_that_fails_is_none() {
    let count = AtomicUsize::new(0);
    let op = Scripted::provider(move |asked| match asked.path.as_str() {
        "/token" if count.fetch_add(1, Ordering::Relaxed) == 1 => Reply::status(503, "{}"),
        "/token" => Reply::json(r#"{"access_token":"at","expires_in":3600}"#),
        _ => Reply::status(404, "{}"),
    })
    .await;
    let bench = loaded(&op).await;
    let first = token(&bench).await;
    assert_ne!(refuse(&bench, &first).await.expect_err("away").code, ErrorCode::TokenRefused);
    bench.clock.suspend(Duration::from_secs(31));
    refuse(&bench, &first).await.expect("a new one");
}
