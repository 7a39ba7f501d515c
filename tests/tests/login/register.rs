//! Dynamic client registration.

use oidc_tests::provider::{Endpoint, Fault, Quirks, RedirectPolicy, Registration, RegistrationRefusal};
use serde_json::{Value, json};

use crate::stage::{Stage, text};

const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";

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

fn left_out(reply: &Value) -> Vec<String> {
    reply["left_out"].as_array().into_iter().flatten().map(text).collect()
}

#[test]
fn what_a_provider_does_not_know_is_done_without_and_told() {
    let refused = |change: fn(&mut Quirks)| {
        let mut quirks = Quirks::default();
        change(&mut quirks);
        quirks
    };
    for (quirks, without, told) in [
        (
            refused(|quirks| quirks.refused_redirects = vec!["edu.kit".into()]),
            "edu.kit",
            "redirect URIs of a private-use scheme",
        ),
        (
            refused(|quirks| quirks.refused_redirects = vec!["edu.kit".into(), "http://localhost".into()]),
            "http://localhost",
            "redirect URIs with localhost (they have 127.0.0.1 instead)",
        ),
        (
            refused(|quirks| quirks.refused_scopes = vec!["offline_access".into()]),
            "offline_access",
            "the scope offline_access",
        ),
        (refused(|quirks| quirks.refused_members = vec!["scope".into()]), "\"scope\"", "the list of scopes"),
        (
            refused(|quirks| quirks.refused_members = vec!["application_type".into()]),
            "application_type",
            "the type of the application",
        ),
        (
            refused(|quirks| quirks.refused_grants = vec![DEVICE.into()]),
            DEVICE,
            "the device grant under its usual name",
        ),
        (
            refused(|quirks| quirks.device_grant_name = Some("device_code".into())),
            DEVICE,
            "the device grant under its usual name",
        ),
    ] {
        use RegistrationRefusal::{Empty, Html, ListsAllowed, Named, Text, Vague};
        for refused_registration in [Named, ListsAllowed, Text, Vague, Html, Empty] {
            let stage = Stage::with(Quirks { refused_registration, ..quirks.clone() });
            let reply = register(&stage, "demo", json!({}));
            assert_eq!(reply["status"], "success", "{told}, {refused_registration:?}: {reply}");
            assert!(
                left_out(&reply).iter().any(|part| part == told),
                "{told}, {refused_registration:?}: {reply}"
            );
            let requests = stage.provider.log().requests();
            let sent: Vec<_> = requests.iter().filter_map(|request| request.json.as_ref()).collect();
            assert!(sent.len() <= 12, "{told}, {refused_registration:?}: {} requests", sent.len());
            let last = sent.last().expect("a registration").to_string();
            assert!(!last.contains(without), "{told}, {refused_registration:?}: {last}");
            let uses_code = sent.last().expect("a registration")["grant_types"]
                .to_string()
                .contains("authorization_code");
            assert!(uses_code, "{told}, {refused_registration:?}: {last}");
        }
    }
}

/// Keycloak has no client scope of that name, and says so of no scope in particular.
#[test]
fn a_registration_may_be_refused_for_openid() {
    for refused_registration in [RegistrationRefusal::Policy, RegistrationRefusal::Named] {
        let stage = Stage::with(Quirks {
            refused_scopes: vec!["openid".into()],
            refused_registration,
            ..Quirks::default()
        });
        let reply = register(&stage, "demo", json!({}));
        assert_eq!(reply["client"]["scope"], "profile offline_access", "{reply}");
        assert!(left_out(&reply).iter().any(|part| part.starts_with("the scope openid")), "{reply}");
        let login = stage.begin_code("other", json!({}));
        for scope in ["openid", "offline_access"] {
            assert!(login.uri.contains(scope), "{}", login.uri);
        }
        login.browse();
        assert_eq!(stage.lookup(&login.state)["status"], "success");
    }
}

/// What is registered without a list of scopes logs in with all that is wanted.
#[test]
fn a_registration_without_scopes_costs_no_scope_of_the_login() {
    let stage = Stage::with(Quirks {
        refused_members: vec!["scope".into()],
        refused_registration: RegistrationRefusal::Policy,
        ..Quirks::default()
    });
    let login = stage.begin_code("demo", json!({}));
    assert!(login.uri.contains("offline_access"), "{}", login.uri);
}

/// Keycloak's answer to whoever brings no token, which names none.
#[test]
fn a_policy_against_strangers_means_that_a_token_is_needed() {
    let registration = Registration::TrustedHosts("at-admin".into());
    let stage = Stage::with(Quirks { registration, ..Quirks::default() });
    let refused = register(&stage, "demo", json!({}));
    assert_eq!(refused["error_code"], "registration_token_needed", "{refused}");
    let info = text(&refused["info"]);
    assert!(info.contains("`--at`"), "{refused}");
    let reply = register(&stage, "demo", json!({"authorization": "at-admin"}));
    assert_eq!(reply["status"], "success", "{reply}");
}

#[test]
fn a_client_without_offline_access_logs_in_without_asking_for_it() {
    let stage = Stage::with(Quirks { refused_scopes: vec!["offline_access".into()], ..Quirks::default() });
    let login = stage.begin_code("demo", json!({}));
    assert!(!login.uri.contains("offline_access"), "{}", login.uri);
}

#[test]
fn a_custom_scheme_that_is_not_wanted_is_not_registered() {
    let stage = Stage::new();
    let reply = register(&stage, "demo", json!({"no_scheme": 1}));
    assert!(!reply["client"]["redirect_uris"].to_string().contains("edu.kit"), "{reply}");
    assert_eq!(left_out(&reply), Vec::<String>::new());
}

#[test]
fn a_registration_that_is_closed_has_codes_of_its_own() {
    let ask = |registration: Registration| {
        let stage = Stage::with(Quirks { registration, ..Quirks::default() });
        register(&stage, "demo", json!({}))
    };
    let closed = ask(Registration::Closed);
    assert_eq!(
        (&closed["error_code"], &closed["error"]),
        (&json!("registration_closed"), &json!("Registration is closed."))
    );
    assert!(text(&closed["info"]).contains("registers no client for you"), "{closed}");
    assert_eq!(ask(Registration::Absent)["error_code"], "registration_closed");
    let protected = ask(Registration::Bearer("at-admin".into()));
    assert_eq!(protected["error_code"], "registration_token_needed", "{protected}");
    assert!(text(&protected["info"]).contains("`--at`"), "{protected}");
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
