//! Clients: registered, refused, left out in part, or from elsewhere.

use oidc_proto::{
    error_code::ErrorCode,
    message::{Failure, Flow, Registration, Reply, Request},
    secret::SecretText,
};
use serde_json::Value;

use super::{super::testing::Stage, CLIENT, NEW, error, failure, good_agent, registered, stored};
use crate::say::exit::Exit;

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
