//! The authorization code flow, with the agent's web server and without.

use std::net::TcpListener;

use oidc_tests::{
    http,
    provider::{AuthorizationResponseIss, Consent, Endpoint, Fault, Quirks},
};
use serde_json::json;

use crate::stage::{Stage, free_port, text, visit, wait_until_free};

#[test]
fn a_browser_login_from_start_to_token() {
    let stage = Stage::new();
    let login = stage.begin_code("demo", json!({}));
    let early = stage.lookup(&login.state);
    assert_eq!(early["status"], "NotFound");
    assert_eq!(early["info"], format!("No loaded account info found for state={}", login.state));

    let page = login.browse();
    assert_eq!(page.status, 200);
    assert!(page.text().contains("You are logged in") && page.text().contains("demo"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));

    let reply = stage.lookup(&login.state);
    let config = &reply["config"];
    assert_eq!(reply["status"], "success", "{reply}");
    assert_eq!(config["issuer_url"], stage.provider.issuer());
    for scope in ["scope", "auth_scope", "refresh_scope"] {
        assert_eq!(config[scope], "openid profile offline_access", "{scope}");
    }
    for kept in
        ["client_id", "client_secret", "registration_access_token", "registration_client_uri", "grant_types"]
    {
        assert_eq!(config[kept], login.account[kept], "{kept}");
    }
    assert!(config["refresh_token"].is_string());
    wait_until_free(login.port);

    let again = stage.lookup(&login.state);
    assert_eq!(
        (&again["status"], &again["info"]),
        (&json!("FoundButReceived"), &json!("Account config already retrieved"))
    );
    assert!(stage.is_loaded("demo") && stage.refreshes("demo"));
}

#[test]
fn a_browser_may_come_by_any_name_of_this_machine() {
    for host in ["localhost", "127.0.0.1", "[::1]"] {
        let stage = Stage::new();
        let login = stage.begin_code("demo", json!({}));
        let redirected = login.redirected().replace("//localhost:", &format!("//{host}:"));
        if TcpListener::bind(("::1", 0)).is_err() && host == "[::1]" {
            continue;
        }
        assert!(redirected.contains(host), "{redirected}");
        assert_eq!(visit(&redirected).status, 200, "{host}");
        assert!(stage.is_loaded("demo"), "{host}");
    }
}

#[test]
fn the_request_is_a_careful_one() {
    let stage = Stage::new();
    let login = stage.begin_code("demo", json!({}));
    login.browse();
    let requests = stage.provider.log().requests();
    let authorization =
        requests.iter().find(|request| request.endpoint == Endpoint::Authorization).expect("asked");
    let query = |name: &str| authorization.query.first(name).unwrap_or_default();
    assert_eq!((query("response_type"), query("code_challenge_method")), ("code", "S256"));
    assert_eq!(query("state"), login.state);
    assert!(query("nonce").len() >= 22);
    let socket = stage.agent.socket().as_os_str().len().to_string();
    assert_eq!(login.state.split(':').nth(2), Some(socket.as_str()));
}

#[test]
fn a_foreign_answer_ends_nothing() {
    let stage = Stage::new();
    let login = stage.begin_code("demo", json!({}));
    for target in [
        "/",
        "/?code=abc",
        "/?error=access_denied",
        "/?code=abc&state=",
        "/?code=abc&state=0:0wrong:1:L3Q",
        "/?error=access_denied&error_description=%3Cb%3E&state=0:0wrong:1:L3Q",
    ] {
        let page = login.ask(target);
        assert_eq!(page.status, 400, "{target}");
        assert!(!page.text().contains("<b>"), "{target}");
    }
    let doubled = format!("/?code=abc&state={0}&state={0}", login.state);
    assert_eq!(login.ask(&doubled).status, 400);
    assert_eq!(login.ask(&format!("/other?code=abc&state={}", login.state)).status, 404);
    let posted =
        http::post(format!("http://localhost:{}/?code=abc&state={}", login.port, login.state)).form(&[]);
    assert_eq!(posted.send().expect("a page").status, 405);
    let requests = stage.provider.log().requests();
    assert!(requests.iter().all(|request| request.endpoint != Endpoint::Token), "nothing was exchanged");

    assert_eq!(stage.lookup(&login.state)["status"], "NotFound");
    assert_eq!(login.browse().status, 200);
}

#[test]
fn a_second_tab_and_a_reload_see_the_same() {
    let stage = Stage::new();
    let login = stage.begin_code("demo", json!({}));
    let redirected = login.redirected();
    assert_eq!(visit(&redirected).status, 200);
    assert_eq!(visit(&redirected).status, 200, "a reload");
    assert_eq!(login.browse().status, 200, "a second tab, with a code of its own");
    let exchanges = stage.provider.log().requests();
    let exchanges = exchanges.iter().filter(|request| request.grant_type() == Some("authorization_code"));
    assert_eq!(exchanges.count(), 1);
}

#[test]
fn a_refusal_is_shown_and_told() {
    let stage = Stage::with(Quirks { consent: Consent::Denied, ..Quirks::default() });
    let login = stage.begin_code("demo", json!({}));
    let page = login.browse();
    assert_eq!(page.status, 400);
    assert!(page.text().contains("access_denied: the person said &lt;b&gt;no&lt;/b&gt;"), "{}", page.text());

    let told = stage.lookup(&login.state);
    assert_eq!(
        (&told["status"], &told["error"]),
        (&json!("failure"), &json!("access_denied: the person said <b>no</b>"))
    );
    wait_until_free(login.port);
    assert!(!stage.is_loaded("demo"));
}

#[test]
fn what_fails_for_good_is_told_and_may_be_tried_again() {
    let stage = Stage::new();
    let login = stage.begin_code("demo", json!({}));
    let refusal = Fault::OAuthError {
        status: 400,
        error: "invalid_grant".into(),
        description: Some("<i>\u{1b}[2J".into()),
    };
    stage.provider.faults().queue(Endpoint::Token, refusal);
    let page = login.browse();
    assert_eq!(page.status, 400);
    assert!(!page.text().contains("<i>") && page.text().contains("invalid_grant"));
    let told = stage.lookup(&login.state);
    assert_eq!(told["status"], "failure");
    assert!(text(&told["error"]).starts_with("invalid_grant"));

    // The web server has ended with that, but the login itself is still there for `oidc-gen --codeExchange`.
    wait_until_free(login.port);
    let exchange = json!({"request": "code_exchange", "redirect_uri": login.redirected(), "from_gen": 1});
    assert_eq!(stage.request(&exchange)["status"], "success");
}

#[test]
fn what_may_pass_keeps_the_client_waiting() {
    let stage = Stage::new();
    let login = stage.begin_code("demo", json!({}));
    stage
        .provider
        .faults()
        .set(Endpoint::Token, Fault::Status { status: 500, retry_after: None, body: None });
    let redirected = login.redirected();
    let page = visit(&redirected);
    assert_eq!(page.status, 502);
    assert!(page.text().contains("load this page again"));
    assert_eq!(stage.lookup(&login.state)["status"], "NotFound");
    stage.provider.faults().clear_all();
    assert_eq!(visit(&redirected).status, 200);
    assert_eq!(stage.lookup(&login.state)["status"], "success");
}

#[test]
fn another_provider_cannot_answer() {
    let stage = Stage::new();
    stage.provider.change(|quirks| {
        quirks.authorization_response_iss = AuthorizationResponseIss::Other("https://evil.example/".into());
    });
    let login = stage.begin_code("demo", json!({}));
    let page = login.browse();
    assert_eq!(page.status, 400);
    assert!(page.text().contains("evil.example"));
    assert_eq!(stage.lookup(&login.state)["error_code"], "provider_mismatch");
}

#[test]
fn a_locked_agent_says_so_in_the_browser() {
    let stage = Stage::new();
    let login = stage.begin_code("demo", json!({}));
    let redirected = login.redirected();
    stage.request(&json!({"request": "lock", "password": "pw"}));
    let page = visit(&redirected);
    assert_eq!(page.status, 503);
    assert!(page.text().contains("The agent is locked"));
    assert_eq!(stage.lookup(&login.state)["error"], "Agent locked");
    stage.request(&json!({"request": "unlock", "password": "pw"}));
    assert_eq!(visit(&redirected).status, 200);
    assert_eq!(stage.lookup(&login.state)["status"], "success");
}

#[test]
fn a_pasted_address_does_it_without_a_web_server() {
    let stage = Stage::new();
    let login = stage.begin_code("demo", json!({"no_webserver": 1}));
    TcpListener::bind(("127.0.0.1", login.port)).expect("no web server was started");
    let exchange =
        |uri: &str| stage.request(&json!({"request": "code_exchange", "redirect_uri": uri, "from_gen": 1}));

    let bad = format!("http://localhost:{}?code=bad&state={}", login.port, login.state);
    let refused = exchange(&bad);
    assert!(text(&refused["error"]).starts_with("invalid_grant"), "{refused}");
    assert!(!refused["info"].as_str().unwrap_or_default().contains("--reauthenticate"), "{refused}");
    let wrong = format!("http://localhost:{}?code=abc&state=0:0other:1:L3Q", login.port);
    assert_eq!(exchange(&wrong)["error"], "wrong state");

    let redirected = login.redirected();
    assert_eq!(exchange(&redirected)["config"]["name"], "demo");
    assert_eq!(stage.lookup(&login.state)["status"], "FoundButReceived");
    assert_eq!(exchange(&redirected)["error"], "wrong state");
    for (uri, error) in [
        ("http://localhost:1", "redirected uri did not contain state parameter"),
        ("http://localhost:1?code=abc&state=b", "state malformed"),
        ("http://localhost:1?state=0:0abc", "redirected uri did not contain code parameter"),
    ] {
        assert_eq!(exchange(uri)["error"], error);
    }
}

#[test]
fn an_access_token_alone_is_given_once_and_loads_nothing() {
    let stage = Stage::new();
    let login = stage.begin_code("demo", json!({"only_at": 1}));
    assert_eq!(login.state.as_bytes()[2], b'1');
    assert_eq!(login.browse().status, 200);
    let reply = stage.lookup(&login.state);
    assert!(reply["access_token"].is_string(), "{reply}");
    assert!(reply["expires_at"].as_u64().is_some_and(|time| time > 1_000_000_000));
    assert_eq!(stage.lookup(&login.state)["status"], "NotFound");
    assert!(!stage.is_loaded("demo"));
    let requests = stage.provider.log().requests();
    let authorization =
        requests.iter().find(|request| request.endpoint == Endpoint::Authorization).expect("asked");
    assert_eq!(authorization.query.first("scope"), Some("openid profile"));
}

#[test]
fn the_web_server_ends_when_it_is_told_to() {
    let stage = Stage::new();
    let login = stage.begin_code("demo", json!({}));
    let reply = stage.request(&json!({"request": "term_http_server", "state": login.state}));
    assert_eq!(reply, json!({"status": "success"}));
    wait_until_free(login.port);
    assert_eq!(stage.request(&json!({"request": "term_http_server"}))["status"], "success");
}

#[test]
fn taken_ports_lead_to_the_next_redirect_and_then_to_a_reason() {
    let stage = Stage::new();
    let holder = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = format!("http://localhost:{}", holder.local_addr().expect("an address").port());
    let free = format!("http://localhost:{}", free_port());
    let account = stage.registered("demo", &[taken.clone(), free.clone()]);
    let reply = stage.begin(&account, "code", json!({}));
    let uri = url::Url::parse(&text(&reply["uri"])).expect("a URL");
    assert!(uri.query_pairs().any(|(name, value)| name == "redirect_uri" && value == free));

    let account = stage.registered("other", &[taken]);
    let refused = stage.begin(&account, "code", json!({}));
    assert_eq!(refused["error"], "Could not start the http server on any of the registered redirect uris.");
    let none = stage.begin(&stage.account("other", &[]), "code", json!({}));
    assert_eq!(none["error"], "Only 'code' flow specified, but no redirect uris");
}
