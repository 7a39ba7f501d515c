//! Registering and deleting clients.

use oidc_proto::{
    error_code::ErrorCode,
    secret::{RegistrationAccessToken, SecretText},
};

use super::super::{
    ClientConfiguration, ClientDeletion, Part, Registration,
    testing::{Reply, Scripted, soon},
};

const CLIENT: &str = r#"{"client_id":"dyn","client_secret":"s","registration_access_token":"rat",
    "registration_client_uri":"https://op.example/register/dyn","scope":"openid","client_id_issued_at":"Nov 1"}"#;

fn wanted<'a>(redirect_uris: &'a [String], access_token: Option<&'a SecretText>) -> Registration<'a> {
    Registration {
        auth_method: None,
        jwks: None,
        client_name: "oidc-agent:acc-host",
        scope: "openid offline_access",
        grant_types: &["refresh_token", "authorization_code"],
        redirect_uris,
        access_token,
    }
}

fn redirect_uris() -> Vec<String> {
    ["http://localhost:4242", "edu.kit.data.oidc-agent:/redirect"].map(str::to_owned).to_vec()
}

#[tokio::test]
async fn keeps_the_whole_answer_and_tells_what_is_missing() {
    let op = Scripted::provider(|_| Reply::status(201, CLIENT)).await;
    let token = SecretText::from("initial");
    let uris = redirect_uris();
    let registered = op.open().register(wanted(&uris, Some(&token)), soon()).await.expect("registered");
    for key in ["client_id", "client_secret", "registration_access_token", "registration_client_uri"] {
        assert!(registered.client.contains(key), "{key}");
    }
    assert_eq!(registered.missing.scopes, ["offline_access"]);
    assert_eq!(op.asked("/register")[0].header("authorization"), "Bearer initial");
    assert_eq!(op.asked("/register")[0].header("content-type"), "application/json");
}

#[tokio::test]
async fn gives_in_step_by_step() {
    let op = Scripted::provider(|asked| {
        let refuse = |text: &str| {
            Reply::status(400, format!(r#"{{"error":"invalid_redirect_uri","error_description":"{text}"}}"#))
        };
        if asked.body.contains("edu.kit") {
            refuse("private schemes are not allowed")
        } else if asked.body.contains("native") {
            refuse("redirect for web clients only")
        } else {
            Reply::status(201, CLIENT)
        }
    })
    .await;
    let uris = redirect_uris();
    op.open().register(wanted(&uris, None), soon()).await.expect("registered");
    // The private scheme, localhost, being native.
    assert_eq!(op.asked("/register").len(), 4);
}

#[tokio::test]
async fn a_refusal_that_nothing_helps_against_is_passed_on() {
    let op =
        Scripted::provider(|_| Reply::status(403, r#"{"error":"registration is for members, not t0ken"}"#))
            .await;
    let (uris, token) = (redirect_uris(), SecretText::from("t0ken"));
    let error = op.open().register(wanted(&uris, Some(&token)), soon()).await.expect_err("refused");
    assert!(error.to_string().ends_with("registration is for members, not [redacted]"), "{error}");
    assert_eq!(op.asked("/register").len(), 1);
    let op = Scripted::provider(|_| Reply::json("{}")).await;
    let error = op.open().register(wanted(&uris, None), soon()).await.expect_err("no client");
    assert!(error.to_string().contains("client_id expected"), "{error}");
}

#[tokio::test]
async fn a_refusal_without_a_reason_costs_the_least_wanted_part_first() {
    for (status, body) in [(400, "Bad Request"), (422, "<html><title>Unprocessable</title>"), (400, "")] {
        let op = Scripted::provider(move |asked| {
            if asked.body.contains("offline_access") {
                Reply::status(status, body)
            } else {
                Reply::status(201, CLIENT)
            }
        })
        .await;
        let uris = redirect_uris();
        let registered = op.open().register(wanted(&uris, None), soon()).await.expect("registered");
        assert!(registered.left_out.contains(&Part::OfflineAccess), "{:?}", registered.left_out);
        assert_eq!(registered.left_out[0], Part::PrivateScheme);
        assert_eq!(registered.asked_scope, "openid");
        assert!(registered.missing.scopes.is_empty(), "what was left out is not missing as well");
    }
    let op = Scripted::provider(|_| Reply::status(400, "never")).await;
    let uris = redirect_uris();
    let error = op.open().register(wanted(&uris, None), soon()).await.expect_err("refused");
    assert!(error.to_string().ends_with(": never"), "{error}");
    assert!(op.asked("/register").len() <= 12, "{}", op.asked("/register").len());
}

#[tokio::test]
async fn a_closed_registration_says_how_else_to_get_a_client() {
    let (uris, token) = (redirect_uris(), SecretText::from("t0ken"));
    let how = r#"{"get_client":"Ask Ada.","registration":"token"}"#;
    for (status, token, code, says) in [
        (401, None, ErrorCode::RegistrationTokenNeeded, "`--at`"),
        (403, None, ErrorCode::RegistrationTokenNeeded, "`--at`"),
        (401, Some(&token), ErrorCode::RegistrationTokenNeeded, "not accepted"),
        (403, Some(&token), ErrorCode::RegistrationClosed, "no client for you"),
        (404, None, ErrorCode::RegistrationClosed, "no client for you"),
    ] {
        let op = Scripted::provider(move |_| Reply::status(status, "Members only")).await;
        let provider = op.open_with(how);
        let error = provider.register(wanted(&uris, token), soon()).await.expect_err("closed");
        let failure = error.to_failure("acc", "https://op");
        assert_eq!((failure.code, failure.error.as_str()), (code, "Members only"), "{status}");
        let info = failure.info.unwrap_or_default();
        assert!(info.contains(says) && info.contains("Ask Ada."), "{status}: {info}");
        assert_eq!(op.asked("/register").len(), 1, "{status}");
    }
}

#[tokio::test]
async fn deletion_tells_gone_from_refused() {
    let token = RegistrationAccessToken::from("rat");
    for (status, body, outcome) in [
        (204, "", Some(ClientDeletion::Deleted)),
        (200, "{}", Some(ClientDeletion::Deleted)),
        (404, "{}", Some(ClientDeletion::AlreadyGone)),
        (401, r#"{"error":"invalid_token"}"#, Some(ClientDeletion::OutOfReach)),
        (401, "", Some(ClientDeletion::OutOfReach)),
        (400, r#"{"error":"Invalid registration access token"}"#, None),
        (403, "", None),
    ] {
        let op = Scripted::provider(move |_| Reply::status(status, body)).await;
        let uri = format!("{}/client", op.issuer());
        let deleted = op.open().delete_client(ClientConfiguration { uri: &uri, token: &token }, soon()).await;
        assert_eq!(deleted.ok(), outcome, "{status} {body}");
        assert!(
            op.asked("/client")
                .iter()
                .all(|asked| asked.method == "DELETE" && asked.header("authorization") == "Bearer rat")
        );
    }
}
