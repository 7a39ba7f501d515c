//! Logins by browser, by code on another device, and with what another program brings.

use oidc_proto::{
    message::{Flow, Reply, Request, TokenReply},
    secret::{AccessToken, RefreshToken},
};
use serde_json::Value;

use super::{super::testing::Stage, ISSUER, NEW, code, error, good_agent, logged_in, name, stored};
use crate::say::{dialect::Dialect, exit::Exit};

#[test]
fn a_device_login_makes_an_account_that_can_be_deleted_at_the_provider() {
    let mut stage = Stage::new(good_agent());
    let run = stage.run(NEW);
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    assert_eq!(stage.request_names(), ["register", "gen", "device", "device", "device", "passwd"]);
    assert_eq!(run.stdout, "success\n");
    assert!(
        run.stderr.contains("ABCD-EFGH") && run.stderr.contains("https://op.example/device"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("no display"), "{}", run.stderr);
    // slow_down lengthens the interval by five seconds, for good.
    assert_eq!(stage.machine.pauses.iter().sum::<u64>(), 5 + 5 + 10);

    let account = stored(&stage);
    assert_eq!(account.refresh_token, Some(RefreshToken::from("rt")));
    assert_eq!(account.registration_client_uri.as_deref(), Some("https://op.example/reg/cid"));
    assert!(account.registration_access_token.is_some() && account.other.contains("grant_types"));
    assert!(account.client_name.is_some_and(|name| name.starts_with("oidc-agent:acc-")));
    assert_eq!(stage.home().read_pending(&name()).expect("readable"), None);
}

#[test]
fn a_code_login_opens_the_browser_and_waits_for_it() {
    let mut stage = Stage::new(good_agent());
    stage.machine.has_display = true;
    let run = stage.run(NEW);
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    assert_eq!(stage.machine.opened.len(), 1);
    assert_eq!(stage.request_names(), ["register", "gen", "state_lookup", "state_lookup", "passwd"]);

    let mut stage = Stage::new(good_agent());
    stage.machine.has_display = true;
    stage.run(&[NEW, &["--no-url-call"]].concat()).result.expect("an account");
    assert!(stage.machine.opened.is_empty());
}

#[test]
fn the_redirected_address_can_be_pasted() {
    let mut agent = good_agent();
    let answer = move |request: &Request| match request {
        Request::CodeExchange(_) => logged_in(),
        other => agent(other),
    };
    let mut stage = Stage::new(answer).with_answers(&[
        ("Address", "nonsense"),
        ("Address", "http://localhost:4242/?code=c&state=other"),
        ("Address", "http://localhost:4242/?code=c&state=0:0s"),
    ]);
    stage.machine.has_display = true;
    let run = stage.run(&[NEW, &["--no-webserver"]].concat());
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    assert!(
        run.stderr.contains("This is no address.") && run.stderr.contains("another login"),
        "{}",
        run.stderr
    );
    assert!(stage.machine.opened.is_empty(), "a browser of another machine is meant");
}

#[test]
fn what_is_said_of_a_login_is_what_is_done() {
    let mut agent = good_agent();
    let mut stage = Stage::new(move |request| match request {
        // The device flow is not to be had; the agent goes on with the next one.
        Request::Gen(_) => code(),
        other => agent(other),
    });
    let run = stage.run(NEW);
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    assert!(
        !run.stderr.contains("Logging in by a code") && run.stderr.contains("it goes on in a browser"),
        "{}",
        run.stderr
    );
}

#[test]
fn ctrl_c_ends_the_login_and_keeps_the_registration() {
    let mut stage = Stage::new(good_agent());
    stage.machine.has_display = true;
    stage.machine.interrupted_at = Some(0);
    let run = stage.run(NEW);
    assert_eq!(error(run).exit(), Exit::Interrupted);
    assert_eq!(stage.request_names(), ["register", "gen", "term_http_server"]);
    assert!(stage.home().read_pending(&name()).expect("readable").is_some());
    assert!(!stage.machine.holds_interrupts);
}

#[test]
fn a_refresh_token_can_be_imported_without_a_question() {
    let mut stage = Stage::new(good_agent());
    let run = stage.run(
        &[NEW, &["--rt", "imported", "--client-id", "cid", "--client-secret=", "--prompt=none"]].concat(),
    );
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    assert_eq!(stage.request_names(), ["gen", "passwd"]);
    let Some(Request::Gen(request)) = stage.requests().into_iter().find(|request| request.name() == "gen")
    else {
        panic!("no login")
    };
    assert_eq!(request.config.refresh_token, Some(RefreshToken::from("imported")));
    assert_eq!(request.flows, [Flow::Refresh]);
}

#[test]
fn only_the_token_is_printed() {
    let mut agent = good_agent();
    let mut stage = Stage::new(move |request| match request {
        Request::Gen(_) => Reply::Token(TokenReply {
            access_token: AccessToken::from("at"),
            issuer: ISSUER.to_owned(),
            expires_at: None,
            scope: None,
            warnings: Vec::new(),
            refresh_token: None,
        }),
        other => agent(other),
    });
    stage.dialect = Dialect::CSuite;
    let run = stage.run(&[
        "--only-at",
        "--issuer",
        ISSUER,
        "--scope",
        "a",
        "--client-id",
        "c",
        "--client-secret=",
        "--flow",
        "device",
    ]);
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    assert_eq!(run.stdout, "at\n");
}

#[test]
fn a_login_that_another_program_began_is_finished() {
    let mut stage = Stage::new(good_agent());
    stage.run(&[NEW, &["--flow", "code"]].concat()).result.expect("an account");
    let text = error(stage.run(&["--codeExchange", "http://localhost:1?state=s"])).to_string();
    assert_eq!(text, "Uri does not contain a code");

    let mut stage = Stage::new(|request| match request {
        Request::CodeExchange(_) => logged_in(),
        _ => Reply::success(),
    });
    let run = stage.run(&["--codeExchange", "http://localhost:1?code=c&state=0:0s", "--pw-cmd", "echo pw"]);
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    assert_eq!(stored(&stage).refresh_token, Some(RefreshToken::from("rt")));

    // Another password than the file has: the login is in the agent, and that is said.
    let run = stage.run(&[
        "--codeExchange",
        "http://localhost:1?code=c&state=0:0s",
        "--confirm-yes",
        "--pw-cmd",
        "echo wrong",
    ]);
    assert!(
        run.stderr.contains("The login itself is done") && run.stderr.contains("--from-agent acc"),
        "{}",
        run.stderr
    );
    assert_eq!(error(run).exit(), Exit::Password);
}

#[test]
fn as_json_there_is_one_object_and_nothing_beside_it() {
    let mut stage = Stage::new(good_agent());
    let run = stage.run(&["acc", "--json", "--prompt=none"]);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    run.result.expect_err("no issuer");

    // Only what the person has to do is told meanwhile.
    let run = stage.run(&[NEW, &["--json"]].concat());
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    let object =
        |text: &str| serde_json::from_str::<Value>(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(object(&run.stderr)["user_code"], "ABCD-EFGH");
    let result = object(&run.stdout);
    assert_eq!((&result["status"], &result["account"]), (&"success".into(), &"acc".into()));
}

/// An agent whose provider refuses the first answer, and takes the one to a second request.
fn agent_that_sends_again() -> impl FnMut(&Request) -> Reply {
    let mut agent = good_agent();
    move |request| match request {
        Request::CodeExchange(exchange) if exchange.redirect_uri.expose().contains("state=0:0s") => {
            let uri = "https://op.example/auth?state=0:0t".to_owned();
            Reply::AcceptedCode { uri, state: "0:0t".to_owned() }
        }
        Request::CodeExchange(_) => logged_in(),
        other => agent(other),
    }
}

#[test]
fn a_login_that_goes_on_without_offline_access_shows_where() {
    let refused = "http://localhost:4242/?error=invalid_scope&state=0:0s";
    let mut stage = Stage::new(agent_that_sends_again()).with_answers(&[
        ("Address", refused),
        ("Address", refused),
        ("Address", "http://localhost:4242/?code=c&state=0:0t"),
    ]);
    stage.machine.has_display = true;
    let run = stage.run(&[NEW, &["--no-webserver"]].concat());
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    let (_, after) = run.stderr.split_once("goes on without it").expect("the reason");
    assert!(
        after.contains("https://op.example/auth?state=0:0t") && after.contains("another login"),
        "{after}"
    );

    // As the desktop hands it over.
    let mut stage = Stage::new(agent_that_sends_again());
    stage.machine.has_display = true;
    let run = stage.run(&["--codeExchange", refused]);
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    assert_eq!(stage.machine.opened, ["https://op.example/auth?state=0:0t"]);
    assert!(run.stderr.contains("--codeExchange"), "{}", run.stderr);
}
