//! Providers that refuse the scope `offline_access`: the login goes on without, and nobody has to begin once more.

use oidc_tests::{
    http,
    provider::{Consent, Endpoint, OfflineAccess, Quirks},
};
use serde_json::{Value, json};
use url::Url;

use crate::stage::{Stage, free_port, text, visit, wait_until};

/// The flow, what the provider refuses, and whether the person has to begin once more.
#[test]
fn a_login_that_may_not_have_offline_access_does_without() {
    use oidc_tests::provider::OfflineAccess::{InvalidScope, NotAllowed, Unknown};
    for (offline_access, flow, again) in [
        (NotAllowed, "code", false),
        (InvalidScope, "code", false),
        (Unknown, "code", false),
        // The person has typed the code already.
        (NotAllowed, "device", true),
        (InvalidScope, "device", false),
        (Unknown, "device", false),
        (NotAllowed, "password", false),
        (InvalidScope, "password", false),
        (Unknown, "password", false),
    ] {
        let stage = Stage::with(Quirks {
            offline_access,
            consent: Consent::Automatic,
            device_approved_at_poll: Some(1),
            ..Quirks::default()
        });
        // The page of a login stays for a moment.
        let redirect_uris = [free_port(), free_port()].map(|port| format!("http://localhost:{port}"));
        let mut account = stage.registered("demo", &redirect_uris);
        let (username, password) = oidc_tests::provider::PERSON;
        account["username"] = username.into();
        account["password"] = password.into();
        let log_in = || {
            let reply = stage.begin(&account, flow, json!({}));
            match flow {
                "code" => {
                    browse(&text(&reply["uri"]));
                    stage.lookup(&text(&reply["state"]))
                }
                "device" => {
                    let device = &reply["oidc_device"];
                    let mut polled = Value::Null;
                    wait_until(|| {
                        polled =
                            stage.request(&json!({"request": "device", "oidc_device": device, "only_at": 0}));
                        polled["error"] != "authorization_pending"
                    });
                    polled
                }
                _ => reply,
            }
        };
        let mut reply = log_in();
        if again {
            let info = text(&reply["info"]);
            assert!(info.contains("Run the same command again"), "{offline_access:?}, {flow}: {reply}");
            assert!(info.contains("offline_access") && !info.contains("oidc-gen -m"), "{info}");
            reply = log_in();
        }
        assert_eq!(reply["status"], "success", "{offline_access:?}, {flow}: {reply}");
        assert!(stage.refreshes("demo"), "{offline_access:?}, {flow}");
        // Kept with the account: other agents need not find out.
        assert_eq!(reply["config"]["without_offline_access"], true, "{offline_access:?}, {flow}: {reply}");
    }
}

/// Goes where a browser is sent, until there is a page to read.
fn browse(url: &str) -> http::Response {
    let mut response = http::get(url).send().expect("an answer");
    for _ in 0..6 {
        let Some(location) = response.header("location").map(str::to_owned) else { return response };
        response = http::get(&location).send().expect("an answer");
    }
    panic!("it goes on for ever: {url}")
}

/// The parameters of an address.
fn parameter(url: &str, name: &str) -> String {
    let url = Url::parse(url).expect("an address");
    let found = url.query_pairs().find(|(own, _)| own == name).map(|(_, value)| value.into_owned());
    found.unwrap_or_else(|| panic!("no {name} in {url}"))
}

fn unknown_offline_access() -> Stage {
    let offline_access = OfflineAccess::Unknown;
    Stage::with(Quirks { offline_access, consent: Consent::Automatic, ..Quirks::default() })
}

#[test]
fn the_second_request_has_a_state_a_verifier_and_a_nonce_of_its_own() {
    let stage = unknown_offline_access();
    let login = stage.begin_code("demo", json!({}));
    let refused = login.redirected();
    let sent_on = visit(&refused);
    assert_eq!(sent_on.status, 303);
    let second = sent_on.header("location").expect("somewhere to go").to_owned();
    for name in ["state", "nonce", "code_challenge"] {
        assert_ne!(parameter(&login.uri, name), parameter(&second, name), "{name}");
    }
    for name in ["client_id", "redirect_uri", "code_challenge_method"] {
        assert_eq!(parameter(&login.uri, name), parameter(&second, name), "{name}");
    }
    assert_eq!(parameter(&second, "scope"), "openid profile");
    // The page is loaded again: the same way on, and no third request.
    assert_eq!(visit(&refused).header("location"), Some(second.as_str()));
    assert_eq!(stage.lookup(&login.state)["status"], "NotFound", "whoever waits goes on waiting");
    // Nor does an answer to the first request do now.
    let forged = format!("http://localhost:{}/?code=c&state={}", login.port, parameter(&login.uri, "state"));
    assert_eq!(visit(&forged).header("location"), Some(second.as_str()));

    assert_eq!(browse(&second).status, 200);
    let reply = stage.lookup(&login.state);
    assert_eq!(reply["config"]["auth_scope"], "openid profile", "{reply}");
    assert_eq!(reply["config"]["without_offline_access"], true, "{reply}");
    assert!(stage.refreshes("demo"));
    let asked = stage.provider.log().requests();
    assert_eq!(asked.iter().filter(|request| request.endpoint == Endpoint::Authorization).count(), 2);
}

#[test]
fn a_second_refusal_ends_the_login() {
    let stage = unknown_offline_access();
    let login = stage.begin_code("demo", json!({}));
    let second = login.browse().header("location").expect("somewhere to go").to_owned();
    let refused = format!(
        "http://localhost:{}/?error=invalid_scope&error_description=offline_access&state={}",
        login.port,
        parameter(&second, "state")
    );
    assert_eq!(visit(&refused).status, 400);
    let reply = stage.lookup(&login.state);
    assert_eq!(reply["error_code"], "invalid_scope", "{reply}");
}

#[test]
fn whoever_hands_the_address_over_is_told_where_the_login_goes_on() {
    let stage = unknown_offline_access();
    let login = stage.begin_code("demo", json!({"no_webserver": 1}));
    let hand_over =
        |url: &str| stage.request(&json!({"request": "code_exchange", "redirect_uri": url, "from_gen": 1}));
    let reply = hand_over(&login.redirected());
    assert_eq!(reply["status"], "accepted", "{reply}");
    let (uri, state) = (text(&reply["uri"]), text(&reply["state"]));
    assert_eq!(parameter(&uri, "state"), state);
    let answer = http::get(&uri).send().expect("an answer");
    let reply = hand_over(answer.header("location").expect("a redirect"));
    assert_eq!(reply["config"]["without_offline_access"], true, "{reply}");
    assert_eq!(stage.lookup(&state)["status"], "FoundButReceived", "fetched already");
}
