//! Dynamic client registration.

use oidc_tests::provider::{Endpoint, Fault, Quirks, RedirectPolicy, Registration};
use serde_json::{Value, json};

use crate::stage::{Stage, text};

fn register(stage: &Stage, name: &str, fields: Value) -> Value {
    let mut account = stage.account(name, &[]);
    account.as_object_mut().expect("an object").remove("redirect_uris");
    let flows = ["code", "refresh", "password", "device"];
    let mut request = json!({"request": "register", "config": account, "flow": flows, "authorization": ""});
    if let (Some(request), Value::Object(fields)) = (request.as_object_mut(), fields) {
        request.extend(fields);
    }
    stage.request(&request)
}

#[test]
fn a_client_is_native_with_the_usual_redirects() {
    for redirect_policy in [RedirectPolicy::Any, RedirectPolicy::Standard, RedirectPolicy::Iam] {
        let stage = Stage::with(Quirks { redirect_policy, ..Quirks::default() });
        let reply = register(&stage, "demo", json!({}));
        assert_eq!(reply["status"], "success", "{redirect_policy:?}: {reply}");
        assert!(text(&reply["max_scopes"]).contains("offline_access"));
        let client = &reply["client"];
        assert!(
            ["client_id", "client_secret", "registration_access_token", "registration_client_uri"]
                .iter()
                .all(|key| client[key].is_string())
        );

        let requests = stage.provider.log().requests();
        let sent = requests.iter().find_map(|request| request.json.clone()).expect("a registration");
        assert_eq!(sent["application_type"], "native");
        assert_eq!(sent["client_name"], "oidc-agent:demo-test");
        let uris: Vec<_> = sent["redirect_uris"].as_array().expect("a list").iter().map(text).collect();
        assert_eq!((uris.len(), uris[0].as_str()), (4, "http://localhost:4242"));
        assert_eq!(uris[3], "edu.kit.data.oidc-agent:/redirect");
        assert!(uris[1] != uris[0] && uris[1] != uris[2]);
        let device = "urn:ietf:params:oauth:grant-type:device_code";
        assert_eq!(sent["grant_types"], json!(["refresh_token", "authorization_code", device]));
    }
}

#[test]
fn a_client_without_the_necessary_scopes_is_handed_over_with_a_failure() {
    let stage = Stage::with(Quirks { drops_scopes: vec!["offline_access".into()], ..Quirks::default() });
    let reply = register(&stage, "demo", json!({}));
    assert_eq!(reply["error"], "Could not register the necessary scopes dynamically");
    assert!(reply["client"]["registration_access_token"].is_string(), "{reply}");
}

#[test]
fn protected_registration_takes_a_token() {
    let stage =
        Stage::with(Quirks { registration: Registration::Bearer("at-admin".into()), ..Quirks::default() });
    assert!(text(&register(&stage, "demo", json!({}))["error"]).starts_with("invalid_token"));
    let reply = register(&stage, "demo", json!({"authorization": "at-admin"}));
    assert_eq!(reply["status"], "success", "{reply}");
}

#[test]
fn the_texts_that_oidc_gen_compares_stand_alone() {
    let stage = Stage::with(Quirks { registration: Registration::Absent, ..Quirks::default() });
    assert_eq!(
        register(&stage, "demo", json!({}))["error"],
        "Dynamic registration is not supported by this issuer. Please register a client manually and then run oidc-gen \
         with the -m flag."
    );
    let loaded = stage.provider.seed_account("demo").to_object().into_value();
    assert_eq!(stage.begin(&loaded, "refresh", json!({}))["status"], "success");
    assert_eq!(
        register(&stage, "demo", json!({}))["error"],
        "An account with this shortname is already loaded. I will not register a new one."
    );
    let requests = stage.provider.log().requests();
    assert!(requests.iter().all(|request| request.endpoint != Endpoint::Registration));
}

/// What is registered is taken as it is told; what is refused is told in the provider's words.
#[test]
fn answers_of_every_shape_are_understood() {
    let stage = Stage::new();
    let register = |answer: &Value, status: u16| {
        let fault = Fault::Status { status, retry_after: None, body: Some(answer.to_string()) };
        stage.provider.faults().set(Endpoint::Registration, fault);
        let account = stage.account("demo", &["http://localhost:4242".into()]);
        stage.request(&json!({"request": "register", "config": account, "flow": ["code", "device"]}))
    };
    let scope = "openid profile offline_access";
    for (status, more) in [
        (200, json!({})),
        (201, json!({"client_id": 4711})),
        (201, json!({"client_secret": null})),
        (201, json!({"client_secret": ""})),
        (201, json!({"scope": ["openid", "profile", "offline_access"]})),
        (201, json!({"scope": null})),
        (201, json!({"redirect_uris": "http://localhost:4242"})),
        (201, json!({"grant_types": null, "response_types": null})),
        (201, json!({"client_secret_expires_at": "never", "client_id_issued_at": "Nov 1"})),
    ] {
        let mut answer = json!({"client_id": "dyn", "client_secret": "s", "scope": scope});
        for (name, value) in more.as_object().expect("an object") {
            answer[name] = value.clone();
        }
        let reply = register(&answer, status);
        assert_eq!(reply["status"], "success", "{more}: {reply}");
        let id = &reply["client"]["client_id"];
        assert!(*id == json!("dyn") || *id == more["client_id"], "{more}: {reply}");
    }
    for (status, error, description) in [
        // Keycloak's, without a word of what could be done.
        (
            403,
            "insufficient_scope",
            "Policy 'Trusted Hosts' rejected request to client-registration service.",
        ),
        (400, "invalid_redirect_uri", "localhost is refused"),
        (401, "invalid_token", "no initial access token"),
    ] {
        let reply = register(&json!({"error": error, "error_description": description}), status);
        assert!(text(&reply["error"]).contains(description), "{reply}");
    }
}
