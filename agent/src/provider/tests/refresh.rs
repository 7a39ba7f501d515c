//! Refreshing and revoking.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use oidc_proto::{
    account::AccountConfig,
    error_code::ErrorCode,
    secret::{ClientSecret, RefreshToken},
};
use tokio::time::Instant;

use super::{
    super::{
        AuthMethod, Client, ProviderErrorKind, Refresh,
        testing::{Asked, Reply, Scripted, soon},
    },
    TOKENS, refresh, refresh_until,
};

#[tokio::test]
async fn sends_what_the_c_suite_sends() {
    let op = Scripted::provider(|_| Reply::json(TOKENS)).await;
    let provider = op.open();
    let granted = refresh(&provider, None, None).await.expect("tokens");
    assert_eq!(granted.access_token.expose(), "at-1");
    assert_eq!(granted.refresh_token.map(|token| token.expose().to_owned()).as_deref(), Some("rt-2"));
    assert_eq!(granted.expires_in, Some(Duration::from_secs(3600)));
    refresh(&provider, Some("a b"), Some("https://x https://y")).await.expect("tokens");
    refresh(&provider, Some(" "), Some("x")).await.expect("tokens");
    let asked = op.asked("/token");
    assert_eq!(asked[0].header("authorization"), "Basic YzpzM2NyZXQ=");
    let bodies: Vec<_> = asked.iter().map(|asked| asked.body.as_str()).collect();
    assert_eq!(
        bodies,
        [
            "grant_type=refresh_token&refresh_token=rt-1&scope=openid",
            "grant_type=refresh_token&refresh_token=rt-1&scope=a%20b&audience=https%3A%2F%2Fx%20https%3A%2F%2Fy&resource=https%3A%2F%2Fx&resource=https%3A%2F%2Fy",
            "grant_type=refresh_token&refresh_token=rt-1&audience=x",
        ]
    );
}

#[tokio::test]
async fn quirks_of_the_issuer_data_reach_the_wire() {
    let op = Scripted::provider(|_| Reply::json(TOKENS)).await;
    let quirks =
        r#"{"audience":"audience","refresh_scope":"omit","client_authentication":"client_secret_post"}"#;
    refresh(&op.open_with(quirks), None, Some("https://x y")).await.expect("tokens");
    assert_eq!(
        op.asked("/token")[0].body,
        "grant_type=refresh_token&refresh_token=rt-1&audience=https%3A%2F%2Fx%20y&client_id=c&client_secret=s3cret"
    );
    assert_eq!(op.asked("/token")[0].header("authorization"), "");
}

#[tokio::test]
async fn a_refused_authentication_is_tried_the_other_way() {
    let only_post = |asked: &Asked| {
        if asked.body.contains("client_secret") {
            Reply::json(TOKENS)
        } else {
            Reply::status(401, r#"{"error":"invalid_client"}"#)
        }
    };
    let op = Scripted::provider(only_post).await;
    refresh(&op.open(), None, None).await.expect("tokens");
    assert_eq!(op.asked("/token").len(), 2);

    let op = Scripted::provider(|asked| {
        let which = if asked.body.contains("client_id") { "second" } else { "first" };
        Reply::status(401, format!(r#"{{"error":"invalid_client","error_description":"{which}"}}"#))
    })
    .await;
    let error = refresh(&op.open(), None, None).await.expect_err("refused");
    assert_eq!((error.code(), op.asked("/token").len()), (ErrorCode::InvalidClient, 3));
    assert!(error.to_string().contains("first"), "{error}");
}

#[tokio::test]
async fn a_dead_token_is_told_from_everything_else() {
    for (status, body, code) in [
        (
            400,
            r#"{"error":"invalid_grant","error_description":"Session not active"}"#,
            ErrorCode::LoginNeeded,
        ),
        (401, r#"{"error":"invalid_token","error_description":"was not found"}"#, ErrorCode::LoginNeeded),
        (
            400,
            r#"{"error":"invalid_grant","error_description":"AUP is not signed"}"#,
            ErrorCode::ProviderRefused,
        ),
        (400, r#"{"error":"invalid_scope"}"#, ErrorCode::InvalidScope),
        (400, r#"{"error":"server_error"}"#, ErrorCode::ProviderRefused),
        (200, r#"{"error":"invalid_grant"}"#, ErrorCode::LoginNeeded),
        (500, r#"{"error":"invalid_grant"}"#, ErrorCode::ProviderRefused),
        (500, "oops", ErrorCode::ProviderUnreachable),
        (400, "", ErrorCode::LoginNeeded),
        (401, "<html><title>Unauthorized</title>", ErrorCode::LoginNeeded),
        (400, "{}", ErrorCode::LoginNeeded),
        (403, "", ErrorCode::ProviderBadResponse),
        (200, "oops", ErrorCode::ProviderBadResponse),
        (200, "{}", ErrorCode::ProviderBadResponse),
    ] {
        let op = Scripted::provider(move |_| Reply::status(status, body)).await;
        let error = refresh(&op.open(), None, None).await.expect_err(body);
        assert_eq!((error.code(), error.is_dead_token()), (code, code == ErrorCode::LoginNeeded), "{body}");
        // An answer without a reason may be about the client: every way to authenticate was tried.
        let tries = match (status, body) {
            (400, r#"{"error":"invalid_scope"}"#) => 2,
            (400 | 401 | 403, body) if !body.contains("error") => 3,
            _ => 1,
        };
        assert_eq!(op.asked("/token").len(), tries, "{status} {body}");
    }
}

#[tokio::test]
async fn what_is_said_without_json_is_told() {
    for (status, body, says) in [
        (400, "<html><head><title>Bad Request</title>", "Http Status Code 400 from"),
        (400, "<html><head><title>Bad Request</title>", "Bad Request"),
        (200, "<html><head><title>Sign in</title>", "sent a web page 'Sign in'"),
        (200, "try later", "sent 'try later'"),
        (200, "", "sent nothing"),
        (
            400,
            r#"{"error":{"code":400,"message":"no such token","status":"INVALID_ARGUMENT"}}"#,
            "INVALID_ARGUMENT: no such token",
        ),
        (400, r#"{"errors":[{"code":"E7","detail":"gone"}]}"#, "E7: gone"),
        (422, r#"{"error":{"message":"only a message"}}"#, "only a message"),
    ] {
        let op = Scripted::provider(move |_| Reply::status(status, body)).await;
        let told = refresh(&op.open(), None, None).await.expect_err(body).to_string();
        assert!(told.contains(says), "{body}: {told}");
        assert!(told.contains(&op.address.to_string()), "names the provider: {told}");
    }
}

#[tokio::test]
async fn a_client_without_a_secret_is_tried_every_way_whatever_the_refusal() {
    for (status, body) in [
        (401, r#"{"error":"invalid_client"}"#),
        (401, ""),
        (403, ""),
        (403, "Forbidden"),
        (400, ""),
        (400, r#"{"error":"unauthorized_client"}"#),
        (401, r#"{"error":"unauthorized_client"}"#),
        (401, r#"{"error":"Unauthorized"}"#),
        (400, r#"{"error":"invalid_request"}"#),
    ] {
        let op = Scripted::provider(move |asked| {
            if asked.header("authorization").is_empty() {
                Reply::json(TOKENS)
            } else {
                Reply::status(status, body)
            }
        })
        .await;
        let (provider, token) = (op.open(), RefreshToken::from("rt-1"));
        let client = Client { id: "c", secret: None, key: None, registered_method: None, account: None };
        for _ in 0..2 {
            let refresh =
                Refresh { client, refresh_token: &token, scope: None, granted_scope: None, audience: None };
            provider
                .refresh(refresh, soon())
                .await
                .unwrap_or_else(|error| panic!("{status} {body}: {error}"));
        }
        assert_eq!(op.asked("/token").len(), 3, "{status} {body}: what worked is remembered");
        assert_eq!(provider.working_method("c"), Some(AuthMethod::None));
    }
}

#[tokio::test]
async fn a_refused_default_is_asked_for_once_more_without_scopes() {
    let op = Scripted::provider(|asked| {
        if asked.body.contains("scope=") {
            Reply::status(400, r#"{"error":"invalid_scope"}"#)
        } else {
            Reply::json(TOKENS)
        }
    })
    .await;
    let provider = op.open();
    let granted = refresh(&provider, None, None).await.expect("tokens");
    assert!(granted.login_scope_refused);
    assert_eq!((granted.scope.as_deref(), op.asked("/token").len()), (Some("openid"), 2));
    let error = refresh(&provider, Some("more"), None).await.expect_err("asked for by name");
    assert_eq!((error.code(), op.asked("/token").len()), (ErrorCode::InvalidScope, 3));
}

#[tokio::test]
async fn where_fewer_scopes_cost_the_others_nothing_is_sent() {
    let op = Scripted::provider(|_| Reply::json(TOKENS)).await;
    let (provider, token) = (op.open_with(r#"{"narrows_on_refresh":true}"#), RefreshToken::from("rt-1"));
    let client = Client { id: "c", secret: None, key: None, registered_method: None, account: None };
    let refresh = |scope| {
        let granted_scope = Some("openid profile offline_access");
        provider
            .refresh(Refresh { client, refresh_token: &token, scope, granted_scope, audience: None }, soon())
    };
    let error = refresh(Some("openid")).await.expect_err("too little");
    assert_eq!((error.code(), op.asked("/token").len()), (ErrorCode::InvalidScope, 0));
    assert!(error.to_string().contains("(profile)"), "{error}");
    for scope in [None, Some(" "), Some("profile openid"), Some("openid profile offline_access")] {
        refresh(scope).await.expect("all of them");
    }
}

#[tokio::test]
async fn an_audience_that_is_refused_is_asked_for_the_other_way_once() {
    let picky = |asked: &Asked| {
        if asked.body.contains("resource=") {
            Reply::status(400, r#"{"error":"invalid_target"}"#)
        } else {
            Reply::json(TOKENS)
        }
    };
    let op = Scripted::provider(picky).await;
    let provider = op.open();
    for _ in 0..2 {
        refresh(&provider, None, Some("https://x")).await.expect("tokens");
    }
    assert_eq!(op.asked("/token").len(), 3, "what worked is remembered");
    assert!(op.asked("/token")[1].body.contains("audience=https%3A%2F%2Fx"));
    let op = Scripted::provider(|_| Reply::status(400, r#"{"error":"invalid_target"}"#)).await;
    refresh(&op.open(), None, Some("https://x")).await.expect_err("refused both ways");
    assert_eq!(op.asked("/token").len(), 2);
}

#[tokio::test]
async fn secrets_do_not_come_back_in_errors() {
    let op = Scripted::provider(|_| {
        let description = "value rt-1 of client c with s3cret not found \u{1b}[31m%n%s";
        Reply::status(
            401,
            serde_json::json!({"error": "invalid_token", "error_description": description}).to_string(),
        )
    })
    .await;
    let error = refresh(&op.open(), None, None).await.expect_err("refused");
    let told = format!("{error} {error:?} {:?}", error.to_failure("a", "b").error);
    assert!(!told.contains("rt-1") && !told.contains("s3cret") && !told.contains('\u{1b}'), "{told}");
    assert!(
        told.contains("value [redacted] of client c with [redacted] not found \\u{1b}[31m%n%s"),
        "{told}"
    );
}

#[tokio::test]
async fn a_redirected_token_request_goes_nowhere() {
    let elsewhere = Scripted::start(|_, _| Reply::json(TOKENS)).await;
    let target = format!("location: {}/steal", elsewhere.issuer());
    for status in [301, 302, 303, 307, 308] {
        let target = target.clone();
        let op = Scripted::provider(move |_| Reply::with_header(status, &target, "")).await;
        let error = refresh(&op.open(), None, None).await.expect_err("a redirect");
        assert!(matches!(error.kind(), ProviderErrorKind::Redirect { to: Some(_) }), "{error}");
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn an_endpoint_in_the_open_gets_nothing() {
    let op = Scripted::start(|_, issuer| {
        Reply::json(format!(r#"{{"issuer":"{issuer}","token_endpoint":"http://op.example/token"}}"#))
    })
    .await;
    let error = refresh(&op.open(), None, None).await.expect_err("plain http");
    assert!(matches!(error.kind(), ProviderErrorKind::InsecureUrl { .. }), "{error}");
}

#[tokio::test]
async fn the_deadline_covers_discovery_and_whatever_spends_nothing() {
    let client = Client { id: "c", secret: None, key: None, registered_method: None, account: None };
    let silent = Scripted::start(|_, _| Reply::Hang).await;
    let slow = Scripted::provider(|_| Reply::Hang).await;
    let deadline = || Instant::now() + Duration::from_millis(300);
    let begin = Instant::now();
    for (op, error) in [
        (&silent, refresh_until(&silent.open(), None, None, deadline()).await.err()),
        (&slow, slow.open().authorize_device(client, "openid", None, deadline()).await.err()),
    ] {
        let error = error.expect("late");
        assert_eq!(error.code(), ErrorCode::ProviderTimeout);
        assert!(error.to_string().contains(&op.address.to_string()), "names the provider: {error}");
    }
    assert!(begin.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_secret_that_can_be_read_in_two_ways_is_sent_in_both_and_what_worked_is_remembered() {
    for (secret, first, second) in
        [("a+b", "c:a%2Bb", "c:a+b"), ("100%", "c:100%25", "c:100%"), ("a b", "c:a%20b", "c:a b")]
    {
        let basic = |credentials: &str| format!("Basic {}", STANDARD.encode(credentials));
        for decodes in [true, false] {
            let right = basic(if decodes { first } else { second });
            let op = Scripted::provider(move |asked| {
                if asked.header("authorization") == right {
                    Reply::json(TOKENS)
                } else {
                    Reply::status(401, r#"{"error":"invalid_client"}"#)
                }
            })
            .await;
            let (provider, secret) = (op.open(), ClientSecret::from(secret));
            let token = RefreshToken::from("rt-1");
            let client =
                Client { id: "c", secret: Some(&secret), key: None, registered_method: None, account: None };
            for _ in 0..2 {
                let refresh = Refresh {
                    client,
                    refresh_token: &token,
                    scope: None,
                    granted_scope: None,
                    audience: None,
                };
                provider.refresh(refresh, soon()).await.expect("tokens");
            }
            let sent: Vec<_> =
                op.asked("/token").iter().map(|asked| asked.header("authorization").to_owned()).collect();
            let expected = if decodes { vec![first, first] } else { vec![first, second, second] };
            assert_eq!(sent, expected.into_iter().map(basic).collect::<Vec<_>>());
        }
    }
}

#[tokio::test]
async fn only_a_refusal_of_the_client_is_tried_another_way() {
    let (secret, token) = (ClientSecret::from("a+b"), RefreshToken::from("rt-1"));
    let client = Client { id: "c", secret: Some(&secret), key: None, registered_method: None, account: None };
    let refresh = Refresh { client, refresh_token: &token, scope: None, granted_scope: None, audience: None };
    for (status, body) in [
        (400, r#"{"error":"invalid_grant"}"#),
        (400, r#"{"error":"invalid_request"}"#),
        (502, ""),
        (503, ""),
        (504, ""),
        (500, r#"{"error":"server_error"}"#),
    ] {
        let op = Scripted::provider(move |_| Reply::status(status, body)).await;
        op.open().refresh(refresh, soon()).await.expect_err(body);
        assert_eq!(op.asked("/token").len(), 1, "{status} {body}");
    }
}

#[tokio::test]
async fn revokes_with_and_without_the_id_in_the_body() {
    let (secret, token) = (ClientSecret::from("s"), RefreshToken::from("rt-1"));
    let client = Client { id: "c", secret: Some(&secret), key: None, registered_method: None, account: None };
    let op = Scripted::provider(|_| Reply::status(200, "")).await;
    op.open().revoke(client, &token, soon()).await.expect("revoked");
    assert_eq!(op.asked("/revoke")[0].body, "token_type_hint=refresh_token&token=rt-1");

    let picky = |asked: &Asked| {
        let fits = asked.body.contains("client_id") && !asked.header("authorization").is_empty();
        if fits { Reply::json("{}") } else { Reply::status(400, r#"{"error":"invalid_request"}"#) }
    };
    let op = Scripted::provider(picky).await;
    op.open().revoke(client, &token, soon()).await.expect("revoked");
    assert_eq!(op.asked("/revoke").len(), 2);

    let op = Scripted::provider(|asked| {
        let error = if asked.body.contains("client_id") { "second" } else { "unsupported_token_type" };
        Reply::status(400, format!(r#"{{"error":"{error}"}}"#))
    })
    .await;
    let error = op.open().revoke(client, &token, soon()).await.expect_err("refused");
    assert!(error.to_string().ends_with("unsupported_token_type"), "the first answer counts: {error}");
}

#[tokio::test]
async fn what_is_not_offered_is_told_in_the_c_suites_words() {
    let op = Scripted::start(|_, issuer| Reply::json(format!(r#"{{"issuer":"{issuer}"}}"#))).await;
    let (provider, token) = (op.open(), RefreshToken::from("r"));
    let account = AccountConfig { client_id: Some("c".to_owned()), ..AccountConfig::default() };
    let client = Client::of(&account);
    let failure = |error: super::super::ProviderError| error.to_failure("a", "b").error;
    let error = provider.revoke(client, &token, soon()).await.expect_err("no endpoint");
    assert_eq!(failure(error), "Token revocation is not supported by this issuer.");
    let error = provider.authorize_device(client, "openid", None, soon()).await.expect_err("no endpoint");
    assert_eq!(failure(error), "Device Flow not Supported by OpenID Provider");
    let error = refresh(&provider, None, None).await.expect_err("no endpoint");
    assert!(failure(error).starts_with("Could not get token endpoint from the configuration endpoint."));
}
