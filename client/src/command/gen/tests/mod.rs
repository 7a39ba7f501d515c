//! Whole runs of `oidc gen` against an agent that is played.

mod accounts;
mod c_suite;
mod logins;
mod others;
mod questions;
mod registrations;
mod scopes;
mod unfinished;

use oidc_proto::{
    account::AccountConfig,
    error_code::ErrorCode,
    json::Object,
    message::{DeviceAuthorization, Failure, Flow, GenRequest, LookupStatus, Registration, Reply, Request},
    secret::{DeviceCode, Password, RefreshToken},
    shortname::Shortname,
    vault,
};

use super::testing::{Run, Stage};
use crate::context::error::Error;

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

/// The last login that was asked for.
fn last_login(stage: &Stage) -> GenRequest {
    let login = stage.requests().into_iter().rev().find_map(|request| match request {
        Request::Gen(request) => Some(*request),
        _ => None,
    });
    login.expect("a login")
}
