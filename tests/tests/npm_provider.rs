//! The certified npm `oidc-provider` over TLS, with a certificate authority that only the account knows.

use oidc_tests::{
    agent::Agent,
    environment::{Environment, FileFormat},
    npm_provider::NpmProvider,
    require,
    scene::{ACCOUNT, access_token, claims, load_into},
};
use serde_json::json;

fn setting() -> Option<(NpmProvider, Environment, Agent)> {
    let provider = NpmProvider::start(&require::node()?);
    let environment = Environment::new();
    environment.add_account(&provider.account(ACCOUNT), FileFormat::Native);
    let agent = Agent::start(&environment);
    Some((provider, environment, agent))
}

#[test]
fn tokens_rotate_and_survive_a_restart_of_the_agent() {
    let Some((provider, environment, mut agent)) = setting() else { return };
    load_into(&agent, &environment, ACCOUNT);
    let mut seen = Vec::new();
    for _ in 0..3 {
        let reply = agent.token(ACCOUNT, json!({"min_valid_period": -1}));
        seen.push(access_token(&reply).to_owned());
        assert_eq!(reply["issuer"].as_str(), Some(provider.issuer()));
    }
    seen.dedup();
    assert_eq!(seen.len(), 3);
    agent.kill();
    let agent = Agent::start(&environment);
    load_into(&agent, &environment, ACCOUNT);
    access_token(&agent.token(ACCOUNT, json!({"min_valid_period": -1})));
}

#[test]
fn an_audience_is_a_resource() {
    let Some((_provider, environment, agent)) = setting() else { return };
    load_into(&agent, &environment, ACCOUNT);
    let fields = json!({"audience": "https://storage.example", "scope": "storage.read:/"});
    let reply = agent.token(ACCOUNT, fields);
    let content = claims(access_token(&reply));
    assert_eq!(
        (&content["aud"], &content["scope"]),
        (&json!("https://storage.example"), &json!("storage.read:/"))
    );
}

#[test]
fn an_authority_that_nobody_knows_is_named() {
    let Some((provider, environment, agent)) = setting() else { return };
    let mut account = provider.account("strange");
    account.cert_path = None;
    environment.add_account(&account, FileFormat::Native);
    let request = json!({"request": "add", "config": account.to_object().members(), "lifetime": 0});
    let reply = agent.request(&request).expect("a reply");
    assert_eq!(reply["error_code"], "provider_tls", "{reply}");
}
