//! Agents on other machines (`OIDC_REMOTE_SOCK`): ours and the real one of 4.2.6, behind a TCP relay, asked by our client and by
//! the real ones.

use std::{
    net::{IpAddr, Ipv6Addr},
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use oidc_tests::{
    agent::Agent,
    environment::{Environment, FileFormat, PASSWORD},
    programs::{Finished, run},
    provider::{Provider, Quirks, Rotation},
    relay::{Relay, Way},
    require,
    scene::{ACCOUNT, Scene, access_token, claims},
    terminal::Terminal,
};
use serde_json::{Value, json};

/// The machine where somebody sits, with an agent that has no accounts.
struct Near {
    agent: Agent,
    environment: Environment,
}

impl Near {
    fn new() -> Self {
        let environment = Environment::new();
        Self { agent: Agent::start(&environment), environment }
    }

    fn command(&self, remote: &str, arguments: &[&str]) -> Command {
        let mut command = self.agent.command(&self.environment, "oidc");
        command.args(arguments).env("OIDC_NO_AUTOSTART", "1").env("OIDC_REMOTE_SOCK", remote);
        command
    }

    fn oidc(&self, remote: &str, arguments: &[&str]) -> Finished {
        run(self.command(remote, arguments))
    }
}

/// An agent with an account, which gives ID tokens without asking a person.
fn far() -> Scene {
    let (environment, provider) = (Environment::new(), Provider::start());
    environment.add_account(&provider.seed_account(ACCOUNT), FileFormat::Native);
    let agent = Agent::with_options(&environment, &["--always-allow-idtoken"]);
    let scene = Scene { agent, environment, provider };
    scene.load(ACCOUNT);
    scene
}

#[test]
fn what_the_agent_here_does_not_have_the_second_one_gives() {
    let (near, far) = (Near::new(), far());
    // An ID token comes with a new access token.
    let expected = || access_token(&far.ask(json!({}))).to_owned();
    for way in [Way::Open, Way::ByteByByte] {
        let relay = Relay::start(far.agent.socket(), way);
        for remote in [relay.address(), format!("localhost:{}", relay.port())] {
            assert_eq!(near.oidc(&remote, &["token", ACCOUNT]).success().trim_end(), expected(), "{remote}");
        }
        let id_token = near.oidc(&relay.address(), &["token", "--id-token", ACCOUNT]).success();
        assert_eq!(claims(id_token.trim_end())["iss"], far.provider.issuer());
        let said = String::from_utf8_lossy(&relay.said()).into_owned();
        assert!(!said.contains(ACCOUNT) && !said.contains("access_token"), "it went in clear: {said}");
    }
    if let Ok(relay) = Relay::at(IpAddr::from(Ipv6Addr::LOCALHOST), far.agent.socket(), Way::Open) {
        assert_eq!(near.oidc(&relay.address(), &["token", ACCOUNT]).success().trim_end(), expected());
    }
    // As in the C suite, an issuer is asked for here alone.
    let relay = Relay::start(far.agent.socket(), Way::Open);
    near.oidc(&relay.address(), &["token", &far.provider.issuer()]).failure();
    assert_eq!(relay.said(), [0; 0]);
    // With nobody here at all, too.
    let mut command = near.command(&relay.address(), &["token", ACCOUNT]);
    command.env("OIDC_SOCK", near.environment.path("nobody"));
    assert_eq!(run(command).success().trim_end(), expected());
}

#[test]
fn an_account_of_this_machine_is_not_asked_for_elsewhere() {
    let (here, far) = (Scene::loaded(), Scene::loaded());
    let relay = Relay::start(far.agent.socket(), Way::Open);
    let token = here.oidc_with(&["token", ACCOUNT], &[("OIDC_REMOTE_SOCK", &relay.address())]).success();
    assert_eq!(token.trim_end(), access_token(&here.ask(json!({}))));
    assert_eq!(relay.said(), [0; 0]);
}

/// Refresh tokens stay: a file here would hold a spent one otherwise.
fn lasting() -> Quirks {
    Quirks { rotation: Rotation::Never, ..Quirks::default() }
}

/// Everything that `--remote` does, at an agent that has no file of the account.
fn loads_and_unloads(near: &Near, agent: &Path, provider: &Provider) {
    near.environment.add_account(&provider.seed_account(ACCOUNT), FileFormat::OidcAgent);
    let login = near.environment.read_account(ACCOUNT).refresh_token.expect("a login");
    let relay = Relay::start(agent, Way::Open);
    let oidc = |arguments: &[&str]| near.oidc(&relay.address(), arguments);
    let add = oidc(&["add", "--remote", "--pw-env", "--pw-store", ACCOUNT]);
    assert!(add.stderr.contains("--pw-store has no effect with --remote"), "{add:?}");
    assert_eq!(add.success(), "success\n");
    assert_eq!(oidc(&["add", "--remote", "-a"]).success(), format!("{ACCOUNT}\n"));
    assert_eq!(oidc(&["add", "-a"]).success(), "", "nothing was loaded here");
    // It works: the agent there renews by itself.
    let first = oidc(&["token", ACCOUNT]);
    // An account file that is there without being loaded is loaded here, so that nobody asks elsewhere.
    assert_eq!(first.code, Some(4), "{first:?}");
    fs_err::rename(near.environment.account_file(ACCOUNT), near.environment.path("away")).expect("moved");
    let first = oidc(&["token", ACCOUNT]).success();
    let second = oidc(&["token", "--force-new", ACCOUNT]).success();
    assert_ne!(first, second);
    fs_err::rename(near.environment.path("away"), near.environment.account_file(ACCOUNT)).expect("moved");
    for option in ["-x", "-X"] {
        let line = ["add", "--remote", option, "--pw-cmd=echo canary-of-the-lock"];
        assert_eq!(oidc(&line).success(), "success\n", "{option}");
    }
    assert_eq!(oidc(&["add", "--remote", "-r", ACCOUNT]).success(), "success\n");
    assert!(oidc(&["add", "--remote", "-r", ACCOUNT]).failure().contains("account not loaded"));
    oidc(&["add", "--remote", "--pw-env", ACCOUNT]).success();
    assert_eq!(oidc(&["add", "--remote", "-R"]).success(), "success\n");
    assert_eq!(oidc(&["add", "--remote", "-a"]).success(), "");
    let said = String::from_utf8_lossy(&relay.said()).into_owned();
    for secret in [login.expose(), PASSWORD, "canary-of-the-lock", ACCOUNT] {
        assert!(!said.contains(secret), "{secret} went in clear");
    }
}

#[test]
fn an_account_is_loaded_into_our_agent_elsewhere_and_works_there() {
    let (near, far) = (Near::new(), Scene::empty(lasting()));
    loads_and_unloads(&near, far.agent.socket(), &far.provider);
}

#[test]
fn an_account_is_loaded_into_the_real_agent_elsewhere_and_works_there() {
    let Some(c_suite) = require::c_suite() else { return };
    let (near, provider, there) = (Near::new(), Provider::with(lasting()), Environment::new());
    let agent = Agent::start_c(&there, &c_suite);
    loads_and_unloads(&near, agent.socket(), &provider);
}

#[test]
fn the_real_clients_do_the_same_with_our_agent() {
    let Some(c_suite) = require::c_suite() else { return };
    let (near, far) = (Near::new(), far());
    near.environment.add_account(&far.provider.seed_account(ACCOUNT), FileFormat::OidcAgent);
    let relay = Relay::start(far.agent.socket(), Way::Open);
    let client = |program: &str, arguments: &[&str]| {
        let mut command = near.agent.c_command(&near.environment, &c_suite, program);
        command.args(arguments).env("OIDC_REMOTE_SOCK", relay.address());
        run(command)
    };
    client("oidc-add", &["--remote", "-R"]).success();
    assert_eq!(client("oidc-add", &["--remote", "--pw-env", ACCOUNT]).success(), "success\n");
    assert!(client("oidc-add", &["--remote", "-a"]).success().contains(ACCOUNT));
    fs_err::remove_file(near.environment.account_file(ACCOUNT)).expect("removed");
    let token = client("oidc-token", &[ACCOUNT]).success();
    assert_eq!(token.trim_end(), access_token(&far.ask(json!({}))));
    assert!(client("oidc-token", &["--id-token", ACCOUNT]).success().contains('.'));
    assert_eq!(client("oidc-add", &["--remote", "-R"]).success(), "success\n");
}

/// What failed, as JSON says it.
fn failed(finished: Finished) -> Value {
    serde_json::from_str(&finished.failure()).expect("an object")
}

#[test]
fn what_is_wrong_with_it_is_said_with_its_address_and_what_mends_it() {
    let (near, far) = (Near::new(), Scene::new());
    let nobody = {
        let relay = Relay::start(far.agent.socket(), Way::Open);
        relay.address()
    };
    let start = |way| Relay::start(far.agent.socket(), way);
    let relays = [
        (start(Way::Closed), "closed the connection without a reply", "no agent behind it"),
        (start(Way::CutAfter(20)), "closed the connection in the middle", "ask again"),
        (start(Way::CutAfter(60)), "closed the connection in the middle", "ask again"),
        (start(Way::Answers("HTTP/1.1 400 Bad Request\r\n\r\n")), "the agent sent", "something else listens"),
        (start(Way::Answers("{\"access_token\":\"forged\"}")), "in clear", "something else listens"),
    ];
    let addresses = relays.iter().map(|(relay, text, hint)| (relay.address(), *text, *hint));
    for (address, text, hint) in addresses.chain([(nobody, "nothing answers at", "an agent that runs")]) {
        let error = failed(near.oidc(&address, &["add", "-a", "--remote", "--json"]));
        let (said, info) =
            (error["error"].as_str().expect("a text"), error["info"].as_str().expect("a text"));
        assert!(
            said.contains(text) && said.contains(&address) && said.contains("OIDC_REMOTE_SOCK"),
            "{error}"
        );
        assert!(info.contains(hint), "{error}");
        assert_eq!(error["error_code"], "no_agent", "{error}");
        // As in the C suite the token command fails as it would without; what the other one said stands beside it.
        let error = failed(near.oidc(&address, &["token", "--json", "missing"]));
        assert_eq!(error["error"], "No account configured with that short name", "{error}");
        let info = error["info"].as_str().expect("a text");
        assert!(info.contains(&address) && info.contains(text), "{error}");
    }
    for value in ["https://agent.example/canary", "host:0", "u:canary@h", ":7"] {
        let error = failed(near.oidc(value, &["add", "-a", "--remote", "--json"]));
        assert_eq!(error["error"], "OIDC_REMOTE_SOCK is set, but not to host[:port]");
        assert!(!error.to_string().contains("canary"), "{error}");
        let error = failed(near.oidc(value, &["token", "--json", "missing"]));
        assert!(error["info"].to_string().contains("not to host[:port]"), "{error}");
        assert!(!error.to_string().contains("canary"), "{error}");
    }
    let error = failed(near.oidc("", &["add", "-a", "--remote", "--json"]));
    assert!(error["error"].to_string().contains("Have you set the env var?"), "{error}");
    // An agent there that has no such account, either.
    let relay = start(Way::Open);
    let error = failed(near.oidc(&relay.address(), &["token", "--json", "missing"]));
    let info = error["info"].as_str().expect("a text");
    assert!(
        info.contains(&format!("{}, which OIDC_REMOTE_SOCK names, says: No account", relay.address())),
        "{info}"
    );
}

#[test]
fn a_relay_that_says_nothing_any_more_is_not_waited_for_without_an_end() {
    let (near, far) = (Near::new(), Scene::new());
    thread::scope(|scope| {
        // Before the key, and in the middle of the reply.
        for bytes in [0, 60] {
            let (near, far) = (&near, &far);
            scope.spawn(move || {
                let relay = Relay::start(far.agent.socket(), Way::SilentAfter(bytes));
                let started = Instant::now();
                let error = failed(near.oidc(&relay.address(), &["add", "-a", "--remote", "--json"]));
                assert!(error["error"].to_string().contains("reached timeout"), "{error}");
                assert!(error["error"].to_string().contains(&relay.address()), "{error}");
                assert!(started.elapsed() < Duration::from_secs(50), "{:?}", started.elapsed());
            });
        }
    });
}

#[test]
fn somebody_at_a_terminal_is_told_what_another_machine_gets_to_know() {
    const TOLD: &str = "whoever answers there can read it";
    let near = Near::new();
    let line = ["add", "-x", "--remote"];
    // An address that leads nowhere: nothing is sent before the password is there.
    let mut terminal = Terminal::start(near.command("192.0.2.1", &line));
    terminal.expect("192.0.2.1:42424");
    terminal.expect(TOLD);
    terminal.expect("Enter lock password");
    terminal.type_control('c');
    let (code, shown) = terminal.finish();
    assert_eq!(code, 130, "{shown}");
    let mut terminal = Terminal::start(near.command("localhost", &line));
    let before = terminal.expect("Enter lock password");
    assert!(!before.contains(TOLD), "{before}");
    terminal.type_control('c');
    terminal.finish();
    // Whoever has a program do it knows.
    let alone = near.oidc("192.0.2.1", &["add", "-x", "--remote", "--pw-prompt=none"]);
    assert!(!alone.clone().failure().contains(TOLD), "{alone:?}");
}
