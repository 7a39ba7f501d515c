//! Accounts of robots: tokens for the client itself (RFC 6749 section 4.4), with nobody to log in.

use std::{sync::Barrier, thread};

use oidc_proto::account::AccountConfig;
use oidc_tests::{
    agent::Agent,
    environment::{Environment, FileFormat},
    provider::{AudienceParameter, Endpoint, Fault, Provider, Quirks},
    scene::{ACCOUNT, Scene, access_token, claims, load_into},
};
use serde_json::{Value, json};

/// A provider with a client, and an account whose file says that its tokens are the client's own. Not loaded.
fn scene(quirks: Quirks) -> Scene {
    let provider = Provider::with(quirks);
    let environment = Environment::new();
    environment.add_account(&robot(&provider), FileFormat::Native);
    let agent = Agent::start(&environment);
    Scene { agent, environment, provider }
}

fn robot(provider: &Provider) -> AccountConfig {
    AccountConfig {
        grant_type: Some("client_credentials".into()),
        refresh_token: None,
        scope: Some("wlcg storage.read:/".into()),
        ..provider.seed_account(ACCOUNT)
    }
}

/// What each token request asked for: its grant, scope and audience.
fn asked(scene: &Scene) -> Vec<(String, String, String)> {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let requests = scene.provider.log().requests();
    let asked = requests.iter().filter_map(|request| {
        let grant = request.grant_type()?.to_owned();
        Some((grant, text(request.form.first("scope")), text(request.form.first("audience"))))
    });
    asked.collect()
}

fn status(scene: &Scene) -> Value {
    let reply = scene.agent.request(&json!({"request": "status_json"})).expect("a reply");
    reply["info"]["accounts"][0].clone()
}

#[test]
fn a_robot_gets_tokens_as_people_do() {
    let scene = scene(Quirks { audience: AudienceParameter::Audience, ..Quirks::default() });
    scene.oidc(&["add", "--pw-env", ACCOUNT]).success();
    let printed = scene.oidc(&["token", ACCOUNT]).success();
    let content = claims(printed.trim());
    assert_eq!(content["scope"], "wlcg storage.read:/");
    assert_eq!(scene.oidc(&["token", ACCOUNT]).success(), printed, "from the cache");
    assert_ne!(scene.oidc(&["token", "-f", ACCOUNT]).success(), printed);

    let narrow = scene.oidc(&["token", "--scope", "storage.read:/", "--aud", "se.example:443", ACCOUNT]);
    let content = claims(narrow.success().trim());
    assert_eq!((&content["scope"], &content["aud"]), (&json!("storage.read:/"), &json!("se.example:443")));

    let account = "wlcg storage.read:/";
    let expected = [(account, ""), (account, ""), ("storage.read:/", "se.example:443")];
    let expected = expected
        .map(|(scope, audience)| ("client_credentials".to_owned(), scope.to_owned(), audience.to_owned()));
    assert_eq!(asked(&scene), expected);
    // Nothing of the file has changed, and nothing lies beside it.
    assert_eq!(scene.environment.read_account(ACCOUNT), robot_of(&scene));
    scene.oidc(&["reset", "--force", "--keep-remote", ACCOUNT]).success();
}

/// The account as it was written at first.
fn robot_of(scene: &Scene) -> AccountConfig {
    let account = scene.environment.read_account(ACCOUNT);
    assert_eq!(account.grant_type.as_deref(), Some("client_credentials"));
    AccountConfig { refresh_token: None, ..account }
}

#[test]
fn a_herd_of_robots_costs_one_request_and_an_agent_that_is_started_anew_goes_on() {
    let mut scene = scene(Quirks::default());
    load_into(&scene.agent, &scene.environment, ACCOUNT);
    let before = asked(&scene).len();
    scene.provider.faults().queue(Endpoint::Token, Fault::Delay { milliseconds: 300 });
    let start = Barrier::new(50);
    let tokens: Vec<Value> = thread::scope(|scope| {
        let ask = || {
            start.wait();
            scene.ask(json!({"scope": "storage.read:/"}))
        };
        let asking: Vec<_> = (0..50).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().map(|thread| thread.join().expect("a reply")).collect()
    });
    assert!(tokens.iter().all(|reply| access_token(reply) == access_token(&tokens[0])));
    assert_eq!(asked(&scene).len() - before, 1);

    scene.agent.kill();
    scene.agent = Agent::named(&scene.environment, "again");
    load_into(&scene.agent, &scene.environment, ACCOUNT);
    access_token(&scene.ask(json!({})));
}

#[test]
fn a_refused_client_is_said_to_be_refused_and_needs_no_login() {
    let scene = scene(Quirks::default());
    load_into(&scene.agent, &scene.environment, ACCOUNT);
    let account = scene.environment.read_account(ACCOUNT);
    scene.provider.change_secret(account.client_id.as_deref().expect("a client"), "another one");
    for _ in 0..3 {
        let refused = scene.ask(json!({"min_valid_period": -1}));
        assert_eq!(refused["error_code"], "invalid_client", "{refused}");
        assert!(!refused.to_string().contains("reauthenticate"), "{refused}");
    }
    let known = status(&scene);
    assert!(known["client_refused"].is_string() && known["login_needed"].is_null(), "{known}");
    let shown = scene.oidc(&["status"]).success();
    assert!(shown.contains("the provider refuses this client") && !shown.contains("login"), "{shown}");

    // Another secret in the file is used without the account being loaded again.
    let mended = AccountConfig { client_secret: Some("another one".into()), ..account };
    let (_, key) = scene.environment.unlock_account(ACCOUNT);
    let file = scene.environment.account_file(ACCOUNT);
    let sealed = key.seal(&mended, &fs_err::read(&file).expect("a file")).expect("sealed");
    fs_err::write(&file, sealed).expect("written");
    access_token(&scene.ask(json!({"min_valid_period": -1})));
    assert!(status(&scene)["client_refused"].is_null());
}

/// Some providers send no OAuth error with it; there are no other credentials in such a request that could be wrong.
#[test]
fn a_bare_401_refuses_the_client() {
    let scene = scene(Quirks::default());
    load_into(&scene.agent, &scene.environment, ACCOUNT);
    for _ in 0..8 {
        // Each way to authenticate is tried.
        let bare = Fault::Status { status: 401, retry_after: None, body: Some(String::new()) };
        scene.provider.faults().queue(Endpoint::Token, bare);
    }
    let refused = scene.ask(json!({"min_valid_period": -1}));
    assert_eq!(refused["error_code"], "invalid_client", "{refused}");
    let known = status(&scene);
    assert!(known["client_refused"].is_string() && known["login_needed"].is_null(), "{known}");
    let listed = scene.oidc(&["list"]).success();
    assert!(listed.contains("client refused"), "{listed}");
}

#[test]
fn a_kind_that_is_not_known_is_refused_before_anything_is_sent() {
    let scene = scene(Quirks::default());
    let account = AccountConfig { grant_type: Some("of a later version".into()), ..robot(&scene.provider) };
    let request = json!({"request": "add", "config": account.to_object().members(), "plain_add": 1});
    let reply = scene.agent.request(&request).expect("a reply");
    assert_eq!(reply["error_code"], "not_supported_yet", "{reply}");
    assert!(reply.to_string().contains("of a later version"), "{reply}");
    assert!(asked(&scene).is_empty());
}
