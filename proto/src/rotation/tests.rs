use std::sync::LazyLock;

use super::*;
use crate::{
    secret::{Password, SecretText},
    vault::{self, Protection},
};

const DEADLINE: Duration = Duration::from_secs(10);

/// A file with the token `rt1` in each format, and its key as text: derived once for all tests, which must not share
/// what a key learns of generations.
static NATIVE: LazyLock<(Vec<u8>, SecretText)> =
    LazyLock::new(|| kept(&Protection::Native(&Password::from("p"))));
static C_SUITE: LazyLock<(Vec<u8>, SecretText)> =
    LazyLock::new(|| kept(&Protection::OidcAgent(&Password::from("p"))));

fn kept(protection: &Protection) -> (Vec<u8>, SecretText) {
    let (file, key) = sealed(protection, "rt1");
    (file, key.to_text())
}

fn native() -> (Vec<u8>, FileKey) {
    (NATIVE.0.clone(), FileKey::from_text(&NATIVE.1).unwrap())
}

fn c_suite() -> (Vec<u8>, FileKey) {
    (C_SUITE.0.clone(), FileKey::from_text(&C_SUITE.1).unwrap())
}

fn account(token: &str) -> AccountConfig {
    let text =
        format!(r#"{{"name":"acc","issuer_url":"https://op/","refresh_token":"{token}","kept":[true]}}"#);
    AccountConfig::parse(text.as_bytes()).unwrap()
}

fn sealed(protection: &Protection, token: &str) -> (Vec<u8>, FileKey) {
    vault::seal_new(&account(token), protection).unwrap()
}

fn token(text: &str) -> RefreshToken {
    RefreshToken::from(text)
}

/// A directory with one account.
struct Scene {
    _directory: tempfile::TempDir,
    home: Home,
    name: Shortname,
}

impl Scene {
    fn with(file: &[u8]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let scene =
            Self { home: Home::at(directory.path()), name: "acc".parse().unwrap(), _directory: directory };
        scene.put(file);
        scene
    }

    fn lock(&self) -> AccountLock {
        self.home.lock(&self.name, DEADLINE).unwrap()
    }

    fn file(&self) -> Vec<u8> {
        self.home.read(&self.name).unwrap().to_vec()
    }

    /// Writes the file as a program of the C suite does: in place, without the lock.
    fn put(&self, file: &[u8]) {
        fs_err::write(self.home.file(&self.name), file).unwrap();
    }

    fn store(&self, key: Option<&FileKey>, [in_file, used, new]: [&str; 3]) -> Result<Stored, RotationError> {
        let (in_file, used, new) = (token(in_file), token(used), token(new));
        let mut spent = Spent::default();
        spent.note(&used);
        let rotation =
            Rotation { in_file: &in_file, durable: &in_file, spent: &spent, new: &new, ends_at: None };
        store(&self.home, &self.lock(), key, &rotation, &mut Room::default())
    }

    /// What an agent that starts now goes on with.
    fn next(&self, key: &FileKey) -> (String, Newest) {
        let mut account = key.open(&self.file()).unwrap();
        assert!(account.other.contains("kept"));
        let newest = newest(&self.home, &self.name, &mut account).unwrap();
        (account.refresh_token.unwrap().expose().to_owned(), newest)
    }

    fn entries(&self) -> Vec<String> {
        let entries = fs_err::read_dir(self.home.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

const IN_FILE: Stored = Stored::InFile { rolled_back: false };

#[test]
fn with_a_key_the_file_is_rewritten() {
    for (file, key) in [native(), c_suite()] {
        let scene = Scene::with(&file);
        assert_eq!(scene.store(Some(&key), ["rt1", "rt1", "rt2"]).unwrap(), IN_FILE);
        assert_eq!(scene.store(Some(&key), ["rt2", "rt2", "rt3"]).unwrap(), IN_FILE);
        assert_eq!(scene.next(&key), ("rt3".into(), Newest::InFile));
        // Once more the same, as after an answer that got lost.
        let before = scene.file();
        assert_eq!(scene.store(Some(&key), ["rt2", "rt2", "rt3"]).unwrap(), IN_FILE);
        assert_eq!(scene.file(), before);
        assert_eq!(scene.entries(), [".acc.lock", "acc"]);
    }
}

#[test]
fn without_a_key_it_is_kept_beside_the_file() {
    let (file, key) = &c_suite();
    let scene = Scene::with(file);
    assert_eq!(scene.store(None, ["rt1", "rt1", "rt2"]).unwrap(), Stored::Beside(None));
    assert_eq!(scene.store(None, ["rt1", "rt2", "rt3"]).unwrap(), Stored::Beside(None));
    assert_eq!(scene.file(), *file);
    assert_eq!(scene.next(key), ("rt3".into(), Newest::FromSidecar { in_file: token("rt1") }));
    let mut other = account("rt0");
    assert_eq!(
        newest(&scene.home, &scene.name, &mut other).unwrap(),
        Newest::InFile,
        "sealed under the file's token"
    );

    assert!(settle(&scene.home, &scene.lock(), key).unwrap());
    assert!(!settle(&scene.home, &scene.lock(), key).unwrap());
    assert_eq!(scene.next(key), ("rt3".into(), Newest::InFile));
    assert_eq!(scene.entries(), [".acc.lock", "acc"]);
}

#[test]
fn a_key_that_comes_later_brings_the_file_up_to_date() {
    let (file, key) = &c_suite();
    let scene = Scene::with(file);
    scene.store(None, ["rt1", "rt1", "rt2"]).unwrap();
    assert_eq!(scene.store(Some(key), ["rt1", "rt2", "rt3"]).unwrap(), IN_FILE);
    assert_eq!(scene.next(key), ("rt3".into(), Newest::InFile));
    assert_eq!(scene.entries(), [".acc.lock", "acc"]);
}

#[test]
fn the_newer_token_of_another_agent_is_adopted() {
    for (file, key) in [native(), c_suite()] {
        let (scene, ours, theirs) = (Scene::with(&file), &key, &key.clone());
        scene.store(Some(theirs), ["rt1", "rt1", "theirs"]).unwrap();
        let before = scene.file();
        let adopted = Stored::Adopted { token: token("theirs"), in_file: token("theirs") };
        assert_eq!(scene.store(Some(ours), ["rt1", "rt1", "ours"]).unwrap(), adopted);
        assert_eq!(scene.file(), before);
    }
}

#[test]
fn the_newer_token_of_an_agent_without_a_key_is_adopted() {
    let (file, key) = &c_suite();
    let scene = Scene::with(file);
    scene.store(None, ["rt1", "rt1", "theirs"]).unwrap();
    let adopted = || Stored::Adopted { token: token("theirs"), in_file: token("rt1") };
    assert_eq!(scene.store(Some(key), ["rt1", "rt1", "ours"]).unwrap(), adopted());
    assert_eq!(scene.store(None, ["rt1", "rt1", "ours"]).unwrap(), adopted());
    // Adopted and used: it is ours now.
    assert_eq!(scene.store(Some(key), ["rt1", "theirs", "next"]).unwrap(), IN_FILE);
    assert_eq!(scene.next(key).0, "next");
}

/// Killed after the file was written and before the sidecar was removed: it is for a token that is no longer in the file.
#[test]
fn a_sidecar_for_an_older_file_opens_for_nobody() {
    let (file, key) = &c_suite();
    let scene = Scene::with(file);
    scene.store(None, ["rt1", "rt1", "rt2"]).unwrap();
    let sidecar = fs_err::read(scene.home.path().join(".acc.rotated")).unwrap();
    scene.store(Some(key), ["rt1", "rt2", "rt3"]).unwrap();
    fs_err::write(scene.home.path().join(".acc.rotated"), sidecar).unwrap();
    assert_eq!(scene.next(key), ("rt3".into(), Newest::InFile));
    assert_eq!(scene.store(Some(key), ["rt3", "rt3", "rt4"]).unwrap(), IN_FILE);
    assert_eq!(scene.entries(), [".acc.lock", "acc"]);
}

/// Killed while writing: the temporary file was not yet in place.
#[test]
fn a_killed_writer_leaves_the_old_file() {
    let (file, key) = &native();
    let scene = Scene::with(file);
    fs_err::write(scene.home.path().join(".acc.Ab12Cd.tmp"), &file[..100]).unwrap();
    assert_eq!(scene.next(key), ("rt1".into(), Newest::InFile));
    assert_eq!(scene.store(Some(key), ["rt1", "rt1", "rt2"]).unwrap(), IN_FILE);
    assert_eq!(scene.entries(), [".acc.lock", "acc"]);
}

#[test]
fn entries_for_other_tokens_stay_in_the_sidecar() {
    let (file, key) = &c_suite();
    let scene = Scene::with(file);
    // One agent still has an old idea of the file, another knows the present one.
    scene.store(None, ["rt1", "rt1", "rt2"]).unwrap();
    scene.store(None, ["rt0", "rt0", "rt1b"]).unwrap();
    assert_eq!(scene.next(key), ("rt2".into(), Newest::FromSidecar { in_file: token("rt1") }));
    // So many, and then the oldest goes.
    for old in 0..20 {
        scene.store(None, [&format!("old{old}"), "x", "y"]).unwrap();
    }
    assert_eq!(scene.next(key), ("rt1".into(), Newest::InFile));
}

#[test]
fn a_file_that_is_gone_is_not_made_again() {
    let (file, key) = &native();
    let scene = Scene::with(file);
    scene.home.delete(scene.lock()).unwrap();
    assert_eq!(scene.store(Some(key), ["rt1", "rt1", "rt2"]).unwrap(), Stored::Gone);
    assert_eq!(scene.store(None, ["rt1", "rt1", "rt2"]).unwrap(), Stored::Gone);
    assert_eq!(scene.entries(), [".acc.lock"]);
    assert!(settle(&scene.home, &scene.lock(), key).is_err());
}

#[test]
fn a_new_login_under_another_password_is_left_alone() {
    let (file, _) = sealed(&Protection::Native(&Password::from("new")), "new login");
    for (_, key) in [native(), c_suite()] {
        let scene = Scene::with(&file);
        let stored = scene.store(Some(&key), ["rt1", "rt1", "rt2"]).unwrap();
        assert_eq!(stored, Stored::Beside(Some(VaultError::OtherKey.to_string())));
        assert_eq!(scene.file(), file);
    }
}

/// The C suite takes a new salt at each write. What it wrote keeps its token, and ours is found by the next who opens it.
#[test]
fn a_rewrite_by_the_c_suite_finds_our_token_beside_it() {
    let (_, key) = &c_suite();
    let (same_token, new_key) = sealed(&Protection::OidcAgent(&Password::from("p")), "rt1");
    let scene = Scene::with(&same_token);
    let stored = scene.store(Some(key), ["rt1", "rt1", "rt2"]).unwrap();
    assert_eq!(stored, Stored::Beside(Some(VaultError::OtherKey.to_string())));
    assert_eq!(scene.next(&new_key), ("rt2".into(), Newest::FromSidecar { in_file: token("rt1") }));

    let (newer_token, newest_key) = sealed(&Protection::OidcAgent(&Password::from("p")), "by the C agent");
    scene.put(&newer_token);
    assert_eq!(scene.next(&newest_key), ("by the C agent".into(), Newest::InFile));
}

#[test]
fn a_file_being_written_in_place_is_waited_for() {
    let (file, key) = &c_suite();
    let scene = Scene::with(&file[..file.len() / 2]);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(HALF_WRITTEN_FOR / 8);
            scene.put(file);
        });
        assert_eq!(scene.store(Some(key), ["rt1", "rt1", "rt2"]).unwrap(), IN_FILE);
    });
    assert_eq!(scene.next(key).0, "rt2");
}

#[test]
fn a_damaged_file_is_not_written_over() {
    let (file, key) = &c_suite();
    let scene = Scene::with(&file[..file.len() / 2]);
    let stored = scene.store(Some(key), ["rt1", "rt1", "rt2"]).unwrap();
    assert!(matches!(&stored, Stored::Beside(Some(why)) if why.contains("damaged")), "{stored:?}");
    assert_eq!(scene.file(), file[..file.len() / 2]);
    // The file comes back from a backup: nothing is lost.
    scene.put(file);
    assert_eq!(scene.next(key).0, "rt2");
}

#[test]
fn an_older_file_put_back_is_noticed_and_overwritten() {
    let (file, key) = native();
    let scene = Scene::with(&file);
    scene.store(Some(&key), ["rt1", "rt1", "rt2"]).unwrap();
    scene.store(Some(&key), ["rt2", "rt2", "rt3"]).unwrap();
    scene.put(&file);
    let stored = scene.store(Some(&key), ["rt3", "rt3", "rt4"]).unwrap();
    assert_eq!(stored, Stored::InFile { rolled_back: true });
    assert_eq!(scene.next(&key).0, "rt4");
    assert_eq!(vault::header(&scene.file()).unwrap().generation, 4, "higher than any before");
    assert_eq!(scene.store(Some(&key), ["rt4", "rt4", "rt5"]).unwrap(), IN_FILE);
}

#[test]
fn what_is_no_sidecar_is_ignored() {
    let (file, key) = &c_suite();
    for garbage in ["", "{}", "garbage", r#"{"format":"oidc-rotated/1","entries":[{"nonce":"AA"},7]}"#] {
        let scene = Scene::with(file);
        fs_err::write(scene.home.path().join(".acc.rotated"), garbage).unwrap();
        assert_eq!(scene.next(key), ("rt1".into(), Newest::InFile));
        assert_eq!(scene.store(None, ["rt1", "rt1", "rt2"]).unwrap(), Stored::Beside(None));
        assert_eq!(scene.next(key).0, "rt2");
    }
}

#[test]
fn a_sidecar_is_good_for_its_account_only() {
    let (file, key) = &c_suite();
    let scene = Scene::with(file);
    scene.store(None, ["rt1", "rt1", "rt2"]).unwrap();
    fs_err::rename(scene.home.path().join(".acc.rotated"), scene.home.path().join(".other.rotated")).unwrap();
    let mut account = key.open(file).unwrap();
    assert_eq!(newest(&scene.home, &"other".parse().unwrap(), &mut account).unwrap(), Newest::InFile);
}

#[test]
fn an_account_without_a_token_gets_its_first() {
    let (file, key) = &native();
    let without = AccountConfig { refresh_token: None, ..key.open(file).unwrap() };
    let scene = Scene::with(&key.seal(&without, file).unwrap());
    assert_eq!(scene.store(Some(key), ["rt1", "rt1", "rt2"]).unwrap(), IN_FILE);
    assert_eq!(scene.next(key).0, "rt2");
}

/// Two agents that share a directory and hold the lock across each use of a token, as an agent does: no token is spent
/// twice and none is lost.
#[test]
fn two_agents_take_turns() {
    let (file, key) = &c_suite();
    let scene = Scene::with(file);
    let provider = std::sync::Mutex::new(1);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..10 {
                    let lock = scene.lock();
                    let used = key.open(&scene.file()).unwrap().refresh_token.unwrap();
                    let new = {
                        let mut valid = provider.lock().unwrap();
                        assert_eq!(used.expose(), format!("rt{valid}"));
                        *valid += 1;
                        token(&format!("rt{valid}"))
                    };
                    let spent = Spent::default();
                    let rotation =
                        Rotation { in_file: &used, durable: &used, spent: &spent, new: &new, ends_at: None };
                    let stored = store(&scene.home, &lock, Some(key), &rotation, &mut Room::default());
                    assert_eq!(stored.unwrap(), IN_FILE);
                }
            });
        }
    });
    assert_eq!(scene.next(key).0, "rt21");
}

/// One that lies beside the file and was gone on from is not another agent's, whoever stores the next.
#[test]
fn an_older_token_of_ours_beside_the_file_is_not_adopted() {
    let (file, key) = &c_suite();
    for with_key in [None, Some(key)] {
        let scene = Scene::with(file);
        scene.store(None, ["rt1", "rt1", "rt2"]).unwrap();
        let stored = scene.store(with_key, ["rt1", "rt2", "rt3"]).unwrap();
        assert!(matches!(stored, Stored::Beside(None) | IN_FILE), "{stored:?}");
        assert_eq!(scene.next(key).0, "rt3");
    }
}

#[test]
fn what_cannot_be_written_lies_in_the_runtime_directory_until_it_can() {
    for (file, key) in [native(), c_suite()] {
        let runtime = tempfile::Builder::new().permissions(private()).tempdir().unwrap();
        let mut scene = Scene::with(&file);
        scene.home = scene.home.with_runtime(runtime.path());
        let keep =
            |durable, new| keep_at_hand(&scene.home, &scene.name, &token(durable), &token(new)).unwrap();
        keep("rt1", "rt2");
        assert_eq!(scene.next(&key), ("rt2".into(), Newest::FromSidecar { in_file: token("rt1") }));
        // What lies beside the file now is newer than what is at hand for the same token.
        let at_hand = fs_err::read(runtime.path().join("oidc-agent-unsaved/.acc.rotated")).unwrap();
        scene.store(None, ["rt1", "rt2", "rt3"]).unwrap();
        fs_err::write(runtime.path().join("oidc-agent-unsaved/.acc.rotated"), at_hand).unwrap();
        assert_eq!(scene.next(&key).0, "rt3");
        // And what is at hand for that is newer again.
        keep("rt3", "rt4");
        keep("rt3", "rt5");
        assert_eq!(scene.next(&key).0, "rt5");
        assert!(settle(&scene.home, &scene.lock(), &key).unwrap());
        assert_eq!(scene.next(&key).1, Newest::InFile);
        let left = fs_err::read_dir(runtime.path().join("oidc-agent-unsaved")).unwrap();
        assert!(left.map(|entry| entry.unwrap().file_name()).all(|name| name == ".acc.lock"));
    }
}

#[test]
fn a_runtime_directory_that_others_may_use_is_not_used() {
    let runtime = tempfile::tempdir().unwrap();
    let unsaved = runtime.path().join("oidc-agent-unsaved");
    fs_err::create_dir(&unsaved).unwrap();
    std::fs::set_permissions(&unsaved, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let (file, _) = native();
    let scene = Scene::with(&file);
    let home = scene.home.clone().with_runtime(runtime.path());
    assert!(keep_at_hand(&home, &scene.name, &token("rt1"), &token("rt2")).is_err());
}

fn private() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o700)
}
