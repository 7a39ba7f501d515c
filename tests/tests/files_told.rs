//! What is told of managed files is what is there: places are looked at, renewals waited for, and a refusal is told of what
//! it is about.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use oidc_tests::{
    provider::Quirks,
    scene::{ACCOUNT, Scene},
};
use serde_json::{Value, json};

fn path(scene: &Scene, name: &str) -> PathBuf {
    scene.environment.path(name)
}

/// Makes an entry of the path's name.
fn add(scene: &Scene, name: &str, options: &[&str]) -> oidc_tests::programs::Finished {
    let path = path(scene, name);
    let path = path.to_str().expect("text").to_owned();
    scene.oidc(&[&["files", "add", ACCOUNT, &path, "--name", name], options].concat())
}

fn token(path: &Path) -> String {
    fs_err::read_to_string(path).expect("a token")
}

fn state(scene: &Scene, name: &str) -> Value {
    let reply = scene.agent.request(&json!({"request": "files_status", "name": name})).expect("a reply");
    reply["info"]["entries"][0].clone()
}

#[test]
fn an_id_token_without_consent_stops_no_access_token() {
    let scene = Scene::loaded();
    add(&scene, "a", &[]).success();
    let refused = add(&scene, "id", &["--id-token"]);
    assert_eq!(refused.code, Some(21), "{refused:?}");
    assert_eq!(
        (&state(&scene, "id")["state"], &state(&scene, "a")["state"]),
        (&json!("unmanaged"), &json!("fresh"))
    );
    let before = token(&path(&scene, "a"));
    scene.oidc(&["files", "renew", "a"]).success();
    assert_ne!(token(&path(&scene, "a")), before, "it is renewed as if nothing were");
    add(&scene, "b", &[]).success();
}

#[test]
fn a_renewal_is_there_when_it_is_told() {
    let mut scene = Scene::loaded_with(Quirks::default());
    add(&scene, "a", &[]).success();
    let before = token(&path(&scene, "a"));
    scene.oidc(&["files", "renew", "a"]).success();
    let after = token(&path(&scene, "a"));
    assert_ne!(after, before);
    scene.provider.stop();
    let failed = scene.oidc(&["files", "renew", "a"]);
    assert_eq!(failed.code, Some(8), "{failed:?}");
    assert!(failed.stdout.starts_with("fresh"), "the one before is: {failed:?}");
    let failed = scene.oidc(&["files", "renew", "--json"]);
    assert_eq!(failed.code, Some(8), "{failed:?}");
    assert_eq!(token(&path(&scene, "a")), after);
}

#[test]
fn a_password_that_others_can_read_refuses_the_reload_as_the_check_does() {
    let scene = Scene::loaded();
    add(&scene, "a", &[]).success();
    let password = path(&scene, "password");
    let configuration = scene.environment.accounts().join("files.toml");
    let good = fs_err::read_to_string(&configuration).expect("the configuration");
    let text = format!("{good}\n[accounts.{ACCOUNT}]\npassword_file = \"{}\"\n", password.display());
    fs_err::write(&configuration, text).expect("written");
    let both = || ["check", "reload"].map(|command| scene.oidc(&["files", command]).code);
    assert_eq!(both(), [Some(20), Some(0)], "there is none, and the account is loaded all the same");
    fs_err::write(&password, format!("{}\n", oidc_tests::environment::PASSWORD)).expect("written");
    fs_err::set_permissions(&password, PermissionsExt::from_mode(0o644)).expect("changed");
    assert_eq!(both(), [Some(20); 2], "others can read it");
    assert_eq!(state(&scene, "a")["state"], "fresh", "what was there before goes on");
    fs_err::set_permissions(&password, PermissionsExt::from_mode(0o600)).expect("changed");
    assert_eq!(both(), [Some(0); 2]);
}

#[test]
fn a_file_that_is_gone_or_spoilt_is_written_again() {
    let scene = Scene::loaded();
    add(&scene, "a", &[]).success();
    let path = path(&scene, "a");
    let before = token(&path);
    let remove = |path: &Path| fs_err::remove_file(path).expect("removed");
    let empty = |path: &Path| fs_err::write(path, "").expect("emptied");
    let spoil = |path: &Path| fs_err::write(path, "garbage\n").expect("written");
    for (what, harm) in [("gone", &remove as &dyn Fn(&Path)), ("emptied", &empty), ("garbage", &spoil)] {
        harm(&path);
        let told = state(&scene, "a");
        let is_there = fs_err::read_to_string(&path).is_ok_and(|text| text == before);
        assert!(told["state"] != "fresh" || is_there, "{what}: {told}");
        scene.oidc(&["files", "wait", "a"]).success();
        assert_eq!(token(&path), before, "{what}: the token that the agent still has");
        harm(&path);
        scene.oidc(&["files", "wait", "a"]).success();
        assert_eq!(token(&path), before, "{what}: who waits finds it");
    }
}
