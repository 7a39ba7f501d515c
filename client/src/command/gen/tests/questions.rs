//! What a person is asked, and where nobody can be.

use oidc_proto::{error_code::ErrorCode, message::Request};

use super::{super::testing::Stage, ISSUER, NEW, agent_that_fails_once, error, failure, good_agent};
use crate::say::exit::Exit;

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
fn without_anybody_to_ask_the_missing_option_is_named() {
    let mut stage = Stage::new(good_agent());
    let text = error(stage.run(&["acc", "--prompt=none"])).to_string();
    assert!(text.contains("'--issuer' option"), "{text}");
    let text = error(stage.run(&["--prompt=none"])).to_string();
    assert_eq!(text, "No account short name given.");
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
