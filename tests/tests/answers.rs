//! Answers of a provider that are odd and good all the same, and refusals that look like good ones.

use std::time::SystemTime;

use oidc_tests::{
    provider::{Endpoint, Fault, Quirks, Rotation},
    scene::{Scene, access_token},
    terminal::Terminal,
};
use serde_json::{Value, json};

/// An account that is loaded at a provider which leaves refresh tokens alone.
fn scene() -> Scene {
    let scene = Scene::with(
        Quirks { rotation: Rotation::Never, ..Quirks::default() },
        oidc_tests::environment::FileFormat::Native,
    );
    scene.add_unsaved("other");
    scene
}

fn answer_once(scene: &Scene, status: u16, body: String) {
    scene
        .provider
        .faults()
        .queue(Endpoint::Token, Fault::Status { status, retry_after: None, body: Some(body) });
}

fn ask(scene: &Scene) -> Value {
    scene.agent.token("other", json!({"min_valid_period": -1}))
}

fn now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().expect("a time after 1970").as_secs()
}

#[test]
fn a_lifetime_comes_in_any_shape() {
    const YEARS: u64 = 10 * 365 * 24 * 3600;
    let scene = scene();
    for (expires_in, life) in [
        ("3600", Some(3600)),
        (r#""3600""#, Some(3600)),
        ("3600.5", Some(3600)),
        ("2147483648", Some(YEARS)),
        ("9223372036854775807", Some(YEARS)),
        ("1e30", None),
        ("0", None),
        ("-1", None),
        ("null", None),
        (r#""""#, None),
        (r#""3600.5""#, None),
        (r#""an hour""#, None),
        ("[]", None),
        ("[3600]", None),
        ("{}", None),
        ("true", None),
    ] {
        answer_once(&scene, 200, format!(r#"{{"access_token":"opaque","expires_in":{expires_in}}}"#));
        let before = now();
        let reply = ask(&scene);
        assert_eq!(access_token(&reply), "opaque", "{expires_in}: {reply}");
        if let Some(life) = life {
            let expires_at = reply["expires_at"].as_u64().expect("a time");
            assert!((before + life..=now() + life).contains(&expires_at), "{expires_in}: {reply}");
        }
    }
    // Without any, and the account is well after all of them.
    answer_once(&scene, 200, r#"{"access_token":"opaque"}"#.into());
    assert_eq!(access_token(&ask(&scene)), "opaque");
    assert_eq!(access_token(&ask(&scene)).split('.').count(), 3);
}

#[test]
fn what_is_missing_or_too_much_beside_a_token_does_not_matter() {
    let scene = scene();
    for (status, more) in [
        (200, ""),
        (200, r#","token_type":"bearer""#),
        (200, r#","token_type":"mac""#),
        (201, r#","token_type":"Bearer""#),
        (200, r#","refresh_token":"""#),
        (200, r#","refresh_token":null"#),
        (200, r#","error":"odd""#),
        (200, r#","error":null"#),
        (200, r#","access_token":"second""#),
        (200, r#","scope":null"#),
        (200, r#","id_token":"no JWT""#),
    ] {
        // As plain text, and with a byte order mark.
        answer_once(&scene, status, format!("\u{feff}{{\"access_token\":\"first\"{more}}}"));
        let reply = ask(&scene);
        assert_eq!(access_token(&reply), "first", "{status} {more}: {reply}");
        // The refresh token is still the one that was.
        assert_eq!(access_token(&ask(&scene)).split('.').count(), 3, "{more}");
    }
}

/// As GitHub sends them.
#[test]
fn a_refusal_with_the_status_of_a_success_is_a_refusal() {
    let scene = scene();
    for (error, description, code) in [
        ("bad_refresh_token", "The refresh token passed is incorrect or expired.", "login_needed"),
        ("incorrect_client_credentials", "The client_secret passed is incorrect.", "provider_refused"),
        ("invalid_grant", "expired", "login_needed"),
    ] {
        let body =
            json!({"error": error, "error_description": description, "error_uri": "https://docs.example"});
        answer_once(&scene, 200, body.to_string());
        let reply = ask(&scene);
        let text = reply["error"].as_str().unwrap_or_default();
        assert!(text.contains(error) && text.contains(description), "{reply}");
        assert_eq!(reply["error_code"], code, "{reply}");
        scene.add_unsaved("other");
    }
}

#[test]
fn the_content_type_of_an_answer_does_not_matter() {
    let scene = scene();
    for content_type in [
        "application/json",
        "application/json; charset=utf-8",
        "application/json;charset=ISO-8859-1",
        "text/html",
        "text/plain",
        "application/octet-stream",
        "",
        "nonsense",
    ] {
        scene.provider.faults().queue(
            Endpoint::Token,
            Fault::Bytes {
                status: 200,
                content_type: content_type.to_owned(),
                body: br#"{"access_token":"opaque","expires_in":1}"#.to_vec(),
            },
        );
        assert_eq!(access_token(&ask(&scene)), "opaque", "{content_type}");
    }
}

/// When to ask again is said to the person, and the exit code is that of a provider that is away for any time.
#[test]
fn who_has_to_wait_is_told_for_how_long() {
    let scene = scene();
    let ask = |retry_after| {
        let body = Some("<title>Busy</title>".to_owned());
        scene.provider.faults().set(Endpoint::Token, Fault::Status { status: 503, retry_after, body });
        let mut command = scene.agent.command(&scene.environment, "oidc");
        command.args(["token", "--force-new", "other"]);
        let mut terminal = Terminal::start(command);
        terminal.expect("503");
        terminal.finish()
    };
    let (code, said) = ask(Some(20));
    assert!(said.contains("left alone for 20 s") && said.contains("Busy"), "{said}");
    assert_eq!(ask(None).0, code, "{said}");
}
