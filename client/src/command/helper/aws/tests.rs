use serde_json::Value;

use super::*;
use crate::testing::Bench;

const ROLE: &str = "arn:aws:iam::1:role/r";

fn given() -> Reply {
    Reply::AwsCredentials(AwsCredentials {
        access_key_id: "ASIA".to_owned(),
        secret_access_key: "s/+".into(),
        session_token: "t==".into(),
        expires_at: 1_800_000_000,
    })
}

#[test]
fn credentials_are_printed_as_sdks_read_them() {
    let bench = Bench::new().with_agent(|_| given());
    let ran = bench.run(&["oidc", "helper", "aws", "--account", "acc", "--role", ROLE, "--duration", "2h"]);
    ran.result.expect("done");
    let object: Value = serde_json::from_str(&ran.stdout).expect("an object");
    assert_eq!(object["Version"], 1);
    assert_eq!(object["Expiration"], "2027-01-15T08:00:00Z");
    assert_eq!(
        (&object["AccessKeyId"], &object["SecretAccessKey"], &object["SessionToken"]),
        (&"ASIA".into(), &"s/+".into(), &"t==".into())
    );
    let Some(Request::AwsCredentials(request)) = bench.requests().pop() else { panic!("no request") };
    assert_eq!((request.role.as_str(), request.duration, request.prompt), (ROLE, Some(7200), false));
}

#[test]
fn nothing_is_printed_where_there_are_none() {
    for failure in
        [Failure::unknown_request(), Failure::new(ErrorCode::StsRefused, "no"), Failure::agent_locked()]
    {
        let expected = failure.code;
        let bench = Bench::new().with_agent(move |_| failure.clone().into());
        let ran = bench.run(&["oidc", "helper", "aws", "--account", "acc", "--role", ROLE]);
        assert_eq!(ran.stdout, "");
        let error = ran.result.expect_err("refused");
        assert_eq!(error.failure_code(), Some(expected));
        assert!(expected != ErrorCode::UnknownRequest || error.to_string().contains("C suite"));
    }
}

#[test]
fn an_option_that_the_agent_refuses_is_an_error_of_usage() {
    let bench = Bench::new().with_agent(|_| {
        Failure::new(ErrorCode::BadRequest, "Bad request. Field 'role' is not one of this site.").into()
    });
    let ran = bench.run(&["oidc", "helper", "aws", "--account", "acc", "--role", ROLE]);
    let error = ran.result.expect_err("no role");
    assert_eq!((error.exit(), error.to_string().as_str()), (Exit::Usage, "--role is not one of this site."));
}

#[test]
fn what_is_pasted_is_checked_as_what_is_asked_for() {
    for (options, says) in [
        (&["--role", "bogus"][..], "--role is not the ARN of a role"),
        (&["--role", "arn:aws:role/r"], "--role is not the ARN of a role"),
        (&["--role", ROLE, "--duration", "60"], "--duration is not between"),
        (&["--role", ROLE, "--region", "Europe"], "--region is not a region"),
        (&["--role", ROLE, "--session", "x"], "--session is not 2 to 64"),
        (&["--role", ROLE, "--endpoint", "http://rgw.example"], "--endpoint is not an https address"),
        (&["--role", ROLE, "--endpoint", "rgw.example"], "--endpoint is not an https address"),
    ] {
        for print in [&["--print-config"][..], &[]] {
            let bench = Bench::new().with_agent(|_| given());
            let ran = bench.run(&[&["oidc", "helper", "aws", "--account", "acc"], options, print].concat());
            let error = ran.result.expect_err(says);
            assert_eq!(error.exit(), Exit::Usage, "{error}");
            assert!(error.to_string().contains(says), "{error}");
            assert!(ran.stdout.is_empty() && bench.requests().is_empty());
        }
    }
    for role in ["arn:aws:iam:::role/reader", "arn:minio:iam:::role/idmp-x", "arn:aws:iam::tenant:role/a/b"] {
        let bench = Bench::new();
        let ran = bench.run(&[
            "oidc",
            "helper",
            "aws",
            "--account",
            "acc",
            "--role",
            role,
            "--print-config",
            "--endpoint",
            "http://127.0.0.1:9000",
        ]);
        assert!(ran.result.is_ok(), "{role}: {ran:?}");
    }
}

#[test]
fn the_profile_names_this_program_and_every_option() {
    let ran = Bench::new().run(&[
        "oidc",
        "helper",
        "aws",
        "--account",
        "acc",
        "--role",
        ROLE,
        "--endpoint",
        "https://rgw.example",
        "--scope",
        "openid a",
        "--session",
        "me",
        "--id-token",
        "--print-config",
        "--profile",
        "ceph",
    ]);
    ran.result.expect("done");
    let program = std::env::current_exe().expect("this program");
    assert_eq!(
        ran.stdout,
        format!(
            "[profile ceph]\ncredential_process = {} helper aws --account acc --role {ROLE} --endpoint https://rgw.example \
             --session me --scope 'openid a' --id-token\nendpoint_url = https://rgw.example\n",
            program.display()
        )
    );
    let ran = Bench::new().run(&[
        "oidc",
        "helper",
        "aws",
        "--account",
        "acc",
        "--role",
        "arn:\nx = y",
        "--print-config",
    ]);
    ran.result.expect_err("a line of its own");
}
