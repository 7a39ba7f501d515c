//! What may stand where an account file should be: each has a clear error in no time, and nothing is lost.

use std::{
    fs::Permissions,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::Command,
    time::Duration,
};

use oidc_tests::{
    environment::FileFormat,
    programs::{Finished, program, run},
    provider::Quirks,
    scene::{ACCOUNT, Scene, timed},
};
use rustix::fs::{CWD, FileType, Mode, mknodat};

/// A refusal needs no key derivation, no prompt and no provider; generous for a busy machine.
const AT_ONCE: Duration = Duration::from_secs(10);

/// Runs `oidc` and asserts that it fails soon, with one complaint that names the account and no claim of a wrong password.
fn refused(scene: &Scene, arguments: &[&str], name: &str) -> String {
    refusal(timed(|| scene.oidc(arguments)), arguments, name)
}

fn refusal((finished, elapsed): (Finished, Duration), arguments: &[&str], name: &str) -> String {
    assert!(finished.code.is_some_and(|code| code != 0), "{arguments:?}: {finished:?}");
    assert!(finished.stderr.contains(name), "{arguments:?}: {finished:?}");
    assert!(!finished.stderr.to_lowercase().contains("wrong password"), "{arguments:?}: {finished:?}");
    assert!(!finished.stderr.contains("panicked"), "{arguments:?}: {finished:?}");
    assert!(elapsed < AT_ONCE, "{arguments:?} took {elapsed:?}");
    finished.stderr
}

fn add_and_token_are_refused(scene: &Scene, name: &str) {
    refused(scene, &["add", "--pw-env", name], name);
    refused(scene, &["token", name], name);
}

/// Whether the account that is fine still is.
fn others_are_well(scene: &Scene) {
    scene.oidc(&["add", "--pw-env", ACCOUNT]).success();
    scene.oidc(&["token", ACCOUNT]).success();
}

#[test]
fn a_file_that_is_too_big() {
    let scene = Scene::new();
    let path = scene.environment.account_file("big");
    fs_err::write(&path, vec![b'A'; 8 << 20]).expect("a file");
    add_and_token_are_refused(&scene, "big");
    // Forgetting it needs no reading.
    scene.oidc(&["reset", "--force", "big"]).success();
    assert!(!path.exists());
    others_are_well(&scene);
}

#[test]
fn a_file_without_an_end() {
    let scene = Scene::new();
    // Sparse: takes no space, and would take for ever to read.
    let file = fs_err::File::create(scene.environment.account_file("sparse")).expect("a file");
    file.set_len(1 << 40).expect("a sparse file");
    add_and_token_are_refused(&scene, "sparse");
}

#[test]
fn a_pipe_that_nobody_writes_to() {
    let scene = Scene::new();
    let path = scene.environment.account_file("pipe");
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a named pipe");
    add_and_token_are_refused(&scene, "pipe");
    refused(&scene, &["reset", "--force", "pipe"], "pipe");
    others_are_well(&scene);
}

#[test]
fn a_directory() {
    let scene = Scene::new();
    let path = scene.environment.account_file("directory");
    fs_err::create_dir(&path).expect("a directory");
    fs_err::write(path.join("inside"), "kept").expect("a file");
    add_and_token_are_refused(&scene, "directory");
    refused(&scene, &["reset", "--force", "directory"], "directory");
    assert!(path.join("inside").exists());
}

#[test]
fn a_symbolic_link_that_leads_nowhere() {
    let scene = Scene::new();
    for (name, target) in [("dangling", "/nonexistent"), ("loop", "loop"), ("device", "/dev/zero")] {
        let path = scene.environment.account_file(name);
        symlink(target, &path).expect("a link");
        add_and_token_are_refused(&scene, name);
        // The link itself goes, wherever it leads.
        scene.oidc(&["reset", "--force", name]).success();
        assert!(!path.is_symlink());
    }
    assert!(Path::new("/dev/zero").exists());
    others_are_well(&scene);
}

#[test]
fn an_unreadable_file() {
    let scene = Scene::new();
    let path = scene.environment.account_file(ACCOUNT);
    fs_err::set_permissions(&path, Permissions::from_mode(0o000)).expect("permissions");
    let arguments = ["add", "--pw-env", ACCOUNT];
    let said = refusal(timed(|| run(unprivileged(&scene, &arguments))), &arguments, ACCOUNT);
    assert!(said.to_lowercase().contains("permission denied"), "{said}");
    assert!(path.exists());
}

/// `oidc` as somebody who may not read everything: root without its capabilities, where this is root.
fn unprivileged(scene: &Scene, arguments: &[&str]) -> Command {
    let mut command = if rustix::process::geteuid().is_root() {
        let mut command = scene.environment.command_at(Path::new("setpriv"));
        command.args(["--bounding-set=-all", "--inh-caps=-all"]).arg(program("oidc"));
        command
    } else {
        scene.environment.command("oidc")
    };
    command.args(arguments).env("OIDC_SOCK", scene.agent.socket()).env("OIDC_NO_AUTOSTART", "1");
    command
}

#[test]
fn damaged_is_told_from_wrong_password() {
    let scene = Scene::new();
    let whole = fs_err::read(scene.environment.account_file(ACCOUNT)).expect("an account file");
    for (name, bytes) in [
        ("empty", &b""[..]),
        ("half", &whole[..whole.len() / 2]),
        ("binary", b"\0\xff\xfe\x1b[2J"),
        ("json", b"{\"format\":\"oidc-account/1\"}"),
        ("costly", br#"{"format":"oidc-account/1","slots":[{"type":"password","kdf":"argon2id","m_kib":4294967295}]}"#),
    ] {
        fs_err::write(scene.environment.account_file(name), bytes).expect("a file");
        let said = refused(&scene, &["add", "--pw-env", name], name);
        assert!(!said.contains('\u{1b}'), "{said:?}");
    }
    let mut wrong = scene.agent.command(&scene.environment, "oidc");
    wrong.args(["add", "--pw-env=GUESS", ACCOUNT]).env("GUESS", "a guess");
    let said = run(wrong).failure().to_lowercase();
    assert!(said.contains("wrong password"), "{said}");
}

/// As editors and file transfers leave them: never taken for a wrong password.
#[test]
fn a_file_that_was_converted_is_damaged_or_good_still() {
    for format in [FileFormat::Native, FileFormat::OidcAgent] {
        let scene = Scene::with(Quirks::default(), format);
        let file = fs_err::read_to_string(scene.environment.account_file(ACCOUNT)).expect("text");
        let (half, rest) = file.split_at(file.len() / 2);
        let utf16 = "\u{feff}".encode_utf16().chain(file.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        for (name, bytes) in [
            ("crlf", file.replace('\n', "\r\n").into_bytes()),
            ("bom", format!("\u{feff}{file}").into_bytes()),
            ("utf16", utf16),
            ("wrapped", format!("{half}\n{rest}").into_bytes()),
            ("blanks", format!("{file} \n\n").into_bytes()),
        ] {
            fs_err::write(scene.environment.account_file(name), bytes).expect("a file");
            let finished = scene.oidc(&["add", "--skip-check", "--pw-env", name]);
            if finished.code != Some(0) {
                let said = refusal((finished, Duration::ZERO), &[name], name);
                assert!(said.contains("No password opens it"), "{format:?} {name}: {said}");
            }
        }
        others_are_well(&scene);
    }
}

#[test]
fn names_that_are_none() {
    let scene = Scene::new();
    for name in ["../demo", "a/b", ".", "..", "", "a\nb", "\u{1b}[2J"] {
        for command in ["add", "token", "reset"] {
            let finished = scene.oidc(&[command, "--", name]);
            assert!(finished.code.is_some_and(|code| code != 0), "{command} {name:?}: {finished:?}");
            assert!(!finished.stderr.contains('\u{1b}'), "{command} {name:?}: {finished:?}");
        }
    }
}
