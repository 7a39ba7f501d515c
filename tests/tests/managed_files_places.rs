//! Managed token files in places where they cannot be written: each is told in its own words, what is there stays, no token is asked
//! for meanwhile, and as soon as it can be written it is.

use std::{
    os::unix::fs::{MetadataExt, PermissionsExt, lchown},
    path::Path,
};

use oidc_tests::{
    agent::Agent,
    managed::{ask, configure, entry, file, fresh, is, reload, token, wait_for},
    mounts::Mounts,
    programs::{program, run},
    require,
    scene::{ACCOUNT, Scene, load_into},
};
use serde_json::{Value, json};

/// So that a write is tried again soon.
const SOON: &str = "min_backoff = \"1s\"\nmax_backoff = \"1s\"";

/// A scene whose agent sees other mounts than the test.
fn among(mounts: &Mounts) -> Scene {
    let mut scene = Scene::new();
    scene.agent.kill();
    let command = mounts.command(&scene.environment, &program("oidc-agent"));
    scene.agent = Agent::spawn(&scene.environment, command, "mounted");
    load_into(&scene.agent, &scene.environment, ACCOUNT);
    scene
}

/// An entry for `token` in a directory.
fn entry_in(scene: &Scene, directory: &str, further: &str) -> String {
    let text = entry(&scene.environment, directory, further);
    fs_err::create_dir_all(file(&scene.environment, directory)).expect("a directory");
    text.replace(&format!("tokens/{directory}\""), &format!("tokens/{directory}/token\""))
}

fn renew(scene: &Scene, name: &str) {
    ask(&scene.agent, json!({"request": "files_renew", "name": name}));
}

/// Waits until a file cannot be written for this reason, which people are told.
fn refused(scene: &Scene, name: &str, code: &str, words: &str) -> Value {
    let state = wait_for(&scene.agent, name, |state| state["write_problem"]["code"] == code);
    assert_eq!(state["problem"], Value::Null, "{state}");
    let mut command = scene.agent.command(&scene.environment, "oidc");
    command.args(["files", "status", name]);
    let shown = run(command);
    assert_eq!(shown.code, Some(21), "{shown:?}");
    assert!(shown.stdout.contains(words), "{shown:?}");
    state
}

fn only_the_token_is_in(directory: &Path) {
    let names: Vec<_> =
        fs_err::read_dir(directory).expect("it").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(names, ["token"], "no temporary file stays");
}

/// A token that is there stays while another one cannot be written, which is written when it can be.
fn is_waited_for(scene: &Scene, name: &str, seen: &Path, problem: [&str; 2], ways: [&dyn Fn(); 2]) {
    let ([hinder, mend], [code, words]) = (ways, problem);
    fresh(&scene.agent, name);
    let before = token(seen);
    hinder();
    renew(scene, name);
    let state = refused(scene, name, code, words);
    assert_eq!(token(seen), before, "what is there stays");
    assert_eq!(state["renewals"], 1, "{state}");
    let asked = scene.provider.log().refreshes();
    mend();
    wait_for(&scene.agent, name, |state| state["renewals"] == 2 && state["state"] == "fresh");
    assert_ne!(token(seen), before);
    assert_eq!(
        scene.provider.log().refreshes(),
        asked,
        "the token was kept, and only the write was repeated"
    );
    only_the_token_is_in(seen.parent().expect("a directory"));
}

#[test]
fn a_full_disk_is_waited_for() {
    let Some(mounts) = Mounts::new() else { return };
    let scene = among(&mounts);
    let environment = &scene.environment;
    configure(environment, &entry_in(&scene, "full", SOON));
    let directory = file(environment, "full");
    // Two pages: one for a token, one for the next.
    mounts.shell(environment, "mount -t tmpfs -o size=8k,mode=700 none \"$1\"", &directory);
    reload(&scene.agent);
    let shell = |lines: &'static str| {
        let (mounts, directory) = (&mounts, &directory);
        move || mounts.shell(environment, lines, directory)
    };
    is_waited_for(
        &scene,
        "full",
        &mounts.path(&directory.join("token")),
        ["no_space", "no space left on the disk"],
        [&shell("echo filler >\"$1/filler\""), &shell("rm \"$1/filler\"")],
    );
}

#[test]
fn a_file_system_that_is_read_only_is_waited_for() {
    let Some(mounts) = Mounts::new() else { return };
    let scene = among(&mounts);
    let environment = &scene.environment;
    configure(environment, &entry_in(&scene, "fixed", SOON));
    let directory = file(environment, "fixed");
    mounts.shell(environment, "mount -t tmpfs -o mode=700 none \"$1\"", &directory);
    reload(&scene.agent);
    let shell = |lines: &'static str| {
        let (mounts, directory) = (&mounts, &directory);
        move || mounts.shell(environment, lines, directory)
    };
    is_waited_for(
        &scene,
        "fixed",
        &mounts.path(&directory.join("token")),
        ["read_only", "read-only"],
        [&shell("mount -o remount,ro \"$1\""), &shell("mount -o remount,rw \"$1\"")],
    );
}

#[test]
fn a_directory_without_permission_is_waited_for() {
    if rustix::process::geteuid().is_root() {
        // Root writes everywhere; what it cannot is above.
        return;
    }
    let scene = Scene::loaded();
    configure(&scene.environment, &entry_in(&scene, "closed", SOON));
    let directory = file(&scene.environment, "closed");
    reload(&scene.agent);
    let set = |mode| {
        let directory = &directory;
        move || fs_err::set_permissions(directory, PermissionsExt::from_mode(mode)).expect("changed")
    };
    is_waited_for(
        &scene,
        "closed",
        &directory.join("token"),
        ["permission_denied", "permission denied"],
        [&set(0o500), &set(0o700)],
    );
}

#[test]
fn a_file_that_is_mounted_by_itself_is_named_and_written_in_place_if_asked() {
    let Some(mounts) = Mounts::new() else { return };
    let scene = among(&mounts);
    let environment = &scene.environment;
    configure(environment, &entry_in(&scene, "single", SOON));
    let (inside, outside) = (file(environment, "single/token"), environment.path("outside"));
    fs_err::write(&inside, "").expect("written");
    fs_err::write(&outside, "").expect("written");
    fs_err::set_permissions(&outside, PermissionsExt::from_mode(0o600)).expect("changed");
    mounts.shell(environment, "mount --bind \"$(dirname \"$1\")/../../outside\" \"$1\"", &inside);
    reload(&scene.agent);
    let state = refused(&scene, "single", "mounted", "mount its directory instead");
    let text = state["write_problem"]["text"].as_str().expect("a text");
    assert!(text.contains("/outside of "), "the mount is named: {text}");
    assert_eq!(fs_err::read(&outside).expect("there"), b"");
    only_the_token_is_in(&file(environment, "single"));

    let inode = outside.metadata().expect("there").ino();
    configure(environment, &entry_in(&scene, "single", "write = \"in-place\""));
    reload(&scene.agent);
    let state = fresh(&scene.agent, "single");
    assert_eq!(state["warnings"][0]["code"], "not_atomic", "{state}");
    let first = token(&outside);
    assert_eq!(first.split('.').count(), 3, "whoever has mounted it sees the token");
    renew(&scene, "single");
    wait_for(&scene.agent, "single", |state| state["renewals"] == 2);
    assert_ne!(token(&outside), first);
    assert_eq!(outside.metadata().expect("there").ino(), inode);
    assert_eq!(token(&inside), "", "behind the mount nothing has changed");
}

#[test]
fn somebody_elses_file_in_a_sticky_directory_stays_theirs() {
    const SOMEBODY: u32 = 12345;
    let Some(()) = require::root() else { return };
    let scene = Scene::loaded();
    let environment = &scene.environment;
    configure(environment, &entry_in(&scene, "shared", SOON));
    let (directory, path) = (file(environment, "shared"), file(environment, "shared/token"));
    fs_err::set_permissions(&directory, PermissionsExt::from_mode(0o1777)).expect("changed");
    fs_err::write(&path, "theirs").expect("written");
    lchown(&path, Some(SOMEBODY), Some(SOMEBODY)).expect("given away");
    reload(&scene.agent);
    let state = refused(&scene, "shared", "foreign_owner", "belongs to another user (uid 12345)");
    assert_eq!(state["renewals"], 0, "{state}");
    assert_eq!(fs_err::read_to_string(&path).expect("there"), "theirs");
    assert_eq!(path.metadata().expect("there").uid(), SOMEBODY);
    only_the_token_is_in(&directory);
    fs_err::remove_file(&path).expect("removed");
    let state = wait_for(&scene.agent, "shared", is("fresh"));
    assert_eq!(state["write_problem"], Value::Null, "{state}");
    assert_eq!(path.metadata().expect("there").mode() & 0o7777, 0o600);
}
