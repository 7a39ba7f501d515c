//! `oidc gen` at a provider that somebody else wrote, with a real browser: on a desktop and on a machine without one.

use std::{
    io::{BufRead, BufReader, Read},
    os::unix::fs::PermissionsExt,
    process::{Child, Command, Stdio},
};

use oidc_tests::{
    agent::Agent,
    browser::{Browser, BrowserError},
    environment::Environment,
    npm_provider::NpmProvider,
    programs::run,
    require,
    terminal::Terminal,
};
use serde_json::{Value, json};

struct Stage {
    agent: Agent,
    environment: Environment,
    provider: NpmProvider,
    browser: Browser,
}

impl Stage {
    fn new() -> Option<Self> {
        let programs = require::browser()?;
        let provider = NpmProvider::start(&require::node()?);
        let environment = Environment::new();
        let agent = Agent::start(&environment);
        Some(Self { agent, environment, provider, browser: Browser::start(&programs) })
    }

    fn oidc(&self, arguments: &[&str]) -> Command {
        let mut command = self.agent.command(&self.environment, "oidc");
        command.args(arguments).env("OIDC_NO_AUTOSTART", "1");
        command
    }

    fn generate(&self) -> Command {
        let mut command = self.oidc(&["gen", "demo", "--issuer", self.provider.issuer(), "--pw-env"]);
        command
            .args(["--scope", "openid profile offline_access", "--cert-path"])
            .arg(self.provider.authority());
        command
    }

    /// As on a desktop, with an opener that only writes down what it is to open.
    fn generate_on_a_desktop(&self) -> Command {
        let directory = self.environment.path("desktop");
        std::fs::create_dir(&directory).expect("a directory");
        let opener = directory.join("xdg-open");
        fs_err::write(&opener, format!("#!/bin/sh\nprintf %s \"$1\" > {}/opened\n", directory.display()))
            .expect("written");
        std::fs::set_permissions(&opener, std::fs::Permissions::from_mode(0o700)).expect("a program");
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = self.generate();
        command.env("PATH", format!("{}:{path}", directory.display())).env("DISPLAY", ":77");
        command
    }

    /// Fills in the provider's development forms.
    fn log_in_and_agree(&self) -> Result<(), BrowserError> {
        self.browser.type_into("[name=login]", "ada")?;
        self.browser.type_into("[name=password]", "any")?;
        self.browser.click("button[type=submit]")?;
        self.browser.wait_for_text("Authorize")?;
        self.browser.click("button[type=submit]")
    }

    /// The account outlives the agent, its refresh token is used and replaced, and nothing is left of it in the end.
    fn lives_and_ends(mut self) {
        self.agent.kill();
        self.agent = Agent::start(&self.environment);
        run(self.oidc(&["add", "demo", "--pw-env"])).success();
        for _ in 0..3 {
            run(self.oidc(&["token", "--force-new", "demo"])).success();
        }
        let account: Value =
            serde_json::from_str(&run(self.oidc(&["gen", "--print", "demo", "--pw-env"])).success())
                .expect("an account as JSON");
        run(self.oidc(&["gen", "--delete", "demo", "--confirm-yes"])).success();
        assert!(!self.environment.account_file("demo").exists());
        let begin = json!({"request": "gen", "config": account, "flow": ["device"]});
        let reply = self.agent.request(&begin).expect("a reply");
        assert_eq!(reply["error_code"], "invalid_client", "the client is gone: {reply}");
    }
}

/// The login address in what a command tells the person.
fn told_address(child: &mut Child) -> (String, impl Read + use<>) {
    let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    loop {
        let mut line = String::new();
        assert_ne!(stderr.read_line(&mut line).expect("text"), 0, "no address was told");
        if line.starts_with("https://") {
            return (line.trim().to_owned(), stderr);
        }
    }
}

#[test]
fn on_a_desktop_the_browser_is_opened_and_waited_for() {
    let Some(stage) = Stage::new() else { return };
    let mut command = stage.generate_on_a_desktop();
    let mut child = command.stderr(Stdio::piped()).spawn().expect("a client");
    let (address, mut stderr) = told_address(&mut child);
    stage.browser.open(&address).expect("the provider's page");
    stage.log_in_and_agree().expect("a login");
    stage.browser.wait_for_text("You are logged in").expect("the agent's page");
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).expect("text");
    assert!(child.wait().expect("an end").success(), "{rest}");
    let opened =
        std::fs::read_to_string(stage.environment.path("desktop/opened")).expect("an opener that ran");
    assert_eq!(opened, address);
    stage.lives_and_ends();
}

#[test]
fn without_a_display_a_code_is_shown() {
    let Some(stage) = Stage::new() else { return };
    let mut terminal = Terminal::start(stage.generate());
    terminal.expect("there is no display");
    terminal.expect("visit:");
    let shown = terminal.expect("And enter the code: ");
    let code = terminal.expect("Waiting for the login: ");
    let code = code.lines().next().unwrap_or_default().trim();
    stage.browser.open(&format!("{}?user_code={code}", shown.trim())).expect("the provider's page");
    stage.browser.click("button[autofocus]").expect("a code that is confirmed");
    stage.log_in_and_agree().expect("a login");
    terminal.expect("success");
    assert_eq!(terminal.finish().0, 0);
    stage.lives_and_ends();
}
