//! The provider is what all other suites lean on, so it is tried first: grants, rotation, quirks, faults.

use std::{io, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use oidc_proto::{
    account::AccountConfig,
    secret::{ClientSecret, RefreshToken, RegistrationAccessToken},
};
use oidc_tests::{
    http::{self, Response},
    provider::{
        AccessTokenFormat, Algorithm, AudienceParameter, ClientAuthentication, Consent, DeadToken, Endpoint,
        ExpiresIn, Fault, MetadataPlace, PERSON, Provider, Quirks, RedirectPolicy, Registration, Rotation,
        Seed,
    },
};
use ring::{
    digest::{SHA256, digest},
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
        RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
        RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaPublicKeyComponents, UnparsedPublicKey,
    },
};
use serde_json::{Value, json};
use url::Url;

const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

fn basic(account: &AccountConfig) -> String {
    let secret = account.client_secret.as_ref().map_or("", ClientSecret::expose);
    let id = account.client_id.as_deref().unwrap_or_default();
    format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:{secret}")))
}

fn token_request(
    provider: &Provider,
    account: &AccountConfig,
    form: &[(&str, &str)],
) -> io::Result<Response> {
    http::post(provider.url(Endpoint::Token)).header("authorization", &basic(account)).form(form).send()
}

fn refresh(provider: &Provider, account: &AccountConfig, token: &str) -> Response {
    token_request(provider, account, &[("grant_type", "refresh_token"), ("refresh_token", token)])
        .expect("an answer")
}

fn held(account: &AccountConfig) -> &str {
    account.refresh_token.as_ref().map_or("", RefreshToken::expose)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no text {name} in {value}"))
}

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).expect("a JWT has three parts");
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).expect("base64url")).expect("JSON")
}

#[test]
fn rotation_replaces_the_refresh_token_and_reuse_kills_the_login() {
    let provider = Provider::start();
    let account = provider.seed_account("a");

    let first = refresh(&provider, &account, held(&account)).json();
    let second = refresh(&provider, &account, text(&first, "refresh_token")).json();
    assert_ne!(text(&first, "refresh_token"), text(&second, "refresh_token"));
    assert!(provider.is_live(&RefreshToken::from(text(&second, "refresh_token"))));

    let reused = refresh(&provider, &account, held(&account));
    assert_eq!((reused.status, text(&reused.json(), "error")), (400, "invalid_grant"));
    assert_eq!(provider.reuses(), 1);
    assert_eq!(refresh(&provider, &account, text(&second, "refresh_token")).status, 400);
}

#[test]
fn a_grace_period_forgives_until_the_successor_is_used() {
    let provider = Provider::with(Quirks { rotation: Rotation::WithGrace, ..Quirks::default() });
    let account = provider.seed_account("a");
    assert_eq!(refresh(&provider, &account, held(&account)).status, 200);
    let again = refresh(&provider, &account, held(&account)).json();
    assert_eq!(refresh(&provider, &account, text(&again, "refresh_token")).status, 200);
    assert_eq!(refresh(&provider, &account, held(&account)).status, 400);
}

#[test]
fn tokens_are_signed_by_the_published_key() {
    for algorithm in [
        Algorithm::Es256,
        Algorithm::Rs256,
        Algorithm::Rs384,
        Algorithm::Rs512,
        Algorithm::Ps256,
        Algorithm::Ps384,
        Algorithm::Ps512,
        Algorithm::Es384,
        Algorithm::EdDsa,
    ] {
        let provider = Provider::with(Quirks { algorithm, ..Quirks::default() });
        let account = provider.seed_account("a");
        let token = refresh(&provider, &account, held(&account)).json();
        let key =
            http::get(provider.url(Endpoint::Jwks)).send().expect("an answer").json()["keys"][0].clone();
        let part = |name: &str| BASE64_URL_SAFE_NO_PAD.decode(text(&key, name)).expect("base64url");
        for token in [text(&token, "access_token"), text(&token, "id_token")] {
            let (signed, signature) = token.rsplit_once('.').expect("a signature");
            let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).expect("base64url");
            let rsa = |parameters| {
                let key = RsaPublicKeyComponents { n: part("n"), e: part("e") };
                key.verify(parameters, signed.as_bytes(), &signature)
            };
            let verified = match algorithm {
                Algorithm::Es256 => {
                    let point = [&[4][..], &part("x"), &part("y")].concat();
                    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                        .verify(signed.as_bytes(), &signature)
                }
                Algorithm::Es384 => {
                    let point = [&[4][..], &part("x"), &part("y")].concat();
                    UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point)
                        .verify(signed.as_bytes(), &signature)
                }
                Algorithm::EdDsa => {
                    UnparsedPublicKey::new(&ED25519, part("x")).verify(signed.as_bytes(), &signature)
                }
                Algorithm::Rs256 => rsa(&RSA_PKCS1_2048_8192_SHA256),
                Algorithm::Rs384 => rsa(&RSA_PKCS1_2048_8192_SHA384),
                Algorithm::Rs512 => rsa(&RSA_PKCS1_2048_8192_SHA512),
                Algorithm::Ps256 => rsa(&RSA_PSS_2048_8192_SHA256),
                Algorithm::Ps384 => rsa(&RSA_PSS_2048_8192_SHA384),
                Algorithm::Ps512 => rsa(&RSA_PSS_2048_8192_SHA512),
            };
            assert!(verified.is_ok(), "{algorithm:?}");
        }
        assert_eq!(text(&claims(text(&token, "access_token")), "iss"), provider.issuer());
    }
}

#[test]
fn scope_and_audience_of_a_refresh() {
    let provider = Provider::start();
    let account = provider.seed_account("a");
    let mut newest = held(&account).to_owned();
    let mut ask = |extra: &[(&str, &str)]| {
        let form = [&[("grant_type", "refresh_token"), ("refresh_token", &newest)][..], extra].concat();
        let answer = token_request(&provider, &account, &form).expect("an answer");
        if let Some(rotated) = answer.json()["refresh_token"].as_str() {
            newest = rotated.into();
        }
        answer
    };
    let narrow =
        ask(&[("scope", "openid storage.read:/cms"), ("audience", "https://one https://two")]).json();
    let narrow = claims(text(&narrow, "access_token"));
    assert_eq!(narrow["scope"], "openid storage.read:/cms");
    assert_eq!(narrow["aud"], json!(["https://one", "https://two"]));

    let wide = ask(&[("scope", "compute.create")]);
    assert_eq!((wide.status, text(&wide.json(), "error")), (400, "invalid_scope"));
    assert_eq!(text(&ask(&[("resource", "not-a-uri")]).json(), "error"), "invalid_target");

    provider.change(|quirks| {
        quirks.drops_scopes = vec!["profile".into()];
        quirks.audience = AudienceParameter::Resource;
    });
    let dropped = ask(&[("audience", "https://ignored")]).json();
    assert_eq!(text(&dropped, "scope"), "openid offline_access storage.read:/ storage.modify:/");
    assert_eq!(claims(text(&dropped, "access_token"))["aud"], "https://wlcg.cern.ch/jwt/v1/any");
}

#[test]
fn answers_take_the_shape_of_the_quirks() {
    let quirks = Quirks {
        expires_in: ExpiresIn::Text,
        access_token: AccessTokenFormat::Opaque,
        dead_token: DeadToken::Iam,
        refresh_token_is_jwt: true,
        refresh_token_lifetime: Some(3600),
        answers_scope: false,
        ..Quirks::default()
    };
    let provider = Provider::with(quirks);
    let account = provider.seed_account("a");
    assert!(claims(held(&account))["exp"].is_u64());
    let answer = refresh(&provider, &account, held(&account)).json();
    assert_eq!((text(&answer, "expires_in"), answer.get("scope")), ("3600", None));
    assert!(text(&answer, "access_token").starts_with("at-"));

    provider.revoke_logins();
    let dead = refresh(&provider, &account, text(&answer, "refresh_token"));
    assert_eq!((dead.status, text(&dead.json(), "error")), (401, "invalid_token"));
    provider.change(|quirks| quirks.dead_token = DeadToken::Keycloak);
    let dead = refresh(&provider, &account, text(&answer, "refresh_token"));
    assert_eq!((dead.status, text(&dead.json(), "error_description")), (400, "Token is not active"));
}

#[test]
fn client_authentication_is_checked() {
    let provider =
        Provider::with(Quirks { client_authentication: ClientAuthentication::PostOnly, ..Quirks::default() });
    let account = provider.seed_account("a");
    assert_eq!(refresh(&provider, &account, held(&account)).status, 401);
    let secret = account.client_secret.as_ref().map_or("", ClientSecret::expose);
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", held(&account)),
        ("client_id", account.client_id.as_deref().unwrap_or_default()),
        ("client_secret", secret),
    ];
    let by_body = || http::post(provider.url(Endpoint::Token)).form(&form).send().expect("an answer").status;
    assert_eq!(by_body(), 200);
    provider.change(|quirks| quirks.client_authentication = ClientAuthentication::BasicOnly);
    assert_eq!(by_body(), 401);

    let public = provider.seed(&Seed { public: true, ..Seed::named("p") });
    assert_eq!(refresh(&provider, &public, held(&public)).status, 200);
}

#[test]
fn the_metadata_is_where_the_quirk_says() {
    let at = |place, path: &str, issuer_path: &str| {
        let provider = Provider::with(Quirks {
            metadata: place,
            issuer_path: issuer_path.into(),
            metadata_without: vec!["scopes_supported".into()],
            ..Quirks::default()
        });
        let answer = http::get(format!("{}{path}", provider.origin())).send().expect("an answer");
        (answer.status == 200).then(|| {
            assert_eq!(text(&answer.json(), "issuer"), provider.issuer());
            assert_eq!(answer.json().get("scopes_supported"), None);
        })
    };
    assert!(at(MetadataPlace::Appended, "/realms/x/.well-known/openid-configuration", "/realms/x").is_some());
    assert!(at(MetadataPlace::Appended, "/.well-known/openid-configuration", "").is_some());
    assert!(at(MetadataPlace::AppendedOauth, "/o/.well-known/oauth-authorization-server", "/o/").is_some());
    assert!(at(MetadataPlace::InsertedOauth, "/.well-known/oauth-authorization-server/o", "/o").is_some());
    assert!(at(MetadataPlace::InsertedOauth, "/o/.well-known/openid-configuration", "/o").is_none());
    assert!(at(MetadataPlace::Nowhere, "/.well-known/openid-configuration", "/").is_none());
}

#[test]
fn authorization_code_with_pkce() {
    let provider = Provider::with(Quirks { consent: Consent::Form, ..Quirks::default() });
    let account = provider.seed_account("a");
    let verifier = "v".repeat(43);
    let challenge = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
    let parameters = [
        ("response_type", "code"),
        ("client_id", account.client_id.as_deref().unwrap_or_default()),
        ("redirect_uri", "http://localhost:4242"),
        ("scope", "openid offline_access"),
        ("state", "s1"),
        ("nonce", "n1"),
        ("code_challenge_method", "S256"),
        ("code_challenge", &challenge),
    ];
    let url = Url::parse_with_params(&provider.url(Endpoint::Authorization), parameters).expect("a URL");
    assert!(http::get(url).send().expect("a page").text().contains("id=approve"));
    let submitted = [&parameters[..], &[("decision", "approve")]].concat();
    let answer =
        http::post(provider.url(Endpoint::Authorization)).form(&submitted).send().expect("a redirect");
    let back = Url::parse(answer.header("location").expect("a location")).expect("a URL");
    let query: std::collections::HashMap<_, _> = back.query_pairs().into_owned().collect();
    assert_eq!(query["state"], "s1");

    let exchange = |verifier: &str| {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", query["code"].as_str()),
            ("redirect_uri", "http://localhost:4242"),
            ("code_verifier", verifier),
        ];
        token_request(&provider, &account, &form).expect("an answer")
    };
    let tokens = exchange(&verifier).json();
    assert_eq!(claims(text(&tokens, "id_token"))["nonce"], "n1");
    assert!(provider.is_live(&RefreshToken::from(text(&tokens, "refresh_token"))));

    // The second use is refused and noted, and ends the login.
    assert_eq!(exchange(&verifier).status, 400);
    assert!(!provider.is_live(&RefreshToken::from(text(&tokens, "refresh_token"))));
    assert_eq!(provider.log().take_violations(), ["an authorization code was used twice"]);
}

#[test]
fn device_flow_waits_for_a_person() {
    let provider = Provider::with(Quirks { device_interval: Some(0), ..Quirks::default() });
    let account = provider.seed_account("a");
    let start = http::post(provider.url(Endpoint::DeviceAuthorization))
        .header("authorization", &basic(&account))
        .form(&[
            ("client_id", account.client_id.as_deref().unwrap_or_default()),
            ("scope", "openid offline_access"),
        ])
        .send()
        .expect("an answer")
        .json();
    let poll = || {
        let form = [("grant_type", DEVICE_CODE), ("device_code", text(&start, "device_code"))];
        token_request(&provider, &account, &form).expect("an answer").json()
    };
    assert_eq!(text(&poll(), "error"), "authorization_pending");
    assert_eq!(provider.user_codes(), [text(&start, "user_code")]);
    let page = http::get(text(&start, "verification_uri_complete")).send().expect("a page");
    assert!(page.text().contains(text(&start, "user_code")));
    let lower = text(&start, "user_code").to_lowercase();
    let form = [("user_code", lower.as_str()), ("decision", "approve")];
    assert_eq!(http::post(text(&start, "verification_uri")).form(&form).send().expect("a page").status, 200);
    assert!(poll()["refresh_token"].is_string());
    assert_eq!(text(&poll(), "error"), "invalid_grant");
}

#[test]
fn polling_too_fast_is_slowed_down() {
    let provider = Provider::with(Quirks { device_interval: None, ..Quirks::default() });
    let account = provider.seed_account("a");
    let start = http::post(provider.url(Endpoint::DeviceAuthorization))
        .header("authorization", &basic(&account))
        .form(&[("scope", "openid")])
        .send()
        .expect("an answer")
        .json();
    assert_eq!(start.get("interval"), None);
    let poll = || {
        let form = [("grant_type", DEVICE_CODE), ("device_code", text(&start, "device_code"))];
        text(&token_request(&provider, &account, &form).expect("an answer").json(), "error").to_owned()
    };
    assert_eq!([poll(), poll()], ["authorization_pending", "slow_down"]);
}

#[test]
fn password_grant() {
    let provider = Provider::start();
    let account = provider.seed_account("a");
    let ask = |password| {
        let form =
            [("grant_type", "password"), ("username", PERSON.0), ("password", password), ("scope", "openid")];
        token_request(&provider, &account, &form).expect("an answer").status
    };
    assert_eq!([ask(PERSON.1), ask("guess")], [200, 400]);
}

#[test]
fn registration_and_its_management() {
    let provider = Provider::with(Quirks {
        registration: Registration::Bearer("at-1".into()),
        redirect_policy: RedirectPolicy::Iam,
        refused_grants: vec!["password".into()],
        rotates_registration_token: true,
        ..Quirks::default()
    });
    let register = |body: Value, token: &str| {
        let bearer = format!("Bearer {token}");
        let request = http::post(provider.url(Endpoint::Registration)).header("authorization", &bearer);
        request.json(&body).send().expect("an answer")
    };
    let uris = json!(["http://localhost:4242", "edu.kit.data.oidc-agent:/redirect"]);
    assert_eq!(register(json!({}), "guess").status, 401);
    let web = register(json!({"application_type": "web", "redirect_uris": uris}), "at-1");
    assert_eq!(text(&web.json(), "error"), "invalid redirect_uri");
    let grants = register(json!({"grant_types": ["password"]}), "at-1");
    assert_eq!(text(&grants.json(), "error"), "Grant type not allowed: password");

    let body = json!({"application_type": "native", "redirect_uris": uris, "scope": "openid"});
    let client = register(body, "at-1").json();
    let client_id = text(&client, "client_id");
    let uri = text(&client, "registration_client_uri");
    let manage = |method, token: &str| {
        let bearer = format!("Bearer {token}");
        http::request(method, uri).header("authorization", &bearer).send().expect("an answer")
    };
    let first = text(&client, "registration_access_token");
    let read = manage("GET", first).json();
    let second = text(&read, "registration_access_token");
    assert_ne!(first, second);
    assert_eq!(manage("GET", first).status, 401);
    assert_eq!(manage("DELETE", second).status, 204);
    assert!(!provider.has_client(client_id));
}

#[test]
fn deleting_a_client_ends_its_logins() {
    let provider = Provider::start();
    let account = provider.seed_account("a");
    let token = account.registration_access_token.as_ref().map_or("", RegistrationAccessToken::expose);
    let uri = account.registration_client_uri.as_deref().unwrap_or_default();
    let deleted = http::request("DELETE", uri).header("authorization", &format!("Bearer {token}")).send();
    assert_eq!(deleted.expect("an answer").status, 204);
    assert_eq!(text(&refresh(&provider, &account, held(&account)).json(), "error"), "invalid_client");
}

#[test]
fn revocation_introspection_userinfo() {
    let provider = Provider::start();
    let account = provider.seed_account("a");
    let tokens = refresh(&provider, &account, held(&account)).json();
    let post = |endpoint, token: &str| {
        let request = http::post(provider.url(endpoint)).header("authorization", &basic(&account));
        request.form(&[("token", token)]).send().expect("an answer")
    };
    let userinfo = || {
        let bearer = format!("Bearer {}", text(&tokens, "access_token"));
        http::get(provider.url(Endpoint::Userinfo))
            .header("authorization", &bearer)
            .send()
            .expect("an answer")
    };
    assert_eq!(userinfo().json()["preferred_username"], PERSON.0);
    assert_eq!(post(Endpoint::Introspection, text(&tokens, "access_token")).json()["active"], true);
    assert_eq!(post(Endpoint::Introspection, held(&account)).json()["active"], false);
    assert_eq!(post(Endpoint::Revocation, text(&tokens, "refresh_token")).status, 200);
    assert_eq!(post(Endpoint::Revocation, "unknown").status, 200);
    assert_eq!(userinfo().status, 401);
}

#[test]
fn faults_come_in_their_order_and_then_end() {
    let provider = Provider::start();
    let account = provider.seed_account("a");
    let ask = || token_request(&provider, &account, &[("grant_type", "none")]);
    let faults = provider.faults();
    faults.queue(Endpoint::Token, Fault::Status { status: 429, retry_after: Some(7), body: None });
    faults.queue(Endpoint::Token, Fault::Garbage);
    faults.queue(Endpoint::Token, Fault::Redirect { to: "http://127.0.0.1:1/".into() });
    faults.queue(Endpoint::Token, Fault::HalfReply);
    faults.queue(Endpoint::Token, Fault::DropBefore);
    faults.queue(Endpoint::Token, Fault::HugeBody { bytes: 1_000_000 });

    let limited = ask().expect("an answer");
    assert_eq!((limited.status, limited.header("retry-after")), (429, Some("7")));
    assert_eq!(ask().expect("an answer").json(), Value::Null);
    assert_eq!(ask().expect("an answer").header("location"), Some("http://127.0.0.1:1/"));
    assert!(ask().is_err());
    assert!(ask().is_err());
    assert!(ask().expect("an answer").body.len() > 1_000_000);
    assert_eq!(text(&ask().expect("an answer").json(), "error"), "unsupported_grant_type");
    assert_eq!(provider.log().count(Endpoint::Token), 7);
}

#[test]
fn a_dropped_answer_has_rotated_all_the_same() {
    let provider = Provider::start();
    let account = provider.seed_account("a");
    provider.faults().queue(Endpoint::Token, Fault::DropAfter);
    let form = [("grant_type", "refresh_token"), ("refresh_token", held(&account))];
    assert!(token_request(&provider, &account, &form).is_err());
    assert_eq!(refresh(&provider, &account, held(&account)).status, 400);
}

#[test]
fn a_hanging_endpoint_is_let_go_and_others_answer_meanwhile() {
    let provider = Provider::start();
    let account = provider.seed_account("a");
    provider.faults().set(Endpoint::Token, Fault::Hang);
    std::thread::scope(|scope| {
        let hanging = scope.spawn(|| token_request(&provider, &account, &[("grant_type", "none")]));
        let arrived =
            provider.log().wait_for(1, Duration::from_secs(5), |request| request.endpoint == Endpoint::Token);
        assert!(arrived);
        assert_eq!(http::get(provider.url(Endpoint::Jwks)).send().expect("an answer").status, 200);
        provider.faults().clear_all();
        assert!(hanging.join().expect("no panic").is_err());
    });
}

#[test]
fn the_provider_can_go_away_and_come_back() {
    let mut provider = Provider::start();
    let account = provider.seed_account("a");
    provider.stop();
    assert!(http::get(provider.url(Endpoint::Jwks)).send().is_err());
    provider.resume().expect("the same port");
    assert_eq!(refresh(&provider, &account, held(&account)).status, 200);
}

#[test]
fn it_is_driven_over_http_too() {
    let provider = Provider::start();
    let admin = |path: &str| format!("{}/admin/{path}", provider.origin());
    let account = http::post(admin("seed")).json(&json!({"name": "demo"})).send().expect("an answer").json();
    let account = AccountConfig::parse(account.to_string().as_bytes()).expect("an account config");
    let order = json!({"endpoint": "token", "fault": {"kind": "status", "status": 500}});
    assert_eq!(http::post(admin("faults")).json(&order).send().expect("an answer").status, 200);
    assert_eq!(refresh(&provider, &account, held(&account)).status, 500);
    assert_eq!(refresh(&provider, &account, held(&account)).status, 200);
    assert_eq!(http::get(admin("log")).send().expect("an answer").json().as_array().map(Vec::len), Some(2));
    let quirks = json!({"rotation": "never", "expires_in": "absent"});
    assert_eq!(http::request("PUT", admin("quirks")).json(&quirks).send().expect("an answer").status, 200);
    assert_eq!(http::post(admin("nonsense")).send().expect("an answer").status, 404);
}

#[test]
#[should_panic(expected = "two client authentications in one request")]
fn a_breach_of_protocol_fails_the_test() {
    let provider = Provider::start();
    let account = provider.seed_account("a");
    let form = [("grant_type", "refresh_token"), ("client_secret", "x"), ("refresh_token", held(&account))];
    token_request(&provider, &account, &form).expect("an answer");
}

/// The connection is cut, which must not pass for a fault that the test asked for.
#[test]
#[should_panic(expected = "year 9999")]
fn a_provider_that_panics_fails_the_test() {
    let no_date = 400_000_000_000;
    let provider = Provider::with(Quirks { clock_ahead: no_date, ..Quirks::default() });
    let answer = http::get(provider.url(Endpoint::Jwks)).send();
    assert!(answer.is_err(), "{answer:?}");
}
