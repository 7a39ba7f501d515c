//! Whole runs of `oidc gen` against an agent that is played.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use oidc_proto::{
    account::AccountConfig,
    error_code::ErrorCode,
    json::Object,
    message::{
        DeviceAuthorization, Failure, Flow, LookupStatus, Registration, RemoteOutcome, Reply, Request,
        ResetReport, TokenReply,
    },
    secret::{AccessToken, DeviceCode, Password, RefreshToken, SecretText},
    shortname::Shortname,
    vault::{self, Format},
};

use serde_json::Value;

use super::testing::{Run, Stage};
use crate::{
    context::error::Error,
    say::{dialect::Dialect, exit::Exit},
};

const ISSUER: &str = "https://op.example";
const NEW: &[&str] =
    &["acc", "--issuer", ISSUER, "--scope", "openid storage.read:/ offline_access", "--pw-cmd", "echo pw"];
const CLIENT: &str = r#"{"client_id":"cid","client_secret":"cs","registration_client_uri":"https://op.example/reg/cid",
    "registration_access_token":"rat","grant_types":["refresh_token","authorization_code",
    "urn:ietf:params:oauth:grant-type:device_code"],"redirect_uris":["http://localhost:4242"]}"#;

fn name() -> Shortname {
    "acc".parse().expect("a name")
}

fn registered(client: &str) -> Reply {
    let client = Object::parse(client.as_bytes()).expect("an object");
    Reply::Registered(Registration { client, max_scopes: None, left_out: Vec::new(), left_out_because: None })
}

fn device() -> Reply {
    Reply::AcceptedDevice(DeviceAuthorization {
        device_code: DeviceCode::from("dc"),
        user_code: "ABCD-EFGH".to_owned(),
        verification_uri: "https://op.example/device".to_owned(),
        verification_uri_complete: None,
        expires_in: Some(600),
        interval: 5,
    })
}

fn code() -> Reply {
    let uri = "https://op.example/auth?state=0:0s&redirect_uri=http%3A%2F%2Flocalhost%3A4242".to_owned();
    Reply::AcceptedCode { uri, state: "0:0s".to_owned() }
}

/// What an agent of the C suite returns: the account without its registration data.
fn logged_in() -> Reply {
    Reply::Config(Box::new(AccountConfig {
        name: Some("acc".to_owned()),
        issuer_url: Some("https://op.example/".to_owned()),
        client_id: Some("cid".to_owned()),
        refresh_token: Some(RefreshToken::from("rt")),
        refresh_scope: Some("openid".to_owned()),
        ..AccountConfig::default()
    }))
}

fn failure(code: ErrorCode, text: &str) -> Reply {
    Reply::Failure(Failure::new(code, text))
}

/// Everything works; the device login at the third poll.
fn good_agent() -> impl FnMut(&Request) -> Reply {
    let mut polls = 0;
    move |request| match request {
        Request::Register(_) => registered(CLIENT),
        Request::Gen(request) => match request.flows[0] {
            Flow::Device => device(),
            Flow::Code => code(),
            _ => logged_in(),
        },
        Request::Device(_) => {
            polls += 1;
            match polls {
                1 => failure(ErrorCode::AuthorizationPending, "authorization_pending"),
                2 => failure(ErrorCode::SlowDown, "slow_down"),
                _ => logged_in(),
            }
        }
        Request::StateLookup { .. } => {
            polls += 1;
            match polls {
                1 => Reply::StateLookup { status: LookupStatus::NotFound, info: String::new() },
                _ => logged_in(),
            }
        }
        Request::Scopes(_) => Reply::success_with("openid offline_access storage.read:/"),
        Request::LoadedAccounts => Reply::success_with(Vec::<String>::new()),
        _ => Reply::success(),
    }
}

fn stored(stage: &Stage) -> AccountConfig {
    let bytes = stage.home().read(&name()).expect("a file");
    vault::unlock(&bytes, &Password::from("pw")).expect("it opens").account
}

fn error(run: Run) -> Error {
    run.result.expect_err("it fails")
}

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
fn everything_can_be_asked_for() {
    let mut agent = good_agent();
    let mut stage = Stage::new(move |request| match request {
        Request::Scopes(query) if query.issuer.as_deref() == Some("https://wrong.example") => {
            failure(ErrorCode::ProviderUnreachable, "could not connect to url")
        }
        other => agent(other),
    })
    .with_answers(&[
        ("Enter short name", ".hidden"),
        ("Enter short name", "acc"),
        ("Issuer", "http://op.example"),
        ("Issuer", "https://wrong.example"),
        ("Issuer", "op.example"),
        ("Scopes", "max"),
        ("Enter encryption password", "pw"),
        ("Confirm encryption password", "wp"),
        ("Enter encryption password", "pw"),
        ("Confirm encryption password", "pw"),
    ]);
    let run = stage.run(&["--flow", "device"]);
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    let Some(Request::Register(request)) =
        stage.requests().into_iter().find(|request| request.name() == "register")
    else {
        panic!("nothing was registered")
    };
    assert_eq!(request.config.issuer_url.as_deref(), Some(ISSUER));
    assert_eq!(request.config.auth_scope.as_deref(), Some("openid offline_access storage.read:/"));
}

#[test]
fn nothing_is_made_at_the_provider_before_the_password_is_known() {
    let mut stage = Stage::new(good_agent()).with_answers(&[("Enter encryption password", "^C")]);
    let run = stage.run(&NEW[..NEW.len() - 2]);
    assert_eq!(error(run).exit(), Exit::Interrupted);
    assert_eq!(stage.request_names(), [""; 0]);
}

/// An agent whose first login fails.
fn agent_that_fails_once() -> impl FnMut(&Request) -> Reply {
    let mut agent = good_agent();
    let mut logins = 0;
    move |request| match request {
        Request::Gen(_) => {
            logins += 1;
            if logins == 1 { failure(ErrorCode::ProviderRefused, "access_denied") } else { agent(request) }
        }
        other => agent(other),
    }
}

#[test]
fn a_registration_outlives_a_failed_login_and_is_used_again() {
    let mut stage = Stage::new(agent_that_fails_once());
    let run = stage.run(NEW);
    assert!(run.stderr.contains("The client cid stays registered at https://op.example"), "{}", run.stderr);
    assert_eq!(error(run).exit(), Exit::ProviderRefused);
    let pending = stage.home().read_pending(&name()).expect("readable").expect("a registration is kept");
    assert_eq!(vault::format_of(&pending), Ok(Format::Native));
    assert!(!String::from_utf8_lossy(&pending).contains("rat\""));

    let run = stage.run(NEW);
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    assert_eq!(stage.request_names().iter().filter(|name| **name == "register").count(), 1);
    assert_eq!(stored(&stage).registration_client_uri.as_deref(), Some("https://op.example/reg/cid"));
    assert_eq!(stage.home().read_pending(&name()).expect("readable"), None);
}

#[test]
fn a_pending_registration_can_be_removed() {
    let mut stage = Stage::new(agent_that_fails_once());
    error(stage.run(NEW));
    let run = stage.run(&["acc", "--delete", "--confirm-yes", "--pw-cmd", "echo pw"]);
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    assert_eq!(stage.request_names().last(), Some(&"delete_client"));
    assert_eq!(stage.home().read_pending(&name()).expect("readable"), None);

    // Or instead of going on with it.
    let mut stage = Stage::new(agent_that_fails_once());
    error(stage.run(NEW));
    stage.answers = [("Do you want to use it?", "no"), ("never asked", "")].into();
    let run = stage.run(NEW);
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    let names = stage.request_names();
    assert_eq!(names[2..5], ["delete_client", "register", "gen"]);
}

/// An agent whose first login fails, and whose provider has forgotten the client of it afterwards.
fn agent_that_forgets_the_client() -> impl FnMut(&Request) -> Reply {
    let mut agent = good_agent();
    let mut logins = 0;
    move |request| match request {
        Request::Gen(_) => {
            logins += 1;
            match logins {
                1 => failure(ErrorCode::ProviderRefused, "access_denied"),
                2 => failure(ErrorCode::InvalidClient, "invalid_client"),
                _ => agent(request),
            }
        }
        Request::DeleteClient(_) => Reply::success_with("most likely the client is gone"),
        other => agent(other),
    }
}

#[test]
fn a_client_that_the_provider_has_forgotten_is_replaced_by_another_one() {
    let mut stage = Stage::new(agent_that_forgets_the_client());
    error(stage.run(NEW));
    let mut stage = stage.with_answers(&[("Do you want to use it?", ""), ("never asked", "")]);
    let run = stage.run(NEW);
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    assert!(
        run.stderr.contains("does not take the client cid any more")
            && run.stderr.contains("Client cid: most likely the client is gone."),
        "{}",
        run.stderr
    );
    assert_eq!(stage.request_names()[..6], ["register", "gen", "gen", "delete_client", "register", "gen"]);
    assert_eq!(stage.home().read_pending(&name()).expect("readable"), None);
    assert!(stored(&stage).registration_access_token.is_some());

    // Nobody there to be told: the way out is named, and not the one back into the same.
    let mut stage = Stage::new(agent_that_forgets_the_client());
    error(stage.run(NEW));
    let run = stage.run(NEW);
    assert!(
        run.stderr.contains("`oidc reset acc` forgets it") && !run.stderr.contains("--delete"),
        "{}",
        run.stderr
    );
    assert_eq!(error(run).failure_code(), Some(ErrorCode::InvalidClient));
    let run = stage.run(&["acc", "--delete", "--confirm-yes", "--pw-cmd", "echo pw"]);
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    assert!(run.stderr.contains("most likely the client is gone"), "{}", run.stderr);
}

#[test]
fn a_client_that_cannot_be_deleted_can_be_forgotten() {
    let mut agent = agent_that_fails_once();
    let mut stage = Stage::new(move |request| match request {
        Request::DeleteClient(_) => failure(ErrorCode::ProviderRefused, "Could not delete client: no"),
        other => agent(other),
    });
    error(stage.run(NEW));
    let run = stage.run(&["acc", "--delete", "--confirm-yes", "--pw-cmd", "echo pw"]);
    assert!(run.stderr.contains("`oidc reset acc` forgets the client here"), "{}", run.stderr);
    error(run);
}

#[test]
fn an_empty_password_is_asked_for_again_with_the_reason_above() {
    let pw = "Enter encryption password";
    let mut stage = Stage::new(good_agent()).with_answers(&[
        (pw, ""),
        (pw, "pw"),
        ("Confirm", "wp"),
        (pw, "pw"),
        ("Confirm", "pw"),
    ]);
    let run = stage.run(&NEW[..5]);
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    let lines: Vec<_> = run.stderr.lines().collect();
    for reason in ["An empty password protects nothing", "Encryption passwords did not match."] {
        let at = lines.iter().position(|line| line.starts_with(reason)).expect("a reason");
        assert!(lines[at + 1].starts_with(pw), "{}", run.stderr);
    }
}

#[test]
fn whoever_breaks_off_at_a_question_is_told_what_is_left() {
    let all = [
        ("Enter short name", "acc"),
        ("Issuer", "op.example"),
        ("Scopes", "max"),
        ("Enter encryption password", "pw"),
        ("Confirm encryption password", "pw"),
    ];
    for last in 0..all.len() {
        let mut answers = all[..=last].to_vec();
        answers[last].1 = "^C";
        let mut stage = Stage::new(good_agent()).with_answers(&answers);
        let run = stage.run(&["--flow", "device"]);
        assert!(
            run.stderr.ends_with("Nothing was made at the provider, and nothing was stored.\n"),
            "{}",
            run.stderr
        );
        assert_eq!(error(run).exit(), Exit::Interrupted);
    }

    let mut stage = Stage::new(agent_that_fails_once());
    error(stage.run(NEW));
    for answers in
        [&[("Do you want to use it?", "^C")][..], &[("Do you want", "yes"), ("Enter decryption", "^C")]]
    {
        stage = stage.with_answers(answers);
        let run = stage.run(&NEW[..5]);
        assert!(run.stderr.contains("The client cid stays registered"), "{}", run.stderr);
        assert_eq!(error(run).exit(), Exit::Interrupted);
    }
}

#[test]
fn whoever_breaks_off_a_deletion_has_lost_nothing() {
    let mut stage = Stage::new(good_agent());
    stage.run(NEW).result.expect("an account");
    let asked = stage.requests().len();
    for answers in [&[("Do you really", "^C")][..], &[("Do you really", "yes"), ("Should this client", "^C")]]
    {
        stage = stage.with_answers(answers);
        let run = stage.run(&["acc", "--delete", "--pw-cmd", "echo pw"]);
        assert!(
            run.stderr.ends_with("Nothing was deleted, neither here nor at the provider.\n"),
            "{}",
            run.stderr
        );
        assert_eq!(error(run).exit(), Exit::Interrupted);
    }
    let names: Vec<_> = stage.requests()[asked..].iter().map(Request::name).collect();
    assert!(!names.contains(&"delete") && !names.contains(&"delete_client"), "{names:?}");
}

/// The last login that was asked for.
fn last_login(stage: &Stage) -> oidc_proto::message::GenRequest {
    let login = stage.requests().into_iter().rev().find_map(|request| match request {
        Request::Gen(request) => Some(*request),
        _ => None,
    });
    login.expect("a login")
}

#[test]
fn a_new_login_takes_the_scopes_and_the_flow_that_are_given_and_refuses_the_rest() {
    let mut stage = Stage::new(good_agent());
    stage.run(NEW).result.expect("an account");
    let again = ["acc", "--reauthenticate", "--pw-cmd", "echo pw"];
    let run = stage.run(&[&again[..], &["--scope", "openid email", "--flow", "device"]].concat());
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    assert!(!run.stderr.contains("Generating account configuration"), "{}", run.stderr);
    let login = last_login(&stage);
    assert_eq!(login.config.auth_scope.as_deref(), Some("openid email offline_access"));
    assert_eq!(login.flows, [Flow::Device]);
    assert_eq!(stored(&stage).auth_scope.as_deref(), Some("openid email offline_access"));

    let before = stage.requests().len();
    for (option, reason) in [
        ("--client-id=x", "`oidc gen -m acc` gives it another one"),
        ("--pub", "keeps its client"),
        ("--at=t", "no client is registered"),
        ("--only-at", "the new login is stored"),
        ("--issuer=https://other.example", "is one at https://op.example"),
        ("--flow=refresh", "--rt-file"),
    ] {
        let error = error(stage.run(&[&again[..], &[option]].concat()));
        assert!(error.to_string().contains(reason), "{option}: {error}");
        assert_eq!(error.exit(), Exit::Usage, "{option}");
    }
    assert!(!stage.requests()[before..].iter().any(|request| request.name() == "gen"));

    let mut stage = stage.with_answers(&[("Enter decryption", "^C")]);
    let run = stage.run(&again[..2]);
    assert!(run.stderr.contains("keeps the login that it had"), "{}", run.stderr);
}

#[test]
fn an_account_of_a_refresh_token_can_log_in_by_any_way_later() {
    for (answers, uri) in [
        (&[][..], "http://localhost:8080"),
        (&[("Redirect_uris", "http://localhost:2345"), ("never", "")], "http://localhost:2345"),
    ] {
        let mut stage = Stage::new(good_agent());
        stage.machine.has_display = true;
        let line = ["--rt", "imported", "--client-id", "cid", "--client-secret=", "--prompt=none"];
        stage.run(&[NEW, &line].concat()).result.expect("an account");
        stage = stage.with_answers(answers);
        let run = stage.run(&["acc", "--reauthenticate", "--pw-cmd", "echo pw"]);
        run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
        let login = last_login(&stage);
        assert_eq!(login.config.redirect_uris[0], uri);
        assert_eq!(login.flows, [Flow::Code, Flow::Device]);
        assert_eq!(stored(&stage).client_id.as_deref(), Some("cid"));
    }
}

#[test]
fn own_certificates_are_kept_with_the_account_and_those_of_the_system_are_not() {
    let own = tempfile::tempdir().expect("a directory");
    let path = own.path().join("ca.pem");
    let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    fs_err::write(&path, pem).expect("written");
    let option = format!("--cp={}", path.display());

    let mut stage = Stage::new(agent_that_fails_once());
    error(stage.run(&[NEW, &[&option]].concat()));
    assert_eq!(stage.home().read_certificates(&name()).expect("readable"), None, "the login failed");
    let run = stage.run(&[NEW, &[&option]].concat());
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    let copy = stage.home().certificates_path(&name());
    assert_eq!(fs_err::read_to_string(&copy).expect("a copy"), pem);
    assert_eq!(last_login(&stage).config.cert_path.as_deref(), copy.to_str());
    assert_eq!(stored(&stage).cert_path.as_deref(), copy.to_str());

    stage.run(&["acc", "--rename", "new", "--pw-cmd", "echo pw"]).result.expect("renamed");
    assert!(!copy.exists());
    let copy = stage.home().certificates_path(&"new".parse().expect("a name"));
    let run = stage.run(&["--print", "new", "--pw-cmd", "echo pw"]);
    let account = AccountConfig::parse(run.stdout.as_bytes()).expect("an account");
    assert!(copy.exists() && account.cert_path.as_deref() == copy.to_str(), "{account:?}");
    stage.run(&["new", "--delete", "--confirm-yes", "--pw-cmd", "echo pw"]).result.expect("deleted");
    assert!(!copy.exists());
}

#[test]
fn a_file_without_certificates_is_told_before_anything_is_asked() {
    let own = tempfile::tempdir().expect("a directory");
    let path = own.path().join("notes");
    fs_err::write(&path, "no certificate").expect("written");
    for (file, reason) in [
        (path.to_str().expect("text"), "holds no certificate"),
        ("/nonexistent", "/nonexistent"),
        ("/dev/null", "no regular file"),
    ] {
        let mut stage = Stage::new(good_agent()).with_answers(&[("never asked", "")]);
        let error = error(stage.run(&[NEW, &["--cp", file]].concat()));
        assert!(error.to_string().contains(reason) && error.exit() == Exit::File, "{error}");
        assert_eq!(stage.request_names(), [""; 0]);
    }
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
fn what_nobody_keeps_is_deleted_again() {
    let mut stage = Stage::new(agent_that_fails_once());
    error(stage.run(&[&NEW[..5], &["--no-save"]].concat()));
    assert_eq!(stage.request_names(), ["register", "gen", "delete_client"]);
    assert_eq!(stage.home().read_pending(&name()).expect("readable"), None);

    let run = stage.run(&[&NEW[..5], &["--no-save"]].concat());
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    assert!(run.stderr.contains("the client cid stays registered"), "{}", run.stderr);
    assert!(stage.home().list().expect("a listing").is_empty());
}

#[test]
fn dropped_scopes_and_grants_are_told_and_not_asked_for() {
    let client = r#"{"client_id":"cid","scope":"openid offline_access","grant_types":["refresh_token","authorization_code"]}"#;
    let mut agent = good_agent();
    let mut stage = Stage::new(move |request| match request {
        Request::Register(_) => registered(client),
        other => agent(other),
    });
    let run = stage.run(NEW);
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    assert!(
        run.stderr.contains("are missing: storage.read:/") && run.stderr.contains("device_code"),
        "{}",
        run.stderr
    );
    let Some(Request::Gen(request)) = stage.requests().into_iter().find(|request| request.name() == "gen")
    else {
        panic!("no login")
    };
    assert_eq!(request.flows, [Flow::Code]);
    assert_eq!(request.config.auth_scope.as_deref(), Some("openid offline_access"));
}

#[test]
fn a_public_client_helps_where_registration_is_refused() {
    let mut agent = good_agent();
    let mut stage = Stage::new(move |request| match request {
        Request::Register(_) => Reply::Failure(Failure::registration_not_supported()),
        other => agent(other),
    });
    let refusal = error(stage.run(NEW));
    assert_eq!(refusal.exit(), Exit::ProviderRefused);
    let hint = refusal.hint().unwrap_or_default();
    assert!(hint.contains("`--client-id`") && !hint.contains("--at-file"), "{hint}");

    let data = r#"[{"issuer":"https://op.example/","pubclient":{"client_id":"public","flow":["device"]}}]"#;
    fs_err::write(stage.home().path().join("issuer.config"), data).expect("written");
    let run = stage.run(NEW);
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    let Some(Request::Gen(request)) = stage.requests().into_iter().find(|request| request.name() == "gen")
    else {
        panic!("no login")
    };
    assert_eq!(request.config.client_id.as_deref(), Some("public"));
    assert!(request.config.uses_pub_client);
    assert_eq!(request.flows, [Flow::Device]);
}

#[test]
fn a_client_from_elsewhere_goes_on_where_registration_is_refused() {
    let mut agent = good_agent();
    let mut stage = Stage::new(move |request| match request {
        Request::Register(_) => Reply::Failure(
            Failure::new(ErrorCode::RegistrationClosed, "Registration is closed.")
                .with_info("Ask at the desk."),
        ),
        other => agent(other),
    })
    .with_answers(&[
        ("Client id", "given"),
        ("Client secret", "s"),
        ("Redirect_uris", "http://localhost:2345"),
    ]);
    let run = stage.run(NEW);
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    let (reasons, _) = run.stderr.split_once("Client id").expect("a question");
    assert!(reasons.contains("Registration is closed.\nAsk at the desk.\n"), "{reasons}");
    let account = stored(&stage);
    assert_eq!(account.redirect_uris, ["http://localhost:2345"]);
    assert_eq!(stage.request_names()[..2], ["register", "gen"]);
}

#[test]
fn an_initial_access_token_is_asked_for_until_one_is_taken() {
    let mut agent = good_agent();
    let needed = || failure(ErrorCode::RegistrationTokenNeeded, "Who are you?");
    let mut stage = Stage::new(move |request| match request {
        Request::Register(register) => match register.authorization.as_ref().map(SecretText::expose) {
            Some("right") => agent(request),
            _ => needed(),
        },
        other => agent(other),
    })
    .with_answers(&[
        ("Initial access token", "wrong"),
        ("Initial access token", "right"),
        ("never", ""),
    ]);
    let run = stage.run(NEW);
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    assert_eq!(run.stderr.matches("Who are you?").count(), 2, "{}", run.stderr);
    assert_eq!(stage.request_names()[..4], ["register", "register", "register", "gen"]);

    let mut stage = Stage::new(move |request| match request {
        Request::Register(_) => needed(),
        _ => Reply::success(),
    });
    let hint = error(stage.run(NEW)).hint().unwrap_or_default();
    assert!(hint.contains("--at-file") && hint.contains("--client-id"), "{hint}");
}

#[test]
fn a_provider_that_is_away_is_no_matter_of_registration() {
    for code in [ErrorCode::ProviderUnreachable, ErrorCode::ProviderTls, ErrorCode::AgentLocked] {
        let mut stage = Stage::new(move |request| match request {
            Request::Register(_) => failure(code, "no"),
            _ => Reply::success(),
        });
        let run = stage.run(&[NEW, &["--confirm-yes"]].concat());
        assert_eq!(run.stderr, "Registering Client ...\n");
        assert_eq!(error(run).failure_code(), Some(code));
    }
}

#[test]
fn what_was_left_out_is_said_once_at_the_end() {
    let mut agent = good_agent();
    let mut stage = Stage::new(move |request| match request {
        Request::Register(_) => {
            let Reply::Registered(registration) = registered(CLIENT) else { panic!("registered") };
            Reply::Registered(Registration {
                left_out: vec!["this".to_owned(), "that".to_owned()],
                left_out_because: Some("invalid_redirect_uri".to_owned()),
                ..registration
            })
        }
        other => agent(other),
    });
    let sentence = "Left out of the registration: this and that, because the provider refused it (invalid_redirect_uri).";
    let run = stage.run(NEW);
    assert!(run.stderr.ends_with(&format!("{sentence}\n")), "{}", run.stderr);
    assert_eq!(run.stderr.matches("Left out").count(), 1);

    stage.run(&["acc", "--delete", "--confirm-yes", "--pw-cmd", "echo pw"]).result.expect("deleted");
    let run = stage.run(&[NEW, &["--json"]].concat());
    let result: Value = serde_json::from_str(&run.stdout).expect("an object");
    assert_eq!(result["remarks"], serde_json::json!([sentence]));
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
fn without_anybody_to_ask_the_missing_option_is_named() {
    let mut stage = Stage::new(good_agent());
    let text = error(stage.run(&["acc", "--prompt=none"])).to_string();
    assert!(text.contains("'--issuer' option"), "{text}");
    let text = error(stage.run(&["--prompt=none"])).to_string();
    assert_eq!(text, "No account short name given.");
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
fn an_account_is_logged_in_anew_renamed_and_converted() {
    let mut stage = Stage::new(good_agent());
    stage.run(NEW).result.expect("an account");
    let pw = ["--pw-cmd", "echo pw"];
    let run = stage.run(&[&["acc", "--reauthenticate", "--flow", "code"][..], &pw].concat());
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    assert!(stored(&stage).registration_access_token.is_some());

    let run = stage.run(&[&["--update", "acc", "--format", "oidc-agent"][..], &pw].concat());
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    assert_eq!(run.stdout, "Updated config file format\n");
    assert_eq!(vault::format_of(&stage.home().read(&name()).expect("a file")), Ok(Format::OidcAgent));
    stage.run(&[&["--update", "acc"][..], &pw].concat()).result.expect("converted back");
    assert_eq!(vault::format_of(&stage.home().read(&name()).expect("a file")), Ok(Format::Native));

    let run = stage.run(&[&["acc", "--rename", "new"][..], &pw].concat());
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    assert_eq!(stage.home().list().expect("a listing"), ["new".parse::<Shortname>().expect("a name")]);

    let run = stage.run(&[&["--print", "new"][..], &pw].concat());
    let printed = AccountConfig::parse(run.stdout.as_bytes()).expect("an account");
    assert_eq!(printed.name.as_deref(), Some("new"));
    assert!(printed.registration_access_token.is_some());
}

#[test]
fn an_existing_account_is_not_overwritten() {
    let mut stage = Stage::new(good_agent());
    stage.run(NEW).result.expect("an account");
    let before = stage.home().read(&name()).expect("a file");
    let text = error(stage.run(NEW)).to_string();
    assert!(text.starts_with("An account with that shortname is already configured"), "{text}");
    assert_eq!(stage.home().read(&name()).expect("a file"), before);
}

#[test]
fn an_account_that_the_agent_holds_is_deleted_without_its_password() {
    let made = Arc::new(AtomicUsize::new(0));
    let loaded = Arc::clone(&made);
    let mut agent = good_agent();
    let mut stage = Stage::new(move |request| match request {
        Request::LoadedAccounts if loaded.load(Ordering::SeqCst) > 0 => {
            Reply::success_with(vec!["acc".to_owned()])
        }
        Request::Reset(_) => Reply::success_with(
            ResetReport {
                was_loaded: true,
                refresh_token: RemoteOutcome::Done,
                client: RemoteOutcome::Done,
                ..ResetReport::default()
            }
            .to_info(),
        ),
        other => agent(other),
    });
    stage.run(NEW).result.expect("an account");
    made.store(1, Ordering::SeqCst);
    let run = stage.run(&["acc", "--delete", "--confirm-yes"]);
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    assert_eq!(stage.request_names().last(), Some(&"reset"));
    assert_eq!(run.stdout, "Successfully deleted account configuration.\n");
    assert!(run.stderr.contains("Deleted oidc client."));
    assert!(stage.home().list().expect("a listing").is_empty());
}

#[test]
fn an_account_that_is_not_loaded_is_decrypted_revoked_and_deleted() {
    let mut stage = Stage::new(good_agent());
    stage.run(NEW).result.expect("an account");
    let run = stage.run(&["acc", "--delete", "--confirm-yes", "--pw-cmd", "echo pw"]);
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    let names = stage.request_names();
    assert_eq!(names[names.len() - 3..], ["delete", "delete_client", "remove"]);
    assert!(stage.home().list().expect("a listing").is_empty());
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
fn the_c_suites_scripts_find_its_sentences() {
    let mut stage = Stage::new(good_agent());
    stage.dialect = Dialect::CSuite;
    let run = stage.run(NEW);
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    assert_eq!(
        run.stdout,
        "Registering Client ...\nGenerating account configuration ...\naccepted\nEverything setup correctly!\n"
    );

    // As recorded from 4.2.6 and 5.3.3.
    let mut stage = Stage::new(good_agent());
    stage.dialect = Dialect::CSuite;
    let manual = ["-m", "--client-id=c", "--client-secret=s", "--rt=rt"];
    let run = stage.run(&[NEW, &manual].concat());
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    assert_eq!(
        run.stdout,
        "No account exists with this short name. Creating new configuration ...\nGenerating account configuration ...\n\
         success\nThe generated account config was successfully added to oidc-agent. You don't have to run oidc-add.\n\
         Everything setup correctly!\n"
    );
    let run = stage.run(&["-d", "acc", "--confirm-yes", "--pw-cmd", "echo pw"]);
    run.result.unwrap_or_else(|error| panic!("{error}: {}", run.stderr));
    assert_eq!(
        run.stdout,
        "The generated account was successfully removed from oidc-agent. You don't have to run oidc-add.\n\
         Successfully deleted account configuration.\n"
    );
}

#[test]
fn only_a_whole_yes_deletes_under_the_c_suites_name() {
    for (answer, is_deleted) in [("y", false), ("Yes", false), ("", false), ("quit", false), ("yes", true)] {
        let mut stage = Stage::new(good_agent());
        stage.run(NEW).result.expect("an account");
        stage.dialect = Dialect::CSuite;
        let answers = [("Do you really want to delete", answer), ("Should this client", "yes")];
        let mut stage = stage.with_answers(&answers);
        let run = stage.run(&["-d", "acc", "--pw-cmd", "echo pw"]);
        run.result.unwrap_or_else(|error| panic!("{answer}: {error}: {}", run.stderr));
        assert_eq!(!stage.home().file(&name()).exists(), is_deleted, "{answer}");
    }
    let mut stage = Stage::new(good_agent());
    stage.run(NEW).result.expect("an account");
    let mut stage = stage.with_answers(&[("Do you really want", "quit")]);
    assert_eq!(error(stage.run(&["-d", "acc"])).exit(), Exit::Refused);
}

#[test]
fn options_that_contradict_each_other_end_as_the_name_of_the_command_wants_it() {
    for (dialect, line, exit) in [
        (Dialect::CSuite, &["-u", "acc", "--no-save"][..], Exit::Failure),
        (Dialect::CSuite, &["acc", "--rename=x", "--no-save"], Exit::Failure),
        (Dialect::CSuite, &["-d"], Exit::Usage),
        (Dialect::CSuite, &["--rename=x"], Exit::Failure),
        (Dialect::Ours, &["-u", "acc", "--no-save"], Exit::Usage),
        (Dialect::Ours, &["-d"], Exit::Usage),
        (Dialect::Ours, &["--rename=x"], Exit::Usage),
    ] {
        let mut stage = Stage::new(good_agent());
        stage.dialect = dialect;
        assert_eq!(error(stage.run(line)).exit(), exit, "{dialect:?} {line:?}");
    }
}

#[test]
fn a_name_that_agents_take_for_none_is_refused() {
    for name in ["null", "(null)"] {
        let mut stage = Stage::new(good_agent());
        let text = error(stage.run(&[name, "--issuer", ISSUER])).to_string();
        assert!(text.contains(name) && text.contains("choose another"), "{text}");
        assert_eq!(stage.request_names(), Vec::<&str>::new());
    }
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

#[test]
fn the_known_issuers_are_listed_once() {
    let mut agent = good_agent();
    let mut asked = 0;
    let stage = Stage::new(move |request| match request {
        Request::Scopes(_) => {
            asked += 1;
            if asked == 1 { failure(ErrorCode::ProviderUnreachable, "nobody there") } else { agent(request) }
        }
        other => agent(other),
    });
    let config = r#"[{"issuer": "https://known.example", "accounts": []}]"#;
    fs_err::write(stage.home().path().join("issuer.config"), config).expect("written");
    let mut stage = stage.with_answers(&[("Issuer", "https://a.example"), ("Issuer", "^C")]);
    let run = stage.run(&["acc"]);
    assert_eq!(run.stderr.matches("] https://known.example\n").count(), 1, "{}", run.stderr);
    assert!(run.stderr.contains("nobody there."), "{}", run.stderr);
}
