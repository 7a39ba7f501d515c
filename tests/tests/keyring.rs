//! `--pw-keyring` with a real GNOME Keyring, on a session bus of its own.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use oidc_tests::{
    environment::PASSWORD,
    programs::{Finished, run},
    require,
    scene::{ACCOUNT, Scene},
};

/// A bus that starts nothing by itself, and an unlocked keyring at it.
struct Keyring {
    address: String,
    bus: Child,
    daemon: Child,
}

impl Keyring {
    fn start(scene: &Scene) -> Self {
        let configuration = scene.environment.path("bus.conf");
        let text = format!(
            "<busconfig><type>session</type><listen>unix:tmpdir={}</listen><auth>EXTERNAL</auth>\
             <policy context='default'><allow send_destination='*' eavesdrop='true'/>\
             <allow eavesdrop='true'/><allow own='*'/></policy></busconfig>",
            scene.environment.tmp().display()
        );
        fs_err::write(&configuration, text).expect("written");
        let mut bus = scene.environment.command_at("dbus-daemon".as_ref());
        bus.arg("--nofork").arg("--print-address").arg(format!("--config-file={}", configuration.display()));
        let mut bus = bus.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("a bus");
        let mut address = String::new();
        BufReader::new(bus.stdout.take().expect("a pipe")).read_line(&mut address).expect("an address");
        let address = address.trim().to_owned();
        let mut daemon = scene.environment.command_at("gnome-keyring-daemon".as_ref());
        daemon.args(["--foreground", "--components=secrets", "--unlock"]).env(ADDRESS, &address);
        let mut daemon = daemon
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a keyring");
        daemon.stdin.take().expect("a pipe").write_all(b"login password").expect("written");
        let keyring = Self { address, bus, daemon };
        let end = Instant::now() + Duration::from_secs(30);
        while !keyring.tool(scene, "search", "nothing").stderr.is_empty() {
            assert!(Instant::now() < end, "the keyring does not answer");
            thread::sleep(Duration::from_millis(50));
        }
        keyring
    }

    fn tool(&self, scene: &Scene, action: &str, account: &str) -> Finished {
        let mut tool = scene.environment.command_at("secret-tool".as_ref());
        tool.args([action, "application", "oidc-agent", "account", account]).env(ADDRESS, &self.address);
        run(tool)
    }

    fn oidc(&self, scene: &Scene, arguments: &[&str]) -> Finished {
        scene.oidc_with(arguments, &[(ADDRESS, &self.address), ("OIDC_ENCRYPTION_PW", PASSWORD)])
    }
}

impl Drop for Keyring {
    fn drop(&mut self) {
        for child in [&mut self.daemon, &mut self.bus] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

const ADDRESS: &str = "DBUS_SESSION_BUS_ADDRESS";

fn succeeded(finished: &Finished) {
    assert_eq!(finished.code, Some(0), "{finished:?}");
}

#[test]
fn a_password_that_was_typed_once_is_had_from_the_keyring() {
    if require::keyring().is_none() {
        return;
    }
    let scene = Scene::new();
    let keyring = Keyring::start(&scene);
    let nothing = keyring.oidc(&scene, &["add", "--pw-keyring", "--pw-prompt=none", ACCOUNT]);
    assert_eq!(nothing.code, Some(10), "{nothing:?}");
    succeeded(&keyring.oidc(&scene, &["add", "--pw-keyring", "--pw-env", ACCOUNT]));
    assert_eq!(keyring.tool(&scene, "lookup", ACCOUNT).stdout, PASSWORD);
    let by_keyring = ["add", "--force", "--pw-keyring", "--pw-prompt=none", ACCOUNT];
    succeeded(&keyring.oidc(&scene, &by_keyring));

    // A new password takes its place.
    let changed = ["passwd", "--pw-keyring", "--pw-prompt=none", "--new-pw-cmd=printf new", ACCOUNT];
    succeeded(&keyring.oidc(&scene, &changed));
    assert_eq!(keyring.tool(&scene, "lookup", ACCOUNT).stdout, "new");
    succeeded(&keyring.oidc(&scene, &by_keyring));

    // One that is no longer right is told, and replaced by the one that is.
    succeeded(
        &keyring.oidc(&scene, &["passwd", "--pw-cmd=printf new", "--new-pw-cmd=printf newer", ACCOUNT]),
    );
    let stale = keyring.oidc(&scene, &by_keyring);
    assert!(stale.code == Some(6) && stale.stderr.contains("does not open the file"), "{stale:?}");
    succeeded(&keyring.oidc(&scene, &["add", "--force", "--pw-keyring", "--pw-cmd=printf newer", ACCOUNT]));
    succeeded(&keyring.oidc(&scene, &by_keyring));
}

#[test]
fn without_a_bus_that_is_said_and_nobody_waits() {
    let scene = Scene::new();
    let mut command: Command = scene.command(&["add", "--pw-keyring", "--pw-prompt=none", ACCOUNT]);
    command.env_remove(ADDRESS);
    let refused = run(command);
    assert!(refused.code == Some(6) && refused.stderr.contains("no session bus"), "{refused:?}");
    // The password from elsewhere opens the file; that it is not kept is a warning.
    let mut command = scene.command(&["add", "--pw-keyring", "--pw-env", ACCOUNT]);
    command.env_remove(ADDRESS).env("OIDC_ENCRYPTION_PW", PASSWORD);
    let added = run(command);
    assert!(added.code == Some(0) && added.stderr.contains("no session bus"), "{added:?}");
}

#[test]
fn a_credential_of_a_unit_is_a_password() {
    let scene = Scene::new();
    let directory = scene.environment.path("credentials");
    fs_err::create_dir(&directory).expect("a directory");
    fs_err::write(directory.join("oidc"), format!("{PASSWORD}\n")).expect("written");
    let directory = directory.to_str().expect("text");
    let add = ["add", "--pw-credential=oidc", "--pw-prompt=none", ACCOUNT];
    succeeded(&scene.oidc_with(&add, &[("CREDENTIALS_DIRECTORY", directory)]));
    let refused = scene.oidc(&["add", "--force", "--pw-credential=oidc", "--pw-prompt=none", ACCOUNT]);
    assert!(refused.stderr.contains("CREDENTIALS_DIRECTORY is not set"), "{refused:?}");
}

/// In the place of `secret-tool`: what it keeps are files.
const PLAYED: &str = r#"#!/bin/sh
action=$1; shift
case "$1" in --label=*) shift;; esac
shift
file="$STORE/$(printf '%s' "$*" | tr '/ ' '__')"
case $action in
    store) cat >"$file";;
    lookup) cat "$file" 2>/dev/null || exit 1;;
    search) test ! -e "$file" || { echo '[/org/freedesktop/secrets/collection/login/1]'; echo 'attribute.account = x' >&2; };;
    clear) test -z "$STUCK" || { echo "$STUCK" >&2; exit 1; }; rm -f "$file";;
esac
"#;

/// An account that is gone leaves no password behind, and one of another name takes it along.
#[test]
fn the_keyrings_entry_goes_with_the_account() {
    let scene = Scene::new();
    let (programs, store) = (scene.environment.path("programs"), scene.environment.path("store"));
    for directory in [&programs, &store] {
        fs_err::create_dir(directory).expect("a directory");
    }
    let tool = programs.join("secret-tool");
    fs_err::write(&tool, PLAYED).expect("written");
    fs_err::set_permissions(&tool, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("set");
    let path = format!("{}:/usr/bin:/bin", programs.display());
    let kept = || -> Vec<String> {
        let entries = fs_err::read_dir(&store).expect("the store").flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    };
    let oidc = |arguments: &[&str], stuck: &str| {
        let variables = [
            ("PATH", path.as_str()),
            ("STORE", store.to_str().expect("text")),
            ("STUCK", stuck),
            (ADDRESS, "unix:path=/nonexistent"),
            ("OIDC_ENCRYPTION_PW", PASSWORD),
        ];
        scene.oidc_with(arguments, &variables)
    };
    succeeded(&oidc(&["add", "--pw-keyring", "--pw-env", ACCOUNT], ""));
    assert_eq!(kept().len(), 1);
    succeeded(&oidc(&["gen", ACCOUNT, "--rename", "renamed", "--pw-env"], ""));
    let moved = kept();
    assert!(moved.len() == 1 && moved[0].contains("_renamed_"), "{moved:?}");
    succeeded(&oidc(&["add", "--force", "--pw-keyring", "--pw-prompt=none", "renamed"], ""));
    let (file, saved) = (scene.environment.account_file("renamed"), scene.environment.path("saved"));
    fs_err::copy(&file, &saved).expect("copied");
    let reset = oidc(&["reset", "--force", "renamed"], "the keyring is locked");
    succeeded(&reset);
    assert!(reset.stdout.contains("may still have the old password: ") && kept() == moved, "{reset:?}");
    fs_err::copy(&saved, &file).expect("copied");
    let reset = oidc(&["reset", "--force", "--json", "renamed"], "");
    succeeded(&reset);
    assert!(reset.stdout.contains("\"keyring_cleared\":true") && kept().is_empty(), "{reset:?}");
}
