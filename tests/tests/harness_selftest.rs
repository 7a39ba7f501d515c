//! The harness tried with programs that are known to work: the C suite alone, and the npm provider by itself.
//! When these fail, a failure elsewhere says nothing about our programs.

use oidc_tests::{
    agent::Agent,
    browser::Browser,
    environment::{Environment, FileFormat, PASSWORD},
    npm_provider::NpmProvider,
    programs::{run, workspace},
    provider::{Consent, Endpoint, Provider, Quirks},
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

#[test]
fn a_browser_clicks_through_the_consent_form() {
    let Some(programs) = require::browser() else { return };
    let provider = Provider::with(Quirks { consent: Consent::Form, ..Quirks::default() });
    provider.tolerate_violations();
    let client_id = provider.seed_account("demo").client_id.expect("a client id");
    let query =
        [("client_id", client_id.as_str()), ("redirect_uri", "http://localhost:4242"), ("state", "s")];
    let url = url::Url::parse_with_params(&provider.url(Endpoint::Authorization), query).expect("a URL");
    let browser = Browser::start(&programs);
    browser.open(url.as_str()).expect("a page");
    browser.wait_for_text(&client_id).expect("the client's name");
    // Nobody listens at the redirect; where the browser was sent is what counts.
    browser.click("#deny").expect("a button");
    browser.wait_for_url("error=access_denied").expect("the refusal");
    assert!(browser.screenshot().expect("a picture").starts_with(b"\x89PNG"));
}

#[test]
fn a_browser_logs_in_at_the_npm_provider() {
    let (Some(programs), Some(node)) = (require::browser(), require::node()) else { return };
    let provider = NpmProvider::start(&node);
    let query = [
        ("response_type", "code"),
        ("client_id", "seeded-client"),
        ("redirect_uri", "http://localhost:4242"),
        ("scope", "openid offline_access"),
        ("prompt", "consent"),
        ("state", "s"),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
    ];
    let url = url::Url::parse_with_params(&format!("{}/auth", provider.issuer()), query).expect("a URL");
    let browser = Browser::start(&programs);
    browser.open(url.as_str()).expect("a page");
    provider.log_in(&browser).expect("login and consent");
    browser.wait_for_url("http://localhost:4242/?code=").expect("a code");
}

#[test]
fn tests_are_counted_whatever_runs_them() {
    let environment = Environment::new();
    let count = |output: &str, not_run: &str| {
        let (runner, noted) = (environment.path("runner"), environment.path("noted"));
        fs_err::write(&runner, output).expect("a file");
        fs_err::write(&noted, not_run).expect("a file");
        let mut count = environment.command_at(&workspace().join("scripts/count-tests.sh"));
        count.args([&runner, &noted]);
        run(count).success()
    };
    let cargo = "test result: ok. 195 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n\
                 test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out\n";
    assert_eq!(count(cargo, ""), "198 passed, 2 failed, 1 not run\n");
    // A test that lacks two things is one test.
    let noted = "NOT RUN: a::b needs x; y\nNOT RUN: a::b needs z; y\nNOT RUN: c needs z; y\n";
    assert_eq!(count(cargo, noted), "196 passed, 2 failed, 3 not run\n");
    let nextest = "\u{1b}[32;1m     Summary\u{1b}[0m [  60.1s] 653 tests run: 650 passed (2 slow), 2 failed, 1 timed out, 4 skipped\n";
    assert_eq!(count(nextest, ""), "650 passed, 3 failed, 4 not run\n");
}
