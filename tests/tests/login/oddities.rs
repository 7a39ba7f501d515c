//! What providers do that the specifications do not say, and that must not cost a login.

use oidc_tests::{
    programs::run,
    provider::{AccessTokenFormat, AuthorizationResponseIss, Consent, Endpoint, Fault, Quirks, ScopeForm},
};
use serde_json::{Map, Value, json};

use crate::stage::{Stage, text, wait_until};

fn device_answer(members: &Value) -> Map<String, Value> {
    members.as_object().expect("an object").clone()
}

#[test]
fn a_device_answer_may_leave_out_scheme_and_host() {
    for (uri, address) in [
        ("/device", None),
        ("microsoft.com/devicelogin", Some("https://microsoft.com/devicelogin")),
        ("https://login.example/d", Some("https://login.example/d")),
    ] {
        let answer = device_answer(&json!({"verification_uri": uri, "verification_uri_complete": uri}));
        let stage = Stage::with(Quirks { device_answer_with: answer, ..Quirks::default() });
        let account = stage.registered("demo", &["http://localhost:4242".into()]);
        let device = stage.begin(&account, "device", json!({}))["oidc_device"].clone();
        let joined = format!("{}device", stage.provider.issuer());
        assert_eq!(text(&device["verification_uri"]), address.unwrap_or(&joined), "{uri}");
        assert_eq!(device["verification_uri"], device["verification_uri_complete"]);
    }
}

#[test]
fn google_has_a_name_of_its_own_for_the_address() {
    let quirks = Quirks { verification_url: true, device_approved_at_poll: Some(1), ..Quirks::default() };
    let stage = Stage::with(quirks);
    let account = stage.registered("demo", &["http://localhost:4242".into()]);
    let device = stage.begin(&account, "device", json!({}))["oidc_device"].clone();
    assert_eq!(text(&device["verification_uri"]), stage.provider.url(Endpoint::Verification));
    let mut reply = Value::Null;
    wait_until(|| {
        reply = stage.request(&json!({"request": "device", "oidc_device": device, "only_at": 0}));
        reply["error"] != "authorization_pending"
    });
    assert_eq!(reply["status"], "success", "{reply}");
}

/// GitHub sends every refusal with the status of a success; others have their own ideas.
#[test]
fn who_is_not_done_yet_is_waited_for_whatever_the_status_says() {
    let statuses = [200, 401, 403, 428];
    let stage = Stage::with(Quirks { device_interval: Some(1), ..Quirks::default() });
    stage.provider.tolerate_violations();
    let devices: Vec<Value> = statuses
        .iter()
        .map(|_| {
            let account = stage.registered("demo", &["http://localhost:4242".into()]);
            stage.begin(&account, "device", json!({}))["oidc_device"].clone()
        })
        .collect();
    let poll =
        |device: &Value| stage.request(&json!({"request": "device", "oidc_device": device, "only_at": 0}));
    let tokens = || stage.provider.log().count(Endpoint::Token);
    for (status, device) in statuses.into_iter().zip(&devices) {
        let pending = Fault::OAuthError { status, error: "authorization_pending".into(), description: None };
        stage.provider.faults().set(Endpoint::Token, pending);
        let before = tokens();
        wait_until(|| {
            let reply = poll(device);
            assert_eq!(reply["error"], "authorization_pending", "{status}: {reply}");
            tokens() > before
        });
    }
    stage.provider.faults().clear(Endpoint::Token);
    for (status, device) in statuses.into_iter().zip(&devices) {
        stage.provider.decide_device(&text(&device["user_code"]), true);
        let mut reply = Value::Null;
        wait_until(|| {
            reply = poll(device);
            reply["error"] != "authorization_pending"
        });
        assert_eq!(reply["status"], "success", "{status}: {reply}");
    }
}

#[test]
fn a_refused_code_is_told_in_the_providers_words_whatever_the_status_says() {
    for status in [200, 400] {
        let stage = Stage::new();
        let refusal = Fault::OAuthError {
            status,
            error: "bad_verification_code".into(),
            description: Some("The code passed is incorrect or expired.".into()),
        };
        stage.provider.faults().set(Endpoint::Token, refusal);
        let login = stage.begin_code("demo", json!({}));
        let page = login.browse();
        assert!(page.text().contains("The code passed is incorrect or expired."), "{}", page.text());
        let error = text(&stage.lookup(&login.state)["error"]);
        assert!(error.contains("bad_verification_code: The code passed is incorrect or expired."), "{error}");
    }
}

#[test]
fn absurd_times_of_a_device_answer_are_survived() {
    let answer = device_answer(&json!({"expires_in": i64::MAX, "interval": u64::MAX}));
    let stage = Stage::with(Quirks { device_answer_with: answer, ..Quirks::default() });
    let account = stage.registered("demo", &["http://localhost:4242".into()]);
    let device = stage.begin(&account, "device", json!({}))["oidc_device"].clone();
    assert_eq!((&device["expires_in"], &device["interval"]), (&json!(86_400), &json!(300)));
    let poll = stage.request(&json!({"request": "device", "oidc_device": device, "only_at": 0}));
    assert_eq!(poll["error"], "authorization_pending");
}

#[test]
fn granted_scopes_are_seen_however_they_are_written() {
    for scope_form in [ScopeForm::Blanks, ScopeForm::Commas, ScopeForm::Array] {
        let quirks = Quirks { scope_form, access_token: AccessTokenFormat::Opaque, ..Quirks::default() };
        let stage = Stage::with(quirks);
        let account = stage.provider.seed_account("demo").to_object().into_value();
        assert_eq!(stage.begin(&account, "refresh", json!({}))["status"], "success");
        let mut command = stage.agent.command(&stage.environment, "oidc");
        command.args(["token", "--strict", "-f", "-s", "openid storage.read:/cms", "demo"]);
        let finished = run(command);
        assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""), "{scope_form:?}");

        stage.provider.change(|quirks| quirks.drops_scopes = vec!["storage.read:/cms".into()]);
        let mut command = stage.agent.command(&stage.environment, "oidc");
        command.args(["token", "--strict", "-f", "-s", "openid storage.read:/cms", "demo"]);
        let finished = run(command);
        assert_eq!(finished.code, Some(11), "{scope_form:?}: {finished:?}");
        assert!(finished.stderr.contains("storage.read:/cms"));
    }
}

#[test]
fn an_account_refreshes_with_the_scopes_it_was_granted_however_they_were_written() {
    for scope_form in [ScopeForm::Commas, ScopeForm::Array] {
        let stage = Stage::with(Quirks { scope_form, ..Quirks::default() });
        let login = stage.begin_code("demo", json!({}));
        login.browse();
        let reply = stage.lookup(&login.state);
        assert_eq!(reply["config"]["refresh_scope"], "openid profile offline_access", "{reply}");
        assert!(stage.refreshes("demo"), "{scope_form:?}");
    }
}

#[test]
fn another_provider_cannot_refuse_either() {
    let stage = Stage::new();
    stage.provider.change(|quirks| {
        quirks.consent = Consent::Denied;
        quirks.authorization_response_iss = AuthorizationResponseIss::Other("https://evil.example/".into());
    });
    let login = stage.begin_code("demo", json!({}));
    let page = login.browse();
    assert_eq!(page.status, 400);
    assert!(page.text().contains("evil.example"), "{}", page.text());
    assert_eq!(stage.lookup(&login.state)["error_code"], "provider_mismatch");

    stage.provider.change(|quirks| quirks.authorization_response_iss = AuthorizationResponseIss::Right);
    let login = stage.begin_code("demo", json!({}));
    login.browse();
    let refused = stage.lookup(&login.state);
    assert!(text(&refused["error"]).starts_with("access_denied"), "{refused}");
}

#[test]
fn a_refused_poll_says_whose_answer_it_is() {
    let stage = Stage::new();
    let account = stage.registered("demo", &["http://localhost:4242".into()]);
    let device = stage.begin(&account, "device", json!({}))["oidc_device"].clone();
    stage.provider.revoke_logins();
    stage.provider.decide_device(&text(&device["user_code"]), false);
    let mut reply = Value::Null;
    wait_until(|| {
        reply = stage.request(&json!({"request": "device", "oidc_device": device, "only_at": 0}));
        reply["error"] != "authorization_pending"
    });
    let issuer = stage.provider.issuer();
    let host = issuer.trim_start_matches("http://").trim_end_matches('/');
    assert!(text(&reply["info"]).contains(host), "{reply}");
}

/// An account whose client was made by hand and has no secret.
fn public(stage: &Stage) -> Value {
    let seed = oidc_tests::provider::Seed { public: true, ..oidc_tests::provider::Seed::named("demo") };
    stage.provider.seed(&seed).to_object().into_value()
}

#[test]
fn a_client_without_a_secret_gets_in_however_the_first_way_is_refused_and_remembers() {
    use oidc_tests::provider::Refusal::{Empty, Forbidden, InvalidClient, Unauthorized, UnauthorizedClient};
    for refused_authentication in [InvalidClient, UnauthorizedClient, Unauthorized, Forbidden, Empty] {
        let stage = Stage::with(Quirks {
            public_clients_by_id_only: true,
            refused_authentication,
            metadata_without: vec!["token_endpoint_auth_methods_supported".into()],
            ..Quirks::default()
        });
        let reply = stage.begin(&public(&stage), "refresh", json!({}));
        assert_eq!(reply["status"], "success", "{refused_authentication:?}: {reply}");
        assert_eq!(stage.provider.log().count(Endpoint::Token), 2);
        assert_eq!(reply["config"]["token_endpoint_auth_method"], "none", "{refused_authentication:?}");
        assert!(stage.refreshes("demo"));
        assert_eq!(
            stage.provider.log().count(Endpoint::Token),
            3,
            "{refused_authentication:?}: it is remembered"
        );
        assert_eq!(stage.provider.reuses(), 0);
    }
}

#[test]
fn a_dead_refresh_token_is_known_by_every_answer() {
    use oidc_tests::provider::DeadToken::{
        Authlib, Dex, Empty, Html, Hydra, Iam, InvalidGrant, Keycloak, Unauthorized,
    };
    for dead_token in [InvalidGrant, Keycloak, Iam, Empty, Unauthorized, Html, Dex, Authlib, Hydra] {
        let stage = Stage::with(Quirks { dead_token, ..Quirks::default() });
        let account = stage.provider.seed_account("demo").to_object().into_value();
        assert_eq!(stage.begin(&account, "refresh", json!({}))["status"], "success");
        stage.provider.revoke_logins();
        let mut command = stage.agent.command(&stage.environment, "oidc");
        command.args(["token", "-f", "demo"]);
        let finished = run(command);
        assert_eq!(finished.code, Some(7), "{dead_token:?}: {finished:?}");
        assert!(finished.stderr.contains("--reauthenticate"), "{dead_token:?}: {}", finished.stderr);
        assert!(!finished.stderr.contains("bug report"), "{dead_token:?}: {}", finished.stderr);
        let status = stage.request(&json!({"request": "status_json"}));
        assert!(status["info"]["accounts"][0]["login_needed"].is_string(), "{dead_token:?}: {status}");
    }
}

#[test]
fn a_login_that_has_lost_scopes_goes_on_with_what_is_left() {
    let stage = Stage::with(Quirks { narrows_on_refresh: true, ..Quirks::default() });
    let account = stage.provider.seed_account("demo").to_object().into_value();
    assert_eq!(stage.begin(&account, "refresh", json!({}))["status"], "success");
    let ask = |fields: Value| {
        let mut request = json!({"request": "access_token", "account": "demo", "min_valid_period": -1});
        request.as_object_mut().expect("an object").extend(fields.as_object().cloned().unwrap_or_default());
        stage.request(&request)
    };
    assert_eq!(ask(json!({"scope": "openid"}))["status"], "success");
    let narrowed = ask(json!({}));
    assert_eq!(
        (&narrowed["status"], &narrowed["scope"]),
        (&json!("success"), &json!("openid")),
        "{narrowed}"
    );
    let told = narrowed["warnings"].to_string();
    assert!(told.contains("oidc gen --reauthenticate demo"), "{narrowed}");
    let before = stage.provider.log().count(Endpoint::Token);
    let again = ask(json!({}));
    assert!(again["access_token"].is_string() && again["warnings"].is_null(), "{again}");
    assert_eq!(stage.provider.log().count(Endpoint::Token), before + 1, "it is remembered");
}

#[test]
fn an_audience_is_asked_for_as_the_provider_takes_it() {
    use oidc_tests::provider::AudienceParameter::{Audience, AudienceOnly, Either, Resource};
    for audience in [Audience, AudienceOnly, Either, Resource] {
        let stage = Stage::with(Quirks { audience, ..Quirks::default() });
        let account = stage.provider.seed_account("demo").to_object().into_value();
        assert_eq!(stage.begin(&account, "refresh", json!({}))["status"], "success");
        for _ in 0..2 {
            let request = json!({"request": "access_token", "account": "demo", "min_valid_period": -1,
                "audience": "https://storage.example"});
            let reply = stage.request(&request);
            assert!(
                reply["access_token"].is_string() && reply["warnings"].is_null(),
                "{audience:?}: {reply}"
            );
        }
        let tries = if audience == AudienceOnly { 4 } else { 3 };
        assert_eq!(stage.provider.log().count(Endpoint::Token), tries, "{audience:?}");
        assert_eq!(stage.provider.reuses(), 0, "{audience:?}");
    }
}

/// The poll that was answered with an error had been granted the tokens.
#[test]
fn a_device_login_ends_with_the_first_failure_and_not_with_what_follows_from_it() {
    let stage = Stage::with(Quirks { device_approved_at_poll: Some(1), ..Quirks::default() });
    stage.provider.tolerate_violations();
    let account = stage.registered("demo", &["http://localhost:4242".into()]);
    let device = stage.begin(&account, "device", json!({}))["oidc_device"].clone();
    stage.provider.faults().queue(Endpoint::Token, Fault::StatusAfter { status: 502 });
    let mut reply = Value::Null;
    wait_until(|| {
        reply = stage.request(&json!({"request": "device", "oidc_device": device, "only_at": 0}));
        reply["error"] != "authorization_pending"
    });
    assert!(text(&reply["error"]).contains("Http Status Code 502"), "{reply}");
    assert_eq!(reply["error_code"], "provider_unreachable");
}

/// Dex keeps the secret that comes with the beginning, and cannot end the login without.
#[test]
fn a_client_with_a_secret_sends_it_where_the_provider_reads_it() {
    let stage = Stage::with(Quirks { device_secret_in_form: true, ..Quirks::default() });
    let endpoint = format!("{}device/code", stage.provider.issuer());
    stage.provider.change(|quirks| {
        quirks.metadata_with.insert("device_authorization_endpoint".into(), endpoint.into());
    });
    let account = stage.registered("demo", &["http://localhost:4242".into()]);
    let device = stage.begin(&account, "device", json!({}))["oidc_device"].clone();
    assert!(stage.provider.decide_device(&text(&device["user_code"]), true), "the secret is there");
    let mut reply = Value::Null;
    wait_until(|| {
        reply = stage.request(&json!({"request": "device", "oidc_device": device, "only_at": 0}));
        reply["error"] != "authorization_pending"
    });
    assert_eq!(reply["status"], "success", "{reply}");
    // What was tried there says nothing of the token endpoint.
    let requests = stage.provider.log().requests();
    let token = requests.iter().find(|request| request.endpoint == Endpoint::Token).expect("a poll");
    assert!(matches!(token.authorization, oidc_tests::provider::Authorization::Basic { .. }), "{token:?}");
}
