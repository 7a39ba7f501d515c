//! The pages in a real browser.

use oidc_tests::{
    browser::Browser,
    provider::{Consent, Quirks},
    require,
};
use serde_json::json;

use crate::stage::Stage;

#[test]
fn a_person_agrees_and_sees_it_done() {
    let Some(programs) = require::browser() else { return };
    let stage = Stage::with(Quirks { consent: Consent::Form, ..Quirks::default() });
    let login = stage.begin_code("demo", json!({}));
    let browser = Browser::start(&programs);
    browser.open(&login.uri).expect("the provider's page");
    browser.click("#approve").expect("a button");
    browser.wait_for_text("You are logged in").expect("the page of the agent");
    assert_eq!(browser.title().expect("a title"), "You are logged in – oidc-agent");
    keep(&browser, "login-done");
    assert_eq!(stage.lookup(&login.state)["status"], "success");
}

#[test]
fn a_person_refuses_and_is_told_so() {
    let Some(programs) = require::browser() else { return };
    let stage = Stage::with(Quirks { consent: Consent::Form, ..Quirks::default() });
    let login = stage.begin_code("demo", json!({}));
    let browser = Browser::start(&programs);
    browser.open(&login.uri).expect("the provider's page");
    browser.click("#deny").expect("a button");
    let text = browser.wait_for_text("The login failed").expect("the page of the agent");
    assert!(text.contains("access_denied: the person said <b>no</b>"), "{text}");
    keep(&browser, "login-failed");
}

/// Pictures of the pages, where somebody wants to look at them.
fn keep(browser: &Browser, name: &str) {
    let Some(directory) = std::env::var_os("OIDC_TESTS_PICTURES") else { return };
    let picture = browser.screenshot().expect("a picture");
    fs_err::write(std::path::Path::new(&directory).join(format!("{name}.png")), picture).expect("written");
}
