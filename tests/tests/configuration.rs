//! The `config` file and custom parameters: what of them counts, and that nothing in them stops anybody.

use oidc_tests::{
    agent::Agent,
    environment::{Environment, FileFormat, PASSWORD},
    programs::run,
    provider::{Endpoint, Provider},
    scene::{ACCOUNT, Scene},
};
use serde_json::json;

fn configured(text: &str) -> Environment {
    let environment = Environment::new();
    fs_err::write(environment.accounts().join("config"), text).expect("written");
    environment
}

/// What `status_json` says the agent was started with.
fn options(agent: &Agent) -> String {
    let reply = agent.request(&json!({"request": "status_json"})).expect("a reply");
    reply["info"]["command_line_options"].as_str().expect("options").to_owned()
}

#[test]
fn a_broken_file_stops_no_agent_and_asks_no_less() {
    for (text, expected, told) in [
        (r#"{"oidc-agent": {"confirm": true, "lifetime": 60,}}"#, "--lifetime=60 --confirm", "line 1"),
        (
            r#"{"oidc-agent": {"webserver": false, "confirm": "perhaps"}}"#,
            "--confirm --no-webserver",
            "confirm",
        ),
        (
            r#"{"oidc-agent": {"lifetime": "long", "autoload": false}}"#,
            "--lifetime=3600 --no-autoload",
            "lifetime",
        ),
        (r#"{"oidc-agent": {"group": "no-such-group-here"}}"#, "", "no-such-group-here"),
        (r#"{"oidc-agent": {"nonsense": 1}, "oidc-gne": {}}"#, "", "nonsense"),
        ("[", "", "no JSON object"),
    ] {
        let environment = configured(text);
        let agent = Agent::start(&environment);
        let options = options(&agent);
        let options: Vec<_> = options
            .split(' ')
            .filter(|word| !["--console", "--debug", "--log-stderr"].contains(word))
            .collect();
        assert_eq!(options.join(" "), expected, "{text}");
        assert!(agent.log().contains(told), "{text}: {}", agent.log());
    }
}

#[test]
fn what_a_client_leaves_out_it_says() {
    let environment = configured(r#"{"oidc-add": {"skip-check": "perhaps"}, "oidc-token": {"x": 1}}"#);
    let provider = Provider::start();
    environment.add_account(&provider.seed_account(ACCOUNT), FileFormat::Native);
    let agent = Agent::start(&environment);
    let mut add = agent.command(&environment, "oidc");
    add.args(["add", ACCOUNT, "--pw-env=PW"]).env("PW", PASSWORD);
    let added = run(add);
    assert!(
        added.stderr.contains("oidc-add.skip-check") && !added.stderr.contains("oidc-token"),
        "{added:?}"
    );
    added.success();
    let mut token = agent.command(&environment, "oidc");
    token.args(["token", ACCOUNT]);
    let token = run(token);
    assert!(token.stderr.contains("oidc-token.x"), "{token:?}");
    token.success();
}

#[test]
fn clients_heed_their_sections() {
    let environment = configured(
        r#"{"oidc-add": {"skip-check": true}, "oidc-token": {"default_min_lifetime": 10},
            "oidc-gen": {"prompt": "none"}}"#,
    );
    let provider = Provider::start();
    environment.add_account(&provider.seed_account(ACCOUNT), FileFormat::Native);
    let agent = Agent::start(&environment);
    let oidc = |arguments: &[&str]| {
        let mut command = agent.command(&environment, "oidc");
        command.args(arguments).env("PW", PASSWORD);
        run(command)
    };
    oidc(&["add", ACCOUNT, "--pw-env=PW"]).success();
    assert_eq!(provider.log().refreshes(), 0, "the account is not tried out");
    oidc(&["token", ACCOUNT]).success();
    let no_name = oidc(&["gen"]);
    assert!(no_name.stderr.contains("No account short name given."), "{no_name:?}");
}

#[test]
fn what_a_site_adds_goes_out_with_a_refresh() {
    let scene = Scene::loaded();
    let issuer = scene.provider.issuer();
    let entries = json!([
        {"parameter": "tenant", "value": "a b", "for_issuer": [issuer], "request": ["refresh"]},
        {"parameter": "other", "value": "x", "for_account": ["another"], "request": ["refresh"]},
        {"parameter": "client_id", "value": "x", "for_account": [ACCOUNT], "request": ["refresh"]}
    ]);
    let file = scene.environment.accounts().join("custom_parameters.config");
    fs_err::write(file, entries.to_string()).expect("written");
    let mut scene = scene;
    scene.restart();
    scene.load(ACCOUNT);
    scene.oidc(&["token", "-f", ACCOUNT]).success();
    let refreshes = scene.provider.log().at(Endpoint::Token);
    let sent = refreshes.last().expect("a refresh");
    assert_eq!(sent.form.first("tenant"), Some("a b"), "{sent:?}");
    assert!(!sent.form.has("other") && sent.form.first("client_id") != Some("x"), "{sent:?}");
    assert!(
        scene.agent.log().contains("custom_parameters.config"),
        "the entry left out is told: {}",
        scene.agent.log()
    );
}
