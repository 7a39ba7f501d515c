//! `oidc inspect` with the programs as they are: keys through the agent, discovery, and what stays unseen.

use std::{
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

use oidc_tests::{
    programs::{Finished, run, run_with_input},
    provider::{Endpoint, Keys, Provider, Quirks},
    scene::{Scene, access_token},
};
use serde_json::{Value, json};

fn token(scene: &Scene) -> String {
    access_token(&scene.ask(json!({}))).to_owned()
}

/// `oidc inspect` with a token on standard input.
fn inspect(scene: &Scene, token: &str, options: &[&str]) -> Finished {
    let mut command = scene.agent.command(&scene.environment, "oidc");
    command.args(["inspect", "-"]).args(options).env("OIDC_NO_AUTOSTART", "1");
    run_with_input(command, token)
}

fn json_of(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"))
}

fn code(finished: &Finished) -> Option<i32> {
    finished.code
}

#[test]
fn the_agent_gives_the_keys_and_the_signature_stays_unseen() {
    let scene = Scene::loaded();
    let token = token(&scene);
    let signature = token.rsplit_once('.').expect("a JWT").1;
    for options in [&["--verify"][..], &["--verify", "--json"], &["--json"], &[]] {
        let said = inspect(&scene, &token, options);
        assert_eq!(code(&said), Some(0), "{said:?}");
        for text in [&said.stdout, &said.stderr] {
            assert!(!text.contains(signature) && !text.contains(&token), "{text}");
        }
    }
    assert_eq!(scene.provider.log().count(Endpoint::Jwks), 1, "the agent keeps them");
    let verified = json_of(&inspect(&scene, &token, &["--verify", "--json"]));
    assert_eq!(verified["tokens"][0]["verified"], true, "{verified}");
    let changed = format!("{}A{}", &token[..token.len() - 20], &token[token.len() - 19..]);
    let said = inspect(&scene, &changed, &["--verify", "--quiet"]);
    assert_eq!((code(&said), said.stdout.as_str(), said.stderr.as_str()), (Some(15), "", ""));
}

#[test]
fn a_new_key_of_the_issuer_is_looked_for() {
    let scene = Scene::loaded();
    let token = token(&scene);
    scene.provider.change(|quirks| quirks.keys = Keys::Other);
    let said = inspect(&scene, &token, &["--verify", "--json"]);
    let problems = json_of(&said)["tokens"][0]["problems"].clone();
    assert_eq!((code(&said), &problems[0]["code"]), (Some(15), &json!("key_unknown")), "{said:?}");
    scene.provider.change(|quirks| quirks.keys = Keys::Own);
    // Keys that were only just fetched are not fetched again for a name that may be invented.
    let deadline = Instant::now() + Duration::from_secs(30);
    while code(&inspect(&scene, &token, &["--verify", "--quiet"])) != Some(0) {
        assert!(Instant::now() < deadline, "the new key is never found");
        std::thread::sleep(Duration::from_millis(500));
    }
    assert!(scene.provider.log().count(Endpoint::Jwks) <= 3);
}

#[test]
fn a_token_does_not_decide_whom_the_agent_connects_to() {
    let scene = Scene::loaded();
    let stranger = Provider::with(Quirks::default());
    let other = Scene::loaded();
    let token = token(&other);
    let issuer = other.provider.issuer();
    let asked = other.provider.log().requests().len();
    let said = inspect(&scene, &token, &["--verify"]);
    assert_eq!(code(&said), Some(18), "{said:?}");
    assert!(
        said.stdout.contains("(unknown_issuer)") && said.stdout.contains(&format!("--issuer {issuer}")),
        "{said:?}"
    );
    assert_eq!(other.provider.log().requests().len(), asked, "somebody was connected to");
    let said = inspect(&scene, &token, &["--verify", "--issuer", &issuer]);
    assert_eq!(code(&said), Some(0), "{said:?}");
    // The keys come from who was named, whatever the token says.
    let said = inspect(&scene, &token, &["--verify", "--issuer", &stranger.issuer(), "--json"]);
    let codes = json_of(&said)["tokens"][0]["problems"].to_string();
    assert!(codes.contains("\"issuer\"") && codes.contains("\"signature\""), "{codes}");
}

#[test]
fn a_token_of_an_account_is_verified_and_introspected() {
    let scene = Scene::loaded();
    let said = scene.oidc(&["inspect", "--account", "demo", "--verify", "--introspect", "--json"]);
    let result: Value = serde_json::from_str(&said.success()).expect("JSON");
    let token = &result["tokens"][0];
    assert_eq!(
        (&token["verified"], &token["introspection"]["active"]),
        (&json!(true), &json!(true)),
        "{token}"
    );
    assert_eq!(token["introspection"]["source"], "introspection");
    let remaining = scene.oidc(&["inspect", "--account", "demo", "--remaining"]).success();
    assert!(remaining.trim().parse::<i64>().is_ok_and(|seconds| seconds > 0), "{remaining}");
}

#[test]
fn a_token_is_found_where_programs_look() {
    let scene = Scene::loaded();
    let token = token(&scene);
    let file = scene.environment.path("bt");
    fs_err::write(&file, format!("{token}\n")).expect("written");
    fs_err::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("a mode");
    let look = |variables: &[(&str, &str)], options: &[&str]| {
        let mut command = scene.agent.command(&scene.environment, "oidc");
        command.arg("inspect").args(options).envs(variables.iter().copied());
        run(command)
    };
    let file = file.to_str().expect("text");
    let said = look(&[("BEARER_TOKEN_FILE", file)], &["--json"]);
    let result = json_of(&said);
    assert_eq!(
        (&result["places"][0]["holds"], &result["places"][0]["used"]),
        (&json!("token"), &json!(true))
    );
    assert!(result["readers"][0]["remark"].as_str().is_some_and(|remark| remark.contains("600")), "{result}");
    let said = look(&[("BEARER_TOKEN_FILE", file), ("BEARER_TOKEN", &token)], &[]).success();
    assert!(said.contains("  used  BEARER_TOKEN holds a token\n"), "{said}");
    assert!(!said.contains(&token));
    let said = look(&[("BEARER_TOKEN", "not a token")], &["--quiet"]);
    assert_eq!(code(&said), Some(17), "{said:?}");
}
