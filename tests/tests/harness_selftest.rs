//! The harness tried with programs that are known to work: the C suite alone, and the npm provider by itself.
//! When these fail, a failure elsewhere says nothing about our programs.

use oidc_tests::{
    agent::Agent,
    environment::{Environment, FileFormat, PASSWORD},
    npm_provider::NpmProvider,
    programs::run,
    provider::Provider,
    require,
    terminal::Terminal,
};
use serde_json::json;

#[test]
fn the_c_suite_loads_an_account_of_ours_and_rotates_its_token() {
    let Some(c_suite) = require::c_suite() else { return };
    let provider = Provider::start();
    provider.tolerate_violations();
    let environment = Environment::new();
    environment.add_account(&provider.seed_account("demo"), FileFormat::OidcAgent);
    let agent = Agent::start_c(&environment, &c_suite);

    let mut add = agent.c_command(&environment, &c_suite, "oidc-add");
    add.args(["--pw-env", "demo"]);
    assert_eq!(run(add).success(), "success\n");
    let mut token = agent.c_command(&environment, &c_suite, "oidc-token");
    token.args(["--force-new", "demo"]);
    assert_eq!(run(token).success().matches('.').count(), 2);
    assert_eq!(provider.log().refreshes(), 2);

    // What it wrote is what the provider wants next.
    let newest = environment.read_account("demo").refresh_token.expect("a refresh token");
    assert!(provider.is_live(&newest));
    assert_eq!(provider.reuses(), 0);

    let Some(python) = require::python() else { return };
    let token = c_suite.library_token(&environment, &python, agent.socket(), "demo").success();
    assert_eq!(token.matches('.').count(), 2);
}

#[test]
fn the_c_suite_asks_on_the_terminal() {
    let Some(c_suite) = require::c_suite() else { return };
    let provider = Provider::start();
    provider.tolerate_violations();
    let environment = Environment::new();
    environment.add_account(&provider.seed_account("demo"), FileFormat::OidcAgent);
    let agent = Agent::start_c(&environment, &c_suite);

    let mut add = agent.c_command(&environment, &c_suite, "oidc-add");
    add.arg("demo");
    let mut terminal = Terminal::start(add);
    terminal.expect("Enter decryption password");
    terminal.type_line("a guess");
    terminal.expect("Enter decryption password");
    terminal.type_line(PASSWORD);
    terminal.expect("success");
    assert_eq!(terminal.finish().0, 0);
}

#[test]
fn an_agent_can_be_killed_and_its_log_read() {
    let Some(c_suite) = require::c_suite() else { return };
    let environment = Environment::new();
    let mut agent = Agent::start_c(&environment, &c_suite);
    let loaded = agent.request(&json!({"request": "loaded_accounts"})).expect("a reply");
    assert_eq!(loaded["status"], "success");
    agent.kill();
    assert!(agent.request(&json!({"request": "check"})).is_err());
}

#[test]
fn the_npm_provider_comes_up_with_an_account() {
    let Some(node) = require::node() else { return };
    let provider = NpmProvider::start(&node);
    let account = provider.account("npm");
    assert_eq!(account.issuer_url.as_deref(), Some(provider.issuer()));
    assert!(provider.authority().exists());
}
