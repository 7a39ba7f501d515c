//! The page as a person uses it, in a real browser.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use oidc_tests::{
    browser::{Browser, BrowserError},
    require,
    scene::{ACCOUNT, Scene, access_token, claims},
};
use serde_json::{Value, json};

use crate::visitor::Address;

struct Stage {
    scene: Scene,
    browser: Browser,
}

impl Stage {
    fn new() -> Option<Self> {
        let programs = require::browser()?;
        let stage = Self { scene: Scene::loaded(), browser: Browser::start(&programs) };
        let permissions = ["clipboardReadWrite", "clipboardSanitizedWrite"];
        stage
            .browser
            .command("Browser.grantPermissions", &json!({"permissions": permissions}))
            .expect("granted");
        Some(stage)
    }

    fn open(&self) -> Address {
        let address = Address::of(&self.scene.agent);
        self.browser.open(&address.url()).expect("the page");
        address
    }

    /// What is in the clipboard, pasted into an empty field.
    fn pasted(&self) -> Result<String, BrowserError> {
        let field = "const field = document.createElement('textarea'); field.id = 'here'; document.body.append(field)";
        self.browser.run(field, &[])?;
        // Control and v, then nothing held down any more.
        self.browser.type_into("#here", "\u{e009}v\u{e000}")?;
        let take = "const field = document.querySelector('#here'); field.remove(); return field.value";
        Ok(self.browser.run(take, &[])?.as_str().unwrap_or_default().to_owned())
    }

    /// What a CSS selector finds, as text.
    fn shown(&self, selector: &str) -> String {
        let script = "return document.querySelector(arguments[0])?.textContent ?? ''";
        let text = self.browser.run(script, &[selector.into()]).expect("a page");
        text.as_str().unwrap_or_default().to_owned()
    }

    fn lock(&self, what: &str) {
        let reply =
            self.scene.agent.request(&json!({"request": what, "password": "sesame"})).expect("a reply");
        assert_eq!(reply["status"], "success", "{reply}");
    }
}

#[test]
fn a_token_is_copied_in_every_form() {
    let Some(stage) = Stage::new() else { return };
    let address = stage.open();
    let browser = &stage.browser;
    browser.wait_for_text("Copy token").expect("an account");
    assert_eq!(browser.url().expect("an address"), format!("http://127.0.0.1:{}/", address.port));

    browser.click("[data-copy=token]").expect("a button");
    browser.wait_for_text("Token of demo copied").expect("it is said");
    let token = access_token(&stage.scene.ask(json!({}))).to_owned();
    assert_eq!(stage.pasted().expect("a field"), token);
    browser.click("[data-copy=curl]").expect("a button");
    browser.wait_for_text("curl line of demo copied").expect("it is said");
    let curl = format!(" curl -H 'Authorization: Bearer {token}' https://service.example/");
    assert_eq!(stage.pasted().expect("a field"), curl);
    browser.click("[data-copy=export]").expect("a button");
    browser.wait_for_text("export line of demo copied").expect("it is said");
    assert_eq!(stage.pasted().expect("a field"), format!(" export BEARER_TOKEN={token}"));

    assert!(!browser.text().expect("text").contains(&token), "it is not to be read by whoever looks on");
    browser.click("[data-show]").expect("a button");
    browser.wait_for_text(&token).expect("it is shown");
    browser.click("[data-new]").expect("a button");
    browser.wait_for_text("demo: a token for").expect("it is said");
    assert_ne!(stage.shown(".value"), token);
    assert_eq!(stage.shown(".value"), access_token(&stage.scene.ask(json!({}))));
}

#[test]
fn scopes_are_chosen() {
    let Some(stage) = Stage::new() else { return };
    stage.open();
    let browser = &stage.browser;
    browser.click("summary").expect("what can be chosen");
    browser.click("[data-none]").expect("a button");
    browser.click(".boxes input[value=openid]").expect("a box");
    browser.type_into(".audience", "https://se.example/").expect("a field");
    browser.click("[data-get]").expect("a button");
    browser.wait_for_text("demo: a token for").expect("it is said");
    browser.click("[data-show]").expect("a button");
    let token = claims(&stage.shown(".value"));
    assert_eq!((&token["scope"], &token["aud"]), (&json!("openid"), &json!("https://se.example/")));
    let line = "oidc token --scope openid --aud https://se.example/ demo";
    assert_eq!(stage.shown(".line"), line, "and that is how a script gets it");
    browser.click("[data-copy=curl]").expect("a button");
    browser.wait_for_text("curl line of demo copied").expect("it is said");
    assert!(stage.pasted().expect("a field").ends_with(" https://se.example/"));
}

#[test]
fn the_time_that_is_left_is_counted_by_the_agents_clock() {
    let Some(stage) = Stage::new() else { return };
    stage.scene.ask(json!({}));
    stage.open();
    stage.browser.wait_for_text("left").expect("a token");
    // A browser whose clock is a day ahead.
    let ahead = "const now = Date.now; Date.now = () => now() + 86400000;";
    stage.browser.run(ahead, &[]).expect("a page");
    let left = stage.shown(".left");
    let seconds = "const [minutes, seconds] = document.querySelector('.left').textContent.match(/\\d+/g).map(Number); \
                   return minutes * 60 + seconds";
    let first = stage.browser.run(seconds, &[]).expect("a page").as_u64().expect("a number");
    assert!((3000..=3600).contains(&first), "{left}");
    let mut next = first;
    while next == first {
        next = stage.browser.run(seconds, &[]).expect("a page").as_u64().expect("a number");
    }
    assert!(next < first && first - next < 5, "{first}, then {next}");
}

#[test]
fn under_the_lock_nothing_is_left_of_what_was_shown() {
    let Some(stage) = Stage::new() else { return };
    stage.open();
    let browser = &stage.browser;
    browser.click("[data-copy=token]").expect("a button");
    browser.click("[data-show]").expect("a button");
    let token = access_token(&stage.scene.ask(json!({}))).to_owned();
    browser.wait_for_text(&token).expect("it is shown");
    stage.lock("lock");
    browser.wait_for_text("The agent is locked").expect("it is said");
    let everything = "return document.documentElement.outerHTML + [...document.querySelectorAll('textarea, input')]\
                      .map((field) => field.value).join()";
    let everything = browser.run(everything, &[]).expect("a page");
    assert!(!everything.as_str().expect("text").contains(&token), "a token is left");
    stage.lock("unlock");
    browser.wait_for_text("Copy token").expect("it comes back by itself");
}

#[test]
fn an_address_opens_once_and_a_page_that_has_ended_says_so() {
    let Some(stage) = Stage::new() else { return };
    let address = stage.open();
    let browser = &stage.browser;
    browser.wait_for_text("Copy token").expect("an account");
    browser.run("location.reload()", &[]).expect("loaded again");
    browser.wait_for_text("Copy token").expect("it is in by its cookie");
    browser.forget().expect("no cookies");
    browser.open("about:blank").expect("elsewhere");
    browser.open(&address.url()).expect("the page");
    browser.wait_for_text("This page is not open").expect("the secret was used");
    assert!(!browser.text().expect("text").contains(ACCOUNT));

    // The next address, in the same tab: only what is behind the # differs.
    let next = Address::of(&stage.scene.agent);
    browser.run("location.href = arguments[0]", &[Value::from(next.url())]).expect("the page");
    browser.wait_for_text("Copy token").expect("an account");
    stage.scene.oidc(&["page", "--stop"]).success();
    browser.wait_for_text("This page has ended").expect("it is said");
    assert!(!browser.text().expect("text").contains("Copy token"));
}

#[test]
fn a_pasted_token_is_looked_into_and_stays_a_text() {
    let Some(stage) = Stage::new() else { return };
    stage.open();
    let browser = &stage.browser;
    let token = access_token(&stage.scene.ask(json!({}))).to_owned();
    let look = |text: &str| {
        browser
            .run("document.querySelector('#pasted').value = arguments[0]", &[text.into()])
            .expect("a field");
        browser.click("#inspect-form [type=submit]").expect("a button");
    };
    look(&token);
    browser.wait_for_text("The issuer signed it, and nothing is wrong with it.").expect("a verdict");
    assert!(stage.shown("#inspected .facts").contains("WLCG access token 1.0"));

    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let markup = "<img src=x onerror=document.title='fooled'>";
    let claims = json!({"iss": "https://op.example", "sub": markup, "scope": markup, "<b>": markup});
    look(&format!("{}.{}.c2ln", part(&json!({"alg": "RS256", "kid": markup})), part(&claims)));
    browser.wait_for_text("nobody here knows the issuer https://op.example").expect("a verdict");
    assert!(stage.shown("#inspected .facts").contains(markup));
    let elements = "return document.querySelectorAll('#inspected img, #inspected b').length";
    assert_eq!(browser.run(elements, &[]).expect("a page"), 0);
    assert_eq!(browser.title().expect("a title"), "Tokens – oidc-agent");
    look("nothing of the kind");
    browser.wait_for_text("this is no token, it is another text").expect("an answer");
    browser.click("#inspect-clear").expect("a button");
    assert_eq!(stage.shown("#inspected"), "");
}

/// The browser's own checks find nothing, and everything can be done by keys.
#[test]
fn keys_reach_everything_and_every_field_has_a_name() {
    let Some(stage) = Stage::new() else { return };
    stage.open();
    let browser = &stage.browser;
    browser.click("summary").expect("what can be chosen");
    let nameless = "return [...document.querySelectorAll('button, input, textarea')].filter((it) => it.offsetParent && \
                    !(it.textContent.trim() || it.labels?.length)).map((it) => it.outerHTML)";
    assert_eq!(browser.run(nameless, &[]).expect("a page"), json!([]));
    let mut reached = Vec::new();
    for _ in 0..40 {
        browser.type_into(":focus, body", "\u{e004}").expect("the tab key");
        let here = "const it = document.activeElement; return it.dataset.copy ?? it.id ?? ''";
        reached.push(browser.run(here, &[]).expect("a page").as_str().unwrap_or_default().to_owned());
    }
    for wanted in ["token", "curl", "export", "script", "pasted", "end"] {
        assert!(reached.iter().any(|name| name == wanted), "{wanted} is not in {reached:?}");
    }
    browser.run("document.querySelector('[data-copy=token]').focus()", &[]).expect("a page");
    browser.type_into(":focus", "\u{e007}").expect("the enter key");
    browser.wait_for_text("Token of demo copied").expect("it is said");
}
