use super::*;
use crate::command::doctor::check::{State, state_of};

const NOW: u64 = 1_800_000_000;

fn loaded(change: impl FnOnce(&mut AccountStatus, &mut AccountReport)) -> Facts {
    let mut status =
        AccountStatus { name: "demo".into(), issuer: "https://op".into(), ..AccountStatus::default() };
    let mut report = AccountReport { has_refresh_token: true, ..AccountReport::default() };
    change(&mut status, &mut report);
    Facts {
        name: "demo".into(),
        now: NOW,
        file: Some(("/accounts/demo".into(), NOW - DAY)),
        issuer_in_file: Some("https://op/".into()),
        status: Some(status),
        report: Some(Ok(report)),
        is_named: true,
        ..Facts::default()
    }
}

fn unloaded() -> Facts {
    Facts { status: None, report: None, ..loaded(|_, _| ()) }
}

#[test]
fn each_fault_is_told() {
    for (facts, code, expected) in vec![
        (loaded(|_, _| ()), "account", Some(State::Ok)),
        (unloaded(), "account", Some(State::Ok)),
        (Facts { file: None, ..loaded(|_, _| ()) }, "account", Some(State::Warning)),
        (Facts { file: None, ..unloaded() }, "account", Some(State::Problem)),
        (Facts { silence: Some(Silence::NoAgent), ..unloaded() }, "account", Some(State::Unchecked)),
        (loaded(|_, _| ()), "account_issuer", None),
        (loaded(|status, _| status.issuer = "https://x".into()), "account_issuer", Some(State::Warning)),
        (loaded(|_, _| ()), "login", Some(State::Unchecked)),
        (loaded(|status, _| status.token_expires_at = Some(NOW + 600)), "login", Some(State::Ok)),
        (
            loaded(|status, _| status.login_needed = Some("invalid_grant".into())),
            "login",
            Some(State::Problem),
        ),
        (loaded(|_, report| report.has_refresh_token = false), "login", Some(State::Problem)),
        (unloaded(), "login", None),
        (loaded(|_, _| ()), "login_end", Some(State::Unchecked)),
        (
            loaded(|status, _| status.refresh_token_expires_at = Some(NOW - 1)),
            "login_end",
            Some(State::Problem),
        ),
        (
            loaded(|status, _| status.refresh_token_expires_at = Some(NOW + DAY)),
            "login_end",
            Some(State::Warning),
        ),
        (
            loaded(|status, _| status.refresh_token_expires_at = Some(NOW + 30 * DAY)),
            "login_end",
            Some(State::Ok),
        ),
        (loaded(|_, report| report.refresh_token_lifetime = Some(30 * DAY)), "login_end", Some(State::Ok)),
        (
            loaded(|_, report| report.refresh_token_lifetime = Some(5 * DAY)),
            "login_end",
            Some(State::Warning),
        ),
        (loaded(|_, _| ()), "client_accepted", None),
        (
            loaded(|status, _| status.client_refused = Some("invalid_client".into())),
            "client_accepted",
            Some(State::Problem),
        ),
        (loaded(|_, _| ()), "client_registration", None),
        (
            loaded(|_, report| report.client = ClientStanding::Registered),
            "client_registration",
            Some(State::Ok),
        ),
        (
            loaded(|_, report| report.client = ClientStanding::Gone),
            "client_registration",
            Some(State::Problem),
        ),
        (
            loaded(|_, report| report.client = ClientStanding::NotAsked { reason: "x".into() }),
            "client_registration",
            Some(State::Unchecked),
        ),
        (
            loaded(|_, report| report.client = ClientStanding::Unknown { reason: "x".into() }),
            "client_registration",
            Some(State::Warning),
        ),
        (loaded(|_, _| ()), "unsaved_token", None),
        (loaded(|status, _| status.unsaved = true), "unsaved_token", Some(State::Problem)),
        (loaded(|_, _| ()), "scopes", None),
        (granted("openid offline_access", "openid"), "scopes", Some(State::Ok)),
        (granted("openid storage.read:/", "openid"), "scopes", Some(State::Warning)),
        (loaded(|_, _| ()), "account_certificates", None),
        (
            loaded(|_, report| report.cert_path = Some("/no/such".into())),
            "account_certificates",
            Some(State::Problem),
        ),
        (
            loaded(|_, report| report.cert_path = Some("/proc/self/exe".into())),
            "account_certificates",
            Some(State::Ok),
        ),
        (loaded(|_, _| ()), "account_report", None),
        (unloaded(), "account_report", Some(State::Unchecked)),
        (
            Facts { report: Some(Err("unknown".into())), ..loaded(|_, _| ()) },
            "account_report",
            Some(State::Unchecked),
        ),
    ] {
        assert_eq!(state_of(CHECKS, code, &facts), expected, "{code}: {facts:?}");
    }
}

fn granted(asked: &str, granted: &str) -> Facts {
    loaded(|_, report| {
        report.requested_scope = Some(asked.into());
        report.granted_scope = Some(granted.into());
    })
}

#[test]
fn the_issuer_of_a_file_that_does_not_tell_is_looked_for_in_the_issuer_data() {
    let bench = crate::testing::Bench::new().with_account("acc");
    let home = bench.home();
    let config = r#"[{"issuer":"https://op.example/","accounts":["acc"]}]"#;
    fs_err::write(home.path().join("issuer.config"), config).expect("written");
    let issuers = Issuers::load_from(Some(&home), std::path::Path::new("/no/such"));
    let name = "acc".parse().expect("a name");
    let facts = Facts::gather(&name, Some(&home), &issuers, NOW);
    assert_eq!((facts.issuer_in_file.as_deref(), facts.issuer()), (None, Some("https://op.example/")));
    assert!(facts.file.is_some());
}

#[test]
fn an_account_with_a_mytoken_is_asked_about_at_its_server() {
    let server = "https://mt.example";
    let with_mytoken = loaded(|status, _| status.mytoken_url = Some(server.to_owned()));
    for (facts, provider) in [
        (with_mytoken, Some(server)),
        (loaded(|_, _| ()), Some("https://op")),
        (unloaded(), Some("https://op/")),
        (Facts { is_mytoken_in_file: true, ..unloaded() }, None),
        // An agent that does not tell of mytokens.
        (Facts { is_mytoken_in_file: true, ..loaded(|_, _| ()) }, Some("https://op")),
    ] {
        assert_eq!(facts.provider(), provider, "{facts:?}");
    }
}
