use oidc_proto::{
    message::{Request, TokenReply},
    secret::AccessToken,
};
use serde_json::json;

use super::*;
use crate::{say::exit::Exit, testing::Bench};

const ON: &str = r#"{"oidc-agent": {"auto-reauthenticate": true}}"#;

/// An agent with these accounts that has no login for any of them, until one is made.
fn agent(options: &'static str, accounts: serde_json::Value) -> impl FnMut(&Request) -> Reply {
    move |request| match request {
        Request::AccessToken(_) => Failure::new(ErrorCode::LoginNeeded, "invalid_grant: expired").into(),
        Request::StatusJson => {
            Reply::success_with(json!({"command_line_options": options, "accounts": accounts}))
        }
        _ => Reply::success(),
    }
}

fn account(name: &str, more: &serde_json::Value) -> serde_json::Value {
    let mut account = json!({"name": name, "issuer": "https://op.example/", "login_needed": "invalid_grant"});
    if let (Some(account), Some(more)) = (account.as_object_mut(), more.as_object()) {
        account.extend(more.clone());
    }
    account
}

/// The configuration, what the agent says, what is asked for, and whether the person is asked.
#[test]
fn a_login_is_offered_where_it_is_wanted_and_clear_whose() {
    let robot = json!({"grant_type": "client_credentials"});
    let mytoken = json!({"grant_type": "mytoken", "mytoken_url": "https://mt.example/"});
    let usable = json!({"login_needed": null});
    let issuer = "https://op.example";
    for (row, (config, options, accounts, target, is_asked)) in [
        (ON, "", json!([account("acc", &json!({}))]), "acc", true),
        (ON, "", json!([]), "acc", true),
        ("{}", "", json!([account("acc", &json!({}))]), "acc", false),
        (ON, "--console --no-autoreauthenticate", json!([account("acc", &json!({}))]), "acc", false),
        (ON, "", json!([account("acc", &robot)]), "acc", false),
        (ON, "", json!([account("acc", &mytoken)]), "acc", true),
        (ON, "", json!([account("acc", &json!({})), account("b", &usable)]), issuer, true),
        (ON, "", json!([account("acc", &json!({})), account("b", &json!({}))]), issuer, false),
        (ON, "", json!([]), issuer, false),
    ]
    .into_iter()
    .enumerate()
    {
        let bench = Bench::new()
            .with_file("config", config.as_bytes())
            .with_agent(agent(options, accounts))
            .with_person(&["no"]);
        let ran = bench.run(&["oidc", "token", target]);
        let error = ran.result.expect_err("no login");
        assert_eq!(error.exit(), Exit::LoginNeeded, "row {row}");
        assert_eq!(ran.asked.iter().any(|asked| asked.contains("Log in now? [Y/n]")), is_asked, "row {row}");
        assert_eq!(ran.stdout, "", "row {row}");
    }
}

#[test]
fn nobody_is_asked_without_a_terminal_with_json_or_with_the_option() {
    let options: [&[&str]; 2] = [&["--json"], &["--no-autoreauthenticate"]];
    for more in options {
        let bench = Bench::new()
            .with_file("config", ON.as_bytes())
            .with_agent(agent("", json!([account("acc", &json!({}))])))
            .with_person(&["yes"]);
        let ran = bench.run(&[&["oidc", "token", "acc"], more].concat());
        assert!(ran.result.is_err() && ran.asked.is_empty(), "{more:?}: {ran:?}");
    }
    let bench = Bench::new()
        .with_file("config", ON.as_bytes())
        .with_agent(agent("", json!([account("acc", &json!({}))])));
    let ran = bench.run(&["oidc", "token", "acc"]);
    assert_eq!(ran.result.expect_err("no login").exit(), Exit::LoginNeeded);
}

#[test]
fn an_account_is_offered_for_an_issuer_without_one() {
    let on = r#"{"oidc-agent": {"auto-gen": true}}"#;
    for (config, is_asked) in [(on, true), (ON, false), ("{}", false)] {
        let bench =
            Bench::new().with_file("config", config.as_bytes()).with_person(&["n"]).with_agent(|request| {
                match request {
                    Request::AccessToken(request) if matches!(request.target, Target::Account(_)) => {
                        Reply::Token(TokenReply {
                            access_token: AccessToken::from("tok"),
                            issuer: "https://op.example/".into(),
                            expires_at: None,
                            scope: None,
                            warnings: Vec::new(),
                            refresh_token: None,
                        })
                    }
                    Request::LoadedAccounts => Reply::success_with(json!([])),
                    _ => Failure::account_not_loaded().into(),
                }
            });
        let ran = bench.run(&["oidc", "token", "https://op.example"]);
        assert_eq!(ran.asked.iter().any(|asked| asked.contains("Make one now? [Y/n]")), is_asked, "{config}");
        let hint = ran.result.expect_err("no account").hint().unwrap_or_default();
        assert!(hint.contains("oidc gen --issuer https://op.example"), "{hint}");
    }
}

#[test]
fn an_issuers_host_suggests_a_name() {
    for (issuer, name) in [
        ("https://wlcg.cloud.cnaf.infn.it/", "wlcg"),
        ("https://aai.egi.eu/auth/realms/egi", "egi"),
        ("https://login.helmholtz.de/oauth2/", "helmholtz"),
        ("https://login-dev.helmholtz.de/oauth2", "helmholtz"),
        ("https://accounts.google.com", "google"),
        ("https://cms-auth.web.cern.ch/", "cms-auth"),
        ("https://auth.example", "auth"),
        ("https://localhost:8443", "localhost"),
        ("https://127.0.0.1:8443", "account"),
        ("nonsense", "account"),
    ] {
        assert_eq!(suggested(issuer), name, "{issuer}");
    }
}
