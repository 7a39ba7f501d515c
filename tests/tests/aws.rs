//! `oidc helper aws` and the request `aws_credentials`: credentials from a played service, as botocore gets them.

use std::path::Path;

use oidc_tests::{
    programs::{Finished, run},
    provider::Quirks,
    require,
    scene::{ACCOUNT, Scene},
    sts::{Answer, Sts, parameter},
};
use serde_json::{Value, json};

const ROLE: &str = "arn:aws:iam::123456789012:role/reader";

fn helper(scene: &Scene, sts: &Sts, more: &[&str]) -> Finished {
    let arguments = ["helper", "aws", "--account", ACCOUNT, "--role", ROLE, "--endpoint", sts.url()];
    scene.oidc(&[&arguments, more].concat())
}

#[test]
fn the_service_is_shown_a_token_and_the_credentials_are_printed() {
    let (scene, sts) = (Scene::loaded(), Sts::start());
    let printed =
        helper(&scene, &sts, &["--session", "me", "--duration", "2h", "--aud", "https://sts.example"])
            .success();
    let object: Value = serde_json::from_str(&printed).expect("one object");
    assert_eq!(object["Version"], 1);
    assert_eq!((&object["AccessKeyId"], &object["SecretAccessKey"]), (&"ASIA1".into(), &"secret/1".into()));
    assert!(object["Expiration"].as_str().is_some_and(|text| text.ends_with('Z')), "{object}");
    let calls = sts.calls();
    let shown = scene.ask(json!({"audience": "https://sts.example"}));
    for (name, value) in [
        ("Action", "AssumeRoleWithWebIdentity"),
        ("RoleArn", ROLE),
        ("RoleSessionName", "me"),
        ("DurationSeconds", "7200"),
        ("WebIdentityToken", shown["access_token"].as_str().expect("a token")),
    ] {
        assert_eq!(parameter(&calls[0], name), value, "{name}");
    }
    assert_eq!(
        helper(&scene, &sts, &["--session", "me", "--duration", "2h", "--aud", "https://sts.example"])
            .success(),
        printed
    );
    assert_eq!(sts.calls().len(), 1, "the second answer was kept");
    helper(&scene, &sts, &["--id-token"]).failure();
    let log = scene.agent.log();
    assert!(!log.contains("secret/1") && !log.contains("token-1"), "{log}");
}

#[test]
fn a_refusal_leaves_standard_output_empty_and_says_what_to_look_at() {
    let scene = Scene::loaded();
    let sts = Sts::answering(|_, _| Answer::Refused { status: 403, code: "AccessDenied" });
    let refused = helper(&scene, &sts, &[]);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(9), ""));
    for words in ["AccessDenied", "trust policy", "oidc inspect"] {
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
    }
    let away = scene.oidc(&[
        "helper",
        "aws",
        "--account",
        ACCOUNT,
        "--role",
        ROLE,
        "--endpoint",
        "http://127.0.0.1:9",
        "--json",
    ]);
    assert_eq!((away.code, away.stdout.as_str()), (Some(8), ""));
    assert!(away.stderr.contains("sts_unavailable"), "{}", away.stderr);
    let insecure = scene.oidc(&[
        "helper",
        "aws",
        "--account",
        ACCOUNT,
        "--role",
        ROLE,
        "--endpoint",
        "http://sts.example/",
    ]);
    assert!(insecure.failure().contains("https"));
}

#[test]
fn an_account_that_has_to_be_loaded_is_said_to_be() {
    let (scene, sts) = (Scene::new(), Sts::start());
    let refused = helper(&scene, &sts, &[]);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(4), ""), "{}", refused.stderr);
    assert!(sts.calls().is_empty());
}

/// What a person pastes is all that the SDK has.
#[test]
fn botocore_gets_credentials_by_the_pasted_profile() {
    let Some(python) = require::python_packages() else { return };
    let quirks = Quirks { access_token_lifetime: 3600, ..Quirks::default() };
    let (scene, sts) = (Scene::loaded_with(quirks), Sts::start());
    let profile = helper(&scene, &sts, &["--print-config", "--profile", "grid"]).success();
    let path = scene.environment.path("aws-config");
    fs_err::write(&path, profile).expect("written");
    let asked = |script: &str| run(python_command(&scene, &python, &path, script)).success();
    let printed = asked(
        "import botocore.session\n\
         found = botocore.session.Session(profile='grid').get_credentials()\n\
         frozen = found.get_frozen_credentials()\n\
         print(found.method, frozen.access_key, frozen.secret_key, frozen.token, found.refresh_needed())\n",
    );
    assert_eq!(printed, "custom-process ASIA1 secret/1 token-1== False\n");
    let again = asked(
        "import botocore.session\n\
         print(botocore.session.Session(profile='grid').get_credentials().access_key)\n",
    );
    assert_eq!(again, "ASIA1\n", "another process gets the ones that are kept");
}

fn python_command(scene: &Scene, python: &Path, config: &Path, script: &str) -> std::process::Command {
    let mut command = scene.environment.command_at(python);
    command.args(["-c", script]).env("AWS_CONFIG_FILE", config).env("OIDC_SOCK", scene.agent.socket());
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    command
}
