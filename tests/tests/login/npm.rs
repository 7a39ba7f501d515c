//! Registration, login, management and deletion at a provider that somebody else wrote, by way of a real browser.

use oidc_tests::{
    agent::Agent,
    browser::{Browser, BrowserError},
    environment::Environment,
    npm_provider::NpmProvider,
    require,
};
use serde_json::{Value, json};

use crate::stage::{free_port, text, wait_until};

/// The npm provider, an agent, and an account with a client that was registered there.
struct NpmStage {
    agent: Agent,
    _environment: Environment,
    _provider: NpmProvider,
    account: Value,
}

impl NpmStage {
    fn start(flows: &[&str]) -> Option<Self> {
        let provider = NpmProvider::start(&require::node()?);
        let environment = Environment::new();
        let agent = Agent::start(&environment);
        let mut account = json!({
            "name": "npm",
            "client_name": "oidc-agent:npm-test",
            "issuer_url": provider.issuer(),
            "cert_path": provider.authority(),
            "scope": "openid profile offline_access",
            "redirect_uris": [format!("http://localhost:{}", free_port()), "edu.kit.data.oidc-agent:/redirect"],
        });
        let register = json!({"request": "register", "config": account, "flow": flows});
        let reply = agent.request(&register).expect("a reply");
        let client = reply["client"].as_object().unwrap_or_else(|| panic!("no client: {reply}"));
        account.as_object_mut().expect("an object").extend(client.clone());
        Some(Self { agent, _environment: environment, _provider: provider, account })
    }

    fn request(&self, request: &Value) -> Value {
        self.agent.request(request).expect("a reply")
    }

    /// Three new tokens, each by the refresh token that the one before brought.
    fn goes_on_and_ends(&self) {
        for _ in 0..3 {
            let token = json!({"request": "access_token", "account": "npm", "min_valid_period": -1});
            let reply = self.request(&token);
            assert!(reply["access_token"].is_string(), "{reply}");
        }
        let delete = json!({"request": "delete", "config": self.account});
        assert_eq!(self.request(&delete), json!({"status": "success"}));
        let delete_client = json!({
            "request": "delete_client",
            "registration_client_uri": self.account["registration_client_uri"],
            "registration_access_token": self.account["registration_access_token"],
            "cert_path": self.account["cert_path"],
        });
        assert_eq!(self.request(&delete_client), json!({"status": "success"}));
        let begin = json!({"request": "gen", "config": self.account, "flow": ["device"]});
        assert_eq!(self.request(&begin)["error_code"], "invalid_client", "the client is gone");
    }
}

/// Fills in the provider's development forms.
fn log_in_and_agree(browser: &Browser) -> Result<(), BrowserError> {
    browser.type_into("[name=login]", "ada")?;
    browser.type_into("[name=password]", "any")?;
    browser.click("button[type=submit]")?;
    browser.wait_for_text("Authorize")?;
    browser.click("button[type=submit]")
}

#[test]
fn a_code_flow_and_its_end() {
    let Some(programs) = require::browser() else { return };
    let Some(stage) = NpmStage::start(&["code", "device"]) else { return };
    let begun = stage.request(&json!({"request": "gen", "config": stage.account, "flow": ["code"]}));
    let browser = Browser::start(&programs);
    browser.open(&text(&begun["uri"])).expect("the provider's page");
    log_in_and_agree(&browser).expect("a login");
    browser.wait_for_text("You are logged in").expect("the page of the agent");
    let reply = stage.request(&json!({"request": "state_lookup", "state": begun["state"]}));
    assert_eq!(reply["status"], "success", "{reply}");
    stage.goes_on_and_ends();
}

#[test]
fn a_device_flow_and_its_end() {
    let Some(programs) = require::browser() else { return };
    let Some(stage) = NpmStage::start(&["device"]) else { return };
    let begun = stage.request(&json!({"request": "gen", "config": stage.account, "flow": ["device"]}));
    let device = &begun["oidc_device"];
    let browser = Browser::start(&programs);
    browser.open(&text(&device["verification_uri_complete"])).expect("the provider's page");
    browser.wait_for_text(&text(&device["user_code"])).expect("the code is shown again");
    browser.click("button[autofocus]").expect("a code that is confirmed");
    log_in_and_agree(&browser).expect("a login");
    browser.wait_for_text("Success").expect("the provider's last page");
    let poll = json!({"request": "device", "oidc_device": device});
    wait_until(|| {
        let reply = stage.request(&poll);
        assert!(reply["status"] == "success" || reply["error"] == "authorization_pending", "{reply}");
        reply["status"] == "success"
    });
    stage.goes_on_and_ends();
}
