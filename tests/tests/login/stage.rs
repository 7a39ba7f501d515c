//! An agent, a provider, and an account that has yet to log in.

use std::{
    net::TcpListener,
    thread,
    time::{Duration, Instant},
};

use oidc_tests::{
    agent::Agent,
    environment::Environment,
    http::{self, Response},
    provider::{Provider, Quirks},
};
use serde_json::{Value, json};

/// How long something may take that happens by itself.
const DEADLINE: Duration = Duration::from_secs(15);
/// Between two looks at it.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Where a login takes place.
pub struct Stage {
    pub agent: Agent,
    pub environment: Environment,
    pub provider: Provider,
}

impl Stage {
    pub fn new() -> Self {
        Self::with(Quirks::default())
    }

    pub fn with(quirks: Quirks) -> Self {
        Self::with_options(quirks, &[])
    }

    /// With further options for the agent.
    pub fn with_options(quirks: Quirks, options: &[&str]) -> Self {
        let provider = Provider::with(quirks);
        let environment = Environment::new();
        let agent = Agent::with_options(&environment, options);
        Self { agent, environment, provider }
    }

    pub fn request(&self, request: &Value) -> Value {
        self.agent.request(request).expect("a reply")
    }

    /// An account without a client, as `oidc-gen` sends it.
    pub fn account(&self, name: &str, redirect_uris: &[String]) -> Value {
        json!({
            "name": name,
            "client_name": format!("oidc-agent:{name}-test"),
            "issuer_url": self.provider.issuer(),
            "daeSetByUser": 0,
            "scope": "openid profile offline_access",
            "redirect_uris": redirect_uris,
        })
    }

    /// An account with a client of its own, registered for every flow.
    pub fn registered(&self, name: &str, redirect_uris: &[String]) -> Value {
        let mut account = self.account(name, redirect_uris);
        let flows = ["code", "device"];
        let reply = self.request(&json!({"request": "register", "config": account, "flow": flows}));
        let client = reply["client"].as_object().unwrap_or_else(|| panic!("no client: {reply}"));
        account.as_object_mut().expect("an object").extend(client.clone());
        account
    }

    /// `gen` with one flow and further fields.
    pub fn begin(&self, account: &Value, flow: &str, fields: Value) -> Value {
        let mut request = json!({"request": "gen", "config": account, "flow": [flow]});
        if let (Some(request), Value::Object(fields)) = (request.as_object_mut(), fields) {
            request.extend(fields);
        }
        self.request(&request)
    }

    pub fn lookup(&self, state: &str) -> Value {
        self.request(&json!({"request": "state_lookup", "state": state}))
    }

    pub fn is_loaded(&self, name: &str) -> bool {
        let reply = self.request(&json!({"request": "loaded_accounts"}));
        reply["info"].as_array().is_some_and(|names| names.iter().any(|own| own == name))
    }

    /// A new access token, by a refresh, so that the stored refresh token is tried too.
    pub fn refreshes(&self, name: &str) -> bool {
        let request = json!({"request": "access_token", "account": name, "min_valid_period": -1});
        self.request(&request)["access_token"].is_string()
    }
}

/// A code login under way, with an account registered for one loopback port.
pub struct CodeLogin {
    pub account: Value,
    pub port: u16,
    pub uri: String,
    pub state: String,
}

impl Stage {
    pub fn begin_code(&self, name: &str, fields: Value) -> CodeLogin {
        let port = free_port();
        let account = self.registered(name, &[format!("http://localhost:{port}")]);
        let reply = self.begin(&account, "code", fields);
        assert_eq!(reply["status"], "accepted", "{reply}");
        CodeLogin { account, port, uri: text(&reply["uri"]), state: text(&reply["state"]) }
    }
}

impl CodeLogin {
    /// Where the provider sends the browser back to.
    pub fn redirected(&self) -> String {
        let answer = http::get(&self.uri).send().expect("the provider answers");
        answer.header("location").unwrap_or_else(|| panic!("no redirect: {}", answer.text())).to_owned()
    }

    /// Plays the browser to the end.
    pub fn browse(&self) -> Response {
        visit(&self.redirected())
    }

    /// Asks the login's web server for anything.
    pub fn ask(&self, target: &str) -> Response {
        visit(&format!("http://localhost:{}{target}", self.port))
    }
}

pub fn visit(url: &str) -> Response {
    http::get(url).send().expect("a page")
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

/// Waits until the port can be bound.
pub fn wait_until_free(port: u16) {
    wait_until(|| TcpListener::bind(("127.0.0.1", port)).is_ok() && TcpListener::bind(("::1", port)).is_ok());
}

pub fn wait_until(mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < end, "it did not come to pass");
        thread::sleep(LOOK_AGAIN);
    }
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}
