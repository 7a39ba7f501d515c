//! Clients whose login failed: kept, used again, replaced, deleted.

use oidc_proto::{
    error_code::ErrorCode,
    message::{Reply, Request},
    vault::{self, Format},
};

use super::{super::testing::Stage, NEW, agent_that_fails_once, error, failure, good_agent, name, stored};
use crate::say::exit::Exit;

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
